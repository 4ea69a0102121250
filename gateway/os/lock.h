/*
 * One process per data directory. The lock is an open-file-description lock: the kernel drops it
 * when the process dies, however it dies. Within a process its holders share it, each in a role
 * that can be taken once.
 */
#ifndef HOLDFAST_OS_LOCK_H
#define HOLDFAST_OS_LOCK_H

#include "base/error.h"

enum lock_role {
    LOCK_JOURNAL = 1,
    LOCK_SNAPSHOTS = 2,
    LOCK_TOOL = 4, /* shares with nobody */
};

struct lock;

/* Creates the file when missing and writes our process id into it. ERROR_IN_USE: errmsg says by
 * whom. */
int lock_hold(struct lock **lock, const char *path, enum lock_role role,
              struct errmsg *errmsg) MUST_USE;
void lock_release(struct lock *lock, enum lock_role role);

#endif
