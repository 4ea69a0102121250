#include "app/savepoint.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/log.h"

#include <stdlib.h>

#define TIME_MAX_US INT64_C(600000000)

enum { ROOM_KEPT_BYTES = 16 << 20 };

/* One shard's part; errands of its own for each way, since they may cross. */
struct savepoint_part {
    struct savepoint *savepoint;
    struct station *station;
    struct snapshots *snapshots;
    uint64_t known; /* the newest cut that the shard has joined */
    struct errand order, cancel, report;
    int error;
    struct snapshot_info info;
    struct errmsg why;
};

static void step(struct savepoint *savepoint);

/* The part is the savepoint's, which ends with the process. */
static void drop(struct errand *errand)
{
    (void)errand;
}

static void give_order(struct savepoint_part *part, struct errand *errand,
                       void (*arrive)(struct errand *))
{
    *errand = (struct errand){.arrive = arrive, .drop = drop};
    inbox_put(part->station->inbox, errand);
    inbox_wake(part->station->inbox);
}

/* ---- In the engines' threads ---- */

static void reported(struct errand *errand)
{
    struct savepoint_part *part = CONTAINER_OF(errand, struct savepoint_part, report);
    struct savepoint *savepoint = part->savepoint;
    savepoint->out--;
    if (part->error != 0 && savepoint->error == 0) {
        savepoint->error = part->error;
        errmsg_set(&savepoint->why, part->error, "shard %u: %s", part->station->number,
                   part->why.text);
    }
    step(savepoint);
}

static void report(struct savepoint_part *part)
{
    part->report = (struct errand){.arrive = reported, .drop = drop};
    inbox_put(part->savepoint->inbox, &part->report);
    inbox_wake(part->savepoint->inbox);
}

static void order_ask(struct errand *errand)
{
    struct savepoint_part *part = CONTAINER_OF(errand, struct savepoint_part, order);
    part->known = shard_cut_known(part->station->engine.shard);
    report(part);
}

static void done(void *context, int error, const struct snapshot_info *info, const char *why)
{
    struct savepoint_part *part = context;
    part->error = error;
    if (error == 0)
        part->info = *info;
    else
        errmsg_set(&part->why, error, "%s", why);
    report(part);
}

static void order_expect(struct errand *errand)
{
    struct savepoint_part *part = CONTAINER_OF(errand, struct savepoint_part, order);
    savepart_expect(&part->station->engine.savepart, part->savepoint->info.cut, part->snapshots,
                    done, part);
    report(part);
}

static void order_cut(struct errand *errand)
{
    struct savepoint_part *part = CONTAINER_OF(errand, struct savepoint_part, order);
    engine_cut(&part->station->engine, part->savepoint->info.cut);
}

static void order_cancel(struct errand *errand)
{
    struct savepoint_part *part = CONTAINER_OF(errand, struct savepoint_part, cancel);
    if (savepart_drop(&part->station->engine.savepart)) done(part, ERROR_CLOSED, NULL, "given up");
}

/* ---- On the disk ---- */

static int refuse_entry(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "lost+found") == 0 ? 0 : ERROR_EXISTS;
}

static int prepare_directory(struct savepoint *savepoint, struct errmsg *errmsg)
{
    const char *directory = savepoint->directory;
    uint64_t room = 0;
    int error = directory_make(directory, errmsg);
    if (error == 0) error = directory_list(directory, refuse_entry, NULL, errmsg);
    if (error == ERROR_EXISTS)
        return errmsg_set(errmsg, error, "%.200s is not empty: a savepoint wants a new directory",
                          directory);
    if (error == 0) error = directory_room(directory, &room, errmsg);
    if (error != 0 || room >= savepoint->bytes_wanted) return error;
    return errmsg_set(errmsg, ERROR_FULL,
                      "%.200s has room for %llu bytes, the savepoint may take %llu", directory,
                      (unsigned long long)room, (unsigned long long)savepoint->bytes_wanted);
}

static int open_stores(struct savepoint *savepoint, struct errmsg *errmsg)
{
    int error = prepare_directory(savepoint, errmsg);
    for (uint32_t i = 0; error == 0 && i < savepoint->info.count; i++) {
        char path[FILE_PATH_MAX];
        struct snapshot_info none;
        error = savepoint_shard_path(path, savepoint->directory, i, errmsg);
        if (error == 0) error = snapshots_open(&savepoint->parts[i].snapshots, path, &none, errmsg);
    }
    return error;
}

static void close_stores(struct savepoint *savepoint)
{
    for (uint32_t i = 0; i < savepoint->info.count; i++) {
        if (savepoint->parts[i].snapshots != NULL) snapshots_close(savepoint->parts[i].snapshots);
        savepoint->parts[i].snapshots = NULL;
    }
}

static void job_arrived(struct errand *errand)
{
    struct savepoint *savepoint = CONTAINER_OF(errand, struct savepoint, job_done);
    pthread_join(savepoint->thread, NULL);
    if (savepoint->job_error != 0 && savepoint->error == 0) {
        savepoint->error = savepoint->job_error;
        savepoint->why = savepoint->job_why;
    }
    savepoint->out--;
    step(savepoint);
}

static void *job(void *context)
{
    struct savepoint *savepoint = context;
    struct errmsg *why = &savepoint->job_why;
    why->text[0] = 0;
    savepoint->job_error = 0;
    if (savepoint->phase == SAVEPOINT_PREPARE) {
        savepoint->job_error = open_stores(savepoint, why);
    } else {
        close_stores(savepoint);
        if (savepoint->phase == SAVEPOINT_COMMIT)
            savepoint->job_error = savepoint_write(savepoint->directory, &savepoint->info, why);
    }
    savepoint->job_done = (struct errand){.arrive = job_arrived, .drop = drop};
    inbox_put(savepoint->inbox, &savepoint->job_done);
    inbox_wake(savepoint->inbox);
    return NULL;
}

/* ---- In the gateway's thread ---- */

static void start_job(struct savepoint *savepoint, enum savepoint_phase phase)
{
    savepoint->phase = phase;
    savepoint->out = 1;
    if (pthread_create(&savepoint->thread, NULL, job, savepoint) == 0) return;
    savepoint->error = errmsg_set(&savepoint->why, ERROR_MEMORY, "cannot start a thread");
    savepoint->out = 0;
    close_stores(savepoint);
}

static void order_all(struct savepoint *savepoint, enum savepoint_phase phase,
                      void (*arrive)(struct errand *))
{
    savepoint->phase = phase;
    savepoint->out = savepoint->info.count;
    for (uint32_t i = 0; i < savepoint->info.count; i++)
        give_order(&savepoint->parts[i], &savepoint->parts[i].order, arrive);
}

/* They still expect a cut, or read one: each reports that it does not any more. */
static void cancel_all(struct savepoint *savepoint)
{
    if (savepoint->cancelled) return;
    savepoint->cancelled = true;
    for (uint32_t i = 0; i < savepoint->info.count; i++)
        give_order(&savepoint->parts[i], &savepoint->parts[i].cancel, order_cancel);
}

static void choose_cut(struct savepoint *savepoint)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; i < savepoint->info.count; i++)
        if (savepoint->parts[i].known > newest) newest = savepoint->parts[i].known;
    savepoint->info.cut = newest + 1;
}

/* What a cut takes part in is known from EXPECT on: no report is due before it is made. */
static void begin_cut(struct savepoint *savepoint)
{
    savepoint->info.created_ms = clock_wall_us() / 1000;
    order_all(savepoint, SAVEPOINT_CUT, order_cut);
}

static void tell(struct savepoint *savepoint)
{
    struct savepoint_waiter *waiter = savepoint->waiter;
    struct buffer text;
    savepoint->waiter = NULL;
    if (waiter == NULL) return;
    buffer_init(&text);
    if (savepoint->error == 0)
        savepoint_json(&savepoint->info, &text);
    else
        buffer_append(&text, span_text(savepoint->why.text));
    waiter->done(waiter, savepoint->error, buffer_span(&text));
    buffer_close(&text);
}

static void free_parts(struct savepoint *savepoint)
{
    free(savepoint->parts);
    free(savepoint->info.shards);
    savepoint->parts = NULL;
    savepoint->info.shards = NULL;
    savepoint->phase = SAVEPOINT_IDLE;
}

static void finish(struct savepoint *savepoint)
{
    int64_t took_ms = (clock_mono_us() - savepoint->begun_us) / 1000;
    loop_timer_clear(savepoint->inbox->loop, &savepoint->timer);
    if (savepoint->error == 0)
        LOG(LOG_INFO, "savepoint_written", LOG_TEXT("directory", savepoint->directory),
            LOG_UNSIGNED("cut", savepoint->info.cut), LOG_NUMBER("ms", took_ms));
    else
        LOG(LOG_WARN, "savepoint_failed", LOG_TEXT("directory", savepoint->directory),
            LOG_TEXT("why", savepoint->why.text), LOG_NUMBER("ms", took_ms));
    tell(savepoint);
    free_parts(savepoint);
}

static void collect(struct savepoint *savepoint)
{
    for (uint32_t i = 0; i < savepoint->info.count; i++)
        savepoint->info.shards[i] = savepoint->parts[i].info;
}

/* One that has failed goes back the way it came. */
static void step_back(struct savepoint *savepoint)
{
    switch (savepoint->phase) {
    case SAVEPOINT_EXPECT:
        savepoint->phase = SAVEPOINT_CUT;
        savepoint->out = savepoint->info.count;
        cancel_all(savepoint);
        return;
    case SAVEPOINT_PREPARE:
    case SAVEPOINT_ASK:
    case SAVEPOINT_CUT: start_job(savepoint, SAVEPOINT_ABORT); break;
    case SAVEPOINT_IDLE:
    case SAVEPOINT_COMMIT:
    case SAVEPOINT_ABORT: break;
    }
    if (savepoint->out == 0) finish(savepoint);
}

/* Something was reported. */
static void step(struct savepoint *savepoint)
{
    if (savepoint->error != 0 && savepoint->phase == SAVEPOINT_CUT) cancel_all(savepoint);
    if (savepoint->out > 0) return;
    if (savepoint->error != 0) {
        step_back(savepoint);
        return;
    }
    switch (savepoint->phase) {
    case SAVEPOINT_PREPARE: order_all(savepoint, SAVEPOINT_ASK, order_ask); return;
    case SAVEPOINT_ASK:
        choose_cut(savepoint);
        order_all(savepoint, SAVEPOINT_EXPECT, order_expect);
        return;
    case SAVEPOINT_EXPECT: begin_cut(savepoint); return;
    case SAVEPOINT_CUT:
        collect(savepoint);
        start_job(savepoint, SAVEPOINT_COMMIT);
        if (savepoint->out == 0) finish(savepoint);
        return;
    case SAVEPOINT_COMMIT: finish(savepoint); return;
    case SAVEPOINT_IDLE:
    case SAVEPOINT_ABORT: CHECK(false);
    }
}

static void late(struct loop_timer *timer)
{
    struct savepoint *savepoint = CONTAINER_OF(timer, struct savepoint, timer);
    if (savepoint->error != 0 || savepoint->phase == SAVEPOINT_COMMIT) return;
    savepoint->error =
        errmsg_set(&savepoint->why, ERROR_TIMEOUT, "it was not done after %lld seconds",
                   (long long)(savepoint->time_max_us / 1000000));
    if (savepoint->phase == SAVEPOINT_CUT) cancel_all(savepoint);
}

void savepoint_init(struct savepoint *savepoint, struct crew *crew, struct inbox *inbox)
{
    *savepoint = (struct savepoint){
        .crew = crew, .inbox = inbox, .time_max_us = TIME_MAX_US, .timer = {.expired = late}};
}

static int set_directory(struct savepoint *savepoint, struct span directory, struct errmsg *errmsg)
{
    if (directory.size == 0 || directory.at[0] != '/' ||
        memchr(directory.at, 0, directory.size) != NULL)
        return errmsg_set(errmsg, ERROR_INVALID,
                          "the directory has to be an absolute path, on the gateway's machine");
    if (directory.size >= FILE_PATH_MAX / 2)
        return errmsg_set(errmsg, ERROR_INVALID, "the path of the directory is too long");
    memcpy(savepoint->directory, directory.at, directory.size);
    savepoint->directory[directory.size] = 0;
    return 0;
}

static int make_parts(struct savepoint *savepoint)
{
    uint32_t count = savepoint->crew->count;
    savepoint->info = (struct savepoint_info){.count = count};
    savepoint->parts = calloc(count, sizeof *savepoint->parts);
    savepoint->info.shards = calloc(count, sizeof *savepoint->info.shards);
    if (savepoint->parts == NULL || savepoint->info.shards == NULL) {
        free_parts(savepoint);
        return ERROR_MEMORY;
    }
    savepoint->bytes_wanted = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct station_sight sight;
        struct station *station = &savepoint->crew->stations[i];
        savepoint->parts[i] = (struct savepoint_part){.savepoint = savepoint, .station = station};
        station_look(station, &sight);
        savepoint->bytes_wanted += sight.memory_bytes + ROOM_KEPT_BYTES;
    }
    return 0;
}

int savepoint_begin(struct savepoint *savepoint, struct span directory,
                    struct savepoint_waiter *waiter, struct errmsg *errmsg)
{
    struct loop *loop = savepoint->inbox->loop;
    if (savepoint->phase != SAVEPOINT_IDLE)
        return errmsg_set(errmsg, ERROR_IN_USE, "a savepoint is being taken, into %.200s",
                          savepoint->directory);
    int error = set_directory(savepoint, directory, errmsg);
    if (error != 0) return error;
    if (make_parts(savepoint) != 0) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    savepoint->error = 0;
    savepoint->cancelled = false;
    savepoint->begun_us = clock_mono_us();
    start_job(savepoint, SAVEPOINT_PREPARE);
    if (savepoint->out == 0) {
        *errmsg = savepoint->why;
        free_parts(savepoint);
        return ERROR_MEMORY;
    }
    savepoint->waiter = waiter;
    loop_timer_set(loop, &savepoint->timer, loop_now_us(loop) + savepoint->time_max_us);
    return 0;
}

void savepoint_leave(struct savepoint *savepoint, struct savepoint_waiter *waiter)
{
    if (savepoint->waiter == waiter) savepoint->waiter = NULL;
}

void savepoint_close(struct savepoint *savepoint)
{
    if (savepoint->phase == SAVEPOINT_IDLE) return;
    savepoint->waiter = NULL;
    loop_timer_clear(savepoint->inbox->loop, &savepoint->timer);
    bool working = savepoint->phase == SAVEPOINT_PREPARE || savepoint->phase == SAVEPOINT_COMMIT ||
                   savepoint->phase == SAVEPOINT_ABORT;
    if (working) pthread_join(savepoint->thread, NULL);
    inbox_empty(savepoint->inbox); /* what lies there is in what is freed now */
    for (uint32_t i = 0; i < savepoint->info.count; i++)
        (void)savepart_drop(&savepoint->parts[i].station->engine.savepart);
    close_stores(savepoint);
    free_parts(savepoint);
}
