/* Workloads as prose: what a process does with its data directory, one step after the other. */
#ifndef TESTS_CRASHPOINTS_SCRIPT_H
#define TESTS_CRASHPOINTS_SCRIPT_H

#include "crashpoints/life.h"

struct script {
    const char *name;
    const char *why;
    /*
     * Steps, separated by `;`:
     *   open, close, kill           of the process
     *   append N SIZE               records of at most so many bytes
     *   commit                      and wait; `group` does not wait
     *   sleep MS                    (a seal is written after 100)
     *   snapshot, snapshot all      begin, finish, wait; also `begin`, `finish`, `wait` one by one
     *   trim                        what the snapshot covers
     *   full PAGES, room            so many pages are left on the disk; no end to it again
     *   damage journal|snapshot|manifest   a byte of something that was durable changes
     *   repair                      with --accept-loss
     */
    const char *steps;
};

/* NULL: there are no more. The last one is "random": its steps follow from the seed. */
const struct script *script_at(size_t index);
const struct script *script_named(const char *name);

/* Runs it. When a step fails because of a fault or a full disk, the process is killed and starts
 * again, and the script goes on. */
void script_run(const struct script *script, struct life *life, uint64_t seed);
/* Set by the hook that made a call fail. */
extern bool script_may_fail;

#endif
