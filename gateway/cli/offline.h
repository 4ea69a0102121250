/* What the commands share that work on a data directory without a gateway. */
#ifndef HOLDFAST_CLI_OFFLINE_H
#define HOLDFAST_CLI_OFFLINE_H

#include "base/buffer.h"
#include "cli/command.h"
#include "os/file.h"
#include "store/check.h"

/* The one word, --data, HOLDFAST_DATA, or ./holdfast-data. NULL: told. */
const char *offline_directory(const struct command *command, const struct flags *flags);
struct offline_state {
    const char *directory; /* borrowed */
    uint32_t count;        /* of shards */
    bool savepoint;
};
/* Of a data directory, or a savepoint; a directory that is neither counts as one of one shard.
   EXIT_DONE, or it has been told. */
int offline_look(const struct command *command, const char *directory, struct offline_state *state);
/* Where shard `shard` of it is. */
int offline_shard(const struct command *command, const struct offline_state *state, uint32_t shard,
                  char path[FILE_PATH_MAX]);
/* The exit code of an error of the store; tells errmsg on stderr. */
int offline_failed(const struct command *command, int error, const struct errmsg *errmsg);

/* Findings as lines, or as the members of a JSON array. */
struct offline_findings {
    bool json;
    struct buffer array; /* {"finding":…,"text":…},… */
};
void offline_report(void *findings, enum store_finding finding, const char *text);

#endif
