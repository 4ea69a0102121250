/* Several shards of one gateway. The theme says how many: SHARDS. */
#ifndef TESTS_UNIT_SHARD_SHARDS_H
#define TESTS_UNIT_SHARD_SHARDS_H

#include "common.h"

#include "base/slot.h"

static struct fixture *shards[SHARDS];
static char ids[SHARDS][16]; /* an id of each */

static void open_shards(void)
{
    for (uint32_t i = 0; i < SHARDS; i++) {
        shards[i] = fixture_open_at(i, SHARDS);
        int n = 0;
        do {
            snprintf(ids[i], sizeof ids[i], "k%d", n++);
        } while (slot_owner(slot_of(span_text(ids[i])), SHARDS) != i);
    }
}

static void close_shards(void)
{
    for (uint32_t i = 0; i < SHARDS; i++) {
        shard_cut_end(shards[i]->shard);
        fixture_close(shards[i]);
    }
}

#endif
