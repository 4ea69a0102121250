/* Random programs: what a function that works does with its messages, all of it into the history.
 */
#include "programs.h"

#include <stdio.h>
#include <stdlib.h>

enum { EFFECTS_MAX = 192, BLOB_MAX = 30000 };

struct work {
    struct world *world;
    struct history *history;
    const struct call *call;
    struct deed *deed;
    uint32_t number; /* of the deed */
    struct function_response response;
    struct effect_message messages[EFFECTS_MAX];
    struct effect_delayed delayed[EFFECTS_MAX];
    struct effect_egress egress[EFFECTS_MAX];
    struct effect_mutation mutations[8];
    struct buffer values[EFFECTS_MAX];
    char texts[EFFECTS_MAX][40];
    uint32_t used;
    bool may_fail; /* it is not certain to be allowed */
};

/* ---- State: the log says what must be in it ---- */

static const struct function_state *state(const struct shard_invocation *invocation,
                                          const char *name)
{
    for (size_t i = 0; i < invocation->request.state_count; i++)
        if (span_equal(invocation->request.states[i].name, span_text(name)))
            return &invocation->request.states[i];
    return NULL;
}

#define SPEC(text, how, ttl)                                                                       \
    {                                                                                              \
        .name = {(const uint8_t *)(text), sizeof(text) - 1},                                       \
        .type_name = {(const uint8_t *)"s/v", 3}, .mode = (how), .ttl_ms = (ttl)                   \
    }
static const struct state_spec specs[] = {
    SPEC("log", EXPIRE_NEVER, 0),
    SPEC("note", EXPIRE_NEVER, 0),
    SPEC("blob", EXPIRE_NEVER, 0),
    SPEC("tmp", EXPIRE_AFTER_WRITE, TMP_TTL_MS), /* those that expire: not in a plain world */
    SPEC("seen", EXPIRE_AFTER_INVOKE, SEEN_TTL_MS),
};
enum { SPEC_COUNT = sizeof specs / sizeof specs[0], PLAIN_SPECS = 3 };

static size_t spec_count(const struct world *world)
{
    return world->swarm.plain ? PLAIN_SPECS : SPEC_COUNT;
}

struct expected {
    bool tmp, seen;
    int64_t tmp_ms, seen_ms; /* counts since */
    uint32_t blob;           /* the deed that wrote it; 0: none */
};

/* What the responses of the log have left, before the time passes on. */
static void expect(const struct history *history, const struct call *call, const struct pair *log,
                   size_t count, struct expected *expected)
{
    uint32_t before = 0;
    for (size_t i = 0; i < count; i++) {
        HOLDS(3, log[i].deed < history->deeds_count);
        const struct deed *deed = &history->deeds[log[i].deed];
        HOLDS(6, !deed->ghost);
        HOLDS(3, deed->address == call->address);
        if (log[i].deed == before) continue;
        before = log[i].deed;
        if (expected->seen && deed->sent_ms - expected->seen_ms >= SEEN_TTL_MS)
            expected->seen = false;
        if (expected->seen && deed->sent_ms > expected->seen_ms) expected->seen_ms = deed->sent_ms;
        if (deed->writes_seen) {
            expected->seen = true;
            expected->seen_ms = deed->at_ms;
        }
        if (deed->deletes_tmp) expected->tmp = false;
        if (deed->writes_tmp) {
            expected->tmp = true;
            expected->tmp_ms = deed->at_ms;
        }
        if (deed->writes_blob) expected->blob = log[i].deed;
    }
}

static void check_scribble(const struct history *history, const struct call *call)
{
    const struct function_state *note = state(call->invocation, "note");
    uint32_t floor = call->scribble_floor, number = 0;
    if (note->present) {
        memcpy(&number, note->value.at, sizeof number);
        HOLDS(14, number < history->scribbles_count);
        HOLDS(14, history->scribbles[number].address == call->address && number >= floor);
        HOLDS(14, !history->scribbles[number].gone && !history->scribbles[number].mismatched);
    } else if (floor != 0 && !history->scribbles[floor].is_delete) {
        bool later = false; /* a deletion that nobody was told of yet */
        for (uint32_t i = floor + 1; i < history->scribbles_count; i++)
            later = later || (history->scribbles[i].address == call->address &&
                              history->scribbles[i].is_delete);
        HOLDS(14, later);
    }
}

static void check_states(const struct history *history, const struct call *call,
                         const struct pair *log, size_t count)
{
    struct expected expected = {0};
    expect(history, call, log, count, &expected);
    expected.tmp = expected.tmp && call->sent_ms - expected.tmp_ms < TMP_TTL_MS;
    expected.seen = expected.seen && call->sent_ms - expected.seen_ms < SEEN_TTL_MS;
    const struct function_state *tmp = state(call->invocation, "tmp");
    const struct function_state *seen = state(call->invocation, "seen");
    if (tmp != NULL) HOLDS(3, tmp->present == expected.tmp);
    if (seen != NULL) HOLDS(3, seen->present == expected.seen);
    const struct function_state *blob = state(call->invocation, "blob");
    HOLDS(3, blob->present == (expected.blob != 0));
    if (blob->present) HOLDS(3, memcmp(blob->value.at, &expected.blob, sizeof(uint32_t)) == 0);
    check_scribble(history, call);
}

/* ---- Effects ---- */

static struct span value(struct work *work, uint32_t first, uint32_t second)
{
    return pair_value(work->world, &work->values[work->used++], first, second);
}

static struct note *new_child(struct work *work, uint32_t hops)
{
    struct world *world = work->world;
    struct note *note = ADD(work->history, notes);
    work->deed->child_count++;
    *note = (struct note){.origin = work->number,
                          .target = chance(world, 20) ? work->call->address
                                                      : pick(world, work->history->address_count),
                          .hops = hops - 1,
                          .due_ms = NEVER_MS};
    note->is_poison = has(world, FAULT_POISON) && chance(world, 2);
    note->kills = note->is_poison && chance(world, 40);
    return note;
}

static void hand_on(struct work *work, struct note *note, uint32_t call, struct span token)
{
    if (call == 0 || token.size != REPLY_TOKEN_SIZE || !chance(work->world, 30)) return;
    note->carries = call;
    memcpy(note->carried_token, token.at, REPLY_TOKEN_SIZE);
}

static void send_now(struct work *work, uint32_t hops, uint32_t call, struct span token)
{
    uint32_t number = work->history->notes_count;
    struct note *note = new_child(work, hops);
    hand_on(work, note, call, token);
    work->messages[work->response.message_count++] =
        (struct effect_message){address_of(work->world, note->target), value(work, number, 0)};
}

static void send_delayed(struct work *work, uint32_t hops)
{
    struct world *world = work->world;
    uint32_t number = work->history->notes_count;
    struct note *note = new_child(work, hops);
    note->delayed = true;
    note->delay_ms = pick(world, 2500);
    char *text = work->texts[work->used];
    struct effect_delayed *made = &work->delayed[work->response.delayed_count++];
    *made = (struct effect_delayed){.target = address_of(world, note->target),
                                    .argument = value(work, number, 0),
                                    .delay_ms = note->delay_ms};
    if (chance(world, 60)) {
        note->token = number;
        snprintf(text, 16, "k%u", number);
        made->token = span_text(text);
    }
    if (chance(world, 2)) {
        note->token = 0;
        made->token = SPAN_LITERAL("the same for all");
        work->may_fail = true; /* perhaps one waits already */
    }
}

static void cancel(struct work *work)
{
    const struct history *history = work->history;
    uint32_t ids = history->id_count, number = 1 + pick(work->world, history->notes_count - 1);
    const struct note *note = &history->notes[number];
    if (note->origin == 0 || note->token == 0 || note->origin == work->number) return;
    if (history->deeds[note->origin].address % ids != work->call->address % ids) return;
    char *token = work->texts[work->used++];
    snprintf(token, 24, "k%u", number);
    work->delayed[work->response.delayed_count++] =
        (struct effect_delayed){.is_cancel = true, .token = span_text(token)};
    *ADD(work->history, cancels) = number;
    work->deed->cancel_count++;
}

static void reply(struct work *work, uint32_t note, struct span token, bool is_certain)
{
    work->messages[work->response.message_count++] =
        (struct effect_message){{NAME_REPLY, token}, value(work, note, work->number)};
    *ADD(work->history, replies) = (struct reply){note, is_certain};
    work->deed->reply_count++;
}

/* Whoever knows the token may reply: from another slot, and shard, than the caller's entry. */
static void reply_for_another(struct work *work)
{
    struct world *world = work->world;
    uint32_t number = 1 + pick(world, work->history->notes_count - 1);
    const struct note *note = &work->history->notes[number];
    if (!note->is_call || note->tries == 0) return;
    char *token = work->texts[work->used];
    reply_token_of(world, number, pick(world, note->tries), token);
    reply(work, number, span_text(token), false);
}

static void put_records(struct work *work)
{
    if (chance(work->world, 30)) {
        work->egress[work->response.egress_count++] = (struct effect_egress){
            .name = EGRESS_NAME, .argument = value(work, work->number, work->deed->egress_count++)};
    }
    if (!chance(work->world, 15)) return;
    char json[80];
    snprintf(json, sizeof json, "{\"topic\":\"p\",\"payload\":\"%u.%u\"}", work->number,
             work->deed->topic_count++);
    struct buffer *record = &work->values[work->used++];
    buffer_clear(record);
    typed_value_encode(record, SPAN_LITERAL("io.statefun.playground/EgressRecord"),
                       span_text(json));
    work->egress[work->response.egress_count++] = (struct effect_egress){
        .name = SPAN_LITERAL("io.statefun.playground/egress"), .argument = buffer_span(record)};
}

static void handle(struct work *work, uint32_t number, struct address caller)
{
    struct world *world = work->world;
    const struct note note = work->history->notes[number]; /* the array may move */
    if (work->used > 150 || work->history->notes_count > 4000) return;
    bool is_called = span_equal(caller.type, NAME_REPLY);
    uint32_t call = is_called ? number : note.carries;
    static char carried[EFFECTS_MAX][33];
    memcpy(carried[work->used], note.carried_token, 33);
    struct span token = is_called ? caller.id : span_text(carried[work->used]);
    if (note.hops > 0 && chance(world, 60)) send_now(work, note.hops, call, token);
    if (note.hops > 0 && chance(world, 30)) send_now(work, note.hops, call, token);
    for (int i = 0; i < 3 && note.hops > 0 && world->swarm.room_bytes > 0; i++)
        if (chance(world, 60)) send_now(work, note.hops, 0, SPAN_EMPTY);
    if (note.hops > 0 && chance(world, 30)) send_delayed(work, note.hops);
    if (chance(world, 20)) cancel(work);
    put_records(work);
    if (chance(world, 10)) reply_for_another(work);
    if (call != 0 && token.size > 0 && (world->calm || chance(world, 50)))
        reply(work, call, token, true);
}

static void write(struct work *work, const char *name, bool is_delete, struct span bytes)
{
    work->mutations[work->response.mutation_count++] =
        (struct effect_mutation){.name = span_text(name),
                                 .is_delete = is_delete,
                                 .type_name = SPAN_LITERAL("s/v"),
                                 .value = bytes};
}

static void write_states(struct work *work, struct span log)
{
    static uint8_t blob[BLOB_MAX];
    struct world *world = work->world;
    struct deed *deed = work->deed;
    write(work, "log", false, log);
    deed->writes_tmp = !world->swarm.plain && chance(world, 20);
    deed->deletes_tmp = !world->swarm.plain && !deed->writes_tmp && chance(world, 10);
    deed->writes_seen = !world->swarm.plain && chance(world, 20);
    deed->writes_blob = chance(world, 10);
    if (deed->writes_tmp) write(work, "tmp", false, SPAN_LITERAL("x"));
    if (deed->deletes_tmp) write(work, "tmp", true, SPAN_EMPTY);
    if (deed->writes_seen) write(work, "seen", false, SPAN_LITERAL("y"));
    if (!deed->writes_blob) return;
    memcpy(blob, &work->number, sizeof work->number);
    size_t size = sizeof(uint32_t) + (world->swarm.has[FAULT_BIG] ? pick(world, BLOB_MAX - 8) : 0);
    write(work, "blob", false, span_of(blob, size));
}

/* ---- Answering ---- */

static void answer_twice(struct world *world, struct host *host, uint64_t flight,
                         const struct function_response *response)
{
    struct shard_event again = {
        .kind = EVENT_RESPONSE,
        .response = {.flight = flight, .outcome = OUTCOME_RESULT, .response = response}};
    world->faults++;
    verdict_checks[6]++;
    world_step(world, host, &again);
}

/* The time of the step is the shard's after a tick of the same moment. */
static void finish(struct work *work, uint32_t index)
{
    struct world *world = work->world;
    struct call call = *work->call;
    struct host *host = &world->hosts[call.host];
    uint64_t lives = world->lives, flight = call.invocation->flight;
    struct shard_event tick = {.kind = EVENT_TICK};
    world_step(world, host, &tick);
    if (world->lives != lives) return;
    struct deed *deed = &work->history->deeds[work->number];
    deed->at = (struct moment){work->history->now + 1, host->number};
    deed->at_ms = shard_time_ms(host->shard);
    for (uint32_t i = 0; i < deed->child_count; i++) {
        struct note *note = &work->history->notes[deed->first_child + i];
        if (note->delayed) note->due_ms = deed->at_ms + note->delay_ms;
    }
    for (uint32_t i = 0; i < world->call_count; i++)
        if (world->calls[i].invocation == call.invocation) index = i;
    world->misusing = work->may_fail;
    respond(world, index,
            &(struct event_response){.outcome = OUTCOME_RESULT, .response = &work->response});
    world->misusing = false;
    if (world->lives == lives && has(world, FAULT_LATE) && chance(world, 10))
        answer_twice(world, host, flight, &work->response);
}

static void register_states(struct world *world, uint32_t index)
{
    struct function_response incomplete = {.incomplete = true};
    incomplete.specs = (struct state_spec *)(uintptr_t)specs;
    incomplete.spec_count = spec_count(world);
    respond(world, index,
            &(struct event_response){.outcome = OUTCOME_RESULT, .response = &incomplete});
}

static void begin(struct work *work, struct world *world, const struct call *call)
{
    struct history *history = &world->history;
    work->world = world;
    work->history = history;
    work->call = call;
    work->used = 0;
    work->may_fail = false;
    work->response = (struct function_response){.messages = work->messages,
                                                .delayed = work->delayed,
                                                .egress = work->egress,
                                                .mutations = work->mutations};
    work->number = history->deeds_count;
    work->deed = ADD(history, deeds);
    *work->deed = (struct deed){.address = call->address,
                                .first_child = history->notes_count,
                                .first_cancel = history->cancels_count,
                                .first_reply = history->replies_count,
                                .sent_ms = call->sent_ms,
                                .at_ms = INT64_MAX};
}

/* It sends to a name that is not for functions: nothing of such an answer counts. */
void program_misuses(struct world *world, uint32_t index)
{
    static struct work work;
    struct call call = world->calls[index];
    struct host *host = &world->hosts[call.host];
    begin(&work, world, &call);
    work.deed->ghost = true;
    work.deed->at = (struct moment){world->history.now + 1, host->number};
    struct pair pair = {1, work.number};
    write(&work, "log", false, span_of(&pair, sizeof pair));
    struct address target = {SPAN_LITERAL("holdfast/elsewhere"), address_of(world, 0).id};
    work.messages[work.response.message_count++] =
        (struct effect_message){target, value(&work, 1, 0)};
    world->faults++;
    world->misusing = true;
    respond(world, index,
            &(struct event_response){.outcome = OUTCOME_RESULT, .response = &work.response});
    world->misusing = false;
}

void program_runs(struct world *world, uint32_t index)
{
    static struct work work; /* large */
    struct call call = world->calls[index];
    for (size_t i = 0; i < spec_count(world); i++) {
        if (state(call.invocation, (const char *)specs[i].name.at) != NULL) continue;
        register_states(world, index);
        return;
    }
    const struct function_state *log = state(call.invocation, "log");
    size_t count = log->present ? log->value.size / sizeof(struct pair) : 0;
    struct buffer next;
    buffer_init(&next);
    if (log->present) buffer_append(&next, log->value);
    check_states(&world->history, &call, (const struct pair *)(void *)next.at, count);
    begin(&work, world, &call);
    for (size_t i = 0; i < call.invocation->request.message_count; i++) {
        const struct function_message *message = &call.invocation->request.messages[i];
        struct pair pair = {note_of(message), work.number};
        for (size_t j = 0; j < next.size / sizeof pair; j++) {
            struct pair before;
            memcpy(&before, next.at + j * sizeof pair, sizeof pair);
            HOLDS(2, before.note != pair.note);
        }
        buffer_append(&next, span_of(&pair, sizeof pair));
        if (work.response.message_count < 30) handle(&work, pair.note, message->caller);
    }
    write_states(&work, buffer_span(&next));
    finish(&work, index);
    buffer_close(&next);
}
