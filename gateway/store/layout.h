/*
 * The data directory: what is where, and whose it is.
 *     LOCK        held by the process that uses it; its process id
 *     format      "holdfast format N": who may use it
 *     journal/    segment-N, spare-N
 *     snapshots/  manifest-N, blocks-N
 * One directory holds one shard.
 */
#ifndef HOLDFAST_STORE_LAYOUT_H
#define HOLDFAST_STORE_LAYOUT_H

#include "os/file.h"
#include "os/lock.h"

/* Of this directory and of all that is in it. 1 was read by versions before the first release; 2
 * marks the directory of several shards. */
enum { LAYOUT_FORMAT = 3 };

/* Creates the directory when missing, takes the lock in a role, checks the format file or writes
 * it. */
int layout_open(struct lock **lock, const char *directory, enum lock_role role,
                struct errmsg *errmsg) MUST_USE;
/* The directory alone, created when missing; its name lasts. */
int layout_make_root(const char *directory, struct errmsg *errmsg) MUST_USE;
/* DATA/name, created when missing, into path. */
int layout_make(char path[FILE_PATH_MAX], const char *directory, const char *name,
                struct errmsg *errmsg) MUST_USE;
/* ERROR_NEWER_FORMAT, ERROR_UNSUPPORTED (an older one), ERROR_DAMAGED, ERROR_NOT_FOUND. */
int layout_check_format(const char *directory, struct errmsg *errmsg) MUST_USE;

int layout_write_format(const char *directory, struct errmsg *errmsg) MUST_USE;

#endif
