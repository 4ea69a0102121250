/*
 * Replay waits for memory more than for anything else: each accepted message is for another
 * address. So records are looked at some way ahead of the fold, and where the message of each will
 * go is fetched: its slot, then its place in the slot's tables, then the cell that is there. Only
 * the time depends on it. Changes nothing, and takes no record for good.
 */
#ifndef HOLDFAST_SHARD_REPLAY_AHEAD_H
#define HOLDFAST_SHARD_REPLAY_AHEAD_H

#include "shard/image.h"

enum { REPLAY_AHEAD = 16 /* records */ };

struct replay_ahead {
    struct reader in;
    uint64_t read; /* records */
    struct place places[REPLAY_AHEAD];
};

/* Of the records that shard_replay is given. */
void replay_ahead_init(struct replay_ahead *ahead, struct span records);
/* Before record `index` (0, 1, 2 …) of them is folded. */
void replay_ahead_of(struct replay_ahead *ahead, const struct image *image, uint64_t index);

#endif
