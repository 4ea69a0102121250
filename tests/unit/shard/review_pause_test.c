/* A window of nothing: calls end, none begin, and what comes in is kept. */
#include "common.h"

Test(pause, no_calls_are_made_and_nothing_is_refused)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "x");
    fixture_send(f, "t/a", "2", "x");
    RESULT(CALL("t/a", "1"), 0);
    uint32_t before = f->endpoints[0].window_max;
    f->endpoints[0].window_max = 0;
    fixture_configure(f);
    cr_expect_eq(KIND(fixture_send(f, "t/a", "3", "x")), ANSWER_ACCEPTED);
    cr_expect_null(CALL("t/a", "3"));
    cr_assert_not_null(CALL("t/a", "2"));
    fixture_fail(f, CALL("t/a", "2"), OUTCOME_UNREACHABLE, "refused");
    fixture_pass(f, 60000);
    cr_expect_eq(f->call_count, 0, "a failure opens no window");
    f->endpoints[0].window_max = before;
    fixture_configure(f);
    fixture_pass(f, 60000);
    cr_expect_eq(f->call_count, 1, "one call first, as after every failure");
    while (f->call_count > 0) RESULT(f->calls[0], 0);
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    fixture_close(f);
}

/* A disk that hangs: what functions would do now would only pile up in memory. */
Test(pause, calls_wait_while_too_much_is_not_durable)
{
    struct fixture *f = fixture_open();
    static char large[1 << 20];
    memset(large, 'x', sizeof large - 1);
    f->quiet = f->hold_durable = true;
    for (int i = 0; i < 65; i++) fixture_send(f, "t/a", "1", large);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_null(CALL("t/a", "1"));
    cr_expect(f->commit_wanted);
    f->hold_durable = false;
    fixture_durable(f);
    cr_assert_not_null(CALL("t/a", "1"));
    for (int i = 0; i < 65; i++) fixture_send(f, "t/a", "2", large);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_not_null(CALL("t/a", "1"), "what is durable counts no longer");
    fixture_close(f);
}
