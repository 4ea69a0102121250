/* The state of a data directory, read out as recovery reads it, by somebody who only looks. */
#include "store/check.h"

#include "store/joint.h"
#include "store/layout.h"
#include "store/survey.h"

#include <stdlib.h>

struct replay {
    struct survey survey;
    snapshot_block *block;
    journal_replay *records;
    void *context;
    struct journal_position from; /* the snapshot */
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
        replay->from = (struct journal_position){newest->seq, newest->lineage, newest->epoch};
        error = give_blocks(replay, manifest);
    }
    free(manifest);
    return error;
}

static int give_journal(struct replay *replay, const struct store_tool *tool)
{
    struct scan scan;
    struct joint joint = {
        .from = replay->from, .journal = replay->survey.journal, .alone = tool->savepoint};
    int error = repaired_load(&joint.note, joint.journal, replay->errmsg);
    if (error != 0) return error;
    error = scan_init(&scan, &replay->survey.segments, tool->shard);
    if (error == 0)
        error = joint_read(&joint, &scan, replay->records, replay->context, replay->errmsg);
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
    return error != 0 ? error : give_journal(replay, tool);
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
