/* Finds and opens the segments of a directory. */
#include "store/segment.h"

#include <inttypes.h>
#include <stdlib.h>

struct numbers {
    uint64_t from; /* smaller ones are left out */
    uint64_t *at;
    size_t count;
    size_t capacity;
};

static int collect(void *context, const char *name)
{
    struct numbers *numbers = context;
    uint64_t number = segment_name_number(name);
    if (number == 0 || number < numbers->from) return 0;
    if (numbers->count == numbers->capacity) {
        size_t capacity = numbers->capacity == 0 ? 16 : 2 * numbers->capacity;
        uint64_t *grown = realloc(numbers->at, capacity * sizeof *grown);
        if (grown == NULL) return ERROR_MEMORY;
        numbers->at = grown;
        numbers->capacity = capacity;
    }
    numbers->at[numbers->count++] = number;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static int check_head(const struct segment *segment, const struct segment_head *head,
                      uint32_t shard, struct errmsg *errmsg)
{
    const char *path = segment->file.path;
    if (head->number != segment->number)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset 0: it is segment %" PRIu64 " by its head and %" PRIu64
                          " by its name",
                          path, head->number, segment->number);
    if (head->shard != shard)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset 0: it belongs to shard %u, not %u", path, head->shard,
                          shard);
    if (head->size != segment->size)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset %" PRIu64
                          ": the file ends here, but it was made with %" PRIu64 " bytes",
                          path, segment->size, head->size);
    return 0;
}

static int read_head(struct segment *segment, uint32_t shard, struct errmsg *errmsg)
{
    struct segment_head head;
    size_t got = 0;
    int error = file_size(&segment->file, &segment->size, errmsg);
    if (error != 0) return error;
    uint8_t *block = aligned_alloc(FILE_BLOCK, SEGMENT_HEAD_SIZE);
    if (block == NULL) return ERROR_MEMORY;
    error = file_read(&segment->file, 0, block, SEGMENT_HEAD_SIZE, &got, errmsg);
    if (error == 0)
        error = segment_head_decode(span_of(block, got < 64 ? got : 64), segment->file.path, &head,
                                    errmsg);
    free(block);
    if (error != 0) return error;
    segment->base = head.base;
    return check_head(segment, &head, shard, errmsg);
}

static int load_one(struct list *segments, const char *directory, uint64_t number, uint32_t shard,
                    unsigned mode, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL) return ERROR_MEMORY;
    segment->number = number;
    int error = segment_path(path, directory, number);
    if (error == 0) error = file_open(&segment->file, path, mode, errmsg);
    if (error != 0) goto free_segment;
    if ((error = read_head(segment, shard, errmsg)) != 0) goto close_file;
    if (!list_empty(segments)) {
        struct segment *last = CONTAINER_OF(segments->prev, struct segment, link);
        if (segment->base != last->base + last->size) {
            error = errmsg_set(errmsg, ERROR_DAMAGED,
                               "%.200s at offset 0: it does not follow segment %" PRIu64, path,
                               last->number);
            goto close_file;
        }
    }
    list_append(segments, &segment->link);
    return 0;

close_file:
    file_close(&segment->file);
free_segment:
    free(segment);
    return error;
}

static int load_from(struct list *segments, const struct numbers *numbers, const char *directory,
                     uint32_t shard, unsigned mode, uint64_t *bad, struct errmsg *errmsg)
{
    for (size_t i = 0; i < numbers->count; i++) {
        uint64_t number = numbers->at[i];
        *bad = i == 0 ? number : numbers->at[i - 1] + 1;
        if (*bad != number)
            return errmsg_set(errmsg, ERROR_DAMAGED,
                              "%.200s: segment %" PRIu64 " of the journal is missing, %" PRIu64
                              " is there",
                              directory, *bad, number);
        int error = load_one(segments, directory, number, shard, mode, errmsg);
        if (error != 0) return error;
    }
    return 0;
}

int segments_load_good(struct list *segments, const char *directory, uint32_t shard, unsigned mode,
                       uint64_t from, uint64_t *bad, struct errmsg *errmsg)
{
    struct numbers numbers = {.from = from};
    list_init(segments);
    int error = directory_list(directory, collect, &numbers, errmsg);
    if (numbers.count > 0) qsort(numbers.at, numbers.count, sizeof *numbers.at, ascending);
    if (error == 0) error = load_from(segments, &numbers, directory, shard, mode, bad, errmsg);
    free(numbers.at);
    return error;
}

int segments_load(struct list *segments, const char *directory, uint32_t shard, unsigned mode,
                  struct errmsg *errmsg)
{
    uint64_t bad;
    int error = segments_load_good(segments, directory, shard, mode, 0, &bad, errmsg);
    if (error != 0) segments_free(segments);
    return error;
}
