/* Request and reply: the caller holdfast/reply, the first reply wins, a lost caller may attach. */
#include "common.h"

#include <time.h>

static waiter_t call(struct fixture *f, const char *id, const char *key, const char *token)
{
    return fixture_message(f, &(struct event_message){.target = fixture_address("t/a", id),
                                                      .argument = fixture_value("question"),
                                                      .key = span_text(key),
                                                      .reply_token = span_text(token),
                                                      .delay_ms = -1});
}

static waiter_t attach(struct fixture *f, const char *token)
{
    struct shard_event event = {.kind = EVENT_ATTACH, .reply_token = span_text(token)};
    return fixture_ask(f, &event);
}

static void detach(struct fixture *f, waiter_t waiter)
{
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter};
    fixture_step(f, &event);
}

static const char *body(struct fixture *f, waiter_t waiter)
{
    return fixture_text(buffer_span(&fixture_answer(f, waiter)->body));
}

Test(call, the_function_sees_a_caller_and_replies_to_it)
{
    struct fixture *f = fixture_open();
    waiter_t waiter = call(f, "1", "", "token1");
    const struct shard_invocation *out_call = CALL("t/a", "1");
    cr_expect(span_equal(out_call->request.messages[0].caller.type, TEXT("holdfast/reply")));
    cr_expect(span_equal(out_call->request.messages[0].caller.id, TEXT("token1")));
    f->hold_durable = true;
    RESULT(out_call, SENDS(to("holdfast/reply", "token1", "answer"),
                           to("holdfast/reply", "token1", "too late")));
    cr_expect_eq(KIND(waiter), NO_ANSWER, "not durable yet");
    cr_expect(f->commit_wanted);
    fixture_durable(f);
    cr_assert_eq(KIND(waiter), ANSWER_REPLY);
    cr_expect_str_eq(body(f, waiter), "answer", "the first reply wins");
    cr_expect_eq(fixture_metrics(f).replies_dropped, 1);
    fixture_close(f);
}

Test(call, another_function_may_reply)
{
    struct fixture *f = fixture_open();
    waiter_t waiter = call(f, "1", "", "token1");
    RESULT(CALL("t/a", "1"), SENDS(to("t/b", "2", "you answer")));
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    RESULT(CALL("t/b", "2"), SENDS(to("holdfast/reply", "token1", "from b")));
    cr_assert_eq(KIND(waiter), ANSWER_REPLY);
    cr_expect_str_eq(body(f, waiter), "from b");
    fixture_close(f);
}

Test(call, a_late_reply_is_kept_for_those_who_attach)
{
    struct fixture *f = fixture_open();
    waiter_t gone = call(f, "1", "key", "token1");
    detach(f, gone);
    cr_expect_eq(KIND(attach(f, "token1")), ANSWER_PENDING);
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    cr_expect_eq(KIND(gone), NO_ANSWER, "answer nothing after a detach");
    waiter_t later = attach(f, "token1");
    cr_assert_eq(KIND(later), ANSWER_REPLY);
    cr_expect_str_eq(body(f, later), "answer");
    waiter_t again = call(f, "1", "key", "token2");
    cr_assert_eq(KIND(again), ANSWER_REPLY, "the same key gets the same reply");
    cr_expect_str_eq(body(f, again), "answer");
    cr_expect_null(CALL("t/a", "1"));
    cr_expect_eq(KIND(attach(f, "nonsense")), ANSWER_NOT_FOUND);
    fixture_close(f);
}

Test(call, an_attach_to_a_reply_that_is_not_durable_waits)
{
    struct fixture *f = fixture_open();
    detach(f, call(f, "1", "key", "token1"));
    f->hold_durable = true;
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    waiter_t waiter = attach(f, "token1");
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    fixture_durable(f);
    cr_expect_eq(KIND(waiter), ANSWER_REPLY);
    fixture_close(f);
}

Test(call, a_second_caller_with_the_key_shares_the_reply)
{
    struct fixture *f = fixture_open();
    waiter_t first = call(f, "1", "key", "token1"), second = call(f, "1", "key", "token2");
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    cr_expect_eq(KIND(first), ANSWER_REPLY);
    cr_expect_eq(KIND(second), ANSWER_REPLY);
    fixture_close(f);
}

Test(call, a_reply_to_nobody_is_dropped)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "unknown", "answer")));
    cr_expect_null(CALL("t/a", "1"), "it was applied");
    cr_expect_eq(fixture_metrics(f).replies_dropped, 1);
    fixture_close(f);
}

Test(call, survives_a_crash)
{
    struct fixture *f = fixture_open();
    f->cutting = true;
    call(f, "1", "key", "token1");
    fixture_crash(f);
    cr_expect(span_equal(CALL("t/a", "1")->request.messages[0].caller.id, TEXT("token1")));
    waiter_t again = call(f, "1", "key", "token9");
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    cr_expect_eq(KIND(again), ANSWER_REPLY);
    fixture_crash(f);
    cr_expect_eq(KIND(attach(f, "token1")), ANSWER_REPLY);
    fixture_close(f);
}

Test(call, parking_tells_the_caller)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    waiter_t waiter = call(f, "1", "", "token1");
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500: no");
    cr_assert_eq(KIND(waiter), ANSWER_PARKED);
    cr_expect_str_eq(fixture_answer(f, waiter)->text, "HTTP 500: no");
    fixture_close(f);
}

Test(call, one_to_a_parked_address_is_told_at_once)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_send(f, "t/a", "1", "x");
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500: no");
    waiter_t waiter = call(f, "1", "", "token1");
    cr_assert_eq(KIND(waiter), ANSWER_PARKED);
    cr_expect_str_eq(fixture_answer(f, waiter)->text, "HTTP 500: no");
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 2, "it is accepted all the same");
    fixture_close(f);
}

Test(call, nobody_waiting_leaves_nothing_behind)
{
    struct fixture *f = fixture_open();
    f->config.reply_keep_ms = 60000;
    fixture_configure(f);
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .message = {.target = fixture_address("t/a", "1"),
                                            .argument = fixture_value("x"),
                                            .reply_token = TEXT("token1"),
                                            .delay_ms = -1}};
    fixture_step(f, &event); /* a call whose caller is gone already */
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    fixture_pass(f, 140000);
    cr_expect_eq(fixture_metrics(f).entries, 0, "it can be evicted");
    event.message.reply_token = TEXT("token2");
    fixture_step(f, &event);
    fixture_close(f); /* the leak checker looks */
}

/* Replies in the order of the callers need no token in the record, others do; all find their way,
 * in the recovered shard as well. */
Test(call, each_caller_of_a_batch_gets_its_own_reply)
{
    struct fixture *f = fixture_open();
    f->cutting = true;
    fixture_send(f, "t/a", "1", "first");
    waiter_t one = call(f, "1", "", "token1"), two = call(f, "1", "", "token2");
    fixture_send(f, "t/a", "1", "in between");
    waiter_t three = call(f, "1", "", "token3"), four = call(f, "1", "", "token4");
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token4", "too early")));
    cr_expect_eq(KIND(four), ANSWER_REPLY, "of a message that waits");
    RESULT(CALL("t/a", "1"),
           SENDS(to("t/a", "1", "to itself"), to("holdfast/reply", "token1", "to one"),
                 to("holdfast/reply", "token3", "to three"),
                 to("holdfast/reply", "token1", "again"),
                 to("holdfast/reply", "token2", "to two")));
    cr_expect_str_eq(body(f, one), "to one");
    cr_expect_str_eq(body(f, two), "to two");
    cr_expect_str_eq(body(f, three), "to three");
    cr_expect_str_eq(body(f, four), "too early");
    cr_expect_eq(fixture_metrics(f).replies_dropped, 1);
    cr_expect_str_eq(fixture_argument(CALL("t/a", "1"), 0), "to itself");
    fixture_crash(f);
    cr_expect_str_eq(body(f, attach(f, "token2")), "to two");
    cr_expect_str_eq(body(f, attach(f, "token3")), "to three");
    fixture_close(f);
}

/* How often the shard asks to be woken until it asks no more; 1000 at most. */
static unsigned wakes_until_it_sleeps(struct fixture *f)
{
    unsigned count = 0;
    for (; count < 1000 && shard_wake_at(f->shard) != INT64_MAX; count++) {
        int64_t wait_ms = shard_wake_at(f->shard) - f->clock.mono_ms;
        f->clock.wall_ms += wait_ms;
        f->clock.mono_ms += wait_ms;
        fixture_tick(f);
    }
    return count;
}

Test(call, after_its_reply_a_shard_sleeps_soon)
{
    struct fixture *f = fixture_open();
    waiter_t waiter = call(f, "1", "", "token1");
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    cr_assert_eq(KIND(waiter), ANSWER_REPLY);
    cr_expect_eq(fixture_metrics(f).entries, 1);
    cr_expect_leq(wakes_until_it_sleeps(f), 3);
    cr_expect_eq(fixture_metrics(f).entries, 0, "nobody can ask for it any more");
    fixture_close(f);
}

Test(call, many_replies_are_forgotten_bit_by_bit)
{
    struct fixture *f = fixture_open();
    char id[16], token[24];
    for (int i = 0; i < 500; i++) {
        snprintf(id, sizeof id, "%d", i);
        snprintf(token, sizeof token, "token%d", i);
        waiter_t waiter = call(f, id, "", token);
        RESULT(CALL("t/a", id), SENDS(to("holdfast/reply", token, "answer")));
        cr_assert_eq(KIND(waiter), ANSWER_REPLY);
    }
    fixture_pass(f, 1000);
    uint64_t records = fixture_metrics(f).records;
    fixture_pass(f, 1000);
    cr_expect_gt(fixture_metrics(f).records, records + 100, "the shard rests");
    cr_expect_leq(wakes_until_it_sleeps(f), 10);
    cr_expect_eq(fixture_metrics(f).entries, 0);
    fixture_close(f);
}

/* Microseconds of the processor from a call until the shard sleeps, when it has so many cells. */
static double rest_cost(int cells)
{
    enum { MOST = 10000 };
    static struct effect_message sends[MOST];
    static char ids[MOST][12];
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    f->quiet = true;
    fixture_register(f, "t/b", "1", specs, 1);
    fixture_send(f, "t/a", "go", "x");
    for (int i = 0; i < cells; i++) {
        snprintf(ids[i], sizeof ids[i], "%d", i % MOST);
        sends[i] = to("t/b", ids[i], "x");
    }
    RESULT(CALL("t/a", "go"), .messages = sends, .message_count = (size_t)cells);
    while (fixture_metrics(f).mailbox_messages > 0) RESULT(f->calls[0], WRITES(set("s", "v")));
    cr_expect_eq(fixture_metrics(f).keys, (uint64_t)cells);
    detach(f, call(f, "1", "", "token1"));
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    clock_t begin = clock();
    cr_expect_leq(wakes_until_it_sleeps(f), 10);
    double cost = (double)(clock() - begin) * 1e6 / CLOCKS_PER_SEC;
    fixture_close(f);
    return cost;
}

Test(call, going_to_sleep_costs_the_same_with_much_state)
{
    double few = rest_cost(100), many = rest_cost(5000);
    cr_expect_lt(many, 2 * few, "fifty times as many cells: %.0f us instead of %.0f", many, few);
}
