/* Events of every kind and answers come over whole, although what they point to is gone by then. */
#include "unit/app/bridge_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXTS_MAX = 16, TEXT_SIZE = 32 };

/* Texts that live only as long as the submit. */
static char (*lent)[TEXT_SIZE];
static size_t lent_count;
static struct two_sides sides;
static bool empty_texts;

static void setup(void)
{
    two_sides_open(&sides);
    empty_texts = false;
}

static void teardown(void)
{
    two_sides_close(&sides);
}

TestSuite(bridge_copy, .init = setup, .fini = teardown, .timeout = 30);

static void name_text(char text[TEXT_SIZE], const char *what)
{
    snprintf(text, TEXT_SIZE, "the %s", what);
}

static struct span lend(const char *what)
{
    if (empty_texts) return SPAN_EMPTY;
    cr_assert_lt(lent_count, TEXTS_MAX);
    char *text = lent[lent_count++];
    name_text(text, what);
    return span_text(text);
}

static void must_be(struct span got, const char *what)
{
    char text[TEXT_SIZE];
    name_text(text, what);
    if (empty_texts)
        cr_assert_eq(got.size, 0);
    else
        cr_assert(span_equal(got, span_text(text)), "%s is \"%.*s\"", what, SPAN_PRINT(got));
}

static void submit(struct shard_event *(*make)(void), void (*check)(const struct shard_event *))
{
    for (int round = 0; round < 2; round++) {
        empty_texts = round == 1;
        lent_count = 0;
        lent = calloc(TEXTS_MAX, TEXT_SIZE);
        sides.far.check = check;
        struct shard_event *event = make();
        port_submit(&sides.bridge.port, event);
        memset(event, 0xa5, sizeof *event);
        memset(lent, 0xa5, (size_t)TEXTS_MAX * TEXT_SIZE);
        free(event);
        free(lent);
        io_turn(&sides);
        engine_turn(&sides);
        cr_assert_eq(sides.far.count, round + 1);
    }
}

static struct shard_event *event_new(enum shard_event_kind kind)
{
    struct shard_event *event = calloc(1, sizeof *event);
    event->kind = kind;
    return event;
}

/* ---- Messages ---- */

static struct shard_event *make_message(void)
{
    struct shard_event *event = event_new(EVENT_MESSAGE);
    event->message = (struct event_message){.target = {lend("type"), lend("id")},
                                            .argument = lend("argument"),
                                            .key = lend("key"),
                                            .reply_token = lend("reply token"),
                                            .cancel_token = lend("cancel token"),
                                            .traceparent = lend("traceparent"),
                                            .delay_ms = 12345678901};
    return event;
}

static void check_message(const struct shard_event *event)
{
    const struct event_message *message = &event->message;
    cr_assert_eq(event->kind, EVENT_MESSAGE);
    must_be(message->target.type, "type");
    must_be(message->target.id, "id");
    must_be(message->argument, "argument");
    must_be(message->key, "key");
    must_be(message->reply_token, "reply token");
    must_be(message->cancel_token, "cancel token");
    must_be(message->traceparent, "traceparent");
    cr_assert_eq(message->delay_ms, 12345678901);
}

Test(bridge_copy, message)
{
    submit(make_message, check_message);
}

static struct shard_event *make_attach(void)
{
    struct shard_event *event = event_new(EVENT_ATTACH);
    event->reply_token = lend("reply token");
    return event;
}

static void check_attach(const struct shard_event *event)
{
    cr_assert_eq(event->kind, EVENT_ATTACH);
    must_be(event->reply_token, "reply token");
}

Test(bridge_copy, attach)
{
    submit(make_attach, check_attach);
}

static struct shard_event *make_cancel(void)
{
    struct shard_event *event = event_new(EVENT_CANCEL);
    event->cancel.id = lend("id");
    event->cancel.token = lend("token");
    return event;
}

static void check_cancel(const struct shard_event *event)
{
    cr_assert_eq(event->kind, EVENT_CANCEL);
    must_be(event->cancel.id, "id");
    must_be(event->cancel.token, "token");
}

Test(bridge_copy, cancel)
{
    submit(make_cancel, check_cancel);
}

/* ---- Reads and writes ---- */

static struct shard_event *make_query(void)
{
    struct shard_event *event = event_new(EVENT_QUERY);
    event->query = (struct event_query){.kind = QUERY_EXPORT,
                                        .address = {lend("type"), lend("id")},
                                        .name = lend("name"),
                                        .after = lend("after"),
                                        .limit = 77};
    return event;
}

static void check_query(const struct shard_event *event)
{
    cr_assert_eq(event->kind, EVENT_QUERY);
    cr_assert_eq(event->query.kind, QUERY_EXPORT);
    must_be(event->query.address.type, "type");
    must_be(event->query.address.id, "id");
    must_be(event->query.name, "name");
    must_be(event->query.after, "after");
    cr_assert_eq(event->query.limit, 77);
}

Test(bridge_copy, query)
{
    submit(make_query, check_query);
}

static struct shard_event *make_operator(void)
{
    struct shard_event *event = event_new(EVENT_OPERATOR);
    event->operate = (struct event_operator){
        .verb = VERB_PURGE, .address = {lend("type"), lend("id")}, .who = lend("who")};
    return event;
}

static void check_operator(const struct shard_event *event)
{
    cr_assert_eq(event->kind, EVENT_OPERATOR);
    cr_assert_eq(event->operate.verb, VERB_PURGE);
    must_be(event->operate.address.type, "type");
    must_be(event->operate.address.id, "id");
    must_be(event->operate.who, "who");
}

Test(bridge_copy, operator_verb)
{
    submit(make_operator, check_operator);
}

static struct shard_event *make_state(void)
{
    struct shard_event *event = event_new(EVENT_STATE);
    event->state = (struct event_state){.address = {lend("type"), lend("id")},
                                        .name = lend("name"),
                                        .is_delete = true,
                                        .type_name = lend("type name"),
                                        .value = lend("value"),
                                        .define = true,
                                        .if_match = true,
                                        .version = 1234567890123};
    return event;
}

static void check_state(const struct shard_event *event)
{
    const struct event_state *state = &event->state;
    cr_assert_eq(event->kind, EVENT_STATE);
    must_be(state->address.type, "type");
    must_be(state->address.id, "id");
    must_be(state->name, "name");
    must_be(state->type_name, "type name");
    must_be(state->value, "value");
    cr_assert(state->is_delete && state->define && state->if_match);
    cr_assert_eq(state->version, 1234567890123);
}

Test(bridge_copy, state)
{
    submit(make_state, check_state);
}

/* ---- Pulls ---- */

static struct shard_event *make_pull_of(enum shard_event_kind kind)
{
    struct shard_event *event = event_new(kind);
    event->pull = (struct event_pull){.egress = lend("egress"),
                                      .topic = lend("topic"),
                                      .after = 987654321098,
                                      .max = 31,
                                      .pop = true,
                                      .wait = true};
    return event;
}

static struct shard_event *make_pull(void)
{
    return make_pull_of(EVENT_PULL);
}

static struct shard_event *make_pull_ack(void)
{
    return make_pull_of(EVENT_PULL_ACK);
}

static void check_pull_fields(const struct event_pull *pull)
{
    must_be(pull->egress, "egress");
    must_be(pull->topic, "topic");
    cr_assert_eq(pull->after, 987654321098);
    cr_assert_eq(pull->max, 31);
    cr_assert(pull->pop && pull->wait);
}

static void check_pull(const struct shard_event *event)
{
    cr_assert_eq(event->kind, EVENT_PULL);
    check_pull_fields(&event->pull);
}

static void check_pull_ack(const struct shard_event *event)
{
    cr_assert_eq(event->kind, EVENT_PULL_ACK);
    check_pull_fields(&event->pull);
}

Test(bridge_copy, pull)
{
    submit(make_pull, check_pull);
}

Test(bridge_copy, pull_ack)
{
    submit(make_pull_ack, check_pull_ack);
}

/* ---- Sizes ---- */

enum { LARGE = 33 << 20 };

static uint8_t *large;

static void check_large(const struct shard_event *event)
{
    cr_assert_eq(event->message.argument.size, LARGE);
    cr_assert_neq(event->message.argument.at, large);
    for (size_t i = 0; i < LARGE; i += 4093)
        cr_assert_eq(event->message.argument.at[i], (uint8_t)(i * 31));
    cr_assert_eq(event->message.argument.at[LARGE - 1], (uint8_t)((LARGE - 1) * 31));
}

Test(bridge_copy, the_largest_body)
{
    large = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++) large[i] = (uint8_t)(i * 31);
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .message = {.argument = span_of(large, LARGE)}};
    sides.far.check = check_large;
    port_submit(&sides.bridge.port, &event);
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 1);
    free(large);
}

/* ---- Answers ---- */

static unsigned answers;

static void check_answer(struct port_waiter *waiter, const struct shard_answer *answer)
{
    (void)waiter;
    cr_assert_eq(answer->kind, ANSWER_VALUE);
    cr_assert_eq(answer->number, 1234567890123);
    must_be(answer->message_id, "message id");
    must_be(answer->type_name, "type name");
    must_be(answer->text, "text");
    must_be(answer->body, "body");
    must_be(answer->next, "next");
    answers++;
}

static void give_answer(size_t index)
{
    lent_count = 0;
    lent = calloc(TEXTS_MAX, TEXT_SIZE);
    struct shard_answer answer = {.kind = ANSWER_VALUE,
                                  .number = 1234567890123,
                                  .message_id = lend("message id"),
                                  .type_name = lend("type name"),
                                  .text = lend("text"),
                                  .body = lend("body"),
                                  .next = lend("next")};
    loop_touch(&sides.engine);
    sides.far.waiters[index]->answer(sides.far.waiters[index], &answer);
    memset(lent, 0xa5, (size_t)TEXTS_MAX * TEXT_SIZE);
    free(lent);
}

Test(bridge_copy, answer)
{
    for (int round = 0; round < 2; round++) {
        struct port_waiter waiter = {.answer = check_answer};
        struct shard_event event = {.kind = EVENT_QUERY, .waiter = waiter_of(&waiter)};
        empty_texts = round == 1;
        port_submit(&sides.bridge.port, &event);
        io_turn(&sides);
        engine_turn(&sides);
        give_answer((size_t)round);
        engine_turn(&sides);
        io_turn(&sides);
        cr_assert_eq(answers, round + 1);
    }
}
