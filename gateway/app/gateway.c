#include "app/gateway.h"

#include "app/state.h"
#include "os/file.h"
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
    warn_if(now->snapshot_every_ms != next->snapshot_every_ms, "snapshotEvery");
    warn_if(now->snapshot_bytes != next->snapshot_bytes, "snapshotBytes");
    warn_if(differs(now->tls_cert, next->tls_cert) || differs(now->tls_key, next->tls_key) ||
                differs(now->tls_client_ca, next->tls_client_ca),
            "tls");
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
    engine_flush(&gateway->engine); /* answers may ask for the lock */
    pthread_rwlock_wrlock(&gateway->shared);
    int error = check_reload(gateway, &settings, &errmsg);
    if (error == 0) error = load_tokens(&tokens, &settings, &errmsg);
    if (error == 0) error = wiring_configure(gateway, &settings, &errmsg);
    if (error == 0) use_tokens(gateway, &tokens, &settings);
    pthread_rwlock_unlock(&gateway->shared);
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

/* Room is kept for a snapshot of all there is and a segment of journal: with less, new work is
   refused while what has been accepted can still be finished. What is held back also lets go at a
   higher mark, so that it does not flicker. */
static bool is_disk_full(struct gateway *gateway)
{
    struct journal_metrics journal;
    struct shard_metrics shard;
    struct errmsg errmsg;
    uint64_t room;
    journal_metrics(gateway->engine.journal, &journal);
    if (journal.full) return true;
    if (directory_room(gateway->settings.gateway.data, &room, &errmsg) != 0) return false;
    shard_metrics(gateway->engine.shard, &shard);
    uint64_t kept = shard.memory_bytes + ROOM_KEPT_BYTES;
    return room < (gateway->disk_full ? kept + kept / 4 : kept);
}

static bool is_disk_hanging(struct gateway *gateway)
{
    struct journal_metrics journal;
    journal_metrics(gateway->engine.journal, &journal);
    return journal.sync_running_us >= HANGING_US;
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
    bool pending = journal_durable(gateway->engine.journal) < shard_seq(gateway->engine.shard) ||
                   gateway->disk_full || gateway->disk_hangs;
    if (pending && !gateway->look_timer.set)
        loop_timer_set(&gateway->loop, &gateway->look_timer, now_us + LOOK_WHILE_PENDING_US);
    if (now_us - gateway->looked_us < LOOK_US) return;
    gateway->looked_us = now_us;
    bool full = is_disk_full(gateway);
    bool hangs = is_disk_hanging(gateway);
    gateway->engine.snapshotter.pressed = full;
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
    return error == ERROR_DAMAGED || error == ERROR_NEWER_FORMAT ? EXIT_DAMAGED : EXIT_FAILED;
}

static int open_engine(struct gateway *gateway, struct errmsg *errmsg)
{
    const struct gateway_settings *settings = &gateway->settings.gateway;
    struct engine_options options = {.directory = settings->data,
                                     .loop = &gateway->loop,
                                     .snapshot_bytes = settings->snapshot_bytes,
                                     .snapshot_every_ms = settings->snapshot_every_ms,
                                     .failed = engine_failed,
                                     .failed_context = gateway};
    int error = engine_open(&gateway->engine, &options, errmsg);
    if (error != 0) return error;
    LOG(LOG_INFO, "recovered", LOG_TEXT("data", settings->data),
        LOG_UNSIGNED("seq", shard_seq(gateway->engine.shard)),
        LOG_NUMBER("epoch", shard_epoch(gateway->engine.shard)),
        LOG_UNSIGNED("records", gateway->engine.recovery_records),
        LOG_NUMBER("ms", gateway->engine.recovery_us / 1000));
    return 0;
}

/* Each step leaves what is open to its successor's failure: labels named after what they undo. */
/* What `holdfast check` has to find in the directory now. */
static void tell_end(const struct gateway *gateway)
{
    struct shard *shard = gateway->engine.shard;
    LOG(LOG_INFO, "stopped", LOG_UNSIGNED("seq", shard_seq(shard)),
        LOG_HEX("digest", shard_digest(shard)));
}

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
    if (gateway->settings.gateway.shards > 1) {
        LOG(LOG_ERROR, "start_failed",
            LOG_TEXT("why", "this version runs one shard: leave --shards out, or set it to 1"));
        return EXIT_USAGE;
    }
    int error = load_tokens(&gateway->tokens, &gateway->settings, &errmsg);
    gateway->has_tokens = gateway->settings.gateway.token_file != NULL;
    if (error != 0) return tell("tokens_failed", error, &errmsg);
    error = loop_init(&gateway->loop);
    if (error == 0) error = signals_open(&gateway->signals, &gateway->loop, signal_came);
    if (error != 0) return tell("loop_failed", error, &errmsg);
    error = server_open(&gateway->server, &gateway->loop, &gateway->limits, &errmsg);
    if (error != 0) {
        code = tell("server_failed", error, &errmsg);
        goto close_loop;
    }
    error = open_engine(gateway, &errmsg);
    if (error != 0) {
        code = tell("recovery_failed", error, &errmsg);
        goto close_server;
    }
    sources_init(gateway);
    error = wiring_configure(gateway, &gateway->settings, &errmsg);
    if (error == 0) error = wiring_listen(gateway, &errmsg);
    if (error != 0) {
        code = tell("start_failed", error, &errmsg);
        goto close_engine;
    }
    gateway->turn_end.run = turn_ended;
    gateway->look_timer.expired = look_again;
    loop_at_turn_end(&gateway->loop, &gateway->turn_end);
    LOG(LOG_INFO, "ready", LOG_TEXT("version", HOLDFAST_VERSION));
    loop_touch(&gateway->loop);
    code = run(gateway);
    if (code == EXIT_DONE) tell_end(gateway);
    server_drain(gateway->server);
close_engine:
    for (size_t i = 0; i < gateway->front_count; i++) front_stop(&gateway->fronts[i]);
    server_close(gateway->server);
    for (size_t i = 0; i < gateway->front_count; i++) front_close(&gateway->fronts[i]);
    engine_close(&gateway->engine);
    sources_close(gateway);
    gateway->server = NULL;
close_server:
    if (gateway->server != NULL) server_close(gateway->server);
close_loop:
    signals_close(&gateway->signals);
    loop_close(&gateway->loop);
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
        code = start(gateway);
        settings_close(&gateway->settings);
    }
    tokens_close(&gateway->tokens);
    pthread_rwlock_destroy(&gateway->shared);
    free(gateway);
    return code;
}
