/* Reload: functions that come and go, with mail and calls under way. */
#include "common.h"

Test(config, held_without_a_function_and_resumed_with_it)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "go");
    struct shard_endpoint before = f->endpoints[0];
    f->endpoints[0].pattern = TEXT("u/*");
    fixture_configure(f);
    cr_expect_eq(KIND(fixture_send(f, "t/a", "1", "x")), ANSWER_UNKNOWN_FUNCTION);
    /* the call that is out is answered and applied */
    RESULT(CALL("t/a", "1"), SENDS(to("t/a", "1", "one"), to("t/a", "2", "two")));
    cr_expect_eq(f->call_count, 0);
    cr_expect_eq(fixture_metrics(f).held, 2);
    fixture_pass(f, 100000);
    fixture_crash(f);
    cr_expect_eq(fixture_metrics(f).held, 2);
    f->endpoints[0] = before;
    fixture_configure(f);
    cr_expect_eq(f->call_count, 1);
    RESULT(f->calls[0], 0);
    RESULT(f->calls[0], 0);
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    fixture_close(f);
}

/* A reload while a flight is in each of its states; then everything settles. */
static void reload_with(enum outcome outcome, bool remove)
{
    struct fixture *f = fixture_open();
    struct shard_endpoint before = f->endpoints[0];
    fixture_send(f, "t/a", "1", "x");
    fixture_send(f, "t/a", "2", "x");
    const struct shard_invocation *call = CALL("t/a", "1");
    f->endpoints[0] = (struct shard_endpoint){.pattern = TEXT("u/*")};
    if (!remove) {
        f->endpoints[1] = before;
        f->endpoints[2] = before;
        f->endpoints[2].pattern = TEXT("t/a");
    }
    fixture_configure(f);
    fixture_fail(f, call, outcome, "bad");
    f->endpoints[0] = before;
    f->endpoints[1] = f->endpoints[2] = (struct shard_endpoint){.pattern = SPAN_EMPTY};
    fixture_configure(f);
    fixture_pass(f, 20000);
    for (int i = 0; fixture_metrics(f).mailbox_messages > 0; i++) {
        cr_assert_lt(i, 10);
        if (f->call_count > 0) RESULT(f->calls[0], 0);
        fixture_pass(f, 20000);
    }
    fixture_close(f);
}

Test(config, reload_with_calls_in_flight)
{
    for (int outcome = OUTCOME_BAD_ANSWER; outcome <= OUTCOME_TIMEOUT; outcome++) {
        reload_with((enum outcome)outcome, true);
        reload_with((enum outcome)outcome, false);
    }
}

Test(config, windows_and_circuits_survive_a_reload)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "x");
    fixture_send(f, "t/a", "2", "x");
    fixture_configure(f);
    cr_expect_eq(f->call_count, 1, "the call that is out still counts");
    fixture_respond(
        f, f->calls[0]->flight,
        &(struct event_response){.outcome = OUTCOME_OVERLOADED, .retry_after_ms = 5000});
    fixture_configure(f);
    cr_expect_eq(f->call_count, 0, "the circuit stays open");
    fixture_pass(f, 5000);
    cr_expect_eq(f->call_count, 1);
    fixture_close(f);
}

Test(config, a_parked_address_stays_parked)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_send(f, "t/a", "1", "x");
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "no");
    struct shard_endpoint before = f->endpoints[0];
    f->endpoints[0].pattern = TEXT("u/*");
    fixture_configure(f);
    fixture_crash(f);
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    f->endpoints[0] = before;
    fixture_configure(f);
    fixture_pass(f, 1000);
    cr_expect_null(CALL("t/a", "1"));
    fixture_close(f);
}

Test(config, dispatch_durable_waits_for_the_disk)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].dispatch_durable = true;
    fixture_configure(f);
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    f->hold_durable = true;
    fixture_send(f, "t/a", "1", "one");
    cr_expect_null(CALL("t/a", "1"));
    cr_expect(f->commit_wanted);
    cr_expect_eq(fixture_metrics(f).wait_durable, 1);
    uint64_t seq = shard_seq(f->shard);
    fixture_send(f, "t/a", "1", "two");
    fixture_durable_to(f, seq);
    cr_assert_not_null(CALL("t/a", "1"));
    cr_expect_eq(CALL("t/a", "1")->request.message_count, 1, "only what is durable");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "x")));
    cr_expect_null(CALL("t/a", "1"), "its state is not durable");
    fixture_durable_to(f, seq + 1);
    cr_expect_null(CALL("t/a", "1"));
    fixture_durable(f);
    cr_assert_not_null(CALL("t/a", "1"));
    cr_expect(span_equal(CALL("t/a", "1")->request.states[0].value, TEXT("x")));
    fixture_close(f);
}

Test(config, dispatch_durable_and_a_reload_in_between)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].dispatch_durable = true;
    fixture_configure(f);
    f->hold_durable = true;
    fixture_send(f, "t/a", "1", "one");
    cr_expect_eq(fixture_metrics(f).wait_durable, 1);
    struct shard_endpoint before = f->endpoints[0];
    f->endpoints[0].pattern = TEXT("u/*");
    fixture_configure(f);
    fixture_durable(f);
    cr_expect_eq(fixture_metrics(f).held, 1);
    f->endpoints[0] = before;
    f->endpoints[0].dispatch_durable = false;
    fixture_configure(f);
    cr_expect_not_null(CALL("t/a", "1"));
    fixture_close(f);
}
