/* A result that sends to thousands of addresses: they are looked after in the steps that follow. */
#include "shard/limits.h"
#include "shard/shard.h"
#include "unit/shard/common.h"

enum { COUNT = 5 * SETTLE_MAX };

static char ids[COUNT][12];

/* One result has sent to all of them; nothing has happened since. */
static struct fixture *open_sent(void)
{
    static struct effect_message sends[COUNT];
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_send(f, "t/a", "1", "go");
    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "%d", i);
        sends[i] = to("t/b", ids[i], "x");
    }
    f->hold_durable = f->quiet = true;
    RESULT(CALL("t/a", "1"), .messages = sends, .message_count = COUNT);
    cr_assert_eq(fixture_metrics(f).mailbox_messages, COUNT);
    return f;
}

static uint64_t settled(struct fixture *f)
{
    struct shard_metrics metrics = fixture_metrics(f);
    return metrics.ready + metrics.sent;
}

Test(fanout, most_of_thousands_are_left_to_the_steps_that_follow)
{
    struct fixture *f = open_sent();
    cr_expect_eq(settled(f), SETTLE_MAX);
    for (uint64_t steps = 2; settled(f) < COUNT; steps++) {
        cr_assert_eq(shard_wake_at(f->shard), f->clock.mono_ms, "it wants to go on");
        fixture_tick(f);
        cr_assert_eq(settled(f), steps * SETTLE_MAX);
    }
    cr_expect_gt(shard_wake_at(f->shard), f->clock.mono_ms);
    f->quiet = false;
    fixture_close(f);
}

Test(fanout, who_has_come_since_is_called_at_once)
{
    struct fixture *f = open_sent();
    f->endpoints[1] = f->endpoints[0];
    f->endpoints[1].pattern = TEXT("t/other");
    fixture_configure(f);
    fixture_send(f, "t/other", "1", "hello");
    cr_expect_lt(settled(f), COUNT);
    cr_expect_not_null(CALL("t/other", "1"));
    fixture_close(f);
}

Test(fanout, all_are_called_in_their_order)
{
    struct fixture *f = open_sent();
    f->hold_durable = false;
    for (int i = 0; i < COUNT; i++) {
        while (f->call_count == 0) fixture_tick(f);
        cr_assert(span_equal(f->calls[0]->request.target.id, span_text(ids[i])));
        RESULT(f->calls[0], 0);
    }
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    f->quiet = false;
    fixture_close(f);
}

/* None of those that a recovery finds is missing because its turn has not come. */
Test(fanout, a_verb_reaches_all_of_thousands_after_a_recovery)
{
    struct fixture *f = open_sent();
    f->hold_durable = false;
    while (fixture_metrics(f).parked_now < COUNT) {
        while (f->call_count == 0) fixture_tick(f);
        fixture_fail(f, f->calls[0], OUTCOME_BAD_ANSWER, "no");
    }
    fixture_crash(f);
    struct shard_event event = {.kind = EVENT_OPERATOR, .operate = {.verb = VERB_RETRY}};
    waiter_t waiter = fixture_ask(f, &event);
    fixture_durable(f);
    cr_expect_eq(fixture_answer(f, waiter)->number, COUNT);
    f->quiet = false;
    fixture_close(f);
}
