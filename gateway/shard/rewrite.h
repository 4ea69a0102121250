/* What a record does to one cell: writes, deletes, and values that were expired when they were
 * read. */
#ifndef HOLDFAST_SHARD_REWRITE_H
#define HOLDFAST_SHARD_REWRITE_H

#include "shard/image.h"

struct rewrite {
    uint32_t type;
    struct span id;
    int64_t as_of_ms;                  /* values expired then are gone */
    bool invoked;                      /* a function has read the values at as_of_ms */
    struct reader mutations;           /* `count` of them, each name once … */
    const struct record_mutation *one; /* … or this one alone */
    uint64_t count;
};

/* Bytes of the new cell, 0 when nothing changes. ERROR_DAMAGED: it would have too many values. */
int rewrite_size(const struct image *image, const struct rewrite *rewrite, size_t *size) MUST_USE;
/* Replaces the cell; within a reservation of rewrite_size. */
void rewrite_run(struct image *image, const struct rewrite *rewrite);

#endif
