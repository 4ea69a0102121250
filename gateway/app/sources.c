/* What the operations side asks, gathered from all rooms. */
#include "app/state.h"

#include "admin/process.h"
#include "os/clock.h"
#include "wire/record.h"

#include <stdlib.h>

enum { HANGING_NOT_READY_US = 5000000, HANGING_NOT_LIVE_US = 30000000 };

static bool live(void *context, struct errmsg *why)
{
    struct gateway *gateway = context;
    if (crew_sync_hangs_us(&gateway->crew) < HANGING_NOT_LIVE_US) return true;
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
    if (crew_sync_hangs_us(&gateway->crew) < HANGING_NOT_READY_US) return true;
    errmsg_set(why, ERROR_IO, "the disk has not answered a sync for 5 seconds");
    return false;
}

/* ---- Sample: the sums over all shards, which stand still for it ---- */

/* Targets are the same in all shards, in the same order. */
static void add_functions(struct gateway *gateway, struct shard *shard, struct admin_sample *sample)
{
    size_t count = shard_endpoint_metrics(shard, gateway->sample_endpoints, SAMPLE_FUNCTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct shard_endpoint_metrics *metrics = &gateway->sample_endpoints[i];
        struct sample_function *function = &gateway->sample_functions[i];
        uint64_t circuit = metrics->is_open        ? CIRCUIT_OPEN
                           : metrics->failures > 0 ? CIRCUIT_PROBING
                                                   : CIRCUIT_CLOSED;
        if (i == sample->function_count) {
            *function = (struct sample_function){.target = metrics->pattern};
            sample->function_count++;
        }
        function->in_flight += metrics->in_flight;
        function->mailbox_messages += metrics->messages;
        function->parked_addresses += metrics->parked;
        function->keys += metrics->keys;
        if (circuit > function->circuit) function->circuit = circuit;
        for (size_t j = 0; j < SAMPLE_RESULTS; j++) function->calls[j] += metrics->results[j];
    }
}

/* A lane lives in one shard; the others may know its name. */
static struct sample_egress *find_egress(struct gateway *gateway, struct admin_sample *sample,
                                         struct span name)
{
    for (size_t i = 0; i < sample->egress_count; i++)
        if (span_equal(gateway->sample_egresses[i].name, name)) return &gateway->sample_egresses[i];
    if (sample->egress_count == SAMPLE_EGRESSES_MAX) return NULL;
    struct sample_egress *egress = &gateway->sample_egresses[sample->egress_count++];
    *egress = (struct sample_egress){.name = name};
    return egress;
}

static void add_egresses(struct gateway *gateway, const struct shard *shard,
                         struct admin_sample *sample)
{
    struct shard_lane_metrics metrics;
    for (size_t i = 0; i < SAMPLE_EGRESSES_MAX && shard_lane_metrics(shard, i, &metrics); i++) {
        struct sample_egress *egress = find_egress(gateway, sample, metrics.name);
        if (egress == NULL) return;
        egress->waiting_records += metrics.waiting;
        egress->waiting_bytes += metrics.bytes;
    }
}

/* The age is that of the oldest of the newest: what would have to be read again at most. */
static void add_snapshots(const struct snapshotter *snapshotter, bool is_first,
                          struct admin_sample *sample)
{
    int64_t age_us =
        snapshotter->newest.seq == 0 ? -1 : clock_wall_us() - snapshotter->newest.created_ms * 1000;
    sample->snapshots_published += snapshotter->published;
    sample->snapshots_failed += snapshotter->failed;
    sample->snapshot_bytes += snapshotter->newest.block_bytes;
    if ((uint64_t)snapshotter->took_us > sample->snapshot_us)
        sample->snapshot_us = (uint64_t)snapshotter->took_us;
    if (is_first)
        sample->snapshot_age_us = age_us;
    else if (sample->snapshot_age_us >= 0 && (age_us < 0 || age_us > sample->snapshot_age_us))
        sample->snapshot_age_us = age_us;
}

static void add_store(const struct engine *engine, struct admin_sample *sample)
{
    struct journal_metrics metrics;
    journal_metrics(engine->journal, &metrics);
    sample->journal_bytes += metrics.bytes;
    sample->journal_written_bytes += metrics.bytes_appended;
    admin_histogram_join(&sample->commit_us, &engine->commit_us);
    admin_histogram_join(&sample->commit_records, &engine->commit_records);
    if ((uint64_t)engine->recovery_us > sample->recovery_us)
        sample->recovery_us = (uint64_t)engine->recovery_us;
    sample->recovery_records += engine->recovery_records;
}

static void add_shard_row(struct gateway *gateway, const struct shard_metrics *metrics,
                          struct admin_sample *sample)
{
    gateway->sample_shards[sample->shard_count++] =
        (struct sample_shard){.records = metrics->seq,
                              .durable_records = metrics->durable_seq,
                              .keys = metrics->keys,
                              .mailbox_messages = metrics->mailbox_messages,
                              .memory_used_bytes = metrics->memory_bytes,
                              .parcels_sent = metrics->parcels_sent,
                              .parcels_received = metrics->parcels_received,
                              .parcels_waiting = metrics->parcels_waiting};
}

static void add_station(struct gateway *gateway, const struct station *station,
                        struct admin_sample *sample)
{
    const struct engine *engine = &station->engine;
    struct shard_metrics shard;
    struct invoke_metrics calls;
    shard_metrics(engine->shard, &shard);
    invoke_metrics(engine->invoke, &calls);
    admin_sample_shard(sample, &shard);
    add_shard_row(gateway, &shard, sample);
    add_functions(gateway, engine->shard, sample);
    add_egresses(gateway, engine->shard, sample);
    add_store(engine, sample);
    add_snapshots(&engine->snapshotter, station->number == 0, sample);
    sample->connections[SAMPLE_FUNCTION] += calls.connections_open;
    sample->invocation_requests += calls.requests;
    sample->invocations_bundled += calls.bundled;
}

static void keep_name(struct buffer *names, struct span *name)
{
    size_t begin = names->size;
    buffer_append(names, *name);
    /* The buffer may move: an offset now, an address when it is complete. */
    *name = (struct span){(const uint8_t *)(uintptr_t)begin, name->size};
}

static void place_name(const struct buffer *names, struct span *name)
{
    name->at = names->at + (uintptr_t)name->at;
    if (names->failed) *name = SPAN_EMPTY;
}

static void keep_names(struct gateway *gateway, const struct admin_sample *sample)
{
    struct buffer *names = &gateway->sample_names;
    buffer_clear(names);
    for (size_t i = 0; i < sample->function_count; i++)
        keep_name(names, &gateway->sample_functions[i].target);
    for (size_t i = 0; i < sample->egress_count; i++)
        keep_name(names, &gateway->sample_egresses[i].name);
    for (size_t i = 0; i < sample->function_count; i++)
        place_name(names, &gateway->sample_functions[i].target);
    for (size_t i = 0; i < sample->egress_count; i++)
        place_name(names, &gateway->sample_egresses[i].name);
}

/* One that cannot come now is better shown as it was than left out: counters never go back. */
static void sample_crew(struct gateway *gateway)
{
    struct admin_sample *sample = &gateway->sampled;
    if (!crew_pause(&gateway->crew)) return;
    *sample = (struct admin_sample){.functions = gateway->sample_functions,
                                    .egresses = gateway->sample_egresses,
                                    .shards = gateway->sample_shards};
    for (uint32_t i = 0; i < gateway->crew.count; i++)
        add_station(gateway, &gateway->crew.stations[i], sample);
    /* Their names are the shards', which go on. */
    keep_names(gateway, sample);
    crew_resume(&gateway->crew);
}

static void sample(void *context, struct admin_sample *sample)
{
    struct gateway *gateway = context;
    struct errmsg why;
    sample_crew(gateway);
    *sample = gateway->sampled;
    sample->ready = ready(gateway, &why);
    sample->memory_max_bytes = wiring_memory_budget(&gateway->settings);
    sample->connections[SAMPLE_CLIENT] = server_connections(gateway->server);
    for (size_t i = 0; i < gateway->front_count; i++)
        if (gateway->fronts[i].threaded)
            sample->connections[SAMPLE_CLIENT] += gateway->fronts[i].connections;
    admin_process_sample(&sample->process);
}

static void config_json(void *context, struct buffer *out)
{
    struct gateway *gateway = context;
    settings_json(&gateway->settings, out);
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
    asks_init(gateway);
    savepoint_init(&gateway->savepoint, &gateway->crew, &gateway->inbox);
    gateway->sample_endpoints = calloc(SAMPLE_FUNCTIONS_MAX, sizeof *gateway->sample_endpoints);
    gateway->sample_functions = calloc(SAMPLE_FUNCTIONS_MAX, sizeof *gateway->sample_functions);
    gateway->sample_shards = calloc(gateway->crew.count, sizeof *gateway->sample_shards);
    gateway->sample_egresses = calloc(SAMPLE_EGRESSES_MAX, sizeof *gateway->sample_egresses);
    gateway->sources = (struct admin_sources){.context = gateway,
                                              .sample = sample,
                                              .live = live,
                                              .ready = ready,
                                              .config_json = config_json,
                                              .snapshot_list = asks_snapshot_list,
                                              .snapshot_now = asks_snapshot_now,
                                              .snapshot_leave = asks_snapshot_leave,
                                              .savepoint_begin = asks_savepoint_begin,
                                              .savepoint_leave = asks_savepoint_leave};
    gateway->admin = (struct admin){
        .port = gateway->port,
        .sources = &gateway->sources,
        .build = {HOLDFAST_VERSION, HOLDFAST_COMMIT, COMPILER, HOLDFAST_OPTIONS, RECORD_FORMAT, 1},
        .tokens = gateway->has_tokens ? &gateway->tokens : NULL};
}

void sources_close(struct gateway *gateway)
{
    asks_close(gateway);
    buffer_close(&gateway->sample_names);
    free(gateway->sample_shards);
    free(gateway->sample_functions);
    free(gateway->sample_endpoints);
    free(gateway->sample_egresses);
}
