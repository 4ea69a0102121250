/*
 * The thread that works ahead of the commits: makes the next segment before it is needed, writes
 * zeros into a new one just ahead of the stream (a write into fresh blocks costs the file system a
 * transaction), and puts forgotten ones aside.
 */
#include "store/journal_state.h"

#include "base/check.h"
#include "os/clock.h"

#include <stdalign.h>

/* Never written to, so it takes no memory. Aligned for direct writes. */
static alignas(FILE_BLOCK) uint8_t zeros[JOURNAL_FILL_STEP];

static struct segment *last_segment(const struct journal *journal)
{
    return CONTAINER_OF(journal->segments.prev, struct segment, link);
}

void prepare_count_room(struct journal *journal)
{
    uint64_t room = 0;
    uint64_t used = journal->reserved;
    for (struct list *link = &journal->current->link; link != &journal->segments;
         link = link->next) {
        struct segment *segment = CONTAINER_OF(link, struct segment, link);
        uint64_t kept = used + JOURNAL_SEGMENT_SLACK - SEGMENT_HEAD_SIZE;
        if (segment->size > kept) room += segment->size - kept;
        used = SEGMENT_HEAD_SIZE;
    }
    journal->room = room;
}

static bool segment_wanted(const struct journal *journal)
{
    if (journal->room_wanted > journal->room) return true;
    return last_segment(journal) == journal->current &&
           journal->reserved > journal->current->size / 2;
}

static uint64_t fill_from(const struct journal *journal)
{
    uint64_t from = journal->current->filled;
    if (from < journal->reserved) from = journal->reserved;
    return (from + FILE_BLOCK - 1) / FILE_BLOCK * FILE_BLOCK;
}

static bool fill_wanted(const struct journal *journal)
{
    uint64_t from = fill_from(journal);
    return from < journal->current->size && from - journal->reserved < JOURNAL_FILL_AHEAD;
}

bool prepare_wanted(const struct journal *journal)
{
    return segment_wanted(journal) || fill_wanted(journal);
}

/* Small at first, so that the first start is fast and an idle gateway small. */
static uint64_t next_size(const struct journal *journal, const struct segment *last)
{
    uint64_t limit = journal->options.segment_size;
    uint64_t size = last == NULL ? SEGMENT_SIZE_FIRST : 4 * last->size;
    return size < limit ? size : limit;
}

/* A file to be used again, or 0. Taken out of the list. */
static uint64_t take_spare(struct journal *journal, uint64_t size)
{
    if (size != journal->options.segment_size || journal->spare_count == 0) return 0;
    return journal->spares[--journal->spare_count];
}

int prepare_segment(struct journal *journal, struct errmsg *errmsg)
{
    struct segment *made;
    pthread_mutex_lock(&journal->mutex);
    struct segment *last = list_empty(&journal->segments) ? NULL : last_segment(journal);
    struct segment_head head = {
        .shard = journal->options.shard,
        .epoch = journal->epoch,
        .lineage = journal->lineage,
        .number = last == NULL ? journal->start_number : last->number + 1,
        .base = last == NULL ? journal->start_base : last->base + last->size,
        .size = next_size(journal, last),
    };
    uint64_t spare = take_spare(journal, head.size);
    pthread_mutex_unlock(&journal->mutex);
    int error = segment_make(&made, journal->directory, &head, spare, errmsg);
    if (error != 0) return error;
    pthread_mutex_lock(&journal->mutex);
    list_append(&journal->segments, &made->link);
    if (journal->current != NULL) prepare_count_room(journal);
    pthread_mutex_unlock(&journal->mutex);
    return 0;
}

static void tell(struct journal *journal)
{
    if (journal->options.changed == NULL) return;
    pthread_mutex_unlock(&journal->mutex);
    journal->options.changed(journal->options.changed_context);
    pthread_mutex_lock(&journal->mutex);
}

/* Mutex held, free meanwhile. */
static void make_room(struct journal *journal)
{
    struct errmsg errmsg = {{0}};
    pthread_mutex_unlock(&journal->mutex);
    int error = prepare_segment(journal, &errmsg);
    pthread_mutex_lock(&journal->mutex);
    bool full = error == ERROR_FULL || error == ERROR_MEMORY;
    bool changed = full != journal->full;
    journal->full = full;
    if (error != 0 && !full) {
        commit_fail(journal, error, &errmsg);
        changed = true;
    }
    pthread_cond_signal(&journal->commit_work);
    if (changed) tell(journal);
}

static int write_zeros(struct file *file, uint64_t from, uint64_t to, struct errmsg *errmsg)
{
    if (file->direct) return file_write(file, from, span_of(zeros, (size_t)(to - from)), errmsg);
    /* One page at a time: a page cache that holds them as one large folio would write all of it at
     * each sync. */
    for (; from < to; from += FILE_BLOCK) {
        int error = file_write(file, from, span_of(zeros, FILE_BLOCK), errmsg);
        if (error != 0) return error;
    }
    int error = file_sync(file, errmsg);
    file_forget(file);
    return error;
}

/* Mutex held, free meanwhile. */
static void fill(struct journal *journal)
{
    struct errmsg errmsg = {{0}};
    struct segment *segment = journal->current;
    uint64_t from = fill_from(journal);
    uint64_t to =
        segment->size - from < JOURNAL_FILL_STEP ? segment->size : from + JOURNAL_FILL_STEP;
    journal->fill_start = from;
    journal->fill_end = to;
    pthread_mutex_unlock(&journal->mutex);
    int error = write_zeros(&segment->file, from, to, &errmsg);
    pthread_mutex_lock(&journal->mutex);
    segment->filled = to;
    journal->fill_start = journal->fill_end = 0;
    pthread_cond_broadcast(&journal->moved);
    if (error != 0) {
        commit_fail(journal, error, &errmsg);
        tell(journal);
    }
}

static int put_aside(struct journal *journal, struct segment *segment, bool keep,
                     struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    if (!keep) return file_remove(segment->file.path, errmsg);
    int error = segment_spare_path(path, journal->directory, segment->number);
    return error != 0 ? error : file_rename(segment->file.path, path, errmsg);
}

/* Mutex held, free meanwhile. The names are made durable before a head is written over: a file
   whose old name came back after a power cut would otherwise hold another segment's head. */
static void put_forgotten_aside(struct journal *journal)
{
    struct errmsg errmsg = {{0}};
    struct segment *segment = LIST_FIRST(&journal->forgotten, struct segment, link);
    list_remove(&segment->link);
    bool keep = segment->size == journal->options.segment_size &&
                journal->spare_count < journal->options.spares;
    pthread_mutex_unlock(&journal->mutex);
    int error = put_aside(journal, segment, keep, &errmsg);
    if (error == 0) error = directory_sync(journal->directory, &errmsg);
    uint64_t number = segment->number;
    segment_free(segment);
    pthread_mutex_lock(&journal->mutex);
    if (keep && error == 0) journal->spares[journal->spare_count++] = number;
    if (error != 0) {
        commit_fail(journal, error, &errmsg);
        tell(journal);
    }
}

static void wait_for_work(struct journal *journal)
{
    if (!journal->full || atomic_load(&journal->failed) != 0) {
        pthread_cond_wait(&journal->prepare_work, &journal->mutex);
        return;
    }
    int64_t until_us = clock_mono_us() + JOURNAL_RETRY_FULL_MS * 1000;
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    (void)pthread_cond_timedwait(&journal->prepare_work, &journal->mutex, &until);
}

/* What was trimmed is put aside before a clean end: the next open would read it all again. */
static bool may_stop(const struct journal *journal)
{
    bool failed = atomic_load(&journal->failed) != 0;
    return journal->prepare_stop &&
           (failed || journal->abandoned || list_empty(&journal->forgotten));
}

void *prepare_run(void *context)
{
    struct journal *journal = context;
    int64_t retry_at_us = 0; /* a full file system is not asked again before */
    pthread_mutex_lock(&journal->mutex);
    while (!may_stop(journal)) {
        bool failed = atomic_load(&journal->failed) != 0;
        if (!failed && !list_empty(&journal->forgotten)) {
            put_forgotten_aside(journal);
            retry_at_us = 0;
        } else if (!failed && segment_wanted(journal) && clock_mono_us() >= retry_at_us) {
            make_room(journal);
            retry_at_us = journal->full ? clock_mono_us() + JOURNAL_RETRY_FULL_MS * 1000 : 0;
        } else if (!failed && fill_wanted(journal)) {
            fill(journal);
        } else {
            wait_for_work(journal);
        }
    }
    pthread_mutex_unlock(&journal->mutex);
    return NULL;
}
