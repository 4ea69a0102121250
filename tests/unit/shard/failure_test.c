/* Who is to blame for a failed call, and what happens to the address. */
#include "common.h"

static struct fixture *open_with(uint32_t attempts_max, int64_t retry_for_ms)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = attempts_max;
    f->endpoints[0].retry_for_ms = retry_for_ms;
    fixture_configure(f);
    return f;
}

static bool wait_for_call(struct fixture *f, const char *id, int64_t most_ms)
{
    for (int64_t passed = 0; CALL("t/a", id) == NULL && passed <= most_ms; passed += 5)
        fixture_pass(f, 5);
    return CALL("t/a", id) != NULL;
}

static uint64_t records(struct fixture *f)
{
    return shard_seq(f->shard);
}

Test(failure, backs_off_and_records_at_1_2_4_8)
{
    struct fixture *f = open_with(0, INT64_MAX / 4);
    fixture_send(f, "t/a", "1", "x");
    int64_t wait_before_ms = 0;
    for (uint32_t i = 1; i <= 16; i++) {
        cr_assert(wait_for_call(f, "1", 11000));
        cr_expect_eq(CALL("t/a", "1")->attempt, i);
        uint64_t before = records(f);
        fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500");
        cr_expect_eq(records(f) - before, (i & (i - 1)) == 0, "attempt %u", i);
        int64_t wait_ms = shard_wake_at(f->shard) - f->clock.mono_ms;
        cr_expect_leq(wait_ms, 10000);
        cr_expect_geq(wait_ms, i < 11 ? 5 << (i - 1) : 5000, "attempt %u waits %ld", i,
                      (long)wait_ms);
        wait_before_ms = wait_ms;
    }
    cr_expect_geq(wait_before_ms, 5000);
    fixture_close(f);
}

Test(failure, parks_after_the_attempts)
{
    struct fixture *f = open_with(3, INT64_MAX / 4);
    fixture_send(f, "t/a", "1", "x");
    for (int i = 0; i < 3; i++) {
        cr_assert(wait_for_call(f, "1", 100));
        fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 400: what?");
    }
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    fixture_send(f, "t/a", "1", "waits behind it");
    fixture_pass(f, 100000);
    cr_expect_null(CALL("t/a", "1"));
    cr_expect_eq(shard_wake_at(f->shard), INT64_MAX);
    fixture_crash(f);
    cr_expect_null(CALL("t/a", "1"), "parked for good");
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    const struct fixture_answer *rows =
        fixture_query(f, (struct event_query){.kind = QUERY_PARKED});
    cr_expect(fixture_contains(rows, "HTTP 400: what?"));
    cr_expect(fixture_contains(rows, "\"messages\":2"));
    fixture_close(f);
}

Test(failure, parks_when_the_time_is_up)
{
    struct fixture *f = open_with(0, 30000);
    fixture_send(f, "t/a", "1", "x");
    int64_t start_ms = f->clock.mono_ms;
    while (fixture_metrics(f).parked_now == 0) {
        cr_assert_leq(f->clock.mono_ms - start_ms, 30000 + 5);
        if (wait_for_call(f, "1", 0))
            fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500");
    }
    cr_expect_geq(f->clock.mono_ms - start_ms, 30000, "not before");
    fixture_close(f);
}

Test(failure, attempts_and_time_survive_a_crash)
{
    struct fixture *f = open_with(0, 30000);
    fixture_send(f, "t/a", "1", "x");
    for (int i = 0; i < 4; i++) {
        cr_assert(wait_for_call(f, "1", 100));
        fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500");
    }
    fixture_pass(f, 29000);
    fixture_crash(f);
    fixture_pass(f, 1000);
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500");
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    const struct fixture_answer *rows =
        fixture_query(f, (struct event_query){.kind = QUERY_PARKED});
    cr_expect(fixture_contains(rows, "\"attempts\":5"));
    fixture_close(f);
}

Test(failure, a_long_text_is_cut)
{
    struct fixture *f = open_with(1, 1000);
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    fixture_send(f, "t/a", "1", "x");
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, text);
    const struct fixture_answer *rows =
        fixture_query(f, (struct event_query){.kind = QUERY_PARKED});
    cr_expect_lt(rows->body.size, 1000);
    fixture_close(f);
}

/* Endpoint failures, whichever and however long, never park and never count. */
static void outage(enum outcome outcome)
{
    struct fixture *f = open_with(2, 1000);
    for (int i = 0; i < 5; i++) fixture_send(f, "t/a", (char[]){(char)('0' + i), 0}, "x");
    int64_t end_ms = f->clock.mono_ms + 180000;
    while (f->clock.mono_ms < end_ms) {
        cr_assert_leq(f->call_count, 1, "half open: one probe");
        if (f->call_count > 0) fixture_fail(f, f->calls[0], outcome, "down");
        fixture_pass(f, 500);
    }
    cr_expect_eq(fixture_metrics(f).parked_now, 0);
    cr_expect_lt(fixture_metrics(f).invocations, 100);
    for (int turns = 0; fixture_metrics(f).mailbox_messages > 0; turns++) {
        cr_assert_lt(turns, 100);
        if (f->call_count > 0)
            RESULT(f->calls[0], 0);
        else
            fixture_pass(f, 1000);
    }
    fixture_close(f);
}

Test(failure, unreachable_for_three_minutes)
{
    outage(OUTCOME_UNREACHABLE);
}
Test(failure, overloaded_for_three_minutes)
{
    outage(OUTCOME_OVERLOADED);
}
Test(failure, lost_for_three_minutes)
{
    outage(OUTCOME_LOST);
}
Test(failure, timing_out_for_three_minutes)
{
    outage(OUTCOME_TIMEOUT);
}

Test(failure, retry_after_is_honoured)
{
    struct fixture *f = open_with(2, 1000);
    fixture_send(f, "t/a", "1", "x");
    fixture_respond(
        f, CALL("t/a", "1")->flight,
        &(struct event_response){.outcome = OUTCOME_OVERLOADED, .retry_after_ms = 3000});
    fixture_send(f, "t/a", "2", "x");
    fixture_pass(f, 2999);
    cr_expect_eq(f->call_count, 0);
    fixture_pass(f, 1);
    cr_expect_eq(f->call_count, 1);
    fixture_respond(
        f, f->calls[0]->flight,
        &(struct event_response){.outcome = OUTCOME_OVERLOADED, .retry_after_ms = 3600000});
    fixture_pass(f, 599999);
    cr_expect_eq(f->call_count, 0);
    fixture_pass(f, 1);
    cr_expect_eq(f->call_count, 1, "but not for ever");
    fixture_close(f);
}

Test(failure, a_message_that_kills_the_function_is_found)
{
    struct fixture *f = open_with(0, 20000);
    const char *ids = "ab*cd";
    for (const char *at = ids; *at != 0; at++) fixture_send(f, "t/a", (char[]){*at, 0}, "x");
    for (int turns = 0;
         fixture_metrics(f).mailbox_messages > 1 || fixture_metrics(f).parked_now == 0; turns++) {
        cr_assert_lt(turns, 2000);
        if (f->call_count == 0) {
            fixture_pass(f, 100);
        } else if (f->calls[0]->request.target.id.at[0] == '*') {
            const struct shard_invocation *killer = f->calls[0];
            fixture_fail(f, killer, OUTCOME_LOST, "connection reset");
            while (f->call_count > 0)
                fixture_fail(f, f->calls[0], OUTCOME_LOST, "connection reset");
        } else {
            const struct shard_invocation *call = f->calls[0];
            RESULT(call, 0);
        }
        if (turns % 20 == 0) fixture_send(f, "t/a", "other", "work goes on");
    }
    const struct fixture_answer *rows =
        fixture_query(f, (struct event_query){.kind = QUERY_PARKED});
    cr_expect(fixture_contains(rows, "\"id\":\"*\""));
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    fixture_close(f);
}

Test(failure, the_window_opens_with_success_and_shuts_with_failure)
{
    struct fixture *f = open_with(0, 1000);
    f->endpoints[0].window_max = 5;
    fixture_configure(f);
    for (int i = 0; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        fixture_send(f, "t/a", id, "x");
    }
    cr_expect_eq(f->call_count, 1, "one call first: the function may be at zero");
    for (int i = 0; i < 10; i++) {
        RESULT(f->calls[0], 0);
        cr_expect_leq(f->call_count, 5);
    }
    cr_expect_eq(f->call_count, 5);
    fixture_fail(f, f->calls[0], OUTCOME_OVERLOADED, "HTTP 503");
    cr_expect_eq(f->call_count, 4);
    while (f->call_count > 0) fixture_fail(f, f->calls[0], OUTCOME_OVERLOADED, "HTTP 503");
    fixture_pass(f, 10);
    cr_expect_eq(f->call_count, 1, "failures of calls that were out together count once");
    fixture_close(f);
}

Test(failure, a_stale_response_changes_nothing)
{
    struct fixture *f = open_with(0, 1000);
    fixture_send(f, "t/a", "1", "x");
    uint64_t flight = CALL("t/a", "1")->flight;
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500");
    cr_assert(wait_for_call(f, "1", 100));
    uint64_t seq = records(f);
    struct effect_message sends[] = {to("t/b", "1", "twice")};
    struct function_response late = {.messages = sends, .message_count = 1};
    struct event_response response = {.outcome = OUTCOME_RESULT, .response = &late};
    fixture_respond(f, flight, &response);
    fixture_respond(f, flight + 12345, &response);
    fixture_respond(f, 0, &response);
    cr_expect_eq(records(f), seq);
    cr_expect_null(CALL("t/b", "1"));
    cr_expect_eq(fixture_metrics(f).stale_responses, 3);
    flight = CALL("t/a", "1")->flight;
    RESULT(CALL("t/a", "1"), 0);
    fixture_respond(f, flight, &response);
    cr_expect_eq(fixture_metrics(f).stale_responses, 4);
    fixture_send(f, "t/z", "1", "takes the free flight");
    fixture_respond(f, flight, &response);
    cr_expect_eq(fixture_metrics(f).stale_responses, 5);
    cr_expect_not_null(CALL("t/z", "1"));
    fixture_close(f);
}

Test(failure, the_only_address_that_is_lost_again_and_again_parks_in_the_end)
{
    struct fixture *f = open_with(0, 20000);
    fixture_send(f, "t/a", "1", "x");
    int64_t start_ms = f->clock.mono_ms;
    while (fixture_metrics(f).parked_now == 0) {
        cr_assert_leq(f->clock.mono_ms - start_ms, 60000);
        if (f->call_count > 0) fixture_fail(f, f->calls[0], OUTCOME_LOST, "connection reset");
        fixture_pass(f, 50);
    }
    cr_expect_geq(f->clock.mono_ms - start_ms, 20000);
    fixture_close(f);
}
