/* The process that gets killed: an engine on a data directory, with a crowd at its port. */
#ifndef HOLDFAST_TESTS_REPLAY_WORK_H
#define HOLDFAST_TESTS_REPLAY_WORK_H

#include "witness.h"

struct work_options {
    const char *directory;
    uint64_t seed;
    int64_t snapshot_every_ms; /* 0: no snapshots */
    struct witness *witness;
};

/* Runs until witness.stop, or until it is killed. Gives back an exit status. */
int work_run(const struct work_options *options);

#endif
