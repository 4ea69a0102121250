#include "cli/replay.h"

#include "shard/shard.h"

#include <inttypes.h>

struct replay {
    struct shard *shard;
    struct replay_result *result;
    struct snapshot_info newest;
    struct errmsg *errmsg;
};

static int load_block(void *context, uint32_t block, struct span bytes)
{
    struct replay *replay = context;
    int error = shard_load(replay->shard, block, bytes);
    if (error == 0) return 0;
    return errmsg_set(replay->errmsg, error,
                      "snapshot of record %" PRIu64 ", block %" PRIu32 ": %s", replay->newest.seq,
                      block, error_text(error));
}

static int fold(void *context, struct span records, uint64_t first_seq, uint32_t count,
                uint32_t epoch, uint64_t lineage)
{
    struct replay *replay = context;
    (void)epoch, (void)lineage; /* the OPEN record says them, too */
    int error = shard_replay(replay->shard, records, first_seq, count);
    if (error != 0)
        return errmsg_set(replay->errmsg, error, "journal records from %" PRIu64 ": %s", first_seq,
                          error_text(error));
    uint64_t next = replay->newest.seq + 1;
    replay->result->records += count - (first_seq < next ? next - first_seq : 0);
    return 0;
}

static void take_result(struct replay *replay)
{
    struct shard_metrics metrics;
    struct replay_result *result = replay->result;
    shard_metrics(replay->shard, &metrics);
    result->snapshot_seq = replay->newest.seq;
    result->seq = shard_seq(replay->shard);
    result->epoch = shard_epoch(replay->shard);
    result->lineage = shard_lineage(replay->shard);
    result->digest = shard_digest(replay->shard);
    result->keys = metrics.keys;
    result->mailbox_messages = metrics.mailbox_messages;
    result->delayed = metrics.delayed;
    result->parked = metrics.parked_now;
    result->state_bytes = metrics.state_bytes;
}

int replay_shard(const struct store_tool *tool, uint32_t shard_count, struct replay_result *result,
                 struct errmsg *errmsg)
{
    struct replay replay = {.result = result, .errmsg = errmsg};
    *result = (struct replay_result){0};
    int error = shard_open(&replay.shard);
    if (error != 0) return errmsg_set(errmsg, error, "out of memory");
    error = shard_place(replay.shard, tool->shard, shard_count);
    if (error != 0) errmsg_set(errmsg, error, "out of memory");
    if (error == 0) error = store_replay(tool, load_block, fold, &replay, &replay.newest, errmsg);
    /* What is of another place stands where it does not belong. */
    if (error == ERROR_REFUSED)
        error =
            errmsg_set(errmsg, ERROR_DAMAGED, "%.200s is not that of shard %" PRIu32 " of %" PRIu32,
                       tool->directory, tool->shard, shard_count);
    if (error == 0) take_result(&replay);
    shard_close(replay.shard);
    return error;
}

int replay_directory(const char *directory, struct replay_result *result, struct errmsg *errmsg)
{
    struct store_tool tool = {.directory = directory};
    return replay_shard(&tool, 1, result, errmsg);
}
