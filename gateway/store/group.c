#include "store/group.h"

#include "wire/frame.h"

#include <stdlib.h>

void group_init(struct group *group)
{
    *group = (struct group){0};
    buffer_init(&group->bytes);
}

void group_close(struct group *group)
{
    buffer_close(&group->bytes);
    free(group->runs);
    group_init(group);
}

void group_clear(struct group *group)
{
    if (group->bytes.capacity > GROUP_KEEP_SIZE) buffer_close(&group->bytes);
    buffer_clear(&group->bytes);
    group->run_count = 0;
}

static int add_run(struct group *group, uint64_t first_seq)
{
    if (group->run_count == group->run_capacity) {
        size_t capacity = group->run_capacity == 0 ? 4 : 2 * group->run_capacity;
        struct group_run *grown = realloc(group->runs, capacity * sizeof *grown);
        if (grown == NULL) return ERROR_MEMORY;
        group->runs = grown;
        group->run_capacity = capacity;
    }
    group->runs[group->run_count++] =
        (struct group_run){.offset = group->bytes.size, .first_seq = first_seq};
    return 0;
}

static bool run_has_room(const struct group *group, size_t more)
{
    if (group->run_count == 0) return false;
    return group->runs[group->run_count - 1].size + more <= GROUP_RUN_SIZE;
}

int group_append(struct group *group, struct span records, uint64_t first_seq, uint32_t count)
{
    if (buffer_reserve(&group->bytes, records.size) != 0) {
        buffer_truncate(&group->bytes, group->bytes.size);
        return ERROR_MEMORY;
    }
    if (!run_has_room(group, records.size)) {
        int error = add_run(group, first_seq);
        if (error != 0) return error;
    }
    struct group_run *run = &group->runs[group->run_count - 1];
    buffer_append(&group->bytes, records);
    run->size += records.size;
    run->count += count;
    return 0;
}

uint64_t group_stream_size(const struct group *group)
{
    uint64_t frames = group->run_count + group->bytes.size / FRAME_BODY_MAX;
    return group->bytes.size + frames * (FRAME_HEAD_SIZE + FRAME_ALIGN);
}
