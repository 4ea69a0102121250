#include "shard/replay_ahead.h"

#include "shard/key.h"

/* How far ahead each step is made: what the step before has fetched is there by then. */
enum { TO_SLOT = REPLAY_AHEAD - 1, TO_TABLE = 10, TO_CELL = 5 };

void replay_ahead_init(struct replay_ahead *ahead, struct span records)
{
    *ahead = (struct replay_ahead){.in = reader_of(records)};
}

static struct place *place_at(struct replay_ahead *ahead, uint64_t index)
{
    return &ahead->places[index % REPLAY_AHEAD];
}

/* Nowhere, when the record is of another kind or does not hold what it should: the fold will say
 * so. */
static struct place place_of_record(const struct image *image, const struct record *record)
{
    static const struct place nowhere;
    struct record_accept accept;
    struct record_item item;
    if (record->kind != RECORD_ACCEPT) return nowhere;
    struct reader body = reader_of(record->body);
    record_accept_read(&body, &accept);
    record_item_read(&body, &item);
    if (body.failed) return nowhere;
    return place_of(image, item.type, item.id);
}

static void read_one(struct replay_ahead *ahead, const struct image *image)
{
    struct record record;
    struct place place = {0};
    record_read(&ahead->in, &record);
    if (!ahead->in.failed) place = place_of_record(image, &record);
    if (place.slot != NULL) __builtin_prefetch(place.slot, 1);
    *place_at(ahead, ahead->read++) = place;
}

static void fetch_tables(struct replay_ahead *ahead, uint64_t index)
{
    const struct place *place = place_at(ahead, index);
    if (index >= ahead->read || place->slot == NULL) return;
    table_prefetch(&place->slot->cells, place->hash);
    table_prefetch(&place->slot->boxes, place->hash);
}

static void fetch_cell(struct replay_ahead *ahead, uint64_t index)
{
    const struct place *place = place_at(ahead, index);
    if (index >= ahead->read || place->slot == NULL) return;
    __builtin_prefetch(table_chain(&place->slot->cells, place->hash), 1);
}

void replay_ahead_of(struct replay_ahead *ahead, const struct image *image, uint64_t index)
{
    while (ahead->read <= index + TO_SLOT && !ahead->in.failed && !reader_done(&ahead->in))
        read_one(ahead, image);
    fetch_tables(ahead, index + TO_TABLE);
    fetch_cell(ahead, index + TO_CELL);
}
