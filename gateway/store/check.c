#include "store/check.h"

#include "store/layout.h"
#include "store/survey.h"

#include <inttypes.h>
#include <stdlib.h>

struct checking {
    const struct store_tool *tool;
    struct survey survey;
    struct manifest *manifest;
    struct journal_position from; /* the newest snapshot that is whole */
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
    checking->from = (struct journal_position){info->seq, info->lineage, info->epoch};
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

/* Where its beginning or its end is damaged, more cannot be said. */
static int check_chain(struct checking *checking, struct joint *joint)
{
    struct survey *survey = &checking->survey;
    struct survey_chain chain;
    struct segment *first =
        list_empty(&survey->segments) ? NULL : LIST_FIRST(&survey->segments, struct segment, link);
    int error = survey_chain(survey, checking->tool->shard, first, joint, &chain);
    if (error != 0) return error;
    tell_segments(checking, &chain);
    if (survey->segments_damaged) damage(checking, survey->segments_errmsg.text);
    tell_end(checking, &chain);
    if (!survey->segments_damaged && !chain.damaged && chain.apart)
        damage(checking, chain.apart_errmsg.text);
    return 0;
}

static int check_journal(struct checking *checking)
{
    struct joint joint = {.from = checking->from,
                          .journal = checking->survey.journal,
                          .alone = checking->tool->savepoint};
    struct errmsg errmsg;
    int error = repaired_load(&joint.note, joint.journal, &errmsg);
    if (error == ERROR_DAMAGED)
        damage(checking, errmsg.text);
    else if (error != 0)
        return error;
    return check_chain(checking, &joint);
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
            error = errmsg_set(errmsg, ERROR_DAMAGED, "%.200s is damaged%s", tool->directory,
                               tool->savepoint ? "" : ": see `holdfast repair`");
    }
    free(checking.manifest);
    return error;
}
