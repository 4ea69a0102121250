#include "store/journal_state.h"

#include "base/check.h"
#include "os/clock.h"

#include <stdlib.h>

int journal_append(struct journal *journal, struct span records, uint64_t first_seq, uint32_t count)
{
    int error = atomic_load_explicit(&journal->failed, memory_order_relaxed);
    if (error != 0) return error;
    CHECK(count > 0 && first_seq == journal->next_seq);
    pthread_mutex_lock(&journal->mutex);
    error = group_append(journal->open, records, first_seq, count);
    if (error == 0) journal->next_seq += count;
    pthread_mutex_unlock(&journal->mutex);
    return error;
}

void journal_commit(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    if (!journal->wanted && !group_empty(journal->open)) {
        journal->wanted = true;
        if (!journal->committing) pthread_cond_signal(&journal->commit_work);
    }
    pthread_mutex_unlock(&journal->mutex);
}

bool journal_commit_here(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    bool free_to = !journal->committing && atomic_load(&journal->failed) == 0;
    if (free_to && !group_empty(journal->open) && group_stream_size(journal->open) <= journal->room)
        commit_group(journal);
    bool done =
        group_empty(journal->open) && !journal->committing && atomic_load(&journal->failed) == 0;
    pthread_mutex_unlock(&journal->mutex);
    if (!done) journal_commit(journal);
    return done;
}

uint64_t journal_durable(const struct journal *journal)
{
    return atomic_load_explicit(&journal->durable, memory_order_acquire);
}

int journal_failed(const struct journal *journal, struct errmsg *errmsg)
{
    /* The text was complete before `failed` was set. */
    int error = atomic_load(&journal->failed);
    if (error != 0 && errmsg != NULL) *errmsg = journal->failure;
    return error;
}

int journal_trim(struct journal *journal, uint64_t through_seq)
{
    pthread_mutex_lock(&journal->mutex);
    int error = atomic_load(&journal->failed);
    CHECK(through_seq <= journal_durable(journal));
    while (error == 0) {
        struct segment *oldest = LIST_FIRST(&journal->segments, struct segment, link);
        if (oldest == journal->current || oldest->last_seq > through_seq) break;
        if (oldest == journal->syncing) break; /* a seal that goes on in the next segment */
        list_remove(&oldest->link);
        list_append(&journal->forgotten, &oldest->link);
    }
    journal->bytes_since_trim = 0;
    pthread_cond_signal(&journal->prepare_work);
    pthread_mutex_unlock(&journal->mutex);
    return error;
}

void journal_metrics(struct journal *journal, struct journal_metrics *metrics)
{
    pthread_mutex_lock(&journal->mutex);
    *metrics = (struct journal_metrics){
        .bytes_appended = journal->bytes_appended,
        .commits = journal->commits,
        .records = journal->records,
        .sync_us_total = journal->sync_us_total,
        .sync_us_max = journal->sync_us_max,
        .bytes_since_trim = journal->bytes_since_trim,
        .spare_bytes = journal->spare_count * journal->options.segment_size,
        .room = journal->room,
        .full = journal->full,
    };
    if (journal->sync_began_us != 0)
        metrics->sync_running_us = clock_mono_us() - journal->sync_began_us;
    journal->sync_us_max = 0;
    LIST_EACH (&journal->segments, link) {
        metrics->bytes += CONTAINER_OF(link, struct segment, link)->size;
    }
    pthread_mutex_unlock(&journal->mutex);
}

static void stop_thread(struct journal *journal, bool *stop, pthread_cond_t *work, pthread_t thread)
{
    pthread_mutex_lock(&journal->mutex);
    *stop = true;
    pthread_cond_broadcast(work);
    pthread_mutex_unlock(&journal->mutex);
    pthread_join(thread, NULL);
}

void journal_close(struct journal *journal)
{
    stop_thread(journal, &journal->stop, &journal->commit_work, journal->commit_thread);
    stop_thread(journal, &journal->prepare_stop, &journal->prepare_work, journal->prepare_thread);
    journal_free(journal);
}

void journal_abandon(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    journal->abandoned = true;
    pthread_mutex_unlock(&journal->mutex);
    journal_close(journal);
}

int journal_create(struct journal **created, const struct journal_options *options)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) return ERROR_MEMORY;
    if (stream_init(&journal->stream) != 0) {
        free(journal);
        return ERROR_MEMORY;
    }
    journal->options = *options;
    CHECK(options->spares <= JOURNAL_SPARES_MAX);
    if (options->spares == 0) journal->options.spares = JOURNAL_SPARES;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_cond_init(&journal->commit_work, &monotonic);
    pthread_cond_init(&journal->prepare_work, &monotonic);
    pthread_cond_init(&journal->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    group_init(&journal->groups[0]);
    group_init(&journal->groups[1]);
    journal->open = &journal->groups[0];
    journal->writing = &journal->groups[1];
    list_init(&journal->segments);
    list_init(&journal->forgotten);
    *created = journal;
    return 0;
}

void journal_free(struct journal *journal)
{
    segments_free(&journal->segments);
    segments_free(&journal->forgotten);
    group_close(&journal->groups[0]);
    group_close(&journal->groups[1]);
    pthread_cond_destroy(&journal->moved);
    pthread_cond_destroy(&journal->prepare_work);
    pthread_cond_destroy(&journal->commit_work);
    pthread_mutex_destroy(&journal->mutex);
    stream_end(&journal->stream);
    if (journal->lock != NULL) lock_release(journal->lock, LOCK_JOURNAL);
    free(journal);
}
