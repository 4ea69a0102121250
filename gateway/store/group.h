/*
 * Records on their way to the disk: what was appended since the last commit began. One group is
 * open, another is being written, so that an append never waits.
 */
#ifndef HOLDFAST_STORE_GROUP_H
#define HOLDFAST_STORE_GROUP_H

#include "base/buffer.h"

enum {
    GROUP_RUN_SIZE =
        1 << 20, /* bytes; a run grows by whole appends up to here, then the next begins */
    GROUP_KEEP_SIZE = 4 << 20 /* bytes of memory kept for the next group */
};

/* Records that are read back together: one frame, or a few when it is long. */
struct group_run {
    size_t offset; /* in the group's bytes */
    size_t size;
    uint64_t first_seq;
    uint32_t count;
};

struct group {
    struct buffer bytes;
    struct group_run *runs;
    size_t run_count;
    size_t run_capacity;
};

void group_init(struct group *group);
void group_close(struct group *group);
void group_clear(struct group *group);
/* Copied. ERROR_MEMORY leaves the group as it was. */
int group_append(struct group *group, struct span records, uint64_t first_seq,
                 uint32_t count) MUST_USE;
/* Bytes of the stream that it takes at most, wherever segments end. */
uint64_t group_stream_size(const struct group *group);

static inline bool group_empty(const struct group *group)
{
    return group->run_count == 0;
}

#endif
