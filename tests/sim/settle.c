/* The last phase of a life: nothing fails any more, and all must settle. */
#include "world.h"

#include <stdio.h>

enum { TURNS_MAX = 20000, STANDS_MS = 15000, STANDS_MESSAGES = 10 };

static bool is_settled(struct world *world)
{
    if (world->call_count > 0 || !partitions_are_read(world)) return false;
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
    if (world->call_count > 0 || !partitions_are_read(world)) return false;
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

static uint64_t count_applied(struct world *world)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_metrics metrics;
        shard_metrics(world->hosts[i].shard, &metrics);
        count += metrics.messages_applied;
    }
    return count;
}

/* Is it time for the operator's next look? */
static bool is_due(const struct world *world, const struct standing *standing)
{
    return world->now_ms - standing->since_ms >= STANDS_MS;
}

/*
 * Work that needs more than half as much again as its budget waits, and says so. Functions answer
 * differently each time here, so that now and then an answer fits: that is not worth waiting for.
 */
static bool has_outgrown(const struct world *world, struct host *host)
{
    struct standing before = host->standing;
    struct shard_metrics metrics;
    if (!is_due(world, &before)) return false;
    shard_metrics(host->shard, &metrics);
    host->standing = (struct standing){metrics.messages_applied, metrics.outgrown, world->now_ms};
    return metrics.messages_applied - before.applied < STANDS_MESSAGES &&
           metrics.outgrown > before.outgrown;
}

/* Where parked messages fill the memory, what others send waits. */
static bool is_blocked_by_parked(struct world *world)
{
    uint64_t applied = world->standing.applied, parked = 0, parcels = 0;
    if (!is_due(world, &world->standing)) return false;
    world->standing = (struct standing){count_applied(world), 0, world->now_ms};
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_metrics metrics;
        shard_metrics(world->hosts[i].shard, &metrics);
        parked += metrics.parked_now;
        parcels += metrics.parcels_waiting;
    }
    return applied == world->standing.applied && parked > 0 && parcels > 0;
}

/* An operator gives more memory where little moves, whatever the others still do. */
static void give_memory(struct world *world)
{
    bool is_needed = is_blocked_by_parked(world);
    for (uint32_t i = 0; i < world->host_count; i++)
        if (has_outgrown(world, &world->hosts[i])) is_needed = true;
    if (!is_needed) return;
    world->swarm.room_bytes *= 2;
    for (uint32_t i = 0; i < world->host_count; i++) world_configure(world, &world->hosts[i]);
}

/* False: all calls that are out stay out for now. */
static bool answer_one(struct world *world)
{
    for (uint32_t i = world->call_count; i-- > 0;) {
        if (world->calls[i].answer_at_ms > world->now_ms) continue;
        function_answers(world, i);
        return true;
    }
    return false;
}

/* Whoever can do something does it before time passes: functions that answer, the network, and
 * those who take, by whom room comes. */
static void exchange(struct world *world)
{
    for (uint32_t i = 0; answer_one(world); i++) HOLDS(11, i < TURNS_MAX);
    commit_all(world);
    for (uint32_t i = 0; network_deliver(world); i++) HOLDS(11, i < TURNS_MAX);
    if (world->swarm.room_bytes > 0) {
        consumer_pulls(world);
        consumer_pops(world);
        consumer_acks(world);
        operator_reads_letters(world);
    }
    commit_all(world);
}

static uint64_t taken(const struct world *world)
{
    return (uint64_t)world->history.egress_count + world->history.topic_count;
}

static bool is_answer_due(const struct world *world)
{
    for (uint32_t i = 0; i < world->call_count; i++)
        if (world->calls[i].answer_at_ms <= world->now_ms) return true;
    return false;
}

/* Who sleeps says until when: a shard that is woken before that has nothing to do. But snapshots
 * give room outside of steps, and a clock that jumped forward is followed at twice the pace. */
static void wake_too_early(struct world *world)
{
    const struct swarm *swarm = &world->swarm;
    if (swarm->has[FAULT_JUMPS] || swarm->snapshot_always || swarm->snapshot_percent > 0) return;
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct host *host = &world->hosts[i];
        struct shard_metrics before, after;
        struct shard_event tick = {.kind = EVENT_TICK};
        shard_metrics(host->shard, &before);
        world_step(world, host, &tick);
        shard_metrics(host->shard, &after);
        HOLDS(11, after.records == before.records && after.invocations == before.invocations);
        HOLDS(11, after.signals_sent == before.signals_sent);
    }
}

/* So nobody is woken by chance. */
static void sleep_until_next(struct world *world)
{
    int64_t at_ms = world_wake_at(world);
    for (uint32_t i = 0; i < world->call_count; i++)
        if (world->calls[i].answer_at_ms < at_ms) at_ms = world->calls[i].answer_at_ms;
    int64_t wait_ms = at_ms == INT64_MAX ? 500 : at_ms - world->now_ms;
    bool too_early = wait_ms > 1 && chance(world, 25);
    world_pass(world, too_early ? wait_ms / 2 : wait_ms);
    if (too_early) wake_too_early(world);
}

static void turn(struct world *world)
{
    uint64_t before;
    if (world->cured) retry_all(world);
    partitions_settle(world);
    for (uint32_t rounds = 0; rounds == 0 || taken(world) != before || is_answer_due(world);
         rounds++) {
        HOLDS(11, rounds < TURNS_MAX);
        before = taken(world);
        exchange(world);
    }
    if (world->swarm.room_bytes > 0) give_memory(world);
    commit_all(world);
    sleep_until_next(world);
}

static void take_all_records(struct world *world)
{
    uint64_t before;
    do {
        before = taken(world);
        for (int i = 0; i < 5; i++) {
            consumer_pulls(world);
            consumer_pops(world);
            commit_all(world);
        }
    } while (before != taken(world));
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

/* Consumers and readers for whose answers there was no memory. What was to be popped may be gone.
 */
static void ask_again(struct world *world)
{
    struct history *history = &world->history;
    if (!world->hosts[0].store.ledger.may_fail) return;
    history->topic_lost = history->topic_lost || world->popping;
    world->pulling = world->popping = false;
    for (uint32_t i = 0; i < PARTITIONS; i++) world->partitions[i].asked = 0;
}

/* All may go on, and nothing fails any more but what is poison. */
static void calm_down(struct world *world)
{
    struct history *history = &world->history;
    world->calm = true;
    ask_again(world);
    for (uint32_t i = 0; i < world->host_count; i++)
        if (world->hosts[i].stopped_until_ms != 0) host_go_on(world, &world->hosts[i]);
    world_raise(world);
    if (world->over) return;
    disk_turn(world); /* a disk that has failed before takes its process with it now */
    for (uint32_t i = 0; i < world->host_count; i++) host_look(world, &world->hosts[i]);
    commit_all(world);
    if (world->over) return;
    for (uint32_t i = 0; i < world->host_count; i++) world_configure(world, &world->hosts[i]);
    world->late = true;
    world->standing.since_ms = world->now_ms;
    for (uint32_t i = 0; i < world->host_count; i++)
        world->hosts[i].standing.since_ms = world->now_ms;
    for (uint32_t i = 1; i < history->notes_count && !history->may_forget; i++) {
        const struct note *note = &history->notes[i];
        if (note->origin == 0 && note->is_keyed && !note->refused && note->acked.order == 0)
            client_sends(world, i);
    }
}

/* Calls that stay out may do so one after the other: that time is theirs. */
static void settle_by(struct world *world, bool (*is_done)(struct world *world))
{
    int64_t until_ms = world->now_ms + SETTLE_MS;
    for (uint32_t turns = 0; !is_done(world); turns++) {
        bool in_time = world->now_ms < until_ms + world->out_ms && turns < TURNS_MAX;
        if (!in_time) print_unsettled(world);
        HOLDS(11, in_time);
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

static void settle_all(struct world *world)
{
    if (!world->cured) { /* poison parks, all else goes on */
        keep_one_killer(world);
        retry_all(world);
        settle_by(world, is_parked_or_settled);
        world->cured = true;
        for (uint32_t i = 0; i < world->host_count; i++) world_configure(world, &world->hosts[i]);
    }
    settle_by(world, is_settled);
}

void world_settle(struct world *world)
{
    calm_down(world);
    if (world->over) return;
    /* So that there is something to drain. */
    if (world->swarm.room_bytes > 0 && chance(world, 50)) clients_rush(world, pick(world, 200));
    int64_t begun_ms = world->now_ms;
    uint64_t applied = count_applied(world);
    settle_all(world);
    world->settling.ms = world->now_ms - begun_ms;
    world->settling.messages = count_applied(world) - applied;
    ask_again(world);
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
