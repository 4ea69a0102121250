/* The state of a data directory, read out as recovery reads it, by somebody who only looks. */
#include "store/check.h"

#include "store/layout.h"
#include "store/survey.h"

#include <stdlib.h>

struct replay {
    struct survey survey;
    snapshot_block *block;
    journal_replay *records;
    void *context;
    uint64_t snapshot_seq;
    struct errmsg *errmsg;
};

static int give_blocks(struct replay *replay, const struct manifest *manifest)
{
    uint32_t order[MANIFEST_BLOCKS];
    struct block_reader reader;
    size_t count = manifest_order(manifest, order);
    int error = 0;
    block_reader_init(&reader, replay->survey.snapshots);
    for (size_t i = 0; i < count && error == 0; i++) {
        const struct block_entry *entry = &manifest->entries[order[i]];
        struct span bytes;
        error = block_read(&reader, entry, &bytes, replay->errmsg);
        if (error == 0) error = replay->block(replay->context, entry->block, bytes);
    }
    block_reader_close(&reader);
    return error;
}

static int give_snapshot(struct replay *replay, struct snapshot_info *newest)
{
    const struct snapshot_numbers *manifests = &replay->survey.manifests;
    if (manifests->count == 0) return 0;
    struct manifest *manifest = malloc(sizeof *manifest);
    if (manifest == NULL) return ERROR_MEMORY;
    int error = manifest_load(replay->survey.snapshots, manifests->at[manifests->count - 1],
                              manifest, replay->errmsg);
    if (error == 0) {
        *newest = manifest->info;
        replay->snapshot_seq = newest->seq;
        error = give_blocks(replay, manifest);
    }
    free(manifest);
    return error;
}

static int give_run(struct replay *replay, const struct scan_run *run)
{
    if (run->count == 0 || run->first_seq + run->count - 1 <= replay->snapshot_seq) return 0;
    return replay->records(replay->context, run->records, run->first_seq, run->count, run->epoch,
                           run->lineage);
}

static int give_journal(struct replay *replay, uint32_t shard)
{
    struct scan scan;
    struct scan_run run;
    struct scan_find proof;
    int error = scan_init(&scan, &replay->survey.segments, shard);
    while (error == 0) {
        int found = scan_next(&scan, &run, replay->errmsg);
        if (found == SCAN_END) break;
        error = found < 0 ? found : found == SCAN_RUN ? give_run(replay, &run) : 0;
    }
    if (error == 0) error = scan_verdict(&scan, &proof, replay->errmsg);
    scan_close(&scan);
    return error;
}

/* What recovery would refuse is refused here. */
static int give_all(struct replay *replay, const struct store_tool *tool,
                    struct snapshot_info *newest)
{
    int error = layout_check_format(tool->directory, replay->errmsg);
    if (error == 0 && replay->survey.segments_damaged) {
        *replay->errmsg = replay->survey.segments_errmsg;
        error = ERROR_DAMAGED;
    }
    if (error == 0) error = give_snapshot(replay, newest);
    return error != 0 ? error : give_journal(replay, tool->shard);
}

int store_replay(const struct store_tool *tool, snapshot_block *block, journal_replay *records,
                 void *context, struct snapshot_info *newest, struct errmsg *errmsg)
{
    struct replay replay = {
        .block = block, .records = records, .context = context, .errmsg = errmsg};
    *newest = (struct snapshot_info){0};
    int error = survey_open(&replay.survey, tool, errmsg);
    if (error != 0) return error;
    error = give_all(&replay, tool, newest);
    survey_close(&replay.survey);
    if (error != 0 && errmsg->text[0] == '\0')
        errmsg_set(errmsg, error, "%.200s: %s", tool->directory, error_text(error));
    return error;
}
