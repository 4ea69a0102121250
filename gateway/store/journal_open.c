/* Recovery: reads what is there, decides where it ends, and starts a new epoch behind it. */
#include "store/journal_state.h"

#include "base/check.h"
#include "store/joint.h"
#include "store/layout.h"

#include <stdlib.h>

enum { REWRITE_SIZE = 64 << 10 /* bytes at once; a multiple of FILE_BLOCK */ };

struct recovery {
    struct journal *journal;
    uint64_t new_lineage;
    journal_replay *replay;
    void *context;
    struct scan scan;
    struct joint joint;
    struct buffer open_record;
    struct errmsg *errmsg;
};

static int note_file(void *context, const char *name)
{
    struct journal *journal = context;
    uint64_t number = segment_spare_number(name);
    if (number != 0 && journal->spare_count < JOURNAL_SPARES_MAX)
        journal->spares[journal->spare_count++] = number;
    return 0;
}

/* A spare of another size than segments have now is of no use, nor is one too many. */
static int check_spares(struct journal *journal, struct errmsg *errmsg)
{
    size_t kept = 0;
    for (size_t i = 0; i < journal->spare_count; i++) {
        char path[FILE_PATH_MAX];
        struct file file;
        uint64_t size = 0;
        int error = segment_spare_path(path, journal->directory, journal->spares[i]);
        if (error == 0) error = file_open(&file, path, 0, errmsg);
        if (error != 0) return error;
        error = file_size(&file, &size, errmsg);
        file_close(&file);
        if (error == 0 &&
            (size != journal->options.segment_size || kept == journal->options.spares))
            error = file_remove(path, errmsg);
        else
            journal->spares[kept++] = journal->spares[i];
        if (error != 0) return error;
    }
    journal->spare_count = kept;
    return 0;
}

static int load(struct journal *journal, struct errmsg *errmsg)
{
    const struct journal_options *options = &journal->options;
    int error = layout_open(&journal->lock, options->directory, LOCK_JOURNAL, errmsg);
    if (error != 0) return error;
    error = layout_make(journal->directory, options->directory, "journal", errmsg);
    if (error == 0)
        error = segments_load(&journal->segments, journal->directory, options->shard,
                              FILE_WRITE | FILE_DIRECT, errmsg);
    if (error == 0) error = directory_list(journal->directory, note_file, journal, errmsg);
    return error != 0 ? error : check_spares(journal, errmsg);
}

/* Writes what is there once more. */
static int rewrite(struct file *file, uint64_t from, uint64_t to, struct errmsg *errmsg)
{
    uint8_t *piece = aligned_alloc(FILE_BLOCK, REWRITE_SIZE);
    if (piece == NULL) return ERROR_MEMORY;
    int error = 0;
    from -= from % file->align;
    while (from < to && error == 0) {
        uint64_t left = (to - from + file->align - 1) / file->align * file->align;
        size_t size = left < REWRITE_SIZE ? (size_t)left : REWRITE_SIZE;
        size_t got = 0;
        error = file_read(file, from, piece, size, &got, errmsg);
        if (error == 0 && got < size)
            error =
                errmsg_set(errmsg, ERROR_IO, "%.200s became shorter while it was open", file->path);
        if (error == 0) error = file_write(file, from, span_of(piece, size), errmsg);
        from += size;
    }
    free(piece);
    return error;
}

/*
 * The last group that was read back may never have been synced: a process died before it could. It
 * counts from now on. A sync alone is not enough: one that failed, and ended that process, has left
 * pages that are read as if they were on the disk and that no later sync writes.
 */
static int sync_tail(struct recovery *recovery)
{
    const struct scan_place *end = &recovery->scan.end;
    struct list *segments = &recovery->journal->segments;
    for (struct list *link = &end->segment->link; link != segments; link = link->prev) {
        struct segment *segment = CONTAINER_OF(link, struct segment, link);
        bool whole = segment->base + SEGMENT_HEAD_SIZE >= end->group_start;
        uint64_t from = whole ? SEGMENT_HEAD_SIZE : end->group_start - segment->base;
        uint64_t to = segment == end->segment ? end->offset : segment->size;
        int error = rewrite(&segment->file, from, to, recovery->errmsg);
        if (error == 0) error = file_sync(&segment->file, recovery->errmsg);
        if (error != 0 || segment->base <= end->group_start) return error;
    }
    return 0;
}

/* Sets the writer to the end of what is good. Pieces behind it are of an older epoch from now on.
 */
static int go_to_end(struct recovery *recovery)
{
    struct journal *journal = recovery->journal;
    const struct scan_place *end = &recovery->scan.end;
    int error = sync_tail(recovery);
    if (error != 0) return error;
    journal->current = end->segment;
    journal->current->last_seq = end->next_seq == 0 ? 0 : end->next_seq - 1;
    for (struct list *link = &end->segment->link; link != &journal->segments; link = link->next) {
        struct segment *segment = CONTAINER_OF(link, struct segment, link);
        segment->filled = file_data_end(&segment->file, 0, segment->size);
        if (segment != journal->current) segment->last_seq = 0;
    }
    journal->previous_crc = end->crc;
    journal->next_seq = end->next_seq;
    if (end->next_seq == 0) journal->next_seq = recovery->joint.from.seq + 1;
    journal->reserved = end->offset;
    prepare_count_room(journal);
    return stream_start(&journal->stream, &journal->current->file, end->offset, recovery->errmsg);
}

static int start_empty(struct recovery *recovery)
{
    struct journal *journal = recovery->journal;
    bool repaired = recovery->joint.note.there;
    journal->start_number = repaired ? recovery->joint.note.number : 1;
    journal->start_base = repaired ? recovery->joint.note.base : 0;
    int error = prepare_segment(journal, recovery->errmsg);
    if (error != 0) return error;
    recovery->scan.end.segment = LIST_FIRST(&journal->segments, struct segment, link);
    recovery->scan.end.offset = SEGMENT_HEAD_SIZE;
    return go_to_end(recovery);
}

static int encode_open(struct recovery *recovery, uint32_t *count)
{
    struct journal *journal = recovery->journal;
    const struct journal_options *options = &journal->options;
    *count = 0;
    if (options->encode_open == NULL) return 0;
    int error = options->encode_open(options->open_context, journal->epoch, journal->lineage,
                                     &recovery->open_record);
    if (error == 0 && recovery->open_record.failed) error = ERROR_MEMORY;
    CHECK(error != 0 || recovery->open_record.size <= FRAME_BODY_MAX);
    *count = 1;
    return error;
}

static void choose_identity(struct recovery *recovery)
{
    struct journal *journal = recovery->journal;
    const struct scan_place *end = &recovery->scan.end;
    uint32_t last = end->epoch;
    if (last < recovery->joint.from.epoch) last = recovery->joint.from.epoch;
    if (last < recovery->joint.note.epoch) last = recovery->joint.note.epoch;
    CHECK(last < UINT32_MAX);
    journal->epoch = last + 1;
    /* Outside systems have seen what a repair cut off: to them this is another gateway. */
    bool fresh = end->epoch == 0 || recovery->joint.note.new_lineage;
    journal->lineage = fresh ? recovery->new_lineage : end->lineage;
}

/* Durable before anybody is called: what a former owner still has in the air carries an older
 * epoch. */
static int start_epoch(struct recovery *recovery)
{
    struct journal *journal = recovery->journal;
    uint32_t count;
    choose_identity(recovery);
    int error = encode_open(recovery, &count);
    struct span body = buffer_span(&recovery->open_record);
    while (error == 0 && journal->room < body.size + FRAME_HEAD_SIZE + FRAME_ALIGN)
        error = prepare_segment(journal, recovery->errmsg);
    if (error == 0) error = commit_open(journal, body, count, recovery->errmsg);
    if (error != 0) return error;
    atomic_store(&journal->durable, journal->next_seq - 1 + count);
    if (count == 0) return 0;
    journal->current->last_seq = journal->next_seq;
    journal->next_seq += count;
    if (recovery->replay == NULL) return 0;
    return recovery->replay(recovery->context, body, journal->next_seq - 1, 1, journal->epoch,
                            journal->lineage);
}

static int start_threads(struct journal *journal)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, JOURNAL_THREAD_STACK);
    int failed = pthread_create(&journal->prepare_thread, &attributes, prepare_run, journal);
    if (failed == 0) {
        failed = pthread_create(&journal->commit_thread, &attributes, commit_run, journal);
        if (failed != 0) {
            pthread_mutex_lock(&journal->mutex);
            journal->prepare_stop = true;
            pthread_cond_signal(&journal->prepare_work);
            pthread_mutex_unlock(&journal->mutex);
            pthread_join(journal->prepare_thread, NULL);
        }
    }
    pthread_attr_destroy(&attributes);
    return failed == 0 ? 0 : ERROR_MEMORY;
}

/* What was cut off can never come back now: the note of it has served. */
static int end_repair(struct recovery *recovery)
{
    const struct journal *journal = recovery->journal;
    int error = repaired_settle(journal->options.directory, recovery->errmsg);
    return error != 0 ? error : repaired_remove(journal->directory, recovery->errmsg);
}

static int recover(struct recovery *recovery)
{
    struct journal *journal = recovery->journal;
    int error = scan_init(&recovery->scan, &journal->segments, journal->options.shard);
    if (error == 0)
        error = repaired_load(&recovery->joint.note, journal->directory, recovery->errmsg);
    if (error == 0)
        error = joint_read(&recovery->joint, &recovery->scan, recovery->replay, recovery->context,
                           recovery->errmsg);
    if (error == 0)
        error = list_empty(&journal->segments) ? start_empty(recovery) : go_to_end(recovery);
    if (error == 0) error = start_epoch(recovery);
    if (error == 0 && recovery->joint.note.there) error = end_repair(recovery);
    scan_close(&recovery->scan);
    return error;
}

static size_t segment_size(size_t wanted)
{
    size_t size = wanted < SEGMENT_SIZE_MIN ? SEGMENT_SIZE_MIN : wanted;
    return (size + FILE_BLOCK - 1) / FILE_BLOCK * FILE_BLOCK;
}

int journal_open(struct journal **opened, const struct journal_options *options,
                 struct journal_position from, uint64_t new_lineage, journal_replay *replay,
                 void *context, uint32_t *epoch, uint64_t *lineage, uint64_t *next_seq,
                 struct errmsg *errmsg)
{
    struct journal *journal;
    struct recovery recovery = {.joint = {.from = from},
                                .new_lineage = new_lineage,
                                .replay = replay,
                                .context = context,
                                .errmsg = errmsg};
    errmsg->text[0] = '\0';
    int error = journal_create(&journal, options);
    if (error != 0) return errmsg_set(errmsg, error, "%s", error_text(error));
    journal->options.segment_size = segment_size(options->segment_size);
    recovery.journal = journal;
    recovery.joint.journal = journal->directory;
    buffer_init(&recovery.open_record);
    error = load(journal, errmsg);
    if (error == 0) error = recover(&recovery);
    if (error == 0) error = start_threads(journal);
    buffer_close(&recovery.open_record);
    if (error != 0) {
        if (errmsg->text[0] == '\0')
            errmsg_set(errmsg, error, "%.200s: %s", options->directory, error_text(error));
        journal_free(journal);
        return error;
    }
    *opened = journal;
    *epoch = journal->epoch;
    *lineage = journal->lineage;
    *next_seq = journal->next_seq;
    return 0;
}
