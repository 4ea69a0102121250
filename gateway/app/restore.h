/* A new data directory from a savepoint, for the same or another number of shards. */
#ifndef HOLDFAST_APP_RESTORE_H
#define HOLDFAST_APP_RESTORE_H

#include "base/error.h"

#include <stdint.h>

/*
 * `data` is empty or missing, or one where a restore has not ended, which begins anew. `count`: of
 * new shards, 0: as many as the savepoint has. Afterwards it starts like any other. Errors: of
 * savepoint_read and shard_files_begin_restore; ERROR_DAMAGED: the savepoint cannot be read.
 */
int restore(const char *savepoint, const char *data, uint32_t count,
            struct errmsg *errmsg) MUST_USE;

#endif
