/* Running seeds: one, many in some processes, and again smaller when one has failed. */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include "swarm.h"
#include "verdict.h"

/* 1, 4, 16, 64 seconds, and later. */
enum { SETTLED_TIMES = 5 };

struct totals {
    uint64_t seeds, reruns, steps, crashes, recoveries, faults, digests, notes, deeds, signals;
    uint64_t savepoints, restores, disk_seeds, found_out, simulated_ms, stops, intrusions, small;
    uint64_t checks[INVARIANTS];
    /* how worlds with small budgets settled whose functions answer at once */
    uint64_t settling_ms, settling_calls, settling_messages, settled_within[SETTLED_TIMES];
};

/* simulate.c: a whole life. canary: how the books are falsified before they are judged; 0: not. */
enum { CANARIES = 5 };
uint64_t simulate(uint64_t seed, const struct swarm_limits *limits, int canary,
                  struct totals *totals);

/* Does it fail? In a process of its own, quiet or not. */
bool fails(uint64_t seed, const struct swarm_limits *limits, int canary, bool quiet);
/* shrink.c: a smaller world of the same seed that still fails; prints the command that shows it. */
void shrink(uint64_t seed, const struct swarm_limits *limits);

/* workers.c: 0, or 1 when a seed failed (and was reported). */
struct job {
    uint64_t from, seeds, seconds, rerun;
    unsigned workers;
    bool verbose;
    struct swarm_limits limits;
};
int run_job(const struct job *job, struct totals *sum);

#endif
