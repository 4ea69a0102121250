/* Egress lanes: what functions sent outside, in order, until the sink has taken it. */
#include "base/check.h"
#include "shard/image.h"

struct lane *lane_find(const struct image *image, uint32_t name)
{
    LIST_EACH (&image->lanes, link) {
        struct lane *lane = CONTAINER_OF(link, struct lane, link);
        if (lane->name == name) return lane;
    }
    return NULL;
}

void lane_init(struct lane *lane, uint32_t name)
{
    *lane = (struct lane){.name = name};
    list_init(&lane->letters);
    list_init(&lane->waiters);
}

struct lane *lane_get(struct image *image, uint32_t name)
{
    struct lane *lane = lane_find(image, name);
    if (lane != NULL) return lane;
    lane = memory_alloc(&image->memory, sizeof *lane);
    CHECK(lane != NULL);
    lane_init(lane, name);
    list_append(&image->lanes, &lane->link);
    return lane;
}

static size_t letter_size(const struct letter *letter)
{
    return sizeof *letter + letter->size;
}

struct letter *lane_put_empty(struct image *image, struct lane *lane, uint64_t cursor, uint64_t seq,
                              size_t size)
{
    struct letter *letter = memory_alloc(&image->memory, sizeof *letter + size);
    CHECK(letter != NULL);
    *letter = (struct letter){.cursor = cursor, .seq = seq, .size = (uint32_t)size};
    list_append(&lane->letters, &letter->link);
    lane->last = cursor;
    lane->count++;
    lane->bytes += letter_size(letter);
    image->letter_count++;
    image->letter_bytes += letter_size(letter);
    return letter;
}

void lane_put(struct image *image, struct lane *lane, uint64_t cursor, uint64_t seq,
              struct span bytes)
{
    struct letter *letter = lane_put_empty(image, lane, cursor, seq, bytes.size);
    if (bytes.size > 0) memcpy(letter->bytes, bytes.at, bytes.size);
    image->letter_seq = seq;
}

void lane_take(struct image *image, struct lane *lane, uint64_t through)
{
    while (!list_empty(&lane->letters)) {
        struct letter *letter = LIST_FIRST(&lane->letters, struct letter, link);
        if (letter->cursor > through) break;
        list_remove(&letter->link);
        lane->count--;
        lane->bytes -= letter_size(letter);
        image->letter_count--;
        image->letter_bytes -= letter_size(letter);
        memory_free(&image->memory, letter, letter_size(letter));
    }
    if (through > lane->taken) lane->taken = through;
}

void lane_free(struct image *image, struct lane *lane)
{
    lane_take(image, lane, UINT64_MAX);
    list_remove(&lane->link);
    memory_free(&image->memory, lane, sizeof *lane);
}
