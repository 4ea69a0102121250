/*
 * When a commit goes out. A commit costs the same for one record and for a thousand, so one that
 * many callers wait for is put off until more have come:
 *
 *     it goes when a quarter of all who wait for an answer wait for the disk, when two turns have
 *     brought nothing, or when it was put off for as long as two syncs take, at most a
 *     millisecond; whichever is first.
 *
 * So one caller never waits for others. Many lose a quarter of what they wait for anyway, and an
 * engine that has nothing else to do never waits. Only the time is chosen here: what leaves, and
 * that nothing does before it is durable, is the engine's and the shard's.
 */
#ifndef HOLDFAST_APP_PACE_H
#define HOLDFAST_APP_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_SHARE = 4, /* one in so many waits for the disk */
    PACE_QUIET_TURNS = 2,
    PACE_SYNCS = 2,
    PACE_US_MAX = 1000,
};

/* Zero it before the first use. */
struct pace {
    int64_t sync_us;  /* what a sync took lately */
    bool waits;       /* a commit is put off … */
    int64_t since_us; /* … since then */
    uint64_t seq;     /* the shard's, when it was looked at last */
    uint32_t quiet;   /* turns since that have brought nothing */
};

/* What the engine sees at the end of a turn in which somebody waits for a commit. */
struct pace_sight {
    int64_t now_us;
    uint64_t seq;     /* of the last record */
    uint64_t gated;   /* answers that wait for the disk */
    uint64_t waiters; /* all who wait for an answer, these included */
};

/* A commit has ended, whose sync took so long. */
void pace_learn(struct pace *pace, int64_t sync_us);
/* True: commit now. False: the end of the next turn, which must come without sleep, asks again. */
bool pace_due(struct pace *pace, const struct pace_sight *sight);

#endif
