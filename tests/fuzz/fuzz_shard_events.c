/*
 * A shard in operation: the input is a list of events, answers of functions, crashes and snapshots.
 * The fixture holds answers against what is durable, calls against the limits (I7) and, at crashes,
 * every few steps and at the end, the image against the fold of all records, and against the last
 * snapshot with the fold of those after it (I5).
 */
#include "fuzz.h"

#include "lib/shard_fixture.h"

enum { STEPS_MAX = 150, CHECK_EVERY = 16 };

static const char *const types[] = {"t/f", "t/g", "t/h", "x/none", "holdfast/reply", "bad"};
static const char *const ids[] = {"a", "b", "c", "d", ""};
static const char *const names[] = {"s", "u", "v"};
static const char *const egresses[] = {"t/out", "t/none", "io.statefun.playground/egress", "t/no"};

static struct fixture *world;
static struct span input;
static char token[40], key[8], cancel[8];

static struct address address(void)
{
    return fixture_address(types[fuzz_choice(&input, 6)], ids[fuzz_choice(&input, 5)]);
}

static struct span short_text(char *into, const char *prefix)
{
    unsigned number = fuzz_choice(&input, 6);
    if (number == 0) return SPAN_EMPTY;
    into[0] = prefix[0];
    into[1] = (char)('0' + number);
    into[2] = 0;
    return span_text(into);
}

static struct span value(void)
{
    char text[64];
    struct span bytes = fuzz_bytes(&input);
    size_t size = bytes.size < sizeof text - 1 ? bytes.size : sizeof text - 1;
    if (size > 0) memcpy(text, bytes.at, size);
    text[size] = 0;
    return fixture_value(text);
}

static void message(void)
{
    struct event_message message = {.target = address(), .delay_ms = -1};
    unsigned flags = fuzz_byte(&input);
    message.argument = value();
    if (flags & 1) message.key = short_text(key, "k");
    if (flags & 2) {
        uint8_t random[16] = {fuzz_byte(&input)};
        reply_token_make(token, message.target.id, span_of(random, 16).at);
        message.reply_token = span_of(token, REPLY_TOKEN_SIZE);
    }
    if (flags & 4) message.delay_ms = fuzz_short(&input);
    if ((flags & 12) == 12) message.cancel_token = short_text(cancel, "c");
    if (flags & 16) message.traceparent = SPAN_LITERAL("00-1-2-01");
    fixture_message(world, &message);
}

static const struct shard_invocation *call(void)
{
    unsigned number = fuzz_byte(&input);
    return world->call_count == 0 ? NULL : world->calls[number % world->call_count];
}

static void result(void)
{
    const struct shard_invocation *of = call();
    struct function_response response;
    function_response_init(&response);
    if (of != NULL && function_response_parse(&response, fuzz_long_bytes(&input),
                                              &(struct function_limits){0}) == 0)
        fixture_respond(world, of->flight,
                        &(struct event_response){.outcome = OUTCOME_RESULT,
                                                 .response = &response,
                                                 .retry_after_ms = -1});
    function_response_close(&response);
}

/* Effects that make sense, chosen by a few bytes. */
static void effects(void)
{
    const struct shard_invocation *of = call();
    struct effect_message sends[2];
    struct effect_delayed delayed[2];
    struct effect_egress egress = {.name = span_text(egresses[fuzz_choice(&input, 2)])};
    struct effect_mutation mutation = {.name = span_text(names[fuzz_choice(&input, 3)])};
    unsigned flags = fuzz_byte(&input);
    if (of == NULL) return;
    sends[0] = (struct effect_message){address(), value()};
    sends[1] =
        (struct effect_message){fixture_address("t/f", ids[fuzz_choice(&input, 4)]), value()};
    delayed[0] = (struct effect_delayed){.token = short_text(cancel, "c"),
                                         .delay_ms = fuzz_short(&input),
                                         .target = fixture_address("t/g", "a"),
                                         .argument = value()};
    delayed[1] = (struct effect_delayed){.is_cancel = true, .token = SPAN_LITERAL("c1")};
    egress.argument = value();
    mutation.is_delete = flags & 128;
    mutation.type_name = SPAN_LITERAL("t/v");
    mutation.value = value();
    if (sends[0].target.id.size == 0 || span_equal(sends[0].target.type, SPAN_LITERAL("bad")))
        sends[0].target = fixture_address("t/h", "d"); /* the codec refuses those */
    struct function_response response = {.messages = sends,
                                         .message_count = flags & 3 ? flags % 3 : 0,
                                         .delayed = delayed,
                                         .delayed_count = flags >> 2 & 1 ? 1 + (flags >> 3 & 1) : 0,
                                         .egress = &egress,
                                         .egress_count = flags >> 4 & 1,
                                         .mutations = &mutation,
                                         .mutation_count = flags >> 5 & 1};
    fixture_result(world, of, &response);
}

static void incomplete(void)
{
    const struct shard_invocation *of = call();
    struct state_spec specs[3];
    size_t count = 1 + fuzz_choice(&input, 3);
    for (size_t i = 0; i < count; i++) {
        specs[i] = (struct state_spec){.name = span_text(names[i]),
                                       .type_name = SPAN_LITERAL("t/v"),
                                       .mode = (enum expire_mode)fuzz_choice(&input, 3)};
        if (specs[i].mode != EXPIRE_NEVER) specs[i].ttl_ms = 1 + fuzz_short(&input);
    }
    if (of != NULL) fixture_incomplete(world, of, specs, count);
}

static void failure(void)
{
    const struct shard_invocation *of = call();
    enum outcome outcome = (enum outcome)(1 + fuzz_choice(&input, OUTCOME_TIMEOUT));
    if (of != NULL) fixture_fail(world, of, outcome, fuzz_text(&input));
}

/* An outcome that nobody asked for, or one told twice. */
static void stray(void)
{
    fixture_respond(world, fuzz_byte(&input),
                    &(struct event_response){.outcome = OUTCOME_LOST, .retry_after_ms = -1});
}

static void ask(struct shard_event event)
{
    fixture_ask(world, &event);
}

static void state(void)
{
    struct shard_event event = {.kind = EVENT_STATE};
    unsigned flags = fuzz_byte(&input);
    event.state = (struct event_state){.address = address(),
                                       .name = span_text(names[fuzz_choice(&input, 3)]),
                                       .is_delete = flags & 1,
                                       .type_name = SPAN_LITERAL("t/v"),
                                       .value = fuzz_bytes(&input),
                                       .define = flags & 2,
                                       .if_match = flags & 4,
                                       .version = flags >> 3};
    ask(event);
}

static void operate(void)
{
    ask((struct shard_event){.kind = EVENT_OPERATOR,
                             .operate = {.verb = (enum operator_verb)fuzz_choice(&input, 4),
                                         .address = address(),
                                         .who = SPAN_LITERAL("me")}});
}

static void pull(void)
{
    struct shard_event event = {.kind = fuzz_byte(&input) & 1 ? EVENT_PULL : EVENT_PULL_ACK};
    unsigned flags = fuzz_byte(&input);
    event.pull = (struct event_pull){.egress = span_text(egresses[fuzz_choice(&input, 4)]),
                                     .after = fuzz_byte(&input),
                                     .max = fuzz_byte(&input),
                                     .pop = flags & 1,
                                     .wait = flags & 2};
    if (flags & 4) event.pull.topic = SPAN_LITERAL("news");
    ask(event);
}

static void query(void)
{
    struct event_query query = {.kind = (enum query_kind)fuzz_choice(&input, QUERY_EGRESS + 1),
                                .address = address(),
                                .name = span_text(names[fuzz_choice(&input, 3)]),
                                .after = fuzz_bytes(&input),
                                .limit = fuzz_byte(&input)};
    ask((struct shard_event){.kind = EVENT_QUERY, .query = query});
}

static void attach(void)
{
    struct shard_event event = {.kind = EVENT_ATTACH};
    if (fuzz_byte(&input) & 1)
        event.reply_token = span_of(token, token[0] == 0 ? 0 : REPLY_TOKEN_SIZE);
    event.call_target = address();
    event.call_key = short_text(key, "k");
    ask(event);
}

static void detach(void)
{
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = 1 + fuzz_byte(&input)};
    fixture_step(world, &event);
}

static void cancel_it(void)
{
    struct shard_event event = {.kind = EVENT_CANCEL};
    event.cancel.id = span_text(ids[fuzz_choice(&input, 4)]);
    event.cancel.token = short_text(cancel, "c");
    ask(event);
}

static void configure(void)
{
    struct shard_endpoint *endpoint = &world->endpoints[0];
    unsigned flags = fuzz_byte(&input);
    if (world->call_count > 0) return; /* calls that are out were made under the old limits */
    endpoint->window_max = 1 + (flags & 3);
    endpoint->batch_count_max = 1 + (flags >> 2 & 7);
    endpoint->attempts_max = flags >> 5 & 3;
    endpoint->dispatch_durable = flags & 128;
    endpoint->state_bytes_max = fuzz_byte(&input) & 1 ? 100 : 0;
    endpoint->batch_bytes_max = 200 + fuzz_short(&input);
    world->config.memory_max = fuzz_byte(&input) & 1 ? 300000 : 0;
    world->config.outbox_bytes_max = fuzz_byte(&input) & 1 ? 500 : 0;
    world->config.dedup_window_ms = fuzz_byte(&input) & 1 ? 1000 : 600000;
    fixture_configure(world);
}

static void durable(void)
{
    uint64_t behind = world->ledger.count - world->ledger.durable;
    world->hold_durable = fuzz_byte(&input) & 1;
    uint64_t part = behind == 0 ? 0 : fuzz_byte(&input) % (behind + 1);
    if (part > 0) fixture_durable_to(world, world->ledger.durable + part);
    if (!world->hold_durable) fixture_durable(world);
}

static void pass(void)
{
    fixture_pass(world, fuzz_short(&input));
}

static void jump(void)
{
    world->clock.wall_ms += ((int64_t)fuzz_short(&input) - 32768) * 1000;
    if (world->clock.wall_ms < 0) world->clock.wall_ms = 0;
}

static void crash(void)
{
    fixture_crash(world);
}

static void cut(void)
{
    world->cutting = fuzz_byte(&input) & 1;
}

void fuzz_one(struct span bytes)
{
    static void (*const events[])(void) = {
        message,   message, message, effects, effects, result, incomplete, failure,
        stray,     state,   operate, pull,    query,   attach, detach,     cancel_it,
        configure, durable, pass,    pass,    jump,    crash,  cut};
    input = bytes;
    token[0] = 0;
    world = fixture_open();
    world->quiet = true; /* not after each step, which would be ten times slower */
    for (int i = 1; i <= STEPS_MAX && input.size > 0; i++) {
        events[fuzz_choice(&input, sizeof events / sizeof events[0])]();
        if (i % CHECK_EVERY == 0) ledger_check(&world->ledger, world->shard);
    }
    fixture_close(world);
}
