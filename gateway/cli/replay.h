/*
 * The image that a data directory stands for, as recovery would build it, but changing nothing: the
 * newest snapshot that is whole and the journal after it. What check prints and tests compare with
 * the live one.
 */
#ifndef HOLDFAST_CLI_REPLAY_H
#define HOLDFAST_CLI_REPLAY_H

#include "store/check.h"

struct replay_result {
    uint64_t seq;
    uint64_t lineage;
    uint64_t digest;
    uint64_t snapshot_seq; /* 0: from the journal alone */
    uint64_t records;      /* folded on top of it */
    uint64_t keys;
    uint64_t mailbox_messages;
    uint64_t delayed;
    uint64_t parked;
    uint64_t state_bytes;
    uint32_t epoch;
};

/* Of the tool's shard, one of `shard_count`; nothing is reported. ERROR_DAMAGED and the others of
   store/check.h; ERROR_IN_USE while a gateway runs on it. */
int replay_shard(const struct store_tool *tool, uint32_t shard_count, struct replay_result *result,
                 struct errmsg *errmsg) MUST_USE;
/* The same of the only one. */
int replay_directory(const char *directory, struct replay_result *result,
                     struct errmsg *errmsg) MUST_USE;

#endif
