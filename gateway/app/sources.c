/* What the operations side asks, gathered from all rooms. */
#include "app/state.h"

#include "admin/process.h"
#include "base/text.h"
#include "os/clock.h"
#include "wire/record.h"

#include <stdlib.h>

enum { HANGING_NOT_READY_US = 5000000, HANGING_NOT_LIVE_US = 30000000 };

static int64_t sync_hangs_us(struct gateway *gateway)
{
    struct journal_metrics metrics;
    journal_metrics(gateway->engine.journal, &metrics);
    return metrics.sync_running_us;
}

static bool live(void *context, struct errmsg *why)
{
    if (sync_hangs_us(context) < HANGING_NOT_LIVE_US) return true;
    errmsg_set(why, ERROR_IO, "the disk has not answered a sync for 30 seconds");
    return false;
}

static bool ready(void *context, struct errmsg *why)
{
    struct gateway *gateway = context;
    if (gateway->drain != DRAIN_NOT) {
        errmsg_set(why, ERROR_CLOSED, "draining");
        return false;
    }
    if (gateway->disk_full) {
        errmsg_set(why, ERROR_FULL, "the disk is full");
        return false;
    }
    if (sync_hangs_us(gateway) < HANGING_NOT_READY_US) return true;
    errmsg_set(why, ERROR_IO, "the disk has not answered a sync for 5 seconds");
    return false;
}

/* ---- Sample ---- */

static void sample_functions(struct gateway *gateway, struct admin_sample *sample)
{
    struct shard_endpoint_metrics metrics;
    size_t count = 0;
    while (count < SAMPLE_FUNCTIONS_MAX &&
           shard_endpoint_metrics(gateway->engine.shard, count, &metrics)) {
        struct sample_function *function = &gateway->sample_functions[count++];
        *function = (struct sample_function){.target = metrics.pattern,
                                             .in_flight = metrics.in_flight,
                                             .mailbox_messages = metrics.messages,
                                             .parked_addresses = metrics.parked,
                                             .keys = metrics.keys,
                                             .circuit = metrics.is_open        ? CIRCUIT_OPEN
                                                        : metrics.failures > 0 ? CIRCUIT_PROBING
                                                                               : CIRCUIT_CLOSED};
        memcpy(function->calls, metrics.results, sizeof function->calls);
    }
    sample->functions = gateway->sample_functions;
    sample->function_count = count;
}

static void sample_egresses(struct gateway *gateway, struct admin_sample *sample)
{
    struct shard_lane_metrics metrics;
    size_t count = 0;
    while (count < SAMPLE_EGRESSES_MAX &&
           shard_lane_metrics(gateway->engine.shard, count, &metrics))
        gateway->sample_egresses[count++] =
            (struct sample_egress){metrics.name, metrics.waiting, metrics.bytes};
    sample->egresses = gateway->sample_egresses;
    sample->egress_count = count;
}

static void sample_store(struct gateway *gateway, struct admin_sample *sample)
{
    struct engine *engine = &gateway->engine;
    const struct snapshotter *snapshotter = &engine->snapshotter;
    struct journal_metrics metrics;
    journal_metrics(engine->journal, &metrics);
    sample->journal_bytes = metrics.bytes;
    sample->journal_written_bytes = metrics.bytes_appended;
    sample->commit_us = engine->commit_us;
    sample->commit_records = engine->commit_records;
    sample->snapshots_published = snapshotter->published;
    sample->snapshots_failed = snapshotter->failed;
    sample->snapshot_us = (uint64_t)snapshotter->took_us;
    sample->snapshot_bytes = snapshotter->newest.block_bytes;
    sample->snapshot_age_us =
        snapshotter->newest.seq == 0 ? -1 : clock_wall_us() - snapshotter->newest.created_ms * 1000;
    sample->recovery_us = (uint64_t)engine->recovery_us;
    sample->recovery_records = engine->recovery_records;
}

static void sample(void *context, struct admin_sample *sample)
{
    struct gateway *gateway = context;
    struct shard_metrics shard;
    struct invoke_metrics calls;
    struct errmsg why;
    shard_metrics(gateway->engine.shard, &shard);
    invoke_metrics(gateway->engine.invoke, &calls);
    admin_sample_shard(sample, &shard);
    sample->ready = ready(gateway, &why);
    sample->memory_max_bytes = wiring_memory_budget(&gateway->settings);
    sample_functions(gateway, sample);
    sample_egresses(gateway, sample);
    sample_store(gateway, sample);
    sample->connections[SAMPLE_CLIENT] = server_connections(gateway->server);
    for (size_t i = 0; i < gateway->front_count; i++)
        if (gateway->fronts[i].threaded)
            sample->connections[SAMPLE_CLIENT] += gateway->fronts[i].connections;
    sample->connections[SAMPLE_FUNCTION] = calls.connections_open;
    admin_process_sample(&sample->process);
}

static void config_json(void *context, struct buffer *out)
{
    struct gateway *gateway = context;
    settings_json(&gateway->settings, out);
}

/* ---- Snapshots ---- */

static void snapshot_json(const struct snapshot_info *info, struct buffer *out)
{
    buffer_byte(out, '{');
    text_json_member(out, "seq");
    text_decimal(out, info->seq);
    text_json_member(out, "epoch");
    text_decimal(out, info->epoch);
    text_json_member(out, "createdAt");
    text_signed(out, info->created_ms);
    text_json_member(out, "bytes");
    text_decimal(out, info->block_bytes);
    text_json_member(out, "blocks");
    text_decimal(out, info->block_count);
    buffer_byte(out, '}');
}

static void snapshot_list(void *context, struct buffer *out)
{
    const struct gateway *gateway = context;
    buffer_byte(out, '[');
    if (gateway->engine.snapshotter.newest.seq != 0)
        snapshot_json(&gateway->engine.snapshotter.newest, out);
    buffer_byte(out, ']');
}

/* Ties the admin's waiter to the engine's. */
struct snapshot_ask {
    struct snapshot_waiter waiter;
    struct list link; /* in gateway.snapshot_asks */
    struct admin_waiter *admin;
};

static void snapshot_done(struct snapshot_waiter *waiter, int error,
                          const struct snapshot_info *info, const char *why)
{
    struct snapshot_ask *ask = CONTAINER_OF(waiter, struct snapshot_ask, waiter);
    struct buffer text;
    buffer_init(&text);
    if (error == 0) snapshot_json(info, &text);
    list_remove(&ask->link);
    ask->admin->done(ask->admin, error, error == 0 ? buffer_span(&text) : span_text(why));
    buffer_close(&text);
    free(ask);
}

static void snapshot_now(void *context, struct admin_waiter *admin)
{
    struct gateway *gateway = context;
    struct snapshot_ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL) return; /* the client's own time-out ends it */
    ask->admin = admin;
    ask->waiter.done = snapshot_done;
    list_append(&gateway->snapshot_asks, &ask->link);
    snapshotter_now(&gateway->engine.snapshotter, &ask->waiter);
}

static void snapshot_leave(void *context, struct admin_waiter *admin)
{
    struct gateway *gateway = context;
    LIST_EACH (&gateway->snapshot_asks, link) {
        struct snapshot_ask *ask = CONTAINER_OF(link, struct snapshot_ask, link);
        if (ask->admin != admin) continue;
        snapshotter_leave(&gateway->engine.snapshotter, &ask->waiter);
        list_remove(link);
        free(ask);
    }
}

/* ---- */

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

#ifndef HOLDFAST_COMMIT
#define HOLDFAST_COMMIT "unknown"
#endif

#ifndef HOLDFAST_OPTIONS
#define HOLDFAST_OPTIONS ""
#endif

void sources_init(struct gateway *gateway)
{
    list_init(&gateway->snapshot_asks);
    gateway->sample_functions = calloc(SAMPLE_FUNCTIONS_MAX, sizeof *gateway->sample_functions);
    gateway->sample_egresses = calloc(SAMPLE_EGRESSES_MAX, sizeof *gateway->sample_egresses);
    gateway->sources = (struct admin_sources){.context = gateway,
                                              .sample = sample,
                                              .live = live,
                                              .ready = ready,
                                              .config_json = config_json,
                                              .snapshot_list = snapshot_list,
                                              .snapshot_now = snapshot_now,
                                              .snapshot_leave = snapshot_leave};
    gateway->admin = (struct admin){
        .port = &gateway->engine.port,
        .sources = &gateway->sources,
        .build = {HOLDFAST_VERSION, HOLDFAST_COMMIT, COMPILER, HOLDFAST_OPTIONS, RECORD_FORMAT, 1},
        .tokens = gateway->has_tokens ? &gateway->tokens : NULL};
}

void sources_close(struct gateway *gateway)
{
    free(gateway->sample_functions);
    free(gateway->sample_egresses);
}
