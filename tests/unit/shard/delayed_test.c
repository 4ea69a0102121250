/* Delayed messages and cancel tokens: never early, exactly once, in order, scope = the sender's id.
 */
#include "common.h"

static waiter_t send_later(struct fixture *f, const char *id, const char *text, int64_t delay_ms,
                           const char *token)
{
    return fixture_message(f, &(struct event_message){.target = fixture_address("t/a", id),
                                                      .argument = fixture_value(text),
                                                      .delay_ms = delay_ms,
                                                      .cancel_token = span_text(token)});
}

static waiter_t cancel(struct fixture *f, const char *id, const char *token)
{
    struct shard_event event = {.kind = EVENT_CANCEL,
                                .cancel = {.id = span_text(id), .token = span_text(token)}};
    return fixture_ask(f, &event);
}

Test(delayed, never_early_and_once)
{
    struct fixture *f = fixture_open();
    cr_expect_eq(KIND(send_later(f, "1", "x", 1000, "")), ANSWER_ACCEPTED);
    cr_expect_eq(shard_wake_at(f->shard), f->clock.mono_ms + 1000);
    fixture_pass(f, 999);
    cr_expect_null(CALL("t/a", "1"));
    fixture_pass(f, 1);
    cr_assert_not_null(CALL("t/a", "1"));
    cr_expect_eq(CALL("t/a", "1")->request.messages[0].caller.type.size, 0);
    RESULT(CALL("t/a", "1"), 0);
    fixture_pass(f, 100000);
    cr_expect_null(CALL("t/a", "1"));
    cr_expect_eq(shard_wake_at(f->shard), INT64_MAX, "nothing to wake for");
    fixture_close(f);
}

Test(delayed, same_millisecond_keeps_the_order_of_sending)
{
    struct fixture *f = fixture_open();
    send_later(f, "1", "c", 200, "");
    for (const char *at = "abdefgh"; *at != 0; at++)
        send_later(f, "1", (char[]){*at, 0}, *at == 'a' ? 50 : 200, "");
    fixture_pass(f, 200);
    RESULT(CALL("t/a", "1"), 0);
    const struct shard_invocation *call = CALL("t/a", "1");
    cr_assert_eq(call->request.message_count, 7);
    for (int i = 0; i < 7; i++) cr_expect_eq(fixture_argument(call, (size_t)i)[0], "cbdefgh"[i]);
    fixture_close(f);
}

Test(delayed, survives_crashes_by_journal_and_by_snapshot)
{
    struct fixture *f = fixture_open();
    for (int i = 0; i < 2; i++) {
        send_later(f, "1", "x", 1000, "tok");
        fixture_pass(f, 500);
        if (i == 1) ledger_cut(&f->ledger, f->shard, 5000);
        fixture_crash(f);
        cr_expect_eq(KIND(send_later(f, "1", "y", 5, "tok")), ANSWER_CONFLICT);
        fixture_pass(f, 499);
        cr_expect_null(CALL("t/a", "1"));
        fixture_pass(f, 1);
        cr_assert_not_null(CALL("t/a", "1"));
        RESULT(CALL("t/a", "1"), 0);
    }
    fixture_close(f);
}

Test(delayed, a_fire_that_was_lost_fires_again)
{
    struct fixture *f = fixture_open();
    send_later(f, "1", "x", 10, "");
    f->hold_durable = true;
    fixture_pass(f, 10);
    cr_assert_not_null(CALL("t/a", "1"));
    fixture_crash(f);
    cr_expect_null(CALL("t/a", "1"));
    fixture_pass(f, 0);
    cr_expect_not_null(CALL("t/a", "1"));
    fixture_close(f);
}

Test(delayed, cancel_from_outside)
{
    struct fixture *f = fixture_open();
    send_later(f, "1", "x", 1000, "tok");
    cr_expect_eq(KIND(cancel(f, "2", "tok")), ANSWER_NOT_FOUND, "scope is the id");
    f->hold_durable = true;
    waiter_t waiter = cancel(f, "1", "tok");
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    cr_expect(f->commit_wanted);
    fixture_durable(f);
    cr_expect_eq(KIND(waiter), ANSWER_DONE);
    f->hold_durable = false;
    cr_expect_eq(KIND(cancel(f, "1", "tok")), ANSWER_NOT_FOUND);
    cr_expect_eq(KIND(cancel(f, "1", "")), ANSWER_NOT_FOUND);
    fixture_pass(f, 2000);
    cr_expect_null(CALL("t/a", "1"));
    fixture_close(f);
}

Test(delayed, tokens_cross_function_types_of_one_id)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), DELAYED(later("t/c", "9", "x", 1000, "tok")));
    fixture_send(f, "t/b", "2", "go");
    RESULT(CALL("t/b", "2"), DELAYED(cancelled("tok")));
    cr_expect_eq(fixture_metrics(f).delayed, 1, "another id, another scope");
    fixture_send(f, "t/b", "1", "go");
    RESULT(CALL("t/b", "1"), DELAYED(cancelled("tok")));
    cr_expect_eq(fixture_metrics(f).delayed, 0);
    fixture_pass(f, 2000);
    cr_expect_null(CALL("t/c", "9"));
    fixture_close(f);
}

Test(delayed, order_within_a_response)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), DELAYED(later("t/b", "1", "gone", 10, "k"), cancelled("k"),
                                     later("t/b", "1", "stays", 10, "k"), cancelled("unknown")));
    cr_expect_eq(fixture_metrics(f).delayed, 1);
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), DELAYED(cancelled("k"), later("t/b", "1", "new", 10, "k")));
    fixture_pass(f, 10);
    cr_expect_str_eq(fixture_argument(CALL("t/b", "1"), 0), "new");
    RESULT(CALL("t/b", "1"), 0);
    cr_expect_null(CALL("t/b", "1"));
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), DELAYED(later("t/b", "1", "the token is free again", 10, "k")));
    fixture_pass(f, 10);
    cr_expect_not_null(CALL("t/b", "1"));
    fixture_close(f);
}

Test(delayed, the_caller_of_a_fired_message_is_its_sender)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), DELAYED(later("t/a", "1", "wake up", 5, "")));
    fixture_crash(f);
    fixture_pass(f, 5);
    const struct address *caller = &CALL("t/a", "1")->request.messages[0].caller;
    cr_expect(span_equal(caller->type, TEXT("t/a")) && span_equal(caller->id, TEXT("1")));
    fixture_close(f);
}

Test(delayed, many_are_fired_in_several_records)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].batch_count_max = 1000;
    fixture_configure(f);
    for (int i = 0; i < 700; i++) send_later(f, "1", "x", 100, "");
    fixture_pass(f, 100);
    cr_expect_eq(fixture_metrics(f).messages_fired, 700);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_eq(CALL("t/a", "1")->request.message_count, 444);
    fixture_close(f);
}

Test(delayed, a_delayed_call_is_answered)
{
    struct fixture *f = fixture_open();
    waiter_t waiter =
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                                   .argument = fixture_value("x"),
                                                   .reply_token = TEXT("tok"),
                                                   .delay_ms = 100});
    fixture_pass(f, 100);
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "tok", "y")));
    cr_expect_eq(KIND(waiter), ANSWER_REPLY);
    fixture_close(f);
}
