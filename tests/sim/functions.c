/* The functions: what they check in each call, and what they answer. */
#include "world.h"

#include <stdio.h>

struct span pair_value(struct buffer *buffer, uint32_t first, uint32_t second)
{
    uint32_t pair[2] = {first, second};
    buffer_clear(buffer);
    typed_value_encode(buffer, SPAN_LITERAL("s/v"), span_of(pair, sizeof pair));
    return buffer_span(buffer);
}

bool pair_of(struct span bytes, struct entry_pair *pair)
{
    struct typed_value value;
    if (typed_value_parse(bytes, &value) != 0 || value.value.size != sizeof *pair) return false;
    memcpy(pair, value.value.at, sizeof *pair);
    return true;
}

uint32_t note_of(struct span bytes)
{
    struct entry_pair pair;
    MUST(pair_of(bytes, &pair));
    return pair.note;
}

void function_called(struct world *world, const struct shard_invocation *invocation)
{
    uint32_t address = address_find(&invocation->request.target);
    for (uint32_t i = 0; i < world->call_count; i++)
        MUST(world->calls[i].address != address); /* I7 */
    MUST(world->call_count < CALLS_MAX);
    MUST(invocation->request.message_count >= 1 &&
         invocation->request.message_count <= world->batch_count_max);
    for (size_t i = 0; i < invocation->request.message_count; i++) {
        const struct note *note = &world->notes[note_of(invocation->request.messages[i].argument)];
        MUST(note->target == address);
        if (note->delayed) MUST(shard_time_ms(world->shard) >= note->due_ms); /* I9 */
    }
    world->calls[world->call_count++] = (struct call){
        invocation, address, shard_time_ms(world->shard), world->scribble_floor[address]};
}

static const struct function_state *state(const struct shard_invocation *invocation,
                                          const char *name)
{
    for (size_t i = 0; i < invocation->request.state_count; i++)
        if (span_equal(invocation->request.states[i].name, span_text(name)))
            return &invocation->request.states[i];
    return NULL;
}

static const struct state_spec specs[] = {
    {.name = {(const uint8_t *)"log", 3}, .type_name = {(const uint8_t *)"s/v", 3}},
    {.name = {(const uint8_t *)"note", 4}, .type_name = {(const uint8_t *)"s/v", 3}},
    {.name = {(const uint8_t *)"tmp", 3},
     .type_name = {(const uint8_t *)"s/v", 3},
     .mode = EXPIRE_AFTER_WRITE,
     .ttl_ms = TMP_TTL_MS},
};

/* The log says what must be in the other states. */
static void check_states(struct world *world, const struct call *call, const struct entry_pair *log,
                         size_t count)
{
    const struct function_state *tmp = state(call->invocation, "tmp");
    bool present = false;
    for (size_t i = 0; i < count; i++) {
        const struct deed *deed = &world->deeds[log[i].deed];
        MUST(log[i].deed < world->deeds_count && deed->address == call->address);
        if (deed->deletes_tmp) present = false;
        if (deed->writes_tmp) present = call->sent_ms - deed->at_ms < TMP_TTL_MS;
    }
    MUST(tmp->present == present);
    const struct function_state *note = state(call->invocation, "note");
    uint32_t floor = call->scribble_floor, number = 0;
    if (note->present) {
        memcpy(&number, note->value.at, sizeof number);
        MUST(world->scribbles[number].address == call->address && number >= floor);
    } else if (floor != 0 && !world->scribbles[floor].is_delete) {
        bool later = false; /* a deletion that nobody was told of yet */
        for (uint32_t i = floor + 1; i < world->scribbles_count; i++)
            later = later ||
                    (world->scribbles[i].address == call->address && world->scribbles[i].is_delete);
        MUST(later);
    }
}

struct work {
    struct world *world;
    const struct call *call;
    struct deed *deed;
    struct function_response response;
    struct effect_message messages[64];
    struct effect_delayed delayed[64];
    struct effect_egress egress[64];
    struct effect_mutation mutations[4];
    struct buffer values[192];
    char ids[192][40];
    uint32_t used;
};

static struct span value(struct work *work, uint32_t first, uint32_t second)
{
    return pair_value(&work->values[work->used], first, second);
}

static void send(struct work *work, uint32_t hops, bool delayed)
{
    struct world *world = work->world;
    uint32_t number = world->notes_count;
    struct note *note = ADD(world, notes);
    *note =
        (struct note){.origin = world->deeds_count - 1,
                      .index = work->deed->child_count++,
                      .target = chance(world, 20) ? work->call->address : pick(world, ADDRESSES),
                      .hops = hops - 1,
                      .delayed = delayed,
                      .delay_ms = delayed ? pick(world, 2500) : 0,
                      .due_ms = INT64_MIN,
                      .is_poison = !world->calm && chance(world, 2)};
    char *id = work->ids[work->used];
    struct address target = address_of(note->target, id);
    struct span argument = value(work, number, 0);
    if (!delayed) {
        work->messages[work->response.message_count++] = (struct effect_message){target, argument};
        work->used++;
        return;
    }
    struct effect_delayed *made = &work->delayed[work->response.delayed_count++];
    *made =
        (struct effect_delayed){.target = target, .argument = argument, .delay_ms = note->delay_ms};
    if (chance(world, 60)) {
        note->token = number;
        snprintf(id + 8, 16, "k%u", number);
        made->token = span_text(id + 8);
    }
    if (chance(world, 2)) {
        note->token = 0;
        made->token = SPAN_LITERAL("the same for all");
    }
    work->used++;
}

static void cancel(struct work *work)
{
    struct world *world = work->world;
    uint32_t number = 1 + pick(world, world->notes_count - 1);
    const struct note *note = &world->notes[number];
    if (note->origin == 0 || note->token == 0 || note->origin == world->deeds_count - 1) return;
    if (world->deeds[note->origin].address % IDS != work->call->address % IDS) return;
    char *token = work->ids[work->used++];
    snprintf(token, 24, "k%u", number);
    work->delayed[work->response.delayed_count++] =
        (struct effect_delayed){.is_cancel = true, .token = span_text(token)};
    *ADD(world, cancels) = number;
    work->deed->cancel_count++;
}

/* Whoever knows the token may reply: from another slot than the caller's entry. */
static void reply_for_another(struct work *work)
{
    struct world *world = work->world;
    uint32_t number = 1 + pick(world, world->notes_count - 1);
    if (!world->notes[number].is_call) return;
    char *token = work->ids[work->used];
    snprintf(token, 40, "reply%u.%u", number, pick(world, world->notes[number].tries));
    work->messages[work->response.message_count++] = (struct effect_message){
        {NAME_REPLY, span_text(token)}, value(work, number, world->deeds_count - 1)};
    work->used++;
    *ADD(world, replies) = number;
    work->deed->reply_count++;
}

static void handle(struct work *work, uint32_t number, struct address caller)
{
    struct world *world = work->world;
    uint32_t hops = world->notes[number].hops;
    if (work->used > 150 || world->notes_count > 4000) return;
    if (hops > 0 && chance(world, 60)) send(work, hops, false);
    if (hops > 0 && chance(world, 30)) send(work, hops, false);
    if (hops > 0 && chance(world, 30)) send(work, hops, true);
    if (chance(world, 20)) cancel(work);
    if (chance(world, 30)) {
        work->egress[work->response.egress_count++] = (struct effect_egress){
            .name = SPAN_LITERAL("t/out"),
            .argument = value(work, world->deeds_count - 1, work->deed->egress_count++)};
        work->used++;
    }
    if (chance(world, 15)) reply_for_another(work);
    if (!span_equal(caller.type, NAME_REPLY) || !(world->calm || chance(world, 70))) return;
    work->messages[work->response.message_count++] =
        (struct effect_message){caller, value(work, number, world->deeds_count - 1)};
    work->used++;
    *ADD(world, replies) = number;
    work->deed->reply_count++;
}

static void write(struct work *work, const char *name, bool is_delete, struct span bytes)
{
    work->mutations[work->response.mutation_count++] =
        (struct effect_mutation){.name = span_text(name),
                                 .is_delete = is_delete,
                                 .type_name = SPAN_LITERAL("s/v"),
                                 .value = bytes};
}

static void respond(struct world *world, uint32_t index, const struct event_response *response)
{
    struct shard_event event = {.kind = EVENT_RESPONSE, .response = *response};
    event.response.flight = world->calls[index].invocation->flight;
    world->calls[index] = world->calls[--world->call_count];
    world_step(world, &event);
}

static void succeed(struct world *world, uint32_t index)
{
    static struct work work; /* large */
    struct call call = world->calls[index];
    const struct function_state *log = state(call.invocation, "log");
    if (log == NULL || state(call.invocation, "tmp") == NULL ||
        state(call.invocation, "note") == NULL) {
        struct function_response incomplete = {.incomplete = true};
        incomplete.specs = (struct state_spec *)(uintptr_t)specs;
        incomplete.spec_count = 3;
        respond(world, index,
                &(struct event_response){.outcome = OUTCOME_RESULT, .response = &incomplete});
        return;
    }
    size_t count = log->present ? log->value.size / sizeof(struct entry_pair) : 0;
    struct buffer next;
    buffer_init(&next);
    if (log->present) buffer_append(&next, log->value);
    check_states(world, &call, (const struct entry_pair *)(void *)next.at, count);
    ADD(world, deeds);
    work.world = world;
    work.call = &call;
    work.used = 0;
    work.response = (struct function_response){.messages = work.messages,
                                               .delayed = work.delayed,
                                               .egress = work.egress,
                                               .mutations = work.mutations};
    uint32_t number = world->deeds_count - 1;
    work.deed = &world->deeds[number];
    *work.deed = (struct deed){.address = call.address,
                               .first_child = world->notes_count,
                               .first_cancel = world->cancels_count,
                               .first_reply = world->replies_count,
                               .at_ms = INT64_MAX};
    for (size_t i = 0; i < call.invocation->request.message_count; i++) {
        const struct function_message *message = &call.invocation->request.messages[i];
        struct entry_pair pair = {note_of(message->argument), number};
        for (size_t j = 0; j < next.size / sizeof pair; j++) { /* I2 */
            struct entry_pair before;
            memcpy(&before, next.at + j * sizeof pair, sizeof pair);
            MUST(before.note != pair.note);
        }
        buffer_append(&next, span_of(&pair, sizeof pair));
        if (work.response.message_count < 30) handle(&work, pair.note, message->caller);
    }
    write(&work, "log", false, buffer_span(&next));
    work.deed->writes_tmp = chance(world, 20);
    work.deed->deletes_tmp = !work.deed->writes_tmp && chance(world, 10);
    if (work.deed->writes_tmp) write(&work, "tmp", false, SPAN_LITERAL("x"));
    if (work.deed->deletes_tmp) write(&work, "tmp", true, SPAN_EMPTY);
    /* The time of the step is the shard's after a tick of the same moment. */
    struct shard_event tick = {.kind = EVENT_TICK};
    uint64_t crashes = world->crashes;
    world_step(world, &tick);
    if (world->crashes == crashes) {
        struct deed *deed = &world->deeds[number];
        deed->at_ms = shard_time_ms(world->shard);
        for (uint32_t i = 0; i < deed->child_count; i++) {
            struct note *note = &world->notes[deed->first_child + i];
            if (note->delayed) note->due_ms = deed->at_ms + note->delay_ms;
        }
        for (uint32_t i = 0; i < world->call_count; i++)
            if (world->calls[i].invocation == call.invocation) index = i;
        respond(world, index,
                &(struct event_response){.outcome = OUTCOME_RESULT, .response = &work.response});
    }
    buffer_close(&next);
}

static bool is_poisoned(const struct world *world, const struct shard_invocation *invocation)
{
    for (size_t i = 0; i < invocation->request.message_count; i++)
        if (world->notes[note_of(invocation->request.messages[i].argument)].is_poison) return true;
    return false;
}

void function_answers(struct world *world, uint32_t index)
{
    struct event_response response = {.outcome = OUTCOME_BAD_ANSWER,
                                      .text = SPAN_LITERAL("HTTP 500: poison"),
                                      .retry_after_ms = -1};
    if (!world->calm && is_poisoned(world, world->calls[index].invocation)) {
        respond(world, index, &response);
        return;
    }
    if (world->calm || !chance(world, world->fail_percent)) {
        succeed(world, index);
        return;
    }
    response.outcome = (enum outcome)(1 + pick(world, 6));
    response.text = SPAN_LITERAL("no luck");
    if (chance(world, 10)) response.retry_after_ms = pick(world, 5000);
    uint64_t flight = world->calls[index].invocation->flight, crashes = world->crashes;
    respond(world, index, &response);
    if (world->crashes != crashes || !chance(world, 20)) return;
    struct function_response nothing = {.incomplete = false};
    struct shard_event late = {
        .kind = EVENT_RESPONSE, /* I6 */
        .response = {.flight = flight, .outcome = OUTCOME_RESULT, .response = &nothing}};
    for (uint32_t i = 0; i < world->call_count; i++)
        if (world->calls[i].invocation->flight == flight) return;
    world_step(world, &late);
}
