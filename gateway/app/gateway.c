#include "app/gateway.h"

#include "app/restore.h"
#include "app/shard_files.h"
#include "app/state.h"
#include "os/file.h"
#include "os/limits.h"
#include "os/log.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LOOK_US = 100000,
    LOOK_WHILE_PENDING_US = 500000,
    BODIES_MEMORY_SHARE =
        8,                /* of the budget, for bodies that are still coming in; of each server */
    HANGING_US = 5000000, /* as /readyz */
    ROOM_KEPT_BYTES = 16 << 20
};

static void engine_failed(void *context, const char *why)
{
    (void)context;
    LOG(LOG_ERROR, "engine_failed", LOG_TEXT("why", why),
        LOG_TEXT("hint", "nothing that was acknowledged is lost; mend the cause and start again"));
    _exit(EXIT_FAILED); /* not another byte may leave: no handlers, no destructors */
}

/* ---- Settings ---- */

static int load(struct gateway *gateway, struct settings *settings)
{
    const struct gateway_options *options = gateway->options;
    struct problems problems;
    problems_init(&problems);
    int error =
        settings_load(settings, options->files, options->file_count, options->flags, &problems);
    if (error == 0) {
        error = settings_refuse_unbuilt(settings, &problems);
        if (error != 0) settings_close(settings);
    }
    if (error != 0) problems_print(&problems, stderr);
    return error;
}

/* Into a set of the caller's: what a reload has read counts only when all of the reload does. */
static int load_tokens(struct tokens *tokens, const struct settings *settings,
                       struct errmsg *errmsg)
{
    const char *path = settings->gateway.token_file;
    return path == NULL ? 0 : tokens_load(tokens, path, errmsg);
}

/* The set that was in force is the caller's to close. */
static void use_tokens(struct gateway *gateway, struct tokens *tokens,
                       const struct settings *settings)
{
    struct tokens before = gateway->tokens;
    gateway->tokens = *tokens;
    gateway->has_tokens = settings->gateway.token_file != NULL;
    gateway->admin.tokens = gateway->has_tokens ? &gateway->tokens : NULL;
    *tokens = before;
}

/* The listeners stay as they are: without tokens they would stand open, wherever they listen. */
static int check_reload(const struct gateway *gateway, const struct settings *settings,
                        struct errmsg *errmsg)
{
    if (!gateway->has_tokens || settings->gateway.token_file != NULL) return 0;
    return errmsg_set(errmsg, ERROR_INVALID,
                      "a token file is in force and the new settings name none: that takes a "
                      "restart");
}

static void warn_if(bool changed, const char *setting)
{
    if (changed)
        LOG(LOG_WARN, "restart_needed", LOG_TEXT("setting", setting),
            LOG_TEXT("why", "a reload does not change it in a running gateway"));
}

static bool differs(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

/* What a reload takes no notice of is said, not passed over. */
static void warn_of_restart(const struct gateway *gateway, const struct gateway_settings *next)
{
    const struct gateway_settings *now = &gateway->settings.gateway;
    warn_if(differs(now->data, next->data), "data");
    warn_if(differs(now->listen, next->listen), "listen");
    warn_if(differs(now->admin, next->admin), "admin");
    warn_if(now->workers != next->workers, "workers");
    warn_if(now->shards != next->shards, "shards");
    warn_if(now->snapshot_every_ms != next->snapshot_every_ms, "snapshotEvery");
    warn_if(now->snapshot_bytes != next->snapshot_bytes, "snapshotBytes");
    warn_if(differs(now->tls_cert, next->tls_cert) || differs(now->tls_key, next->tls_key) ||
                differs(now->tls_client_ca, next->tls_client_ca),
            "tls");
}

/* The engines stand still. */
static int take_over(struct gateway *gateway, const struct settings *settings,
                     struct tokens *tokens, struct errmsg *errmsg)
{
    /* Answers may ask for the lock. */
    for (uint32_t i = 0; i < gateway->crew.count; i++)
        engine_flush(&gateway->crew.stations[i].engine);
    pthread_rwlock_wrlock(&gateway->shared);
    int error = check_reload(gateway, settings, errmsg);
    if (error == 0) error = load_tokens(tokens, settings, errmsg);
    if (error == 0) error = wiring_configure(gateway, settings, errmsg);
    if (error == 0) use_tokens(gateway, tokens, settings);
    pthread_rwlock_unlock(&gateway->shared);
    return error;
}

/* SIGHUP: what is wrong with the new files is told, and the old ones stay in force. */
static void reload(struct gateway *gateway)
{
    struct settings settings;
    struct errmsg errmsg;
    if (gateway->drain != DRAIN_NOT) return;
    if (load(gateway, &settings) != 0) {
        LOG(LOG_ERROR, "reload_failed",
            LOG_TEXT("why", "the module files have errors; nothing has changed"));
        return;
    }
    struct tokens tokens;
    tokens_init(&tokens);
    int error = crew_pause(&gateway->crew)
                    ? 0
                    : errmsg_set(&errmsg, ERROR_TIMEOUT, "a shard did not come to it in time");
    if (error == 0) {
        error = take_over(gateway, &settings, &tokens, &errmsg);
        crew_resume(&gateway->crew);
    }
    tokens_close(&tokens);
    if (error != 0) {
        LOG(LOG_ERROR, "reload_failed", LOG_TEXT("why", errmsg.text));
        settings_close(&settings);
        return;
    }
    warn_of_restart(gateway, &settings.gateway);
    settings_close(&gateway->settings);
    gateway->settings = settings;
    LOG(LOG_INFO, "reloaded", LOG_NUMBER("endpoints", (int64_t)settings.endpoint_count));
}

static void signal_came(struct signals *signals, int number)
{
    struct gateway *gateway = CONTAINER_OF(signals, struct gateway, signals);
    if (number == SIGHUP) {
        reload(gateway);
    } else if (gateway->drain == DRAIN_NOT) {
        drain_begin(gateway);
    } else {
        LOG_BARE(LOG_WARN, "stopped_at_once");
        gateway->stop = true;
    }
}

/* ---- The turn ---- */

/* Room is kept for a snapshot of all there is and a segment of journal, which a spare one is, too:
   with less, new work is refused while what has been accepted can still be finished. What is held
   back also lets go at a higher mark, so that it does not flicker. */
static bool is_disk_full(struct gateway *gateway)
{
    struct journal_metrics journal;
    struct station_sight sight;
    struct errmsg errmsg;
    uint64_t room, kept = 0;
    for (uint32_t i = 0; i < gateway->crew.count; i++) {
        struct station *station = &gateway->crew.stations[i];
        journal_metrics(station->engine.journal, &journal);
        if (journal.full) return true;
        station_look(station, &sight);
        kept += sight.memory_bytes;
        if (journal.spare_bytes < ROOM_KEPT_BYTES) kept += ROOM_KEPT_BYTES - journal.spare_bytes;
    }
    if (directory_room(gateway->settings.gateway.data, &room, &errmsg) != 0) return false;
    return room < (gateway->disk_full ? kept + kept / 4 : kept);
}

static bool is_disk_hanging(struct gateway *gateway)
{
    return crew_sync_hangs_us(&gateway->crew) >= HANGING_US;
}

static void look_again(struct loop_timer *timer)
{
    loop_touch(&CONTAINER_OF(timer, struct gateway, look_timer)->loop);
}

static void turn_ended(struct loop_turn_end *turn_end)
{
    struct gateway *gateway = CONTAINER_OF(turn_end, struct gateway, turn_end);
    int64_t now_us = loop_now_us(&gateway->loop);
    drain_turn(gateway);
    /* What is not durable yet, or refused, is looked at again even if nothing else turns the loop.
     */
    bool pending = crew_watch(&gateway->crew, gateway->disk_full || gateway->disk_hangs);
    if (pending && !gateway->look_timer.set)
        loop_timer_set(&gateway->loop, &gateway->look_timer, now_us + LOOK_WHILE_PENDING_US);
    if (now_us - gateway->looked_us < LOOK_US) return;
    gateway->looked_us = now_us;
    bool full = is_disk_full(gateway);
    bool hangs = is_disk_hanging(gateway);
    for (uint32_t i = 0; i < gateway->crew.count; i++)
        atomic_store_explicit(&gateway->crew.stations[i].engine.snapshotter.pressed, full,
                              memory_order_relaxed);
    if (full == gateway->disk_full && hangs == gateway->disk_hangs) return;
    if (full != gateway->disk_full) LOG_BARE(LOG_WARN, full ? "disk_full" : "disk_has_room");
    if (hangs != gateway->disk_hangs) LOG_BARE(LOG_WARN, hangs ? "disk_hangs" : "disk_answers");
    gateway->disk_full = full;
    gateway->disk_hangs = hangs;
    wiring_order(gateway);
}

static int run(struct gateway *gateway)
{
    while (!gateway->stop) {
        int error = server_turn(gateway->server);
        if (error != 0) {
            LOG(LOG_ERROR, "loop_failed", LOG_TEXT("why", error_text(error)));
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}

/* ---- Begin and end ---- */

static int tell(const char *event, int error, const struct errmsg *errmsg)
{
    LOG(LOG_ERROR, event, LOG_TEXT("why", errmsg->text[0] == 0 ? error_text(error) : errmsg->text));
    if (error == ERROR_REFUSED) return EXIT_USAGE;
    return error == ERROR_DAMAGED || error == ERROR_NEWER_FORMAT ? EXIT_DAMAGED : EXIT_FAILED;
}

static int settle(struct gateway *gateway, uint32_t *count, struct errmsg *errmsg)
{
    const struct gateway_settings *settings = &gateway->settings.gateway;
    const char *savepoint = flags_text(gateway->options->flags, "--restore", NULL);
    bool given = settings->origins[GATEWAY_SHARDS].kind != ORIGIN_DEFAULT;
    int error = savepoint == NULL
                    ? 0
                    : restore(savepoint, settings->data, given ? settings->shards : 0, errmsg);
    if (error != 0) return error;
    return shard_files_settle(settings->data, settings->shards, given, count, &gateway->lock,
                              errmsg);
}

static int open_crew(struct gateway *gateway, struct errmsg *errmsg)
{
    const struct gateway_settings *settings = &gateway->settings.gateway;
    struct crew_options options = {.data = settings->data,
                                   .loop = &gateway->loop,
                                   .inbox = &gateway->inbox,
                                   .snapshot_bytes = settings->snapshot_bytes,
                                   .snapshot_every_ms = settings->snapshot_every_ms,
                                   .failed = engine_failed,
                                   .failed_context = gateway};
    int error = settle(gateway, &options.count, errmsg);
    if (error != 0) return error;
    error = crew_open(&gateway->crew, &options, errmsg);
    if (error != 0) goto release_lock;
    gateway->port = &gateway->crew.stations[0].engine.port;
    if (!gateway->crew.threaded) return 0;
    error = way_open(&gateway->way, &gateway->inbox, &gateway->crew);
    if (error == 0) {
        gateway->port = gateway->way.port;
        return 0;
    }
    errmsg_set(errmsg, error, "out of memory");
    crew_close(&gateway->crew);
release_lock:
    shard_files_release(gateway->lock);
    return error;
}

static void close_crew(struct gateway *gateway)
{
    if (gateway->crew.threaded) way_close(&gateway->way);
    crew_close(&gateway->crew);
    shard_files_release(gateway->lock);
}

/* What `holdfast check` has to find in the directory now. */
static void tell_end(const struct gateway *gateway)
{
    for (uint32_t i = 0; i < gateway->crew.count; i++) {
        struct shard *shard = gateway->crew.stations[i].engine.shard;
        LOG(LOG_INFO, "stopped", LOG_NUMBER("shard", i), LOG_UNSIGNED("seq", shard_seq(shard)),
            LOG_HEX("digest", shard_digest(shard)));
    }
}

static int open_loop(struct gateway *gateway)
{
    int error = loop_init(&gateway->loop);
    if (error != 0) return error;
    error = inbox_open(&gateway->inbox, &gateway->loop);
    if (error == 0) {
        error = signals_open(&gateway->signals, &gateway->loop, signal_came);
        if (error == 0) return 0;
        inbox_close(&gateway->inbox);
    }
    loop_close(&gateway->loop);
    return error;
}

static void close_loop(struct gateway *gateway)
{
    signals_close(&gateway->signals);
    inbox_close(&gateway->inbox);
    loop_close(&gateway->loop);
}

static void serve(struct gateway *gateway, int *code)
{
    gateway->turn_end.run = turn_ended;
    gateway->look_timer.expired = look_again;
    loop_at_turn_end(&gateway->loop, &gateway->turn_end);
    LOG(LOG_INFO, "ready", LOG_TEXT("version", HOLDFAST_VERSION),
        LOG_NUMBER("shards", gateway->crew.count));
    loop_touch(&gateway->loop);
    *code = run(gateway);
    crew_stop(&gateway->crew);
    if (*code == EXIT_DONE) tell_end(gateway);
    server_drain(gateway->server);
}

/* Too low a limit is met later, when connections come: it is no reason not to start. */
static void raise_descriptors(void)
{
    uint64_t before = 0, now = 0;
    int error = limits_raise_descriptors(&before, &now);
    if (error != 0) LOG(LOG_WARN, "open_files_not_raised", LOG_TEXT("why", error_text(error)));
    LOG(LOG_DEBUG, "open_files", LOG_UNSIGNED("before", before), LOG_UNSIGNED("now", now));
}

/* Each step leaves what is open to its successor's failure: labels named after what they undo. */
static int start(struct gateway *gateway)
{
    struct errmsg errmsg = {{0}};
    gateway->limits = (struct server_limits){
        .body_max = 33554432,
        .bodies_max = (size_t)wiring_memory_budget(&gateway->settings) / BODIES_MEMORY_SHARE,
        .connections_max = 10000,
        .head_timeout_ms = 30000,
        .idle_timeout_ms = 60000};
    int code = EXIT_FAILED;
    int error = load_tokens(&gateway->tokens, &gateway->settings, &errmsg);
    gateway->has_tokens = gateway->settings.gateway.token_file != NULL;
    if (error != 0) return tell("tokens_failed", error, &errmsg);
    error = open_loop(gateway);
    if (error != 0) return tell("loop_failed", error, &errmsg);
    error = server_open(&gateway->server, &gateway->loop, &gateway->limits, &errmsg);
    if (error != 0) {
        code = tell("server_failed", error, &errmsg);
        goto close_loop;
    }
    error = open_crew(gateway, &errmsg);
    if (error != 0) {
        code = tell("recovery_failed", error, &errmsg);
        goto close_server;
    }
    sources_init(gateway);
    error = wiring_configure(gateway, &gateway->settings, &errmsg);
    if (error == 0) error = wiring_listen(gateway, &errmsg);
    if (error == 0 && (error = crew_start(&gateway->crew)) != 0)
        errmsg_set(&errmsg, error, "cannot start a thread for each shard");
    if (error != 0)
        code = tell("start_failed", error, &errmsg);
    else
        serve(gateway, &code);
    for (size_t i = 0; i < gateway->front_count; i++) front_stop(&gateway->fronts[i]);
    server_close(gateway->server);
    savepoint_close(&gateway->savepoint);
    for (size_t i = 0; i < gateway->front_count; i++) front_close(&gateway->fronts[i]);
    close_crew(gateway);
    inbox_empty(&gateway->inbox);
    sources_close(gateway);
    gateway->server = NULL;
close_server:
    if (gateway->server != NULL) server_close(gateway->server);
close_loop:
    close_loop(gateway);
    return code;
}

int gateway_run(const struct gateway_options *options)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL) return EXIT_FAILED;
    gateway->options = options;
    tokens_init(&gateway->tokens);
    pthread_rwlock_init(&gateway->shared, NULL);
    int code = EXIT_USAGE;
    if (load(gateway, &gateway->settings) == 0) {
        log_init((enum log_format)gateway->settings.gateway.log);
        log_level_set((enum log_level)gateway->settings.gateway.log_level);
        raise_descriptors();
        code = start(gateway);
        settings_close(&gateway->settings);
    }
    tokens_close(&gateway->tokens);
    pthread_rwlock_destroy(&gateway->shared);
    free(gateway);
    return code;
}
