/*
 * The character of a seed: how large its world is and which faults may happen in it. Drawn apart
 * from what happens later, so that a smaller world of the same seed can be tried.
 */
#ifndef TESTS_SIM_SWARM_H
#define TESTS_SIM_SWARM_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
    FAULT_CRASHES,   /* shards are killed */
    FAULT_DOWNTIME,  /* … and stay away for a while */
    FAULT_FAILURES,  /* functions fail */
    FAULT_POISON,    /* a message fails always, or kills its function */
    FAULT_LATE,      /* answers to calls that are over, and answers that come twice */
    FAULT_OPERATORS, /* retry, skip, dead letters */
    FAULT_PURGES,
    FAULT_EDITS, /* state writes from outside */
    FAULT_RELOADS,
    FAULT_BUDGETS,   /* of memory and outbox, tiny */
    FAULT_JUMPS,     /* of the clocks */
    FAULT_LAZY_DISK, /* commits come late */
    FAULT_FORGET,    /* idempotency entries are evicted */
    FAULT_LOSS,      /* of signals */
    FAULT_DOUBLES,
    FAULT_DELAYS,
    FAULT_REORDER,
    FAULT_SAVEPOINTS,
    FAULT_RESTORES,
    FAULT_REWINDS, /* of sources */
    FAULT_DISK,    /* errors of the disk: EIO, no room, slow */
    FAULT_LIES,    /* the disk says that it has written what it has not, or elsewhere */
    FAULT_BIG,     /* values */
    FAULT_LONG_IDS,
    FAULT_OUTAGES, /* every call to an endpoint fails for a while */
    FAULT_STOPS,   /* a process stands still for a while */
    FAULT_MISUSE,  /* keys used for another body, reserved names */
    FAULTS
};

enum store_kind { STORE_MEMORY, STORE_DISK };

struct swarm {
    uint32_t shards;
    uint32_t acts;
    uint32_t types, ids; /* of addresses */
    bool has[FAULTS];
    bool together; /* shards are threads: they die together, and channels are reliable */
    uint32_t crash_per_mille, fail_percent, snapshot_percent, commit_percent;
    bool snapshot_always, batch_one;
    bool plain;          /* no keys, no calls, no state that expires: no shard wakes for nothing */
    bool own_disks;      /* each shard is a machine of its own */
    bool back_at_end;    /* to the last savepoint, before all settles */
    bool slow_functions; /* some calls stay out in the final phase */
    bool cured_late;     /* poison stays until all has settled that can */
    int64_t window_ms;   /* of idempotency keys; 0: for ever */
    uint32_t segment_size; /* of a journal on disk */
    enum store_kind store;
    /* Of memory, to the end and for all: room beyond an empty shard; 0: no budget that stays. Work
       makes more work than fits at once. */
    uint32_t room_bytes;
    uint32_t outbox_bytes; /* the same for what waits in the outbox */
};

/* What a run is told beyond the seed. */
struct swarm_limits {
    uint32_t acts; /* at most; 0: as drawn */
    uint32_t shards;
    bool off[FAULTS];
    int store; /* -1: as drawn */
    bool small_budgets;
};

extern const char *const fault_names[FAULTS];
void swarm_draw(struct swarm *swarm, uint64_t seed, const struct swarm_limits *limits);

#endif
