/* Operators, those who edit state, and the consumers of the egresses. */
#include "world.h"

static void tell_all(struct world *world, const struct shard_event *event)
{
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct shard_event copy = *event;
        world_ask(world, &world->hosts[i], &copy, WAIT_OTHER, 0);
    }
}

void operator_acts(struct world *world)
{
    struct history *history = &world->history;
    uint32_t address = pick(world, history->address_count);
    struct shard_event event = {.kind = EVENT_OPERATOR,
                                .operate = {.address = address_of(world, address),
                                            .verb = VERB_RETRY,
                                            .who = SPAN_LITERAL("simulator")}};
    if (chance(world, 50)) event.operate.verb = chance(world, 50) ? VERB_SKIP : VERB_DEAD_LETTER;
    if (has(world, FAULT_PURGES) && chance(world, 20)) event.operate.verb = VERB_PURGE;
    bool bulk = chance(world, 20);
    for (uint32_t i = 0; i < history->address_count; i++) {
        if (!bulk && i != address) continue;
        blame_forget(world, i);
        if (event.operate.verb == VERB_PURGE) history->purged[i] = true;
        if (event.operate.verb == VERB_SKIP || event.operate.verb == VERB_DEAD_LETTER)
            history->skips[i]++;
    }
    if (!bulk) {
        world_ask(world, host_of(world, address), &event, WAIT_OTHER, 0);
        return;
    }
    event.operate.address = (struct address){SPAN_EMPTY, SPAN_EMPTY};
    tell_all(world, &event);
}

static uint64_t version_of(const struct scribble *scribble)
{
    return scribble->is_delete ? 0 : scribble->version;
}

/* If-Match with the version of a write that is known, the newest mostly. */
static void build_on(struct world *world, struct scribble *made, struct event_state *state)
{
    const struct history *history = &world->history;
    uint32_t newest = history_scribble_floor(history, made->address), number = newest;
    while (number > 1 && chance(world, 30)) number--;
    const struct scribble *base = &history->scribbles[number];
    if (number == 0 || base->address != made->address || base->acked.order == 0) return;
    state->if_match = true;
    state->version = version_of(base);
    /* 0 is "absent", which it may be once more. */
    made->must_mismatch =
        state->version != 0 && state->version != version_of(&history->scribbles[newest]);
}

static void scribble(struct world *world, uint32_t address, bool is_delete)
{
    struct history *history = &world->history;
    struct host *host = host_of(world, address);
    if (!host_runs(host)) return;
    uint32_t number = history->scribbles_count;
    struct scribble *made = ADD(history, scribbles);
    *made = (struct scribble){
        .address = address, .is_delete = is_delete, .first = {history->now + 1, host->number}};
    struct shard_event event = {
        .kind = EVENT_STATE,
        .state = {.address = address_of(world, address),
                  .name = SPAN_LITERAL("note"),
                  .is_delete = made->is_delete,
                  .type_name = SPAN_LITERAL("s/v"),
                  .value = made->is_delete ? SPAN_EMPTY : span_of(&number, sizeof number)}};
    if (chance(world, 30)) build_on(world, made, &event.state);
    world->tries[address].is_edited = true;
    world_ask(world, host, &event, WAIT_SCRIBBLE, number);
}

/* What was there for certain is deleted, its absence is looked at, and the shard dies. */
static void delete_look_and_die(struct world *world, uint32_t address)
{
    struct host *host = host_of(world, address);
    scribble(world, address, false);
    for (int i = 0; i < 5; i++) host_commit(world, host); /* some of it, each time */
    scribble(world, address, true);
    client_reads(world, address, "note");
    if (host_runs(host)) host_crash(world, host);
    client_reads(world, address, "note");
}

void scribbler_acts(struct world *world)
{
    const struct history *history = &world->history;
    uint32_t address = pick(world, history->address_count), last = history->scribbles_count - 1;
    if (!world->swarm.has[FAULT_EDITS]) return;
    if (last > 0 && chance(world, 60)) address = history->scribbles[last].address;
    if (has(world, FAULT_CRASHES) && chance(world, 10)) {
        delete_look_and_die(world, address);
        return;
    }
    scribble(world, address, chance(world, 30));
    if (chance(world, 60)) client_reads(world, address, "note");
}

void consumer_pulls(struct world *world)
{
    struct host *host = host_of_id(world, EGRESS_NAME);
    if (world->pulling || !host_runs(host)) return;
    uint64_t after = world->history.egress_count;
    if (!world->calm && chance(world, 30)) after = world->egress_acked; /* look again */
    if (world->egress_acked > 0 && chance(world, 30)) {
        struct shard_event ack = {.kind = EVENT_PULL_ACK,
                                  .pull = {.egress = EGRESS_NAME, .after = world->egress_acked}};
        world_ask(world, host, &ack, WAIT_OTHER, 0);
        if (!host_runs(host) || after < world->egress_acked) return;
    }
    world->pulling = true;
    struct shard_event event = {.kind = EVENT_PULL,
                                .pull = {.egress = EGRESS_NAME, .after = after}};
    event.pull.max = pick(world, 5);
    event.pull.wait = chance(world, 30) && !world->calm;
    world_ask(world, host, &event, WAIT_EGRESS, (uint32_t)after);
}

void consumer_acks(struct world *world)
{
    struct host *host = host_of_id(world, EGRESS_NAME);
    world->egress_acked = world->history.egress_count;
    if (world->egress_acked == 0 || !host_runs(host)) return;
    struct shard_event ack = {.kind = EVENT_PULL_ACK,
                              .pull = {.egress = EGRESS_NAME, .after = world->egress_acked}};
    world_ask(world, host, &ack, WAIT_OTHER, 0);
}

void consumer_pops(struct world *world)
{
    struct host *host = host_of_id(world, TOPIC_LANE);
    if (world->popping || !host_runs(host)) return;
    world->popping = true;
    struct shard_event event = {.kind = EVENT_PULL,
                                .pull = {.egress = SPAN_LITERAL("io.statefun.playground/egress"),
                                         .topic = SPAN_LITERAL("p"),
                                         .pop = true,
                                         .max = pick(world, 4)}};
    world_ask(world, host, &event, WAIT_TOPIC, 0);
}

/* Dead letters, which wait in each shard: they need room as what others take does. */
void operator_reads_letters(struct world *world)
{
    struct shard_event event = {
        .kind = EVENT_PULL,
        .pull = {.egress = SPAN_LITERAL("holdfast/dead-letters"), .pop = true, .max = 100}};
    tell_all(world, &event);
}
