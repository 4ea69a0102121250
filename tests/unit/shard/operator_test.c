/* Operator verbs on parked addresses, one by one and in bulk. */
#include "common.h"

#include "base/reader.h"

static void park(struct fixture *f, const char *type, const char *id)
{
    fixture_send(f, type, id, "bad");
    fixture_send(f, type, id, "next");
    for (int i = 0; i < 50 && CALL(type, id) == NULL; i++) fixture_pass(f, 5);
    fixture_fail(f, CALL(type, id), OUTCOME_BAD_ANSWER, "HTTP 500: \"quoted\"");
}

static struct fixture *open_parked(void)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    park(f, "t/a", "1");
    park(f, "t/a", "2");
    park(f, "t/b", "1");
    cr_assert_eq(fixture_metrics(f).parked_now, 3);
    return f;
}

static uint64_t operate(struct fixture *f, enum operator_verb verb, const char *type,
                        const char *id)
{
    struct shard_event event = {
        .kind = EVENT_OPERATOR,
        .operate = {.verb = verb, .address = fixture_address(type, id), .who = TEXT("me")}};
    waiter_t waiter = fixture_ask(f, &event);
    cr_assert_not_null(fixture_answer(f, waiter));
    return KIND(waiter) == ANSWER_DONE ? fixture_answer(f, waiter)->number : UINT64_MAX;
}

Test(operator, retry_calls_again_from_the_start)
{
    struct fixture *f = open_parked();
    cr_expect_eq(operate(f, VERB_RETRY, "t/a", "1"), 1);
    const struct shard_invocation *call = CALL("t/a", "1");
    cr_assert_not_null(call);
    cr_expect_eq(call->attempt, 1);
    cr_expect_eq(fixture_metrics(f).parked_now, 2);
    RESULT(call, 0);
    cr_expect_eq(operate(f, VERB_RETRY, "t/a", "1"), UINT64_MAX, "not parked");
    cr_expect_eq(operate(f, VERB_RETRY, "t/x", "1"), UINT64_MAX);
    fixture_close(f);
}

Test(operator, skip_drops_the_head_alone)
{
    struct fixture *f = open_parked();
    cr_expect_eq(operate(f, VERB_SKIP, "t/a", "1"), 1);
    cr_assert_not_null(CALL("t/a", "1"));
    cr_expect_str_eq(fixture_argument(CALL("t/a", "1"), 0), "next");
    fixture_crash(f);
    cr_expect_str_eq(fixture_argument(CALL("t/a", "1"), 0), "next");
    fixture_close(f);
}

Test(operator, dead_letter_keeps_it_in_a_lane)
{
    struct fixture *f = open_parked();
    cr_expect_eq(operate(f, VERB_DEAD_LETTER, "t/a", "1"), 1);
    cr_expect_str_eq(fixture_argument(CALL("t/a", "1"), 0), "next");
    struct shard_event event = {.kind = EVENT_PULL,
                                .pull = {.egress = TEXT("holdfast/dead-letters")}};
    waiter_t waiter = fixture_ask(f, &event);
    const struct fixture_answer *answer = fixture_answer(f, waiter);
    cr_assert_eq(KIND(waiter), ANSWER_ROWS);
    cr_expect(fixture_contains(answer, "\"function\":\"t/a\",\"id\":\"1\""));
    cr_expect(fixture_contains(answer, "HTTP 500: \\\"quoted\\\""));
    cr_expect(fixture_contains(answer, "typedValueBase64"));
    cr_expect(fixture_contains(answer, "application/json"));
    fixture_close(f);
}

Test(operator, purge_empties_the_mailbox)
{
    struct fixture *f = open_parked();
    cr_expect_eq(operate(f, VERB_PURGE, "t/a", "1"), 1);
    cr_expect_null(CALL("t/a", "1"));
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 4);
    fixture_send(f, "t/a", "1", "new");
    cr_expect_str_eq(fixture_argument(CALL("t/a", "1"), 0), "new");
    fixture_close(f);
}

Test(operator, in_bulk)
{
    for (int verb = VERB_RETRY; verb <= VERB_PURGE; verb++) {
        struct fixture *f = open_parked();
        cr_expect_eq(operate(f, (enum operator_verb)verb, "t/a", ""), 2);
        cr_expect_eq(fixture_metrics(f).parked_now, 1);
        cr_expect_eq(operate(f, (enum operator_verb)verb, "", ""), 1);
        cr_expect_eq(fixture_metrics(f).parked_now, 0);
        cr_expect_eq(operate(f, (enum operator_verb)verb, "", ""), 0);
        for (int i = 0; i < 10 && f->call_count > 0; i++) RESULT(f->calls[0], 0);
        cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
        fixture_close(f);
    }
}

Test(operator, answered_when_durable)
{
    struct fixture *f = open_parked();
    f->hold_durable = true;
    struct shard_event event = {
        .kind = EVENT_OPERATOR,
        .operate = {.verb = VERB_SKIP, .address = fixture_address("t/a", "1")}};
    waiter_t waiter = fixture_ask(f, &event);
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    fixture_durable(f);
    cr_expect_eq(KIND(waiter), ANSWER_DONE);
    fixture_close(f);
}

Test(operator, a_retry_that_fails_parks_again_at_once)
{
    struct fixture *f = open_parked();
    for (int i = 0; i < 3; i++) {
        operate(f, VERB_RETRY, "t/a", "1");
        fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "again");
        for (int j = 0; j < 5 && CALL("t/a", "1") == NULL && fixture_metrics(f).parked_now < 3; j++)
            fixture_pass(f, 100);
        if (CALL("t/a", "1") != NULL)
            fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "again");
        cr_expect_eq(fixture_metrics(f).parked_now, 3);
    }
    fixture_close(f);
}

Test(operator, the_caller_of_a_message_that_is_dropped_is_told)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    waiter_t callers[2];
    for (int i = 0; i < 2; i++)
        callers[i] = fixture_message(
            f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                       .argument = fixture_value("x"),
                                       .reply_token = i == 0 ? TEXT("tok1") : TEXT("tok2"),
                                       .delay_ms = -1});
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "no");
    cr_expect_eq(KIND(callers[0]), ANSWER_PARKED);
    operate(f, VERB_PURGE, "t/a", "1");
    cr_expect_eq(KIND(callers[1]), ANSWER_PARKED, "nobody else will ever answer it");
    fixture_close(f);
}

/* ---- State writes from outside ---- */

static waiter_t write_state(struct fixture *f, const char *id, const char *name, const char *value,
                            int64_t if_match)
{
    struct shard_event event = {.kind = EVENT_STATE,
                                .state = {.address = fixture_address("t/a", id),
                                          .name = span_text(name),
                                          .is_delete = value == NULL,
                                          .type_name = TEXT("t/v"),
                                          .value = span_text(value == NULL ? "" : value),
                                          .if_match = if_match >= 0,
                                          .version = (uint64_t)(if_match < 0 ? 0 : if_match)}};
    return fixture_ask(f, &event);
}

static struct fixture *open_registered(void)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s"), spec("r")};
    fixture_register(f, "t/a", "1", specs, 2);
    return f;
}

Test(write, set_and_delete)
{
    struct fixture *f = open_registered();
    waiter_t waiter = write_state(f, "1", "s", "v", -1);
    cr_expect_eq(KIND(waiter), ANSWER_DONE);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "v");
    fixture_crash(f);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "v");
    cr_expect_eq(KIND(write_state(f, "1", "s", NULL, -1)), ANSWER_DONE);
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    cr_expect_eq(fixture_metrics(f).keys, 0);
    cr_expect_eq(f->call_count, 0, "no function is called for it");
    fixture_close(f);
}

Test(write, if_match)
{
    struct fixture *f = open_registered();
    cr_expect_eq(KIND(write_state(f, "1", "s", "v", 7)), ANSWER_MISMATCH);
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    waiter_t first = write_state(f, "1", "s", "v", 0);
    cr_assert_eq(KIND(first), ANSWER_DONE, "absent is version 0");
    cr_expect_eq(KIND(write_state(f, "1", "s", "w", 0)), ANSWER_MISMATCH);
    const struct fixture_answer *value = fixture_query(
        f, (struct event_query){
               .kind = QUERY_STATE, .address = fixture_address("t/a", "1"), .name = TEXT("s")});
    cr_expect_eq(value->number, fixture_answer(f, first)->number);
    cr_expect_eq(KIND(write_state(f, "1", "s", "w", (int64_t)value->number)), ANSWER_DONE);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "w");
    fixture_close(f);
}

Test(write, taken_when_no_call_is_out_in_mailbox_order)
{
    struct fixture *f = open_registered();
    fixture_send(f, "t/a", "1", "x");
    waiter_t first = write_state(f, "1", "s", "1", -1), second = write_state(f, "1", "s", "2", -1);
    waiter_t third = write_state(f, "1", "s", "3", 0);
    f->hold_durable = true;
    RESULT(CALL("t/a", "1"), WRITES(set("s", "of the function")));
    cr_expect_eq(KIND(first), NO_ANSWER);
    fixture_durable(f);
    cr_expect_eq(KIND(first), ANSWER_DONE);
    cr_expect_eq(KIND(second), ANSWER_DONE);
    cr_expect_eq(KIND(third), ANSWER_MISMATCH);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "2", "no response overwrites it");
    fixture_close(f);
}

Test(write, survives_a_crash_while_it_waits)
{
    struct fixture *f = open_registered();
    fixture_send(f, "t/a", "1", "x");
    write_state(f, "1", "s", "w", -1);
    ledger_cut(&f->ledger, f->shard, 5000);
    fixture_crash(f);
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "w");
    fixture_close(f);
}

Test(write, taken_on_a_parked_address_too)
{
    struct fixture *f = open_registered();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_send(f, "t/a", "1", "x");
    waiter_t before = write_state(f, "1", "s", "1", -1);
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "no");
    cr_expect_eq(KIND(before), ANSWER_DONE);
    cr_expect_eq(KIND(write_state(f, "1", "s", "2", -1)), ANSWER_DONE);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "2");
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    operate(f, VERB_RETRY, "t/a", "1");
    cr_expect(span_equal(CALL("t/a", "1")->request.states[0].value, TEXT("2")));
    fixture_close(f);
}

Test(write, refusals)
{
    struct fixture *f = open_registered();
    cr_expect_eq(KIND(write_state(f, "1", "unknown", "v", -1)), ANSWER_NOT_FOUND);
    cr_expect_eq(KIND(write_state(f, "", "s", "v", -1)), ANSWER_INVALID);
    cr_expect_eq(KIND(write_state(f, "1", "", "v", -1)), ANSWER_INVALID);
    struct shard_event event = {.kind = EVENT_STATE,
                                .state = {.address = fixture_address("t/a", "1"),
                                          .name = TEXT("s"),
                                          .type_name = TEXT("t/other")}};
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_INVALID);
    event.state.type_name = TEXT("nonsense");
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_INVALID);
    event.state.type_name = TEXT("t/v");
    event.state.address = fixture_address("nowhere/x", "1");
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_UNKNOWN_FUNCTION);
    event.state.address = fixture_address("holdfast/reply", "1");
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_INVALID);
    f->config.memory_max = 1;
    fixture_configure(f);
    cr_expect_eq(KIND(write_state(f, "1", "s", "v", -1)), ANSWER_FULL);
    fixture_close(f);
}

Test(write, import_registers_the_state)
{
    struct fixture *f = fixture_open();
    struct shard_event event = {.kind = EVENT_STATE,
                                .state = {.address = fixture_address("t/new", "1"),
                                          .name = TEXT("s"),
                                          .type_name = TEXT("t/v"),
                                          .value = TEXT("imported"),
                                          .define = true}};
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_DONE);
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_DONE);
    event.state.type_name = TEXT("t/other");
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_INVALID);
    fixture_send(f, "t/new", "1", "x");
    cr_expect(span_equal(CALL("t/new", "1")->request.states[0].value, TEXT("imported")));
    fixture_close(f);
}

Test(write, nobody_waits_for_it)
{
    struct fixture *f = open_registered();
    fixture_send(f, "t/a", "1", "x");
    struct shard_event event = {.kind = EVENT_STATE,
                                .state = {.address = fixture_address("t/a", "1"),
                                          .name = TEXT("s"),
                                          .type_name = TEXT("t/v"),
                                          .value = TEXT("w")}};
    fixture_step(f, &event);
    waiter_t gone = write_state(f, "1", "s", "w2", -1);
    struct shard_event detach = {.kind = EVENT_DETACH, .waiter = gone};
    fixture_step(f, &detach);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "w2");
    fixture_close(f);
}
