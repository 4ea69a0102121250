#include "app/crew.h"

#include "app/gateway.h"
#include "app/shard_files.h"
#include "base/check.h"
#include "os/clock.h"
#include "os/log.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_MAX_US = 2000000 };

/* ---- Signals from engine to engine ---- */

struct carried {
    struct errand errand; /* first */
    struct station *to;
    struct shard_signal signal;
    uint8_t parcels[];
};

static void drop(struct errand *errand)
{
    free(CONTAINER_OF(errand, struct carried, errand));
}

static void arrive(struct errand *errand)
{
    struct carried *carried = CONTAINER_OF(errand, struct carried, errand);
    engine_take_signal(&carried->to->engine, &carried->signal);
    free(carried);
}

/* Without memory it is lost, and said again. */
static void carry(void *context, const struct shard_signal *signal)
{
    struct station *from = context;
    CHECK(signal->peer < from->crew->count && signal->peer != from->number);
    struct station *to = &from->crew->stations[signal->peer];
    struct carried *carried = malloc(sizeof *carried + signal->parcels.size);
    if (carried == NULL) return;
    carried->errand = (struct errand){.arrive = arrive, .drop = drop};
    carried->to = to;
    carried->signal = *signal;
    carried->signal.peer = from->number;
    if (signal->parcels.size > 0)
        memcpy(carried->parcels, signal->parcels.at, signal->parcels.size);
    carried->signal.parcels = span_of(carried->parcels, signal->parcels.size);
    inbox_put(to->inbox, &carried->errand);
    inbox_wake(to->inbox);
}

/* ---- A thread ---- */

static void publish(struct station *station)
{
    struct shard_metrics metrics;
    shard_metrics(station->engine.shard, &metrics);
    atomic_store_explicit(&station->seq, metrics.seq, memory_order_relaxed);
    atomic_store_explicit(&station->memory_bytes, metrics.memory_bytes, memory_order_relaxed);
    atomic_store_explicit(&station->waiters, metrics.waiters, memory_order_relaxed);
    atomic_store_explicit(&station->sent, metrics.sent, memory_order_relaxed);
}

static void turn_ended(struct loop_turn_end *turn_end)
{
    struct station *station = CONTAINER_OF(turn_end, struct station, turn_end);
    struct crew *crew = station->crew;
    publish(station);
    if (journal_durable(station->engine.journal) < shard_seq(station->engine.shard) &&
        !atomic_exchange(&crew->watched, true))
        loop_signal_send(&crew->stirred);
}

static void *serve(void *context)
{
    struct station *station = context;
    loop_touch(station->loop);
    while (!atomic_load_explicit(&station->stop, memory_order_acquire)) {
        if (loop_turn(station->loop, -1) == 0) continue;
        LOG(LOG_ERROR, "engine_thread_failed", LOG_NUMBER("shard", station->number));
        _exit(EXIT_FAILED);
    }
    return NULL;
}

/* ---- Standing still ---- */

static void pause_came(struct errand *errand)
{
    struct station *station = CONTAINER_OF(errand, struct station, pause);
    struct crew *crew = station->crew;
    pthread_mutex_lock(&crew->mutex);
    station->pause_out = false;
    if (crew->pausing) {
        crew->paused++;
        pthread_cond_broadcast(&crew->moved);
        while (crew->pausing) pthread_cond_wait(&crew->moved, &crew->mutex);
        crew->paused--;
        pthread_cond_broadcast(&crew->moved);
    }
    pthread_mutex_unlock(&crew->mutex);
}

static void pause_dropped(struct errand *errand)
{
    CONTAINER_OF(errand, struct station, pause)->pause_out = false;
}

static void end_pause(struct crew *crew)
{
    crew->pausing = false;
    pthread_cond_broadcast(&crew->moved);
    while (crew->paused > 0) pthread_cond_wait(&crew->moved, &crew->mutex);
}

bool crew_pause(struct crew *crew)
{
    if (!crew->running) return true;
    int64_t until_us = clock_mono_us() + PAUSE_MAX_US;
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    pthread_mutex_lock(&crew->mutex);
    crew->pausing = true;
    for (uint32_t i = 0; i < crew->count; i++) {
        struct station *station = &crew->stations[i];
        if (station->pause_out) continue;
        station->pause_out = true;
        inbox_put(station->inbox, &station->pause);
        inbox_wake(station->inbox);
    }
    while (crew->paused < crew->count &&
           pthread_cond_timedwait(&crew->moved, &crew->mutex, &until) == 0) {
    }
    bool all = crew->paused == crew->count;
    if (!all) end_pause(crew);
    pthread_mutex_unlock(&crew->mutex);
    return all;
}

void crew_resume(struct crew *crew)
{
    if (!crew->running) return;
    pthread_mutex_lock(&crew->mutex);
    /* What was done to them meanwhile is to go out in this turn. */
    for (uint32_t i = 0; i < crew->count; i++) loop_touch(crew->stations[i].loop);
    end_pause(crew);
    pthread_mutex_unlock(&crew->mutex);
}

void station_look(struct station *station, struct station_sight *sight)
{
    struct engine *engine = &station->engine;
    *sight = (struct station_sight){.durable = journal_durable(engine->journal)};
    if (!station->crew->threaded) publish(station);
    sight->seq = atomic_load_explicit(&station->seq, memory_order_relaxed);
    sight->memory_bytes = atomic_load_explicit(&station->memory_bytes, memory_order_relaxed);
    sight->waiters = atomic_load_explicit(&station->waiters, memory_order_relaxed);
    sight->sent = atomic_load_explicit(&station->sent, memory_order_relaxed);
}

static bool is_all_durable(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        struct station *station = &crew->stations[i];
        uint64_t seq = crew->threaded ? atomic_load_explicit(&station->seq, memory_order_relaxed)
                                      : shard_seq(station->engine.shard);
        if (journal_durable(station->engine.journal) < seq) return false;
    }
    return true;
}

bool crew_watch(struct crew *crew, bool more)
{
    if (more || !is_all_durable(crew)) return true;
    if (!crew->threaded) return false;
    /* What came in between was not told: the flag was up. */
    atomic_store(&crew->watched, false);
    return !is_all_durable(crew) && !atomic_exchange(&crew->watched, true);
}

int64_t crew_sync_hangs_us(struct crew *crew)
{
    int64_t longest_us = 0;
    for (uint32_t i = 0; i < crew->count; i++) {
        struct journal_metrics metrics;
        journal_metrics(crew->stations[i].engine.journal, &metrics);
        if (metrics.sync_running_us > longest_us) longest_us = metrics.sync_running_us;
    }
    return longest_us;
}

/* ---- Opening ---- */

static int open_engine(struct station *station, const struct crew_options *options)
{
    struct engine_options engine = {.directory = station->directory,
                                    .loop = station->loop,
                                    .shard = station->number,
                                    .shard_count = options->count,
                                    .commits_apart = options->count > 1,
                                    .snapshot_bytes = options->snapshot_bytes,
                                    .snapshot_every_ms = options->snapshot_every_ms,
                                    .failed = options->failed,
                                    .failed_context = options->failed_context,
                                    .carry = carry,
                                    .carry_context = station};
    int error = shard_files_path(station->directory, options->data, station->number, options->count,
                                 &station->errmsg);
    if (error == 0) error = engine_open(&station->engine, &engine, &station->errmsg);
    if (error != 0) return error;
    LOG(LOG_INFO, "recovered", LOG_NUMBER("shard", station->number),
        LOG_TEXT("data", station->directory), LOG_UNSIGNED("seq", shard_seq(station->engine.shard)),
        LOG_NUMBER("epoch", shard_epoch(station->engine.shard)),
        LOG_UNSIGNED("records", station->engine.recovery_records),
        LOG_NUMBER("ms", station->engine.recovery_us / 1000));
    return 0;
}

struct recovering {
    struct station *station;
    const struct crew_options *options;
};

static void *recover(void *context)
{
    struct recovering *recovering = context;
    recovering->station->error = open_engine(recovering->station, recovering->options);
    return NULL;
}

/* Each in a thread for the time of it. */
static void recover_all(struct crew *crew, const struct crew_options *options,
                        struct recovering *recovering)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        struct station *station = &crew->stations[i];
        recovering[i] = (struct recovering){station, options};
        if (pthread_create(&station->thread, NULL, recover, &recovering[i]) == 0) continue;
        station->error = errmsg_set(&station->errmsg, ERROR_MEMORY, "cannot start a thread");
        recovering[i].station = NULL;
    }
    for (uint32_t i = 0; i < crew->count; i++)
        if (recovering[i].station != NULL) pthread_join(crew->stations[i].thread, NULL);
}

static int open_station(struct station *station, const struct crew_options *options)
{
    station->pause = (struct errand){.arrive = pause_came, .drop = pause_dropped};
    station->loop = options->loop;
    station->inbox = options->inbox;
    if (options->count == 1) return 0;
    station->loop = &station->own_loop;
    station->inbox = &station->own_inbox;
    int error = loop_init(station->loop);
    if (error != 0) return error;
    error = inbox_open(station->inbox, station->loop);
    if (error != 0) loop_close(station->loop);
    return error;
}

static void close_station(struct station *station)
{
    if (!station->crew->threaded) return;
    inbox_close(station->inbox);
    loop_close(station->loop);
}

/* All were recovered in this moment, so what they know of each other fits, unless a repair has cut.
 */
static int check_agreement(const struct crew *crew, struct errmsg *errmsg)
{
    for (uint32_t i = 0; i < crew->count; i++)
        for (uint32_t j = i + 1; j < crew->count; j++)
            if (!shard_agrees(crew->stations[i].engine.shard, crew->stations[j].engine.shard))
                return errmsg_set(errmsg, ERROR_DAMAGED,
                                  "shards %u and %u do not agree on the messages between them: one "
                                  "of them has lost records. Restore a savepoint with --restore, "
                                  "or a copy of the whole data directory",
                                  i, j);
    return 0;
}

static int open_engines(struct crew *crew, const struct crew_options *options,
                        struct errmsg *errmsg)
{
    struct recovering *recovering = calloc(crew->count, sizeof *recovering);
    if (recovering == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    if (crew->threaded)
        recover_all(crew, options, recovering);
    else
        crew->stations[0].error = open_engine(&crew->stations[0], options);
    free(recovering);
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < crew->count; i++)
        if ((error = crew->stations[i].error) != 0) *errmsg = crew->stations[i].errmsg;
    if (error == 0) error = check_agreement(crew, errmsg);
    for (uint32_t i = 0; error != 0 && i < crew->count; i++)
        if (crew->stations[i].error == 0) engine_close(&crew->stations[i].engine);
    return error;
}

static void stirred(struct loop_signal *signal)
{
    (void)signal; /* the gateway looks at the end of the turn */
}

static int init_crew(struct crew *crew, const struct crew_options *options)
{
    pthread_condattr_t monotonic;
    *crew = (struct crew){
        .count = options->count, .threaded = options->count > 1, .loop = options->loop};
    crew->stations = calloc(crew->count, sizeof *crew->stations);
    if (crew->stations == NULL) return ERROR_MEMORY;
    pthread_mutex_init(&crew->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&crew->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return 0;
}

static void free_crew(struct crew *crew)
{
    pthread_cond_destroy(&crew->moved);
    pthread_mutex_destroy(&crew->mutex);
    free(crew->stations);
    crew->stations = NULL;
}

int crew_open(struct crew *crew, const struct crew_options *options, struct errmsg *errmsg)
{
    uint32_t opened = 0;
    int error = init_crew(crew, options);
    if (error != 0) return errmsg_set(errmsg, error, "out of memory");
    error = loop_signal_init(crew->loop, &crew->stirred, stirred);
    if (error != 0) {
        free_crew(crew);
        return errmsg_set(errmsg, error, "cannot make an event descriptor");
    }
    for (; error == 0 && opened < crew->count; opened += error == 0) {
        struct station *station = &crew->stations[opened];
        station->crew = crew;
        station->number = opened;
        error = open_station(station, options);
        if (error != 0) errmsg_set(errmsg, error, "cannot make an event loop for shard %u", opened);
    }
    if (error == 0) error = open_engines(crew, options, errmsg);
    if (error == 0) return 0;
    while (opened > 0) close_station(&crew->stations[--opened]);
    loop_signal_close(crew->loop, &crew->stirred);
    free_crew(crew);
    return error;
}

static void stop_first(struct crew *crew, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        atomic_store_explicit(&crew->stations[i].stop, true, memory_order_release);
        inbox_wake(crew->stations[i].inbox);
    }
    for (uint32_t i = 0; i < count; i++) pthread_join(crew->stations[i].thread, NULL);
    crew->running = false;
    for (uint32_t i = 0; i < count; i++) inbox_empty(crew->stations[i].inbox);
}

int crew_start(struct crew *crew)
{
    if (!crew->threaded) return 0;
    for (uint32_t i = 0; i < crew->count; i++) {
        struct station *station = &crew->stations[i];
        station->turn_end.run = turn_ended;
        publish(station);
        loop_at_turn_end(station->loop, &station->turn_end);
    }
    for (uint32_t i = 0; i < crew->count; i++) {
        if (pthread_create(&crew->stations[i].thread, NULL, serve, &crew->stations[i]) == 0)
            continue;
        stop_first(crew, i);
        return ERROR_MEMORY;
    }
    crew->running = true;
    return 0;
}

void crew_stop(struct crew *crew)
{
    if (crew->running) stop_first(crew, crew->count);
}

void crew_close(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->count; i++) {
        struct station *station = &crew->stations[i];
        if (station->turn_end.run != NULL) list_remove(&station->turn_end.link);
        engine_close(&station->engine);
    }
    for (uint32_t i = 0; i < crew->count; i++) close_station(&crew->stations[i]);
    loop_signal_close(crew->loop, &crew->stirred);
    free_crew(crew);
}
