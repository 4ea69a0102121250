/* Idempotency keys: a second try joins the first, another body is refused, memory is bounded. */
#include "common.h"

static waiter_t keyed(struct fixture *f, const char *id, const char *key, const char *text)
{
    return fixture_message(f, &(struct event_message){.target = fixture_address("t/a", id),
                                                      .argument = fixture_value(text),
                                                      .key = span_text(key),
                                                      .delay_ms = -1});
}

Test(idempotency, a_duplicate_joins_the_gate_of_the_first)
{
    struct fixture *f = fixture_open();
    f->hold_durable = true;
    waiter_t first = keyed(f, "1", "k", "x");
    uint64_t seq = shard_seq(f->shard);
    waiter_t second = keyed(f, "1", "k", "x");
    cr_expect_eq(shard_seq(f->shard), seq);
    cr_expect_eq(KIND(second), NO_ANSWER, "not durable yet");
    fixture_durable(f);
    cr_assert_eq(KIND(first), ANSWER_ACCEPTED);
    cr_assert_eq(KIND(second), ANSWER_DUPLICATE);
    cr_expect_str_eq(fixture_answer(f, first)->message_id, fixture_answer(f, second)->message_id);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_null(CALL("t/a", "1"), "applied once");
    waiter_t third = keyed(f, "1", "k", "x");
    cr_assert_eq(KIND(third), ANSWER_DUPLICATE);
    cr_expect_null(CALL("t/a", "1"));
    fixture_close(f);
}

Test(idempotency, scope_is_address_and_key)
{
    struct fixture *f = fixture_open();
    keyed(f, "1", "k", "x");
    cr_expect_eq(KIND(keyed(f, "1", "k", "y")), ANSWER_CONFLICT);
    cr_expect_eq(KIND(keyed(f, "2", "k", "y")), ANSWER_ACCEPTED);
    cr_expect_eq(KIND(keyed(f, "1", "k2", "y")), ANSWER_ACCEPTED);
    waiter_t other =
        fixture_message(f, &(struct event_message){.target = fixture_address("t/b", "1"),
                                                   .argument = fixture_value("y"),
                                                   .key = TEXT("k"),
                                                   .delay_ms = -1});
    cr_expect_eq(KIND(other), ANSWER_ACCEPTED);
    waiter_t delayed =
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                                   .argument = fixture_value("x"),
                                                   .key = TEXT("k"),
                                                   .delay_ms = 10});
    cr_expect_eq(KIND(delayed), ANSWER_CONFLICT, "another delay is another request");
    fixture_close(f);
}

Test(idempotency, survives_a_crash)
{
    struct fixture *f = fixture_open();
    f->cutting = true;
    waiter_t first = keyed(f, "1", "k", "x");
    RESULT(CALL("t/a", "1"), 0);
    fixture_crash(f);
    waiter_t second = keyed(f, "1", "k", "x");
    cr_assert_eq(KIND(second), ANSWER_DUPLICATE);
    cr_expect_str_eq(fixture_answer(f, first)->message_id, fixture_answer(f, second)->message_id);
    cr_expect_null(CALL("t/a", "1"));
    fixture_close(f);
}

Test(idempotency, what_was_not_durable_is_accepted_anew)
{
    struct fixture *f = fixture_open();
    f->hold_durable = true;
    keyed(f, "1", "k", "x");
    fixture_crash(f);
    cr_expect_null(CALL("t/a", "1"));
    f->hold_durable = false;
    cr_expect_eq(KIND(keyed(f, "1", "k", "x")), ANSWER_ACCEPTED);
    cr_expect_not_null(CALL("t/a", "1"));
    fixture_close(f);
}

Test(idempotency, forgotten_after_the_window)
{
    struct fixture *f = fixture_open();
    f->config.dedup_window_ms = 60000;
    fixture_configure(f);
    keyed(f, "1", "k", "x");
    RESULT(CALL("t/a", "1"), 0);
    fixture_pass(f, 59000);
    cr_expect_eq(KIND(keyed(f, "1", "k", "x")), ANSWER_DUPLICATE);
    cr_expect_eq(fixture_metrics(f).entries, 1);
    fixture_pass(f, 70000); /* a sweep takes about a minute for all slots */
    cr_expect_eq(fixture_metrics(f).entries, 0);
    cr_expect_eq(KIND(keyed(f, "1", "k", "x")), ANSWER_ACCEPTED);
    cr_expect_eq(fixture_metrics(f).evicted, 1);
    cr_expect_eq(fixture_metrics(f).evicted_early, 0);
    fixture_close(f);
}

Test(idempotency, a_shard_in_which_nothing_happens_sleeps_until_a_window_ends)
{
    struct fixture *f = fixture_open();
    f->config.dedup_window_ms = 600000;
    fixture_configure(f);
    keyed(f, "1", "k", "x");
    RESULT(CALL("t/a", "1"), 0);
    fixture_pass(f, 5000);
    cr_expect_gt(shard_wake_at(f->shard), f->clock.mono_ms + 590000);
    fixture_send(f, "t/a", "2", "x");
    RESULT(CALL("t/a", "2"), 0);
    cr_expect_leq(shard_wake_at(f->shard), f->clock.mono_ms + 1000, "now something may be over");
    fixture_pass(f, 5000);
    cr_expect_gt(shard_wake_at(f->shard), f->clock.mono_ms + 580000);
    f->config.dedup_window_ms = 20000;
    fixture_configure(f);
    fixture_pass(f, 2000);
    cr_expect_leq(shard_wake_at(f->shard), f->clock.mono_ms + 20000, "windows have become shorter");
    fixture_pass(f, 90000);
    cr_expect_eq(fixture_metrics(f).entries, 0);
    cr_expect_eq(shard_wake_at(f->shard), INT64_MAX);
    fixture_close(f);
}

Test(idempotency, a_key_ends_with_its_window_and_not_with_its_eviction)
{
    struct fixture *f = fixture_open();
    f->config.dedup_window_ms = 500; /* the sweep comes later */
    fixture_configure(f);
    keyed(f, "1", "k", "x");
    RESULT(CALL("t/a", "1"), 0);
    struct shard_clock before = f->clock;
    fixture_pass(f, 499);
    cr_expect_eq(KIND(keyed(f, "1", "k", "x")), ANSWER_DUPLICATE);
    fixture_pass(f, 1);
    cr_expect_lt(f->clock.mono_ms - before.mono_ms, 1000);
    cr_expect_eq(KIND(keyed(f, "1", "k", "y")), ANSWER_ACCEPTED,
                 "another body is no conflict any more");
    fixture_close(f);
}

Test(idempotency, bounded_by_bytes)
{
    struct fixture *f = fixture_open();
    f->config.dedup_bytes_max = 4000;
    fixture_configure(f);
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        cr_expect_eq(KIND(keyed(f, "1", key, "x")), ANSWER_ACCEPTED);
        cr_assert_lt(fixture_metrics(f).entry_bytes, 6000);
    }
    cr_expect_gt(fixture_metrics(f).evicted_early, 150);
    cr_expect_eq(KIND(keyed(f, "1", "k199", "x")), ANSWER_DUPLICATE, "the newest is remembered");
    cr_expect_eq(KIND(keyed(f, "1", "k0", "x")), ANSWER_ACCEPTED, "the oldest is not");
    fixture_close(f);
}

Test(idempotency, a_call_may_not_reuse_the_key_of_a_send)
{
    struct fixture *f = fixture_open();
    keyed(f, "1", "k", "x");
    waiter_t call =
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                                   .argument = fixture_value("x"),
                                                   .key = TEXT("k"),
                                                   .reply_token = TEXT("tok"),
                                                   .delay_ms = -1});
    cr_expect_eq(KIND(call), ANSWER_CONFLICT);
    fixture_close(f);
}
