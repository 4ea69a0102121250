/* The functions: what they see in each call, and how a call ends. What they answer: programs.c. */
#include "programs.h"

struct span pair_value(const struct world *world, struct buffer *buffer, uint32_t first,
                       uint32_t second)
{
    static const uint32_t paddings[] = {0, 0, 100, 700, 3000, 3000, 9000, 70000};
    static const uint32_t small[] = {0, 100, 700, 3000, 3000, 3000, 3000, 6000};
    static const uint8_t zeros[70000];
    uint32_t pair[2] = {first, second};
    struct buffer value;
    buffer_init(&value);
    buffer_append(&value, span_of(pair, sizeof pair));
    /* Of the number alone: a message that is sent again has the same body. */
    if (world->swarm.room_bytes > 0)
        buffer_append(&value, span_of(zeros, small[first * 2654435761u >> 29]));
    if (world->swarm.has[FAULT_BIG])
        buffer_append(&value, span_of(zeros, paddings[first * 2654435761u >> 29]));
    buffer_clear(buffer);
    typed_value_encode(buffer, SPAN_LITERAL("s/v"), buffer_span(&value));
    buffer_close(&value);
    return buffer_span(buffer);
}

bool pair_of(struct span bytes, struct pair *pair)
{
    struct typed_value value;
    if (typed_value_parse(bytes, &value) != 0 || value.value.size < sizeof *pair) return false;
    memcpy(pair, value.value.at, sizeof *pair);
    return true;
}

uint32_t note_of(const struct function_message *message)
{
    struct pair pair;
    HOLDS(3, pair_of(message->argument, &pair));
    return pair.note;
}

/* ---- A call comes ---- */

static void check_limits(struct world *world, struct host *host,
                         const struct shard_invocation *invocation, uint32_t address)
{
    uint32_t same_endpoint = 1;
    for (uint32_t i = 0; i < world->call_count; i++) {
        const struct call *call = &world->calls[i];
        HOLDS(7, call->address != address);
        same_endpoint +=
            call->host == host->number && call->invocation->endpoint == invocation->endpoint;
    }
    HOLDS(7, invocation->endpoint < host->endpoint_count);
    const struct promise *promise = &host->promises[invocation->endpoint];
    const struct function_request *request = &invocation->request;
    HOLDS(7, request->message_count >= 1 && request->message_count <= promise->batch_count_max);
    size_t bytes = 0;
    for (size_t i = 0; i < request->message_count; i++) bytes += request->messages[i].argument.size;
    for (size_t i = 0; i < request->state_count; i++) bytes += request->states[i].value.size;
    HOLDS(7, request->message_count == 1 || bytes <= promise->batch_bytes_max);
    HOLDS(7, shard_time_ms(host->shard) >= promise->closed_until_ms);
    if (!world->swarm.has[FAULT_RELOADS] && !world->calm)
        HOLDS(7, same_endpoint <= promise->window_max);
}

/* A function that is called for what is durable only: it may show all of it to others. */
static void note_shown(struct world *world, struct host *host,
                       const struct shard_invocation *invocation, uint32_t address)
{
    struct history *history = &world->history;
    const struct function_request *request = &invocation->request;
    if (!host->promises[invocation->endpoint].is_durable) return;
    for (size_t i = 0; i < request->message_count; i++)
        history->notes[note_of(&request->messages[i])].shown = moment_now(history, host->number);
    for (size_t i = 0; i < request->state_count; i++) {
        const struct function_state *state = &request->states[i];
        if (state->present && span_equal(state->name, SPAN_LITERAL("log")))
            history_log_shown(history, address, state->value.at, state->value.size, host->number);
        uint32_t number = 0;
        if (!span_equal(state->name, SPAN_LITERAL("note"))) continue;
        if (state->present) memcpy(&number, state->value.at, sizeof number);
        history_scribble_shown(history, address, number);
    }
}

static void note_identity(struct world *world, const struct host *host,
                          const struct shard_invocation *invocation)
{
    static uint32_t notes[1000];
    size_t count = invocation->request.message_count;
    MUST(count <= sizeof notes / sizeof notes[0]);
    for (size_t i = 0; i < count; i++) notes[i] = note_of(&invocation->request.messages[i]);
    history_called(&world->history, host->number, invocation->invocation_id.at,
                   invocation->invocation_id.size, notes, (uint32_t)count);
    history_handed(&world->history, host->number, host->life, invocation->flight);
}

/* It is what was sent, by whom it was sent, and not too early by the clock of its sender. */
static void check_message(struct world *world, const struct function_message *message,
                          uint32_t address)
{
    const struct history *history = &world->history;
    uint32_t number = note_of(message);
    HOLDS(3, number > 0 && number < history->notes_count);
    const struct note *note = &history->notes[number];
    HOLDS(3, note->target == address);
    uint32_t home = address;
    if (note->origin != 0) {
        home = history->deeds[note->origin].address;
        struct address sender = address_of(world, home);
        HOLDS(3, span_equal(message->caller.type, sender.type));
        HOLDS(3, span_equal(message->caller.id, sender.id));
    } else {
        HOLDS(3, message->caller.type.size == 0 || note->is_call);
    }
    const struct host *sender = host_of(world, home);
    if (note->delayed && sender->shard != NULL)
        HOLDS(9, shard_time_ms(sender->shard) >= note->due_ms);
}

/* Most answer at once; some take their time, and meanwhile others go on. */
static int64_t stays_out_ms(struct world *world)
{
    if (!world->late || !world->swarm.slow_functions || chance(world, 60)) return 0;
    return pick(world, chance(world, 10) ? 20000 : 400);
}

void function_called(struct world *world, struct host *host,
                     const struct shard_invocation *invocation)
{
    uint32_t address = address_find(world, &invocation->request.target);
    HOLDS(13, host_of(world, address) == host);
    check_limits(world, host, invocation, address);
    for (size_t i = 0; i < invocation->request.message_count; i++)
        check_message(world, &invocation->request.messages[i], address);
    note_identity(world, host, invocation);
    note_shown(world, host, invocation, address);
    MUST(world->call_count < CALLS_MAX);
    int64_t out_ms = stays_out_ms(world);
    world->out_ms += out_ms;
    world->settling.calls += world->late;
    struct call call = {.invocation = invocation,
                        .host = host->number,
                        .address = address,
                        .sent_ms = shard_time_ms(host->shard),
                        .answer_at_ms = world->now_ms + out_ms,
                        .scribble_floor = history_scribble_floor(&world->history, address),
                        .endpoint = invocation->endpoint,
                        .config = host->configs,
                        .message_count = (uint32_t)invocation->request.message_count,
                        .order = world->history.now};
    blame_called(world, &call);
    world->calls[world->call_count++] = call;
}

/* ---- A call ends ---- */

void respond(struct world *world, uint32_t index, const struct event_response *response)
{
    struct call call = world->calls[index];
    struct shard_event event = {.kind = EVENT_RESPONSE, .response = *response};
    event.response.flight = call.invocation->flight;
    struct host *host = &world->hosts[call.host];
    uint32_t endpoint = call.invocation->endpoint;
    world->calls[index] = world->calls[--world->call_count];
    if (endpoint < ENDPOINTS_MAX && response->outcome == OUTCOME_RESULT)
        host->promises[endpoint].closed_until_ms = NEVER_MS;
    if (endpoint < host->endpoint_count && response->outcome == OUTCOME_OVERLOADED &&
        response->retry_after_ms > 0 && !world->swarm.has[FAULT_RELOADS]) {
        int64_t until_ms = shard_time_ms(host->shard) + response->retry_after_ms;
        if (until_ms > host->promises[endpoint].closed_until_ms)
            host->promises[endpoint].closed_until_ms = until_ms;
    }
    world->answering = &call;
    world_step(world, host, &event);
    world->answering = NULL;
}

static bool is_poisoned(const struct world *world, const struct shard_invocation *invocation,
                        bool *kills)
{
    for (size_t i = 0; i < invocation->request.message_count; i++) {
        const struct note *note = &world->history.notes[note_of(&invocation->request.messages[i])];
        if (!note->is_poison) continue;
        *kills = note->kills;
        return true;
    }
    return false;
}

/* An answer to a call that is over changes nothing. */
static void answer_late(struct world *world, struct host *host, uint64_t flight, uint32_t address)
{
    struct history *history = &world->history;
    uint32_t number = history->deeds_count;
    *ADD(history, deeds) =
        (struct deed){.address = address, .ghost = true, .at = {history->now + 1, host->number}};
    struct buffer value;
    buffer_init(&value);
    struct pair pair = {1, number};
    struct effect_egress egress = {.name = EGRESS_NAME,
                                   .argument = pair_value(world, &value, number, 0)};
    struct effect_mutation mutation = {.name = SPAN_LITERAL("log"),
                                       .type_name = SPAN_LITERAL("s/v"),
                                       .value = span_of(&pair, sizeof pair)};
    struct function_response response = {
        .egress = &egress, .egress_count = 1, .mutations = &mutation, .mutation_count = 1};
    struct shard_event late = {
        .kind = EVENT_RESPONSE,
        .response = {.flight = flight, .outcome = OUTCOME_RESULT, .response = &response}};
    world->faults++;
    verdict_checks[6]++;
    world_step(world, host, &late);
    buffer_close(&value);
}

static void fail(struct world *world, uint32_t index, enum outcome outcome)
{
    struct event_response response = {
        .outcome = outcome, .text = SPAN_LITERAL("no luck"), .retry_after_ms = -1};
    if (chance(world, 10)) response.retry_after_ms = pick(world, 5000);
    struct host *host = &world->hosts[world->calls[index].host];
    uint64_t flight = world->calls[index].invocation->flight, lives = world->lives;
    uint32_t address = world->calls[index].address;
    world->faults++;
    respond(world, index, &response);
    if (world->lives == lives && has(world, FAULT_LATE) && chance(world, 20))
        answer_late(world, host, flight, address);
}

void function_answers(struct world *world, uint32_t index)
{
    static const enum outcome outage[] = {OUTCOME_LOST,    OUTCOME_LOST,        OUTCOME_LOST,
                                          OUTCOME_TIMEOUT, OUTCOME_UNREACHABLE, OUTCOME_OVERLOADED};
    bool kills = false;
    const struct call *call = &world->calls[index];
    uint32_t endpoint = call->endpoint;
    if (!host_runs(&world->hosts[call->host])) return; /* the answer waits */
    if ((!world->calm || !world->cured) && is_poisoned(world, call->invocation, &kills))
        fail(world, index, kills ? OUTCOME_LOST : OUTCOME_BAD_ANSWER);
    else if (!world->calm && world->now_ms < world->outage_until_ms[endpoint % ENDPOINTS_MAX])
        fail(world, index, outage[pick(world, 6)]);
    else if (!world->calm && has(world, FAULT_MISUSE) && chance(world, 1))
        program_misuses(world, index);
    else if (!world->calm && chance(world, world->swarm.fail_percent))
        fail(world, index, (enum outcome)(1 + pick(world, 6)));
    else
        program_runs(world, index);
}
