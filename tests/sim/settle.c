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
    if (chance(world, 15)) host->wall_skew_ms += 90000000;
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
    world->intrusions++;
    world->disk_fails = true;
}

static void act_rarely(struct world *world)
{
    struct host *host = any_host(world);
    switch (pick(world, 9)) {
    case 0:
        if (has(world, FAULT_OPERATORS)) operator_acts(world);
        return;
    case 1: jump(world); return;
    case 2:
        if (host_runs(host) && (has(world, FAULT_RELOADS) || has(world, FAULT_BUDGETS)))
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
        if (host->shard != NULL && host->store.disk != NULL &&
            chance(world, host_runs(host) ? 5 : 50))
            intrude(world, host);
        return;
    case 6:
        if (has(world, FAULT_STOPS) && host_runs(host) && chance(world, 60)) host_stop(world, host);
        if (host->stopped_until_ms != 0 && host->store.disk != NULL && chance(world, 30))
            intrude(world, host);
        return;
    case 7:
        if (has(world, FAULT_OUTAGES) && chance(world, 20)) {
            world->outage_until_ms[pick(world, ENDPOINTS_MAX)] = world->now_ms + pick(world, 30000);
            world->faults++;
        }
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
    } else if (what < 93) {
        if (has(world, FAULT_SAVEPOINTS)) savepoint_acts(world);
    } else {
        act_rarely(world);
    }
}

/* ---- Liveness ---- */

enum { SIGNALS_MAX = 20000, STANDS_MS = 15000 };

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

/* Nothing is left but what an operator has to look at. */
static bool is_parked_or_settled(struct world *world)
{
    if (world->call_count > 0) return false;
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_metrics is;
        shard_metrics(world->hosts[i].shard, &is);
        if (is.ready + is.sent + is.retry_wait + is.blocked_now + is.held + is.wait_durable +
                is.delayed + is.parcels_waiting >
            0)
            return false;
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
    for (uint32_t i = 0; i < world->history.address_count; i++) blame_forget(world, i);
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_metrics metrics;
        shard_metrics(world->hosts[i].shard, &metrics);
        if (metrics.parked_now == 0) continue; /* nobody else is to be woken by it */
        struct shard_event retry = {.kind = EVENT_OPERATOR, .operate = {.verb = VERB_RETRY}};
        world_ask(world, &world->hosts[i], &retry, WAIT_OTHER, 0);
    }
}

/*
 * Work that needs more than half as much again as its budget waits, and says so; and where parked
 * messages fill the memory, what others send waits. An operator gives more memory when nothing else
 * moves.
 */
static void give_memory(struct world *world)
{
    uint64_t applied = 0, outgrown = 0, parked = 0, parcels = 0;
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_metrics metrics;
        shard_metrics(world->hosts[i].shard, &metrics);
        applied += metrics.messages_applied;
        outgrown += metrics.outgrown;
        parked += metrics.parked_now;
        parcels += metrics.parcels_waiting;
    }
    if (applied != world->applied) {
        world->stands_since_ms = world->now_ms;
        world->outgrown = outgrown;
    }
    bool waits = outgrown > world->outgrown || (parked > 0 && parcels > 0);
    world->applied = applied;
    if (!waits || world->now_ms - world->stands_since_ms < STANDS_MS) return;
    world->swarm.room_bytes *= 2;
    world->stands_since_ms = world->now_ms;
    for (uint32_t i = 0; i < world->host_count; i++) world_configure(world, &world->hosts[i]);
}

static void turn(struct world *world)
{
    if (world->cured) retry_all(world);
    while (world->call_count > 0) function_answers(world, world->call_count - 1);
    commit_all(world);
    for (uint32_t i = 0; network_deliver(world); i++) HOLDS(11, i < SIGNALS_MAX);
    if (world->swarm.room_bytes > 0) { /* room comes by those who take */
        consumer_pulls(world);
        consumer_pops(world);
        operator_reads_letters(world);
        give_memory(world);
    }
    commit_all(world);
    int64_t at_ms = world_wake_at(world), wait_ms = at_ms - world->now_ms;
    /* Who sleeps says until when: nobody is woken by chance. */
    world_pass(world, at_ms == INT64_MAX ? 500 : wait_ms);
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

/* Somebody who asked and was not answered waits for a reply that nobody gave. */
static void take_waits(struct world *world)
{
    if (world->hosts[0].store.ledger.may_fail) return; /* for an answer there was no memory */
    for (uint32_t i = 1; i < world->waiters_count; i++) {
        const struct waiter *waiter = &world->waiters[i];
        if (waiter->what == WAIT_NOTHING || waiter->what == WAIT_EGRESS) continue;
        HOLDS(11, waiter->what == WAIT_NOTE && world->history.notes[waiter->subject].is_call);
        world->history.notes[waiter->subject].waits = true;
    }
}

/* All may go on, and nothing fails any more but what is poison. */
static void calm_down(struct world *world)
{
    struct history *history = &world->history;
    world->calm = true;
    for (uint32_t i = 0; i < world->host_count; i++)
        if (world->hosts[i].stopped_until_ms != 0) host_go_on(world, &world->hosts[i]);
    world_raise(world);
    if (world->over) return;
    disk_turn(world); /* a disk that has failed before takes its process with it now */
    for (uint32_t i = 0; i < world->host_count; i++) host_look(world, &world->hosts[i]);
    commit_all(world);
    if (world->over) return;
    for (uint32_t i = 0; i < world->host_count; i++) world_configure(world, &world->hosts[i]);
    for (uint32_t i = 1; i < history->notes_count && !history->may_forget; i++) {
        const struct note *note = &history->notes[i];
        if (note->origin == 0 && note->is_keyed && !note->refused && note->acked.order == 0)
            client_sends(world, i);
    }
}

static void settle_by(struct world *world, bool (*is_done)(struct world *world))
{
    int64_t until_ms = world->now_ms + SETTLE_MS;
    for (uint32_t turns = 0; !is_done(world); turns++) {
        if (world->now_ms >= until_ms || turns >= 20000) print_unsettled(world);
        HOLDS(11, world->now_ms < until_ms && turns < 20000);
        turn(world);
    }
}

/* One message at most kills its function: when the calls of several addresses are lost and none is
 * answered, the function is down, and nobody is to blame. */
static void keep_one_killer(struct world *world)
{
    bool found = false;
    for (uint32_t i = 1; i < world->history.notes_count; i++) {
        struct note *note = &world->history.notes[i];
        if (note->kills && found) note->kills = false;
        found = found || note->kills;
    }
}

void world_settle(struct world *world)
{
    calm_down(world);
    if (world->over) return;
    if (!world->cured) { /* poison parks, all else goes on */
        keep_one_killer(world);
        retry_all(world);
        settle_by(world, is_parked_or_settled);
        world->cured = true;
        for (uint32_t i = 0; i < world->host_count; i++) world_configure(world, &world->hosts[i]);
    }
    settle_by(world, is_settled);
    world->pulling = world->popping = false;
    commit_all(world);
    take_all_records(world);
    read_all(world);
    take_waits(world);
}

void world_judge(struct world *world)
{
    history_judge(&world->history);
    world_check(world);
}
