#include "store/check.h"

#include "store/layout.h"
#include "store/repaired.h"
#include "store/survey.h"

#include <inttypes.h>
#include <stdlib.h>

struct checking {
    const struct store_tool *tool;
    struct survey survey;
    struct manifest *manifest;
    uint64_t snapshot_seq; /* of the newest that is whole */
    uint64_t snapshot_lineage;
    bool damaged;
};

static void damage(struct checking *checking, const char *text)
{
    checking->damaged = true;
    survey_tell(checking->tool, STORE_DAMAGED, "%s", text);
}

static int check_format(struct checking *checking)
{
    struct errmsg errmsg = {{0}};
    int error = layout_check_format(checking->tool->directory, &errmsg);
    if (error == ERROR_MEMORY) return error;
    if (error != 0) damage(checking, errmsg.text);
    return 0;
}

static int check_manifest(struct checking *checking, uint64_t number)
{
    struct errmsg errmsg = {{0}};
    const struct snapshot_info *info = &checking->manifest->info;
    int error = survey_manifest(&checking->survey, number, checking->manifest, &errmsg);
    if (error == ERROR_MEMORY || error == ERROR_NEWER_FORMAT) return error;
    if (error != 0) {
        damage(checking, errmsg.text);
        return 0;
    }
    checking->snapshot_seq = info->seq;
    checking->snapshot_lineage = info->lineage;
    survey_tell(checking->tool, STORE_FINE,
                "snapshots/manifest-%020" PRIu64 ": up to record %" PRIu64 ", %" PRIu32
                " blocks of %" PRIu64 " bytes in all",
                number, info->seq, info->block_count, info->block_bytes);
    return 0;
}

static int check_snapshots(struct checking *checking)
{
    const struct snapshot_numbers *manifests = &checking->survey.manifests;
    for (size_t i = 0; i < manifests->count; i++) {
        int error = check_manifest(checking, manifests->at[i]);
        if (error != 0) return error;
    }
    if (manifests->count == 0) survey_tell(checking->tool, STORE_NOTE, "snapshots: none yet");
    return 0;
}

static void tell_segments(struct checking *checking, const struct survey_chain *chain)
{
    LIST_EACH (&checking->survey.segments, link) {
        struct segment *segment = CONTAINER_OF(link, struct segment, link);
        if (chain->end.segment != NULL && segment->number > chain->end.segment->number) {
            survey_tell(checking->tool, STORE_FINE,
                        "journal/segment-%020" PRIu64 ": prepared, not used yet", segment->number);
            continue;
        }
        survey_tell(checking->tool, STORE_FINE,
                    "journal/segment-%020" PRIu64 ": up to record %" PRIu64, segment->number,
                    segment->last_seq);
    }
}

/* The two halves of the state have to meet. */
static void check_joint(struct checking *checking, const struct survey_chain *chain)
{
    struct errmsg errmsg;
    uint64_t seq = checking->snapshot_seq;
    const char *journal = checking->survey.journal;
    uint64_t lineage = survey_lineage_at(chain, seq);
    if (!chain->any && seq == 0) return;
    if (chain->any && chain->first_seq > seq + 1)
        errmsg_set(&errmsg, ERROR_DAMAGED,
                   "%.200s: records %" PRIu64 " to %" PRIu64
                   " are missing between the snapshot and the journal",
                   journal, seq + 1, chain->first_seq - 1);
    else if (chain->last_seq < seq)
        errmsg_set(&errmsg, ERROR_DAMAGED,
                   "%.200s: the journal ends at record %" PRIu64
                   ", but there is a snapshot of record %" PRIu64,
                   journal, chain->last_seq, seq);
    else if (lineage != 0 && checking->snapshot_lineage != 0 &&
             lineage != checking->snapshot_lineage)
        errmsg_set(&errmsg, ERROR_DAMAGED,
                   "%.200s: the journal has lineage %016" PRIx64 ", the snapshot %016" PRIx64
                   ": they are of different gateways",
                   journal, lineage, checking->snapshot_lineage);
    else
        return;
    damage(checking, errmsg.text);
}

static void tell_end(struct checking *checking, const struct survey_chain *chain)
{
    if (chain->damaged) {
        damage(checking, chain->errmsg.text);
        return;
    }
    if (chain->end.segment == NULL) return;
    survey_tell(checking->tool, STORE_NOTE, "journal: %s at record %" PRIu64 ", %s offset %" PRIu64,
                chain->end.sealed ? "closed" : "ends without a clean close", chain->last_seq,
                chain->end.segment->file.path, chain->end.offset);
}

static int check_journal(struct checking *checking)
{
    struct survey *survey = &checking->survey;
    struct survey_chain chain = {0};
    struct repaired note;
    struct errmsg errmsg;
    int error = repaired_load(&note, survey->journal, &errmsg);
    if (error == ERROR_DAMAGED)
        damage(checking, errmsg.text);
    else if (error != 0)
        return error;
    if (!list_empty(&survey->segments)) {
        error = survey_chain(survey, checking->tool->shard,
                             LIST_FIRST(&survey->segments, struct segment, link), &chain);
        if (error != 0) return error;
        tell_segments(checking, &chain);
    }
    if (survey->segments_damaged) damage(checking, survey->segments_errmsg.text);
    tell_end(checking, &chain);
    bool fresh = note.there && !chain.any && note.next_seq == checking->snapshot_seq + 1;
    if (!survey->segments_damaged && !chain.damaged && !fresh) check_joint(checking, &chain);
    return 0;
}

int store_check(const struct store_tool *tool, struct errmsg *errmsg)
{
    struct checking checking = {.tool = tool, .manifest = malloc(sizeof *checking.manifest)};
    if (checking.manifest == NULL)
        return errmsg_set(errmsg, ERROR_MEMORY, "%s", error_text(ERROR_MEMORY));
    int error = survey_open(&checking.survey, tool, errmsg);
    if (error == 0) {
        error = check_format(&checking);
        if (error == 0) error = check_snapshots(&checking);
        if (error == 0) error = check_journal(&checking);
        survey_close(&checking.survey);
        if (error != 0)
            errmsg_set(errmsg, error, "%.200s: %s", tool->directory, error_text(error));
        else if (checking.damaged)
            error = errmsg_set(errmsg, ERROR_DAMAGED, "%.200s is damaged: see `holdfast repair`",
                               tool->directory);
    }
    free(checking.manifest);
    return error;
}
