/*
 * Where the shards of a data directory are:
 *     DATA/                          one shard: the directory is its own
 *     DATA/shards/0 … DATA/shards/N-1  several; DATA/shards/count says how many, for ever
 *     DATA/restoring                 a savepoint is being put back: nothing here counts yet
 */
#ifndef HOLDFAST_APP_SHARD_FILES_H
#define HOLDFAST_APP_SHARD_FILES_H

#include "os/file.h"
#include "os/lock.h"

/* How many shards the directory has; 0: it has none yet. ERROR_DAMAGED: the count cannot be read.
   ERROR_REFUSED: a restore has not ended. */
int shard_files_count(const char *data, uint32_t *count, struct errmsg *errmsg) MUST_USE;
/* ERROR_TOO_LARGE. */
int shard_files_path(char path[FILE_PATH_MAX], const char *data, uint32_t shard, uint32_t count,
                     struct errmsg *errmsg) MUST_USE;

/*
 * Before any shard is opened: the number of shards that is wanted, or that the directory has
 * already. `given`: the number was asked for, and another one is refused (ERROR_REFUSED). Several
 * shards: *lock is held for all of them. One shard: *lock is NULL, its store has a lock of its own.
 */
int shard_files_settle(const char *data, uint32_t wanted, bool given, uint32_t *count,
                       struct lock **lock, struct errmsg *errmsg) MUST_USE;
/* Says durably that there are so many; more than 1. */
int shard_files_write_count(const char *data, uint32_t count, struct errmsg *errmsg) MUST_USE;
void shard_files_release(struct lock *lock);

/* ---- While a savepoint is being put back ---- */

/*
 * Takes an empty or missing directory, or one where a restore has not ended: of that, everything is
 * thrown away. From then on it can only be restored to. ERROR_REFUSED: there is data. *lock: as
 * above, in any case.
 */
int shard_files_begin_restore(const char *data, struct lock **lock, struct errmsg *errmsg) MUST_USE;
/* What has been put there counts. */
int shard_files_end_restore(const char *data, struct errmsg *errmsg) MUST_USE;

#endif
