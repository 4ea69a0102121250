/* The two phases of a life: one in which anything may happen, one in which all must settle. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Safety ---- */

static struct host *any_host(struct world *world)
{
    return &world->hosts[pick(world, world->host_count)];
}

static void jump(struct world *world)
{
    struct host *host = any_host(world);
    if (!has(world, FAULT_JUMPS) || !chance(world, 30)) return;
    host->wall_skew_ms += (int64_t)pick(world, 200000) - 100000;
    if (chance(world, 3)) host->wall_skew_ms += 90000000;
    world->faults++;
}

static void let_time_pass(struct world *world)
{
    int64_t at_ms = world_wake_at(world), wait_ms = at_ms - world->now_ms;
    if (chance(world, 50) || at_ms == INT64_MAX || wait_ms > 20000) wait_ms = pick(world, 400);
    world_pass(world, wait_ms < 0 ? 0 : wait_ms);
}

/* A second process is started by mistake. */
static void intrude(struct world *world, struct host *host)
{
    world->disk_fails = false;
    store_disk_intrude(host->store.disk);
    world->disk_fails = true;
}

static void act_rarely(struct world *world)
{
    struct host *host = any_host(world);
    switch (pick(world, 7)) {
    case 0:
        if (has(world, FAULT_OPERATORS)) operator_acts(world);
        return;
    case 1: jump(world); return;
    case 2:
        if (host->shard != NULL && (has(world, FAULT_RELOADS) || has(world, FAULT_BUDGETS)))
            world_configure(world, host);
        return;
    case 3:
        if (has(world, FAULT_RESTORES) && chance(world, 20)) savepoint_restore(world);
        return;
    case 4:
        if (has(world, FAULT_CRASHES) && host->shard != NULL && chance(world, 30))
            host_crash(world, host);
        return;
    case 5:
        if (host->shard != NULL && host->store.disk != NULL && chance(world, 5))
            intrude(world, host);
        return;
    default: consumer_pops(world);
    }
}

void world_act(struct world *world)
{
    uint32_t what = pick(world, 100), commits = world->swarm.has[FAULT_LAZY_DISK] ? 40 : 90;
    if (what < 25) {
        client_acts(world);
    } else if (what < 50) {
        if (world->call_count > 0) function_answers(world, pick(world, world->call_count));
    } else if (what < 60) {
        if (chance(world, commits)) host_commit(world, any_host(world));
    } else if (what < 75) {
        for (uint32_t n = 1 + pick(world, 4); n > 0 && network_deliver(world);) n--;
    } else if (what < 85) {
        let_time_pass(world);
    } else if (what < 88) {
        consumer_pulls(world);
    } else if (what < 92) {
        if (has(world, FAULT_SAVEPOINTS)) savepoint_acts(world);
    } else {
        act_rarely(world);
    }
}

/* ---- Liveness ---- */

static bool is_settled(struct world *world)
{
    if (world->call_count > 0) return false;
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_metrics metrics;
        shard_metrics(world->hosts[i].shard, &metrics);
        if (metrics.mailbox_messages > 0 || metrics.delayed > 0 || metrics.parcels_waiting > 0)
            return false;
    }
    return true;
}

static void print_unsettled(const struct world *world)
{
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_metrics is;
        shard_metrics(world->hosts[i].shard, &is);
        fprintf(
            stderr,
            "shard %u: %llu messages in mailboxes, %llu delayed, %llu parcels wait (%zu bytes); "
            "flights: %llu ready, %llu sent, %llu to be tried again, %llu blocked, %llu held; "
            "memory %zu of %zu bytes: state %zu, mail %zu, entries %zu, egress %zu\n",
            i, (unsigned long long)is.mailbox_messages, (unsigned long long)is.delayed,
            (unsigned long long)is.parcels_waiting, is.parcel_bytes, (unsigned long long)is.ready,
            (unsigned long long)is.sent, (unsigned long long)is.retry_wait,
            (unsigned long long)is.blocked_now, (unsigned long long)is.held, is.memory_bytes,
            world->empty_bytes + world->swarm.room_bytes, is.state_bytes, is.mailbox_bytes,
            is.entry_bytes, is.egress_bytes);
    }
}

static bool is_durable(const struct world *world)
{
    for (uint32_t i = 0; i < world->host_count; i++) {
        const struct ledger *ledger = &world->hosts[i].store.ledger;
        if (ledger->durable < ledger->count) return false;
    }
    return true;
}

static void commit_all(struct world *world)
{
    for (uint32_t tries = 0; tries == 0 || (world->calm && !is_durable(world)); tries++) {
        if (world->over) return;
        HOLDS(11, tries < 10000);
        for (uint32_t i = 0; i < world->host_count; i++) host_commit(world, &world->hosts[i]);
    }
}

static void retry_all(struct world *world)
{
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_event retry = {.kind = EVENT_OPERATOR, .operate = {.verb = VERB_RETRY}};
        world_ask(world, &world->hosts[i], &retry, WAIT_OTHER, 0);
    }
}

static void turn(struct world *world)
{
    retry_all(world);
    while (world->call_count > 0) function_answers(world, world->call_count - 1);
    commit_all(world);
    while (network_deliver(world)) continue;
    if (world->swarm.outbox_bytes > 0) { /* room comes by those who take */
        consumer_pulls(world);
        consumer_pops(world);
    }
    commit_all(world);
    int64_t at_ms = world_wake_at(world), wait_ms = at_ms - world->now_ms;
    world_pass(world, at_ms == INT64_MAX || wait_ms > 500 ? 500 : wait_ms);
}

static void take_all_records(struct world *world)
{
    uint64_t before;
    do {
        before = world->history.egress_count + world->history.topic_count;
        for (int i = 0; i < 5; i++) {
            consumer_pulls(world);
            consumer_pops(world);
            commit_all(world);
        }
    } while (before != world->history.egress_count + world->history.topic_count);
}

static void read_all(struct world *world)
{
    struct history *history = &world->history;
    for (uint32_t i = 1; i < history->notes_count; i++)
        if (history->notes[i].is_call && history->notes[i].tries > 0) client_fetches(world, i);
    commit_all(world);
    for (uint32_t i = 0; i < history->address_count; i++) client_reads(world, i, "note");
    for (uint32_t i = 0; i < history->address_count; i++) client_reads(world, i, "log");
}

void world_settle(struct world *world)
{
    struct history *history = &world->history;
    world->calm = true;
    world_raise(world);
    if (world->over) return;
    disk_turn(world); /* a disk that has failed before takes its process with it now */
    for (uint32_t i = 0; i < world->host_count; i++) host_look(world, &world->hosts[i]);
    commit_all(world);
    if (world->over) return;
    for (uint32_t i = 0; i < world->host_count; i++) world_configure(world, &world->hosts[i]);
    for (uint32_t i = 1; i < history->notes_count && !history->may_forget; i++) {
        const struct note *note = &history->notes[i];
        if (note->origin == 0 && note->is_keyed && note->acked.order == 0) client_sends(world, i);
    }
    int64_t until_ms = world->now_ms + SETTLE_MS;
    for (uint32_t turns = 0; !is_settled(world); turns++) {
        if (world->now_ms >= until_ms || turns >= 20000) print_unsettled(world);
        HOLDS(11, world->now_ms < until_ms && turns < 20000);
        turn(world);
    }
    world->pulling = world->popping = false;
    commit_all(world);
    take_all_records(world);
    read_all(world);
}

void world_judge(struct world *world)
{
    history_judge(&world->history);
    world_check(world);
}
