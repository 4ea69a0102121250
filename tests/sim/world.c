#include "world.h"

#include "base/hash.h"
#include "wire/playground.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const types[] = {"t/a", "t/b", "u/c"};

struct address address_of(const struct world *world, uint32_t address)
{
    return (struct address){span_text(types[address / world->id_count]),
                            span_text(world->ids[address % world->id_count])};
}

uint32_t address_find(const struct world *world, const struct address *address)
{
    for (uint32_t i = 0; i < world->history.address_count; i++) {
        struct address other = address_of(world, i);
        if (span_equal(other.type, address->type) && span_equal(other.id, address->id)) return i;
    }
    MUST(!"a known address");
    return 0;
}

struct host *host_of_id(struct world *world, struct span id)
{
    return &world->hosts[slot_owner(slot_of(id), world->host_count)];
}

struct host *host_of(struct world *world, uint32_t address)
{
    return host_of_id(world, address_of(world, address).id);
}

/* ---- Configuration ---- */

static struct shard_endpoint endpoint(struct world *world, const char *pattern)
{
    static const uint32_t counts[] = {1, 2, 5, 1000}, windows[] = {1, 2, 8, 64};
    static const size_t sizes[] = {600, 3000, 900000};
    struct shard_endpoint made = {.pattern = span_text(pattern),
                                  .window_max = 64,
                                  .batch_count_max = 1000,
                                  .batch_bytes_max = 900000,
                                  .payload_bytes_max = 4 << 20,
                                  .retry_for_ms = INT64_MAX / 4,
                                  .expose = true};
    if (world->calm) {
        made.attempts_max = world->cured ? 0 : 3;
        return made;
    }
    made.window_max = windows[pick(world, 4)];
    made.batch_count_max = world->swarm.batch_one ? 1 : counts[pick(world, 4)];
    made.batch_bytes_max = sizes[pick(world, 3)];
    made.attempts_max = chance(world, 50) ? 1 + pick(world, 5) : 0;
    made.retry_for_ms = made.attempts_max == 0 ? 3000 : INT64_MAX / 4;
    made.dispatch_durable = chance(world, 25);
    return made;
}

static void set_budgets(struct world *world, struct host *host, struct shard_config *config)
{
    struct shard_metrics metrics;
    shard_metrics(host->shard, &metrics);
    if (world->empty_bytes == 0) world->empty_bytes = metrics.memory_bytes;
    if (world->swarm.room_bytes > 0) {
        config->memory_max = world->empty_bytes + world->swarm.room_bytes;
        config->outbox_bytes_max = world->swarm.outbox_bytes;
    }
    if (!has(world, FAULT_BUDGETS)) return;
    if (chance(world, 50)) config->memory_max = metrics.memory_bytes + pick(world, 6000);
    if (chance(world, 50)) config->outbox_bytes_max = 100 + pick(world, 1000);
}

/* What it promises is known before the first call under it. */
static void note_promises(struct host *host, const struct shard_config *config)
{
    host->endpoint_count = (uint32_t)config->endpoint_count;
    host->configs++;
    host->memory_max = config->memory_max;
    host->outbox_max = config->outbox_bytes_max;
    for (uint32_t i = 0; i < config->endpoint_count; i++) {
        const struct shard_endpoint *from = &config->endpoints[i];
        host->promises[i] = (struct promise){.window_max = from->window_max,
                                             .batch_count_max = from->batch_count_max,
                                             .batch_bytes_max = from->batch_bytes_max,
                                             .attempts_max = from->attempts_max,
                                             .is_durable = from->dispatch_durable,
                                             .closed_until_ms = NEVER_MS};
    }
}

void world_configure(struct world *world, struct host *host)
{
    struct shard_endpoint endpoints[ENDPOINTS_MAX] = {endpoint(world, "t/*"),
                                                      endpoint(world, "u/c")};
    struct shard_egress egresses[] = {{EGRESS_NAME, EGRESS_PULL},
                                      {PLAYGROUND_EGRESS, EGRESS_PLAYGROUND},
                                      {TOPIC_LANE, EGRESS_PLAYGROUND}};
    struct shard_event event = {.kind = EVENT_CONFIG,
                                .config = {.endpoints = endpoints,
                                           .endpoint_count = ENDPOINTS_MAX,
                                           .egresses = egresses,
                                           .egress_count = 3,
                                           .dedup_window_ms = INT64_MAX / 4,
                                           .reply_keep_ms = INT64_MAX / 4,
                                           .seed = world->seed}};
    if (has(world, FAULT_RELOADS) && chance(world, 40)) {
        event.config.endpoint_count = 1;
        if (chance(world, 50)) endpoints[0] = endpoints[1];
    }
    if (world->history.may_forget) {
        event.config.dedup_window_ms = event.config.reply_keep_ms = 2000;
        event.config.dedup_bytes_max = 3000;
    }
    if (world->history.window_ms > 0) event.config.dedup_window_ms = world->history.window_ms;
    set_budgets(world, host, &event.config);
    note_promises(host, &event.config);
    world_step(world, host, &event);
}

/* ---- Steps ---- */

static void trace(struct world *world, struct span bytes, uint64_t number)
{
    world->trace = hash_seeded(bytes, world->trace * 31 + number);
}

static void trace_update(struct world *world, struct host *host)
{
    const struct shard_update *update = &host->update;
    trace(world, buffer_span(&update->records), update->first_seq * 16 + host->number);
    for (size_t i = 0; i < update->answer_count; i++) {
        struct shard_answer answer = shard_update_answer(update, i);
        trace(world, answer.body, answer.waiter * 64 + answer.kind);
        trace(world, answer.message_id, answer.number);
    }
    for (size_t i = 0; i < update->invocation_count; i++)
        trace(world, update->invocations[i]->invocation_id, update->invocations[i]->attempt);
    for (size_t i = 0; i < update->signal_count; i++) {
        struct shard_signal signal = shard_update_signal(update, i);
        trace(world, signal.parcels, signal.first * 16 + signal.peer);
        trace(world, span_of(&signal.acked, sizeof signal.acked), signal.cut);
    }
    int64_t wake_ms = shard_wake_at(host->shard);
    trace(world, span_of(&wake_ms, sizeof wake_ms), update->commit_wanted);
}

void (*world_guard)(bool inside);

static int run(struct world *world, struct host *host, struct shard_event *event)
{
    event->clock = (struct shard_clock){1700000000000 + world->now_ms + host->wall_skew_ms,
                                        1000 + world->now_ms + host->mono_skew_ms};
    int64_t before_ms = shard_time_ms(host->shard), mono_ms = host->mono_ms;
    host->mono_ms = event->clock.mono_ms;
    if (world_guard != NULL) world_guard(true);
    int error = shard_step(host->shard, event, &host->update);
    if (world_guard != NULL) world_guard(false);
    MUST(error == 0 || (error == ERROR_MEMORY && world_guard != NULL));
    int64_t passed_ms = shard_time_ms(host->shard) - before_ms;
    HOLDS(9, passed_ms >= 0);
    /* A wall clock that jumps is believed within limits. */
    if (mono_ms != 0) HOLDS(9, passed_ms <= JUMP_MAX_MS + host->mono_ms - mono_ms);
    world->steps++;
    world->history.now++;
    store_append(&host->store, &host->update);
    if (error == 0) trace_update(world, host);
    return error;
}

static void take_snapshots(struct world *world, struct host *host)
{
    if (world->savepoints[1] != NULL && world->savepoints[1]->parts[host->number].joined &&
        !world->savepoints[1]->parts[host->number].read_out)
        return; /* one cut at a time */
    if (world->swarm.snapshot_always)
        store_cut(&host->store, host->shard, 3 * SHARD_BLOCK_GLOBALS);
    else if (chance(world, world->swarm.snapshot_percent))
        store_cut(&host->store, host->shard, 1 + pick(world, 6000));
}

static void take_update(struct world *world, struct host *host)
{
    struct shard_update *update = &host->update;
    if (update->cut_begun != 0) {
        store_cut_replaced(&host->store);
        savepoint_joined(world, host, update->cut_begun);
    }
    for (size_t i = 0; i < update->signal_count; i++) {
        struct shard_signal signal = shard_update_signal(update, i);
        network_post(world, host->number, &signal);
    }
    for (size_t i = 0; i < update->answer_count; i++) {
        struct shard_answer answer = shard_update_answer(update, i);
        take_answer(world, host, &answer);
    }
    for (size_t i = 0; i < update->invocation_count; i++)
        function_called(world, host, update->invocations[i]);
    shard_update_clear(update);
    take_snapshots(world, host);
}

void world_step(struct world *world, struct host *host, struct shard_event *event)
{
    MUST(host_runs(host));
    struct shard_metrics before;
    shard_metrics(host->shard, &before);
    if (run(world, host, event) != 0) { /* the owner stops, showing nothing; the image is right */
        world_check(world);
        shard_update_clear(&host->update);
        world_guard = NULL; /* the next life has memory */
        host_crash(world, host);
        return;
    }
    world_check_step(world, host, event, &before);
    if (has(world, FAULT_CRASHES) && host->may_be_killed &&
        pick(world, 1000) < world->swarm.crash_per_mille) {
        /* killed between the step and what it wanted: nobody hears of it */
        shard_update_clear(&host->update);
        host_crash(world, host);
        return;
    }
    take_update(world, host);
}

bool world_ask(struct world *world, struct host *host, struct shard_event *event,
               enum waiting_for what, uint32_t subject)
{
    if (!host_runs(host)) return false;
    if (world->waiters_count == 0) ADD(world, waiters); /* 0 is nobody */
    struct waiter *waiter = ADD(world, waiters);
    *waiter = (struct waiter){what, subject, host->number};
    event->waiter = world->waiters_count - 1;
    world_step(world, host, event);
    return true;
}

/* ---- Time ---- */

static int64_t due_in(const struct world *world, const struct host *host)
{
    if (host->shard == NULL) return host->up_at_ms - world->now_ms;
    if (host->stopped_until_ms != 0) return host->stopped_until_ms - world->now_ms;
    int64_t at_ms = shard_wake_at(host->shard);
    return at_ms == INT64_MAX ? INT64_MAX : at_ms - 1000 - world->now_ms - host->mono_skew_ms;
}

int64_t world_wake_at(struct world *world)
{
    int64_t soonest = INT64_MAX;
    for (uint32_t i = 0; i < world->host_count; i++) {
        int64_t in_ms = due_in(world, &world->hosts[i]);
        if (in_ms < soonest) soonest = in_ms < 0 ? 0 : in_ms;
    }
    return soonest == INT64_MAX ? INT64_MAX : world->now_ms + soonest;
}

void world_pass(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    disk_pass(world, ms);
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct host *host = &world->hosts[i];
        if (due_in(world, host) > 0 && (world->calm || !chance(world, 10))) continue;
        if (host->shard == NULL) {
            if (host->up_at_ms <= world->now_ms) host_revive(world, host);
            continue;
        }
        if (host->stopped_until_ms != 0) {
            if (host->stopped_until_ms > world->now_ms) continue;
            host_go_on(world, host);
        }
        struct shard_event event = {.kind = EVENT_TICK};
        world_step(world, host, &event);
        host_look(world, host);
    }
}

void world_check(struct world *world)
{
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct host *host = &world->hosts[i];
        if (host->shard == NULL) continue;
        if (world_guard == NULL && chance(world, 5)) store_check_hole(&host->store);
        uint64_t before = host->store.ledger.checks;
        ledger_check(&host->store.ledger, host->shard);
        world->digests += host->store.ledger.checks - before;
        verdict_checks[5] += host->store.ledger.checks - before;
    }
}

/* ---- Life ---- */

/* A slot that is swept for what has expired in the first seconds of a life. */
static bool is_early(const char *id)
{
    uint32_t slot = slot_of(span_text(id));
    return slot >= 64 && slot < 320;
}

static void make_ids(struct world *world)
{
    bool early = world->host_count == 1 && chance(world, 50);
    for (uint32_t i = 0; i < world->id_count; i++) {
        int size;
        do size = snprintf(world->ids[i], 64, "id%u-%x", i, pick(world, 1 << 20));
        while (early && !is_early(world->ids[i]));
        if (!world->swarm.has[FAULT_LONG_IDS] || chance(world, 50)) continue;
        memset(world->ids[i] + size, 'x', 1024 - (size_t)size);
        world->ids[i][1024] = 0;
    }
}

void world_open(struct world *world, uint64_t seed, const struct swarm *swarm)
{
    memset(world, 0, sizeof *world);
    memset(verdict_checks, 0, sizeof verdict_checks);
    world->seed = seed;
    world->swarm = *swarm;
    world->prng.state = seed * 0x9e3779b97f4a7c15u + 1;
    world->host_count = swarm->shards;
    world->id_count = swarm->ids;
    history_open(&world->history);
    world->history.address_count = swarm->types * swarm->ids;
    world->history.id_count = swarm->ids;
    world->history.may_forget = swarm->has[FAULT_FORGET];
    world->history.window_ms = swarm->window_ms;
    world->cured = !swarm->cured_late;
    make_ids(world);
    disk_open(world);
    for (uint32_t i = 0; i < world->host_count; i++) {
        host_open(world, &world->hosts[i], i);
        host_start(world, &world->hosts[i]);
    }
}

void world_close(struct world *world)
{
    world->calm = true; /* no more faults */
    for (uint32_t i = 0; i < world->host_count; i++) {
        host_go_on(world, &world->hosts[i]);
        shard_close(world->hosts[i].shard);
        shard_update_close(&world->hosts[i].update);
        store_close(&world->hosts[i].store);
    }
    disk_close(world);
    network_clear(world);
    savepoint_close(world);
    partitions_close(world);
    history_close(&world->history);
    free(world->waiters);
    free(world->packets);
}
