/* Limits that a response, a verb or a reader may run into. */
#include "common.h"

#include "shard/limits.h"

/* ---- state_bytes_max: the state of one address ---- */

static struct fixture *open_limited(size_t state_bytes_max)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("a"), spec("b")};
    f->endpoints[0].state_bytes_max = state_bytes_max;
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_register(f, "t/a", "1", specs, 2);
    return f;
}

/* What is kept counts, what is written over or deleted does not. */
Test(state_size, is_that_of_the_state_after_the_response)
{
    struct fixture *f = open_limited(10);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("a", "12345"), set("b", "12345")));
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "a"), "12345");
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("a", "54321")));
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "a"), "54321");
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(unset("a"), set("b", "1234567890")));
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "b"), "1234567890");
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_eq(fixture_metrics(f).parked_now, 0, "who writes nothing is not asked");
    fixture_close(f);
}

Test(state_size, over_the_limit_parks_with_both_numbers)
{
    struct fixture *f = open_limited(10);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("a", "123456")));
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("b", "12345")));
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    cr_expect_null(fixture_state(f, "t/a", "1", "b"), "nothing of it was applied");
    const struct fixture_answer *parked = fixture_query(
        f, (struct event_query){.kind = QUERY_PARKED_ONE, .address = fixture_address("t/a", "1")});
    cr_expect(fixture_contains(parked, "the state 11 bytes, over the limit of 10"));
    fixture_close(f);
}

/* ---- Verbs on all of a type ---- */

static uint64_t operate(struct fixture *f, enum operator_verb verb, const char *type)
{
    struct shard_event event = {
        .kind = EVENT_OPERATOR,
        .operate = {.verb = verb, .address = fixture_address(type, ""), .who = TEXT("me")}};
    return fixture_answer(f, fixture_ask(f, &event))->number;
}

Test(limits, a_verb_on_all_leaves_other_types_and_moving_ones_alone)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    static const char *const ids[] = {"1", "2"};
    for (int i = 0; i < 2; i++) {
        fixture_send(f, "t/a", ids[i], "bad");
        fixture_fail(f, CALL("t/a", ids[i]), OUTCOME_BAD_ANSWER, "HTTP 500");
        fixture_pass(f, 100);
        fixture_send(f, "t/b", ids[i], "bad");
        fixture_fail(f, CALL("t/b", ids[i]), OUTCOME_BAD_ANSWER, "HTTP 500");
        fixture_pass(f, 100);
    }
    cr_assert_eq(fixture_metrics(f).parked_now, 4);
    cr_expect_eq(operate(f, VERB_SKIP, "t/none"), 0);
    cr_expect_eq(operate(f, VERB_SKIP, "t/a"), 2);
    cr_expect_eq(operate(f, VERB_DEAD_LETTER, ""), 2);
    cr_expect_eq(fixture_metrics(f).parked_now, 0);
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    fixture_close(f);
}

/* ---- Readers ---- */

static const struct fixture_answer *pull(struct fixture *f, enum shard_event_kind kind,
                                         struct event_pull pull)
{
    struct shard_event event = {.kind = kind, .pull = pull};
    return fixture_answer(f, fixture_ask(f, &event));
}

Test(limits, an_egress_that_nobody_wrote_to_is_empty)
{
    struct fixture *f = fixture_open();
    struct event_pull empty = {.egress = TEXT("t/out"), .max = ROWS_MAX + 1};
    const struct fixture_answer *answer = pull(f, EVENT_PULL, empty);
    cr_assert_not_null(answer);
    cr_expect_eq(answer->kind, ANSWER_ROWS);
    cr_expect_eq(answer->body.size, 0);
    answer = pull(f, EVENT_PULL_ACK, empty);
    cr_expect_eq(answer->kind, ANSWER_DONE);
    cr_expect_eq(answer->number, 0);
    empty.after = 1;
    cr_expect_eq(pull(f, EVENT_PULL_ACK, empty)->kind, ANSWER_INVALID);
    fixture_close(f);
}

/* Who waits at a topic hears of its records, and of no other's. */
Test(limits, a_reader_waits_at_a_topic)
{
    struct fixture *f = fixture_open();
    struct shard_event event = {.kind = EVENT_PULL,
                                .pull = {.egress = TEXT("io.statefun.playground/egress"),
                                         .topic = TEXT("news"),
                                         .wait = true}};
    waiter_t waiter = fixture_ask(f, &event);
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), EGRESS(out("t/out", "o")));
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    struct shard_event leave = {.kind = EVENT_DETACH, .waiter = waiter};
    fixture_step(f, &leave);
    cr_expect_eq(fixture_metrics(f).waiters, 0);
    fixture_close(f);
}

Test(limits, a_page_that_makes_no_sense_is_the_first)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("a")};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("a", "1")));
    static const char *const afters[] = {"", "x", "/", ":", "0"};
    for (size_t i = 0; i < 5; i++) {
        const struct fixture_answer *rows = fixture_query(
            f, (struct event_query){
                   .kind = QUERY_EXPORT, .after = span_text(afters[i]), .limit = ROWS_MAX + 1});
        cr_expect_eq(rows->kind, ANSWER_ROWS);
        cr_expect_gt(rows->body.size, 0, "after \"%s\"", afters[i]);
    }
    fixture_close(f);
}
