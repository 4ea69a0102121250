#include "store/survey.h"

#include "store/layout.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void survey_tell(const struct store_tool *tool, enum store_finding finding, const char *format, ...)
{
    char text[600];
    va_list arguments;
    if (tool->report == NULL) return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tool->report(tool->context, finding, text);
}

static bool any_frame(const struct scan *scan, const struct frame *frame)
{
    (void)scan, (void)frame;
    return true;
}

/* How far the journal ever went, as far as it can still be told. ERROR_MEMORY. */
static int find_extent(struct survey *survey, struct scan *scan)
{
    LIST_EACH (&survey->segments, link) {
        struct segment *segment = CONTAINER_OF(link, struct segment, link);
        struct scan_find find = {.segment = segment, .offset = SEGMENT_HEAD_SIZE};
        struct errmsg ignored;
        int found;
        while ((found = scan_find(scan, &find, any_frame, &ignored)) == 1) {
            uint64_t last = find.frame.first_seq + find.frame.count - 1;
            if (last > survey->seq_max) survey->seq_max = last;
            if (find.frame.epoch > survey->epoch_max) survey->epoch_max = find.frame.epoch;
            find.offset += FRAME_ALIGN;
        }
        if (found == ERROR_MEMORY) return found;
        survey->number_max = segment->number;
        survey->stream_end = segment->base + segment->size;
    }
    return 0;
}

static int load_segments(struct survey *survey, const struct store_tool *tool, uint64_t from,
                         struct errmsg *errmsg)
{
    struct scan scan;
    int error = segments_load_good(&survey->segments, survey->journal, tool->shard, 0, from,
                                   &survey->segments_bad, &survey->segments_errmsg);
    if (error == ERROR_MEMORY || error == ERROR_NEWER_FORMAT || error == ERROR_PERMISSION) {
        *errmsg = survey->segments_errmsg;
        return error;
    }
    survey->segments_damaged = error != 0 && error != ERROR_NOT_FOUND;
    if (survey->segments_damaged && survey->segments_bad > survey->number_max)
        survey->number_max = survey->segments_bad;
    error = scan_init(&scan, &survey->segments, tool->shard);
    if (error == 0) error = find_extent(survey, &scan);
    scan_close(&scan);
    return error;
}

int survey_next_part(struct survey *survey, const struct store_tool *tool, struct errmsg *errmsg)
{
    segments_free(&survey->segments);
    return load_segments(survey, tool, survey->segments_bad + 1, errmsg);
}

/* The lock of a directory that is there; none is made by looking. */
static int take_lock(struct survey *survey, const char *directory, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    int error = layout_check_format(directory, errmsg);
    if (error == ERROR_NOT_FOUND)
        return errmsg_set(errmsg, error, "%.200s is not a data directory: it has no file `format`",
                          directory);
    /* A damaged format file is the first finding of a check, not the end of it. */
    if (error != 0 && error != ERROR_DAMAGED) return error;
    if (path_join(path, directory, "LOCK") != 0) return ERROR_TOO_LARGE;
    return lock_hold(&survey->lock, path, LOCK_TOOL, errmsg);
}

int survey_open(struct survey *survey, const struct store_tool *tool, struct errmsg *errmsg)
{
    memset(survey, 0, sizeof *survey);
    list_init(&survey->segments);
    errmsg->text[0] = '\0';
    int error = take_lock(survey, tool->directory, errmsg);
    if (error == 0) error = path_join(survey->journal, tool->directory, "journal");
    if (error == 0) error = path_join(survey->snapshots, tool->directory, "snapshots");
    if (error == 0) error = load_segments(survey, tool, 0, errmsg);
    if (error == 0) {
        error = snapshot_numbers_list(&survey->manifests, survey->snapshots, manifest_name_number,
                                      errmsg);
        if (error == ERROR_NOT_FOUND) error = 0;
    }
    if (error != 0) {
        if (errmsg->text[0] == '\0')
            errmsg_set(errmsg, error, "%.200s: %s", tool->directory, error_text(error));
        survey_close(survey);
    }
    return error;
}

void survey_close(struct survey *survey)
{
    segments_free(&survey->segments);
    snapshot_numbers_close(&survey->manifests);
    if (survey->lock != NULL) lock_release(survey->lock, LOCK_TOOL);
}

static void note_lineage(struct survey_chain *chain, const struct scan_run *run)
{
    size_t count = chain->lineage_count;
    if (run->count == 0 || count == SURVEY_LINEAGES_MAX) return;
    if (count > 0 && chain->lineages[count - 1].lineage == run->lineage) return;
    chain->lineages[count].first_seq = run->first_seq;
    chain->lineages[count].lineage = run->lineage;
    chain->lineage_count++;
}

uint64_t survey_lineage_at(const struct survey_chain *chain, uint64_t seq)
{
    uint64_t lineage = 0;
    if (!chain->any || seq > chain->last_seq) return 0;
    for (size_t i = 0; i < chain->lineage_count; i++)
        if (chain->lineages[i].first_seq <= seq) lineage = chain->lineages[i].lineage;
    return lineage;
}

static int read_chain(struct scan *scan, struct joint *joint, struct survey_chain *chain)
{
    for (;;) {
        struct scan_run run;
        int found = scan_next(scan, &run, &chain->errmsg);
        if (found == SCAN_END || found < 0) return found;
        if (!chain->any) chain->first_seq = run.first_seq;
        chain->any = true;
        note_lineage(chain, &run);
        chain->last_seq = run.first_seq + run.count - 1;
        if (joint != NULL && !chain->apart)
            chain->apart = joint_take(joint, scan, &run, &chain->apart_errmsg) != 0;
    }
}

/* All that is left may be the end of a run whose start was trimmed: it holds no whole record, but
 * says where the journal goes on. */
static void take_headless_end(const struct scan *scan, struct survey_chain *chain)
{
    if (chain->any || scan->end.next_seq == 0) return;
    chain->any = true;
    chain->first_seq = scan->end.next_seq;
    chain->last_seq = scan->end.next_seq - 1;
}

int survey_chain(struct survey *survey, uint32_t shard, struct segment *from, struct joint *joint,
                 struct survey_chain *chain)
{
    struct scan scan;
    struct scan_find proof;
    memset(chain, 0, sizeof *chain);
    int error = scan_init(&scan, &survey->segments, shard);
    if (error == 0) {
        scan_start_at(&scan, from);
        error = read_chain(&scan, joint, chain);
        take_headless_end(&scan, chain);
        if (joint != NULL && !chain->apart)
            chain->apart = joint_end(joint, &scan, &chain->apart_errmsg) != 0;
        if (error == 0) error = scan_verdict(&scan, &proof, &chain->errmsg);
        chain->end = scan.end;
        chain->at = scan.at;
        chain->frames = scan.frames;
    }
    scan_close(&scan);
    if (error == ERROR_MEMORY) return error;
    chain->damaged = error != 0;
    return 0;
}

int survey_manifest(struct survey *survey, uint64_t number, struct manifest *manifest,
                    struct errmsg *errmsg)
{
    uint32_t order[MANIFEST_BLOCKS];
    struct block_reader reader;
    int error = manifest_load(survey->snapshots, number, manifest, errmsg);
    if (error != 0) return error;
    size_t count = manifest_order(manifest, order);
    block_reader_init(&reader, survey->snapshots);
    for (size_t i = 0; i < count && error == 0; i++) {
        struct span bytes;
        error = block_read(&reader, &manifest->entries[order[i]], &bytes, errmsg);
    }
    block_reader_close(&reader);
    return error;
}
