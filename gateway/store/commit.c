/* The thread that writes: one group at a time, one sync for each. */
#include "store/journal_state.h"

#include "base/check.h"
#include "os/clock.h"

/* Goes to the next segment, which room accounting has seen to. What is staged for this one is
 * written first. */
static int leave_segment(struct journal *journal, uint64_t last_seq, struct errmsg *errmsg)
{
    int error = stream_flush(&journal->stream, errmsg);
    if (error != 0) return error;
    pthread_mutex_lock(&journal->mutex);
    CHECK(journal->current->link.next != &journal->segments);
    journal->current->last_seq = last_seq;
    journal->current = CONTAINER_OF(journal->current->link.next, struct segment, link);
    journal->reserved = journal->current->size;
    pthread_mutex_unlock(&journal->mutex);
    return stream_start(&journal->stream, &journal->current->file, SEGMENT_HEAD_SIZE, errmsg);
}

static uint64_t room_in_segment(const struct journal *journal)
{
    return journal->current->size - stream_at(&journal->stream);
}

static uint64_t position(const struct journal *journal)
{
    return journal->current->base + stream_at(&journal->stream);
}

static int put_frame(struct journal *journal, struct frame *frame, struct span body,
                     struct errmsg *errmsg)
{
    static const uint8_t zeros[FRAME_ALIGN];
    uint8_t head[FRAME_HEAD_SIZE];
    frame->shard = journal->options.shard;
    frame->body_size = (uint32_t)body.size;
    frame->epoch = journal->epoch;
    frame->lineage = journal->lineage;
    frame->position = position(journal);
    frame->previous_crc = journal->previous_crc;
    frame_encode(frame, body, head);
    journal->previous_crc = frame->crc;
    size_t padding = frame_size(frame->body_size) - FRAME_HEAD_SIZE - body.size;
    int error = stream_put(&journal->stream, span_of(head, sizeof head), errmsg);
    if (error == 0) error = stream_put(&journal->stream, body, errmsg);
    if (error == 0) error = stream_put(&journal->stream, span_of(zeros, padding), errmsg);
    return error;
}

/* *group_start: UINT64_MAX until the first frame of the group has found its place. */
static int put_run(struct journal *journal, enum frame_kind kind, const struct group_run *run,
                   struct span body, uint64_t *group_start, struct errmsg *errmsg)
{
    struct frame frame = {
        .kind = kind, .pieces = FRAME_FIRST, .count = run->count, .first_seq = run->first_seq};
    do {
        if (room_in_segment(journal) < SEGMENT_ROOM_MIN) {
            int error = leave_segment(journal, run->first_seq + run->count - 1, errmsg);
            if (error != 0) return error;
        }
        if (*group_start == UINT64_MAX) *group_start = position(journal);
        frame.group_start = *group_start;
        uint64_t size = room_in_segment(journal) - FRAME_HEAD_SIZE;
        if (size > FRAME_BODY_MAX) size = FRAME_BODY_MAX;
        if (size >= body.size) {
            size = body.size;
            frame.pieces |= FRAME_LAST;
        }
        int error = put_frame(journal, &frame, span_of(body.at, (size_t)size), errmsg);
        if (error != 0) return error;
        body = span_from(body, (size_t)size);
        frame.pieces = 0;
    } while (body.size > 0);
    return 0;
}

static int put_group(struct journal *journal, const struct group *group, struct errmsg *errmsg)
{
    uint64_t group_start = UINT64_MAX;
    for (size_t i = 0; i < group->run_count; i++) {
        const struct group_run *run = &group->runs[i];
        struct span body = span_of(group->bytes.at + run->offset, run->size);
        int error = put_run(journal, FRAME_RECORDS, run, body, &group_start, errmsg);
        if (error != 0) return error;
    }
    return 0;
}

/* Every file that the group touched, in order. `first` is where it began. */
static int sync_segments(struct journal *journal, struct segment *first, struct errmsg *errmsg)
{
    for (struct segment *segment = first;;
         segment = CONTAINER_OF(segment->link.next, struct segment, link)) {
        int error = file_sync(&segment->file, errmsg);
        if (error != 0 || segment == journal->current) return error;
    }
}

static int flush_and_sync(struct journal *journal, struct segment *first, struct errmsg *errmsg)
{
    int error = stream_flush(&journal->stream, errmsg);
    return error != 0 ? error : sync_segments(journal, first, errmsg);
}

/* Mutex held, free while it waits. Keeps the filling of the segment out of the part that is about
 * to be written. */
static struct segment *begin(struct journal *journal, uint64_t size)
{
    CHECK(!journal->committing);
    journal->committing = true;
    uint64_t end = stream_at(&journal->stream) + size + FILE_BLOCK;
    journal->reserved = end < journal->current->size ? end : journal->current->size;
    while (journal->fill_end > 0 && journal->fill_start < journal->reserved)
        pthread_cond_wait(&journal->moved, &journal->mutex);
    journal->sync_began_us = clock_mono_us();
    journal->syncing = journal->current;
    return journal->current;
}

/* Mutex held. */
static void end(struct journal *journal)
{
    int64_t took_us = clock_mono_us() - journal->sync_began_us;
    journal->sync_began_us = 0;
    journal->committing = false;
    journal->syncing = NULL;
    journal->reserved = stream_at(&journal->stream);
    journal->commits++;
    journal->sync_us_total += (uint64_t)took_us;
    if ((uint64_t)took_us > journal->sync_us_max) journal->sync_us_max = (uint64_t)took_us;
    prepare_count_room(journal);
    if (prepare_wanted(journal)) pthread_cond_signal(&journal->prepare_work);
    pthread_cond_broadcast(&journal->moved);
}

void commit_fail(struct journal *journal, int error, const struct errmsg *errmsg)
{
    if (atomic_load(&journal->failed) != 0) return;
    journal->failure = *errmsg;
    atomic_store(&journal->failed, error);
    pthread_cond_broadcast(&journal->commit_work);
    pthread_cond_broadcast(&journal->moved);
}

static void count(struct journal *journal, const struct group *group, uint64_t bytes)
{
    for (size_t i = 0; i < group->run_count; i++) journal->records += group->runs[i].count;
    journal->bytes_appended += bytes;
    journal->bytes_since_trim += bytes;
}

void commit_group(struct journal *journal)
{
    struct errmsg errmsg = {{0}};
    struct group *group = journal->open;
    const struct group_run *last = &group->runs[group->run_count - 1];
    uint64_t through = last->first_seq + last->count - 1;
    journal->wanted = false;
    journal->sealed = false;
    journal->open = journal->writing;
    journal->writing = group;
    struct segment *first = begin(journal, group_stream_size(group));
    uint64_t began = position(journal);
    pthread_mutex_unlock(&journal->mutex);

    int error = put_group(journal, group, &errmsg);
    if (error == 0) error = flush_and_sync(journal, first, &errmsg);

    pthread_mutex_lock(&journal->mutex);
    journal->current->last_seq = through;
    count(journal, group, position(journal) - began);
    group_clear(group);
    end(journal);
    /* Nothing after a failure is ever called durable: what the device holds is not known any more.
       The failure may be the other thread's: a sync of the same file there may have been told of
       our pages. */
    if (error != 0) commit_fail(journal, error, &errmsg);
    if (atomic_load(&journal->failed) != 0) return;
    atomic_store_explicit(&journal->durable, through, memory_order_release);
}

/* What comes after all that was written: records may be waiting in the open group. */
static uint64_t written_end(const struct journal *journal)
{
    return group_empty(journal->open) ? journal->next_seq : journal->open->runs[0].first_seq;
}

/* Mutex held from the look that decided it on, free while it writes: what is appended or committed
 * in between would stand before the mark that does not know of it. */
static int mark(struct journal *journal, enum frame_kind kind, struct span body, uint32_t count_of,
                struct errmsg *errmsg)
{
    uint64_t group_start = UINT64_MAX;
    struct group_run run = {
        .size = body.size, .first_seq = written_end(journal), .count = count_of};
    struct segment *first = begin(journal, body.size + FRAME_HEAD_SIZE + FRAME_ALIGN);
    uint64_t began = position(journal);
    pthread_mutex_unlock(&journal->mutex);
    int error = put_run(journal, kind, &run, body, &group_start, errmsg);
    if (error == 0) error = flush_and_sync(journal, first, errmsg);
    pthread_mutex_lock(&journal->mutex);
    journal->bytes_appended += position(journal) - began;
    end(journal);
    return error;
}

int commit_open(struct journal *journal, struct span body, uint32_t count_of, struct errmsg *errmsg)
{
    pthread_mutex_lock(&journal->mutex);
    int error = mark(journal, FRAME_OPEN, body, count_of, errmsg);
    pthread_mutex_unlock(&journal->mutex);
    return error;
}

/* Mutex held, free meanwhile. A failure here is as final as any. */
static void tell(struct journal *journal);

static void seal(struct journal *journal)
{
    struct errmsg errmsg = {{0}};
    journal->sealed = true;
    if (journal->room < SEGMENT_ROOM_MIN) return; /* not worth a new segment */
    int error = mark(journal, FRAME_SEAL, SPAN_EMPTY, 0, &errmsg);
    if (error != 0) commit_fail(journal, error, &errmsg);
    if (error != 0) tell(journal); /* nobody waits for a seal, but the end must come at once */
}

static bool group_ready(const struct journal *journal)
{
    return !journal->committing && !group_empty(journal->open) &&
           (journal->wanted || journal->stop);
}

static bool has_room(struct journal *journal)
{
    uint64_t need = group_stream_size(journal->open);
    if (need <= journal->room) return true;
    journal->room_wanted = need;
    pthread_cond_signal(&journal->prepare_work);
    return false;
}

static void tell(struct journal *journal)
{
    if (journal->options.changed == NULL) return;
    pthread_mutex_unlock(&journal->mutex);
    journal->options.changed(journal->options.changed_context);
    pthread_mutex_lock(&journal->mutex);
}

/* True when the time to seal has come with nothing else to do. */
static bool wait_for_work(struct journal *journal)
{
    bool may_seal = journal->options.seal_idle_ms > 0 && !journal->sealed && !journal->committing &&
                    group_empty(journal->open) && atomic_load(&journal->failed) == 0;
    if (!may_seal) {
        pthread_cond_wait(&journal->commit_work, &journal->mutex);
        return false;
    }
    int64_t until_us = clock_mono_us() + (int64_t)journal->options.seal_idle_ms * 1000;
    struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    uint64_t commits = journal->commits;
    int result = pthread_cond_timedwait(&journal->commit_work, &journal->mutex, &until);
    return result != 0 && commits == journal->commits && group_empty(journal->open) &&
           !journal->committing;
}

void *commit_run(void *context)
{
    struct journal *journal = context;
    pthread_mutex_lock(&journal->mutex);
    while (!journal->stop || group_ready(journal)) {
        bool failed = atomic_load(&journal->failed) != 0;
        if (journal->stop && (failed || journal->abandoned)) break;
        if (!failed && group_ready(journal)) {
            if (has_room(journal)) {
                commit_group(journal);
                tell(journal);
                continue;
            }
            if (journal->stop && journal->full) break;
        }
        if (wait_for_work(journal)) seal(journal);
    }
    /* A clean end closes the window of the last group. */
    bool clean = atomic_load(&journal->failed) == 0 && !journal->abandoned;
    if (clean && !journal->sealed) seal(journal);
    pthread_mutex_unlock(&journal->mutex);
    return NULL;
}
