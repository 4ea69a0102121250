/*
 * A savepoint on disk:
 *     DIR/shards/0 … N-1     a snapshot of each shard, as in a data directory
 *     DIR/savepoint.json     which they are; written last: without it there is no savepoint
 */
#ifndef HOLDFAST_APP_SAVEPOINT_FILE_H
#define HOLDFAST_APP_SAVEPOINT_FILE_H

#include "os/file.h"
#include "store/snapshot.h"

enum { SAVEPOINT_FORMAT = 1 };

struct savepoint_info {
    uint64_t cut;
    int64_t created_ms;
    uint32_t count; /* of shards */
    struct snapshot_info *shards;
};

/* ERROR_TOO_LARGE. */
int savepoint_shard_path(char path[FILE_PATH_MAX], const char *directory, uint32_t shard,
                         struct errmsg *errmsg) MUST_USE;
void savepoint_json(const struct savepoint_info *info, struct buffer *out);
int savepoint_write(const char *directory, const struct savepoint_info *info,
                    struct errmsg *errmsg) MUST_USE;
/* ERROR_NOT_FOUND: no savepoint, or one that was not finished. ERROR_DAMAGED, ERROR_NEWER_FORMAT,
   ERROR_MEMORY. `shards` is the caller's to free. */
int savepoint_read(const char *directory, struct savepoint_info *info,
                   struct errmsg *errmsg) MUST_USE;

#endif
