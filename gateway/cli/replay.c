#include "cli/replay.h"

#include "shard/shard.h"
#include "store/survey.h"

#include <inttypes.h>
#include <stdlib.h>

struct replay {
    struct survey survey;
    struct manifest *manifest;
    struct shard *shard;
    struct replay_result *result;
    struct errmsg *errmsg;
};

/* Globals first, as recovery does it. */
static int load_blocks(struct replay *replay)
{
    uint32_t order[MANIFEST_BLOCKS];
    struct block_reader reader;
    size_t count = manifest_order(replay->manifest, order);
    int error = 0;
    block_reader_init(&reader, replay->survey.snapshots);
    for (size_t i = 0; i < count && error == 0; i++) {
        const struct block_entry *entry = &replay->manifest->entries[order[i]];
        struct span bytes;
        error = block_read(&reader, entry, &bytes, replay->errmsg);
        if (error == 0 && (error = shard_load(replay->shard, entry->block, bytes)) != 0)
            errmsg_set(replay->errmsg, error,
                       "snapshot of record %" PRIu64 ", block %" PRIu32 ": %s",
                       replay->manifest->info.seq, entry->block, error_text(error));
    }
    block_reader_close(&reader);
    return error;
}

static int load_snapshot(struct replay *replay)
{
    const struct snapshot_numbers *manifests = &replay->survey.manifests;
    if (manifests->count == 0) return 0;
    int error = manifest_load(replay->survey.snapshots, manifests->at[manifests->count - 1],
                              replay->manifest, replay->errmsg);
    if (error != 0) return error;
    replay->result->snapshot_seq = replay->manifest->info.seq;
    return load_blocks(replay);
}

static int fold(struct replay *replay, const struct scan_run *run)
{
    uint64_t last = run->first_seq + run->count - 1;
    if (run->count == 0 || last <= replay->result->snapshot_seq) return 0;
    int error = shard_replay(replay->shard, run->records, run->first_seq, run->count);
    if (error != 0)
        return errmsg_set(replay->errmsg, error, "journal records from %" PRIu64 ": %s",
                          run->first_seq, error_text(error));
    uint64_t skipped = run->first_seq > replay->result->snapshot_seq
                           ? 0
                           : replay->result->snapshot_seq + 1 - run->first_seq;
    replay->result->records += run->count - skipped;
    return 0;
}

static int fold_journal(struct replay *replay, uint32_t shard)
{
    struct scan scan;
    struct scan_run run;
    struct scan_find proof;
    int error = scan_init(&scan, &replay->survey.segments, shard);
    while (error == 0) {
        int found = scan_next(&scan, &run, replay->errmsg);
        if (found == SCAN_END) break;
        error = found < 0 ? found : found == SCAN_RUN ? fold(replay, &run) : 0;
    }
    if (error == 0) error = scan_verdict(&scan, &proof, replay->errmsg);
    scan_close(&scan);
    return error;
}

static void take_result(struct replay *replay)
{
    struct shard_metrics metrics;
    struct replay_result *result = replay->result;
    shard_metrics(replay->shard, &metrics);
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

int replay_directory(const char *directory, struct replay_result *result, struct errmsg *errmsg)
{
    struct store_tool tool = {.directory = directory};
    struct replay replay = {.result = result, .errmsg = errmsg};
    *result = (struct replay_result){0};
    errmsg->text[0] = 0;
    int error = shard_open(&replay.shard);
    if (error != 0) return errmsg_set(errmsg, error, "out of memory");
    replay.manifest = calloc(1, sizeof *replay.manifest);
    error = replay.manifest == NULL ? ERROR_MEMORY : survey_open(&replay.survey, &tool, errmsg);
    if (error == 0) {
        error = load_snapshot(&replay);
        if (error == 0) error = fold_journal(&replay, tool.shard);
        if (error == 0) take_result(&replay);
        survey_close(&replay.survey);
    }
    free(replay.manifest);
    shard_close(replay.shard);
    if (error != 0 && errmsg->text[0] == 0) errmsg_set(errmsg, error, "%s", error_text(error));
    return error;
}
