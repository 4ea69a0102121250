#include "store/check.h"

#include "os/clock.h"
#include "store/layout.h"
#include "store/plan.h"
#include "store/repaired.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { COPY_SIZE = 1 << 20, ASIDE_TRIES_MAX = 1000 };

struct repairing {
    const struct store_tool *tool;
    const struct plan *plan;
    const struct survey *survey;
    struct repaired note; /* of an earlier repair; {0} when there is none or it cannot be read */
    bool note_damaged;
    char aside[FILE_PATH_MAX]; /* DATA/damaged-<time> */
    struct errmsg *errmsg;
};

/* Never one that an earlier repair has filled: what lies there must not be written over. */
static int make_aside(struct repairing *repairing)
{
    const char *directory = repairing->tool->directory;
    int64_t time_s = clock_wall_us() / 1000000;
    int64_t last_s = time_s + ASIDE_TRIES_MAX;
    char name[64];
    do {
        snprintf(name, sizeof name, REPAIRED_ASIDE "%" PRId64, time_s++);
        if (path_join(repairing->aside, directory, name) != 0) return ERROR_TOO_LARGE;
        if (time_s > last_s)
            return errmsg_set(repairing->errmsg, ERROR_IO, "cannot look into %.200s", directory);
    } while (file_exists(repairing->aside));
    return layout_make(repairing->aside, directory, name, repairing->errmsg);
}

static int move_aside(struct repairing *repairing, const char *directory, const char *name)
{
    char from[FILE_PATH_MAX];
    char to[FILE_PATH_MAX];
    int error = path_join(from, directory, name);
    if (error == 0) error = path_join(to, repairing->aside, name);
    if (error == 0) error = file_rename(from, to, repairing->errmsg);
    if (error == 0)
        survey_tell(repairing->tool, STORE_DONE, "%s moved to %s", name, repairing->aside);
    return error;
}

/* ---- The journal ---- */

static bool kept(const struct plan *plan, uint64_t number)
{
    if (!plan->journal || number < plan->first_number) return false;
    return plan->cut_number == 0 || number <= plan->cut_number;
}

static int move_segment(void *context, const char *name)
{
    struct repairing *repairing = context;
    uint64_t number = segment_name_number(name);
    if (number == 0 || kept(repairing->plan, number)) return 0;
    return move_aside(repairing, repairing->survey->journal, name);
}

static int copy_file(struct file *from, struct file *to, uint64_t size, uint8_t *piece,
                     struct errmsg *errmsg)
{
    for (uint64_t at = 0; at < size;) {
        size_t got = 0;
        int error = file_read(from, at, piece, COPY_SIZE, &got, errmsg);
        /* A place that cannot be read is left out: zeros in the copy. */
        if (error == 0 && got > 0)
            error = file_write(to, at, span_of(piece, got), errmsg);
        else if (error == ERROR_IO)
            error = 0;
        if (error != 0) return error;
        at += COPY_SIZE;
    }
    return file_sync(to, errmsg);
}

static int zero_from(struct file *file, uint64_t at, uint64_t size, uint8_t *piece,
                     struct errmsg *errmsg)
{
    memset(piece, 0, COPY_SIZE);
    while (at < size) {
        size_t part = size - at < COPY_SIZE ? (size_t)(size - at) : COPY_SIZE;
        int error = file_write(file, at, span_of(piece, part), errmsg);
        if (error != 0) return error;
        at += part;
    }
    return file_sync(file, errmsg);
}

static int cut(struct repairing *repairing, struct file *file, struct file *copy)
{
    const struct plan *plan = repairing->plan;
    uint64_t size = 0;
    uint8_t *piece = malloc(COPY_SIZE);
    if (piece == NULL) return ERROR_MEMORY;
    int error = file_size(file, &size, repairing->errmsg);
    if (error == 0) error = copy_file(file, copy, size, piece, repairing->errmsg);
    if (error == 0) error = zero_from(file, plan->cut_offset, size, piece, repairing->errmsg);
    free(piece);
    if (error == 0)
        survey_tell(repairing->tool, STORE_DONE, "%s cut at offset %" PRIu64 ", a copy is in %s",
                    file->path, plan->cut_offset, repairing->aside);
    return error;
}

/* Everything behind the cut becomes zeros: an intact frame there would prove the damage again. */
static int cut_segment(struct repairing *repairing)
{
    char path[FILE_PATH_MAX];
    char copy_path[FILE_PATH_MAX];
    struct file file;
    struct file copy;
    uint64_t number = repairing->plan->cut_number;
    int error = segment_path(path, repairing->survey->journal, number);
    if (error == 0) error = segment_path(copy_path, repairing->aside, number);
    if (error == 0) error = file_open(&file, path, FILE_WRITE, repairing->errmsg);
    if (error != 0) return error;
    error = file_open(&copy, copy_path, FILE_WRITE | FILE_CREATE, repairing->errmsg);
    if (error == 0) {
        error = cut(repairing, &file, &copy);
        file_close(&copy);
    }
    file_close(&file);
    return error;
}

static int repair_journal(struct repairing *repairing)
{
    const struct plan *plan = repairing->plan;
    const char *journal = repairing->survey->journal;
    struct repaired note = {
        .epoch = plan->epoch_max,
        /* What the damaged note asked for is not known. */
        .new_lineage = !plan->whole || repairing->note_damaged,
        .next_seq = plan->last_seq + 1,
        .number = plan->number_max + 1,
        .base = plan->stream_end,
    };
    const struct repaired *before = &repairing->note;
    if (before->there && before->epoch > note.epoch) note.epoch = before->epoch;
    if (before->there && before->new_lineage) note.new_lineage = true;
    if (before->there && before->number > note.number) {
        note.number = before->number;
        note.base = before->base;
    }
    int error = directory_make(journal, repairing->errmsg);
    /* First the note: whatever of the rest is done, the next open knows. */
    if (error == 0) error = repaired_write(&note, journal, repairing->errmsg);
    if (error == 0) error = directory_list(journal, move_segment, repairing, repairing->errmsg);
    if (error == 0 && plan->cut_number != 0) error = cut_segment(repairing);
    if (error == 0) error = directory_sync(journal, repairing->errmsg);
    return error;
}

/* ---- Snapshots ---- */

static int move_block_file(void *context, const char *name)
{
    struct repairing *repairing = context;
    return move_aside(repairing, repairing->survey->snapshots, name);
}

static int repair_snapshots(struct repairing *repairing)
{
    const struct snapshot_numbers *numbers = &repairing->survey->manifests;
    const char *snapshots = repairing->survey->snapshots;
    for (size_t i = 0; i < numbers->count; i++) {
        char name[64];
        if (numbers->at[i] == repairing->plan->manifest) continue;
        snprintf(name, sizeof name, "manifest-%020" PRIu64, numbers->at[i]);
        int error = move_aside(repairing, snapshots, name);
        if (error != 0) return error;
    }
    if (numbers->count == 0) return 0;
    int error = snapshot_files_unneeded(snapshots, move_block_file, repairing, repairing->errmsg);
    return error != 0 ? error : directory_sync(snapshots, repairing->errmsg);
}

/* ---- */

static int carry_out(struct repairing *repairing)
{
    int error = make_aside(repairing);
    if (error == 0) error = repair_journal(repairing);
    if (error == 0) error = repair_snapshots(repairing);
    if (error == 0) error = repaired_settle(repairing->tool->directory, repairing->errmsg);
    if (error != 0) return error;
    survey_tell(repairing->tool, STORE_DONE, "the state now ends at record %" PRIu64,
                repairing->plan->last_seq);
    return 0;
}

static void tell_loss(const struct store_tool *tool, const struct plan *plan)
{
    if (plan->seq_max > plan->last_seq)
        survey_tell(tool, STORE_LOST, "records %" PRIu64 " to %" PRIu64 " at least",
                    plan->last_seq + 1, plan->seq_max);
    else
        survey_tell(tool, STORE_LOST,
                    "whatever came after record %" PRIu64
                    ": how much that was can no longer be told",
                    plan->last_seq);
}

static int repair_format(const struct store_tool *tool, struct errmsg *errmsg)
{
    if (layout_check_format(tool->directory, errmsg) != ERROR_DAMAGED) return 0;
    survey_tell(tool, STORE_DONE, "%s/format written anew", tool->directory);
    return layout_write_format(tool->directory, errmsg);
}

/* A directory in which no journal was started yet, at all or since the last repair. */
static bool is_fresh(const struct repairing *repairing)
{
    const struct plan *plan = repairing->plan;
    if (plan->number_max != 0) return false;
    const struct repaired *note = &repairing->note;
    if (repairing->survey->manifests.count == 0) return !note->there || note->next_seq == 1;
    /* An earlier repair may have ended before it came to the snapshots. */
    const struct snapshot_numbers *manifests = &repairing->survey->manifests;
    if (manifests->at[manifests->count - 1] != plan->manifest) return false;
    return note->there && note->next_seq == plan->last_seq + 1;
}

static int decide(struct repairing *repairing, bool accept_loss)
{
    const struct plan *plan = repairing->plan;
    const struct store_tool *tool = repairing->tool;
    if (repairing->note_damaged) {
        survey_tell(tool, STORE_DAMAGED, "%s", repairing->errmsg->text);
    } else if (plan->nothing_wrong || is_fresh(repairing)) {
        survey_tell(tool, STORE_FINE, "nothing to repair: the state is whole up to record %" PRIu64,
                    plan->last_seq);
        return repair_format(tool, repairing->errmsg);
    }
    if (plan->reason.text[0] != '\0') survey_tell(tool, STORE_DAMAGED, "%s", plan->reason.text);
    if (!plan->whole) tell_loss(tool, plan);
    if (!plan->whole && !accept_loss)
        return errmsg_set(
            repairing->errmsg, ERROR_REFUSED,
            "%.200s: records would be lost; nothing was changed. --accept-loss allows it",
            tool->directory);
    int error = repair_format(tool, repairing->errmsg);
    return error != 0 ? error : carry_out(repairing);
}

int store_repair(const struct store_tool *tool, bool accept_loss, struct errmsg *errmsg)
{
    struct survey survey;
    struct plan plan;
    int error = survey_open(&survey, tool, errmsg);
    if (error != 0) return error;
    struct repairing repairing = {.tool = tool, .plan = &plan, .survey = &survey, .errmsg = errmsg};
    error = plan_make(&plan, &survey, tool, errmsg);
    int unread = repaired_load(&repairing.note, survey.journal, errmsg);
    if (unread != 0) repairing.note = (struct repaired){0};
    repairing.note_damaged = unread == ERROR_DAMAGED;
    if (repairing.note.there && repairing.note.next_seq > plan.seq_max)
        plan.seq_max = repairing.note.next_seq - 1; /* of the snapshot before it */
    if (error == 0 && unread == ERROR_MEMORY) error = unread;
    if (error == 0) error = decide(&repairing, accept_loss);
    survey_close(&survey);
    if (error != 0 && errmsg->text[0] == '\0')
        errmsg_set(errmsg, error, "%.200s: %s", tool->directory, error_text(error));
    return error;
}
