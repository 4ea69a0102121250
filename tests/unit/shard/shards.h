/* Several shards of one gateway. The theme says how many: SHARDS. */
#ifndef TESTS_UNIT_SHARD_SHARDS_H
#define TESTS_UNIT_SHARD_SHARDS_H

#include "common.h"

#include "base/slot.h"
#include "shard/shard.h"

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

/* Every signal arrives, once, in order, until there are none. */
static inline void carry_all(void)
{
    bool carried = true;
    while (carried) {
        carried = false;
        for (uint32_t i = 0; i < SHARDS; i++) {
            for (size_t j = 0; j < shards[i]->signal_count; j++) {
                struct shard_signal signal = fixture_signal(shards[i], j);
                fixture_carry(shards[i], &signal, shards[signal.peer]);
                carried = true;
            }
            fixture_forget_signals(shards[i]);
        }
    }
}

/* The part of a savepoint that it leaves, read back. */
static inline struct shard *cut_of(struct fixture *f)
{
    struct shard *read;
    struct cut_block block;
    struct shard_event event = {.kind = EVENT_CUT, .cut = 1};
    fixture_step(f, &event);
    cr_assert_eq(shard_open(&read), 0);
    while (shard_cut_next(f->shard, &block))
        if (!block.keep) cr_assert_eq(shard_load(read, block.block, block.bytes), 0);
    cr_assert(!shard_cut_failed(f->shard));
    shard_cut_end(f->shard);
    return read;
}

/* The first signal with parcels for a peer. */
static inline struct shard_signal parcels_for(struct fixture *f, uint32_t peer)
{
    for (size_t i = 0; i < f->signal_count; i++) {
        struct shard_signal signal = fixture_signal(f, i);
        if (signal.peer == peer && signal.count > 0) return signal;
    }
    return (struct shard_signal){.peer = UINT32_MAX};
}

/* Shard 0's function sends a text to one of another shard. */
static inline void send_text_across(uint32_t to_shard, const char *text)
{
    struct fixture *f = shards[0];
    fixture_send(f, "t/a", ids[0], "go");
    RESULT(CALL("t/a", ids[0]), SENDS(to("t/b", ids[to_shard], text)));
}

#endif
