/*
 * Takes a cut that has begun from the shard to a store of snapshots, little by little and with a
 * fifth of the engine's time; published when the journal has everything that the cut rests on.
 */
#ifndef HOLDFAST_APP_COPIER_H
#define HOLDFAST_APP_COPIER_H

#include "store/snapshot.h"

struct engine;

enum copier_phase { COPIER_IDLE, COPIER_READING, COPIER_SYNCING, COPIER_PUBLISHING };

struct copier {
    struct engine *engine;
    struct snapshots *snapshots;
    enum copier_phase phase;
    uint64_t cut_seq;
    int64_t rests_until_us; /* blocks are not read before */
};

enum copier_result { COPIER_GOES_ON, COPIER_PUBLISHED, COPIER_FAILED };

/* The shard's cut has just begun. Errors as snapshot_begin: then the copier is idle. */
int copier_begin(struct copier *copier, struct engine *engine,
                 struct snapshots *snapshots) MUST_USE;
/* At the end of each loop turn while it is not idle. PUBLISHED and FAILED are told once; it is idle
   then, and the shard's cut is the caller's to end. FAILED: errmsg says why. */
enum copier_result copier_turn(struct copier *copier, struct snapshot_info *info,
                               struct errmsg *errmsg);
/* For how long blocks are read in a turn that comes so long after the engine's own share of the
   time has passed, in microseconds. */
int64_t copier_reading_us(int64_t late_us);
/* When the next turn has to be, in microseconds from now. */
int64_t copier_delay_us(const struct copier *copier);
/* Nothing is published. Leaves the shard's cut alone. */
void copier_abort(struct copier *copier);

#endif
