/* Budgets: a full memory goes on, one pioneer after the other. */
#include "common.h"

#include "base/prng.h"
#include "shard/limits.h"

enum { ROOTS = 300, CHILDREN = 4 };

static void answer_root(struct fixture *f, const struct shard_invocation *call, const char *text)
{
    char ids[CHILDREN][32];
    struct effect_message sends[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        snprintf(ids[i], sizeof ids[i], "%.*s.%d", SPAN_PRINT(call->request.target.id), i);
        sends[i] = to("t/b", ids[i], text);
    }
    RESULT(call, .messages = sends, .message_count = CHILDREN);
}

/*
 * Each root makes four messages of its own size, which make nothing: all roots at once would need
 * four times the memory there is, one after the other they need hardly more than now. Gives back
 * the most that was used, in percent of that.
 */
static size_t work_to_the_end(struct fixture *f, void (*disturb)(struct fixture *f))
{
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    f->quiet = true;
    for (int i = 0; i < ROOTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        fixture_send(f, "t/a", id, text);
    }
    size_t most = fixture_metrics(f).memory_bytes, largest = 0;
    f->config.memory_max = most / 9 * 8; /* no room at all for results that grow it */
    fixture_configure(f);
    size_t answered = 0, disturbed = 0;
    while (fixture_metrics(f).mailbox_messages > 0 && answered < 20 * ROOTS * CHILDREN) {
        if (f->call_count == 0) fixture_pass(f, 50);
        if (f->call_count == 0) continue;
        const struct shard_invocation *call = f->calls[0];
        bool is_root = span_equal(call->request.target.type, SPAN_LITERAL("t/a"));
        if (is_root)
            answer_root(f, call, text);
        else
            RESULT(call, 0);
        if (++answered % (2 * ROOTS) == 0 && disturb != NULL) {
            disturb(f);
            disturbed++;
        }
        size_t used = fixture_metrics(f).memory_bytes;
        if (used > largest) largest = used;
    }
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    cr_expect_eq(fixture_metrics(f).outgrown, 0);
    if (disturb != NULL) cr_expect_geq(disturbed, 2);
    return largest * 100 / most;
}

Test(budget, work_that_makes_more_work_comes_to_its_end)
{
    struct fixture *f = fixture_open();
    cr_expect_leq(work_to_the_end(f, NULL), 110, "one after the other");
    fixture_close(f);
}

/* Dies in the middle, with calls out. */
Test(budget, and_so_it_does_when_the_shard_dies_again_and_again)
{
    struct fixture *f = fixture_open();
    cr_expect_leq(work_to_the_end(f, fixture_crash), 110);
    fixture_close(f);
}

static void leave_and_return(struct fixture *f)
{
    struct shard_endpoint before = f->endpoints[0];
    f->endpoints[0].pattern = TEXT("v/*");
    fixture_configure(f);
    fixture_pass(f, 100);
    f->endpoints[0] = before;
    f->old_calls = f->call_count;
    fixture_configure(f);
}

/* The same when the functions go away and come back. */
Test(budget, and_when_its_functions_are_gone_meanwhile)
{
    struct fixture *f = fixture_open();
    cr_expect_leq(work_to_the_end(f, leave_and_return), 110);
    fixture_close(f);
}

/* A call that is out for long does not hold up the others. */
Test(budget, a_slow_function_does_not_hold_up_who_is_blocked)
{
    struct fixture *f = fixture_open();
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    fixture_send(f, "t/a", "0", "x"); /* opens the window */
    RESULT(CALL("t/a", "0"), 0);
    for (int i = 0; i < 20; i++) fixture_send(f, "t/a", "slow", text);
    fixture_send(f, "t/a", "1", text);
    f->config.memory_max = fixture_metrics(f).memory_bytes / 9 * 8;
    fixture_configure(f);
    fixture_pass(f, 100);
    RESULT(CALL("t/a", "1"), SENDS(to("t/b", "1", text), to("t/b", "2", text)));
    cr_assert_not_null(CALL("t/a", "1"), "the pioneer, at once");
    RESULT(CALL("t/a", "1"), SENDS(to("t/b", "1", text), to("t/b", "2", text)));
    cr_expect_not_null(CALL("t/b", "1"));
    fixture_close(f);
}

/* The window is always full of those whose time to try again has come: the pioneer goes all the
 * same. */
Test(budget, the_pioneer_gets_a_place_in_a_full_window)
{
    struct fixture *f = fixture_open();
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    f->quiet = true;
    f->endpoints[0].window_max = 1;
    fixture_configure(f);
    for (int i = 0; i < ROOTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        fixture_send(f, "t/a", id, text);
    }
    f->config.memory_max = fixture_metrics(f).memory_bytes / 9 * 8;
    fixture_configure(f);
    size_t answered = 0;
    while (fixture_metrics(f).mailbox_messages > 0 && answered < 100 * ROOTS * CHILDREN) {
        fixture_pass(f, 40); /* a call takes so long: 300 of them are more than the longest wait */
        if (f->call_count == 0) continue;
        const struct shard_invocation *call = f->calls[0];
        if (span_equal(call->request.target.type, SPAN_LITERAL("t/a")))
            answer_root(f, call, text);
        else
            RESULT(call, 0);
        answered++;
    }
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    fixture_close(f);
}

/* Addresses 1 and 2, each with a message whose result makes two of its size, and ballast that waits
 * behind a call of another endpoint, so that there is room above the budget. */
static struct fixture *open_full(const char *text)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "0", "x"); /* opens the window */
    RESULT(CALL("t/a", "0"), 0);
    fixture_send(f, "t/a", "0", "x");
    RESULT(CALL("t/a", "0"), 0);
    for (int i = 0; i < 40; i++) fixture_send(f, "t/a", "slow", text);
    fixture_send(f, "t/a", "1", text);
    fixture_send(f, "t/a", "2", text);
    f->config.memory_max = fixture_metrics(f).memory_bytes / 9 * 8;
    fixture_configure(f);
    fixture_pass(f, 100);
    return f;
}

/* The pioneer's own call is out for long: who else is blocked goes on. */
Test(budget, a_slow_pioneer_does_not_hold_up_who_is_blocked)
{
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    struct fixture *f = open_full(text);
    RESULT(CALL("t/a", "1"), SENDS(to("t/b", "1", text), to("t/b", "2", text)));
    cr_assert_not_null(CALL("t/a", "1"), "the pioneer: its function hangs now");
    for (int i = 0; i < 100; i++) {
        fixture_pass(f, 1000);
        if (CALL("t/a", "2") != NULL)
            RESULT(CALL("t/a", "2"), SENDS(to("t/b", "3", text), to("t/b", "4", text)));
    }
    cr_expect_not_null(CALL("t/b", "3"), "100 s later");
    f->quiet = true;
    fixture_close(f);
}

static void answer_two(struct fixture *f, const char *id, const char *text)
{
    cr_assert_not_null(CALL("t/a", id), "%s", id);
    RESULT(CALL("t/a", id), SENDS(to("t/b", id, text), to("t/c", id, text)));
}

Test(budget, the_next_pioneer_comes_when_it_is_time_and_nothing_else_happens)
{
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    struct fixture *f = open_full(text);
    answer_two(f, "1", text);
    cr_assert_not_null(CALL("t/a", "1"), "the pioneer, whose function hangs now");
    answer_two(f, "2", text);
    cr_expect_null(CALL("t/a", "2"));
    cr_expect_leq(shard_wake_at(f->shard), f->clock.mono_ms + 100, "not by its own clock only");
    fixture_pass(f, 100);
    answer_two(f, "2", text);
    cr_expect_not_null(CALL("t/b", "2"), "it led, 100 ms after the first");
    fixture_close(f);
}

/* Both were blocked; the newer one would lead, but its endpoint is down. */
Test(budget, who_is_blocked_behind_an_endpoint_that_is_down_holds_up_nobody)
{
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    struct fixture *f = fixture_open();
    f->endpoints[1] = f->endpoints[0];
    f->endpoints[1].pattern = TEXT("u/*");
    fixture_configure(f);
    for (int i = 0; i < 4; i++) { /* opens the windows */
        const char *type = i % 2 == 0 ? "t/a" : "u/a";
        fixture_send(f, type, "0", "x");
        RESULT(CALL(type, "0"), 0);
    }
    for (int i = 0; i < 40; i++) fixture_send(f, "u/a", "slow", text);
    fixture_send(f, "t/a", "1", text);
    fixture_send(f, "t/a", "2", text);
    fixture_send(f, "u/a", "3", text);
    f->config.memory_max = fixture_metrics(f).memory_bytes / 9 * 8;
    fixture_configure(f);
    answer_two(f, "1", text);
    answer_two(f, "1", text); /* it has just led */
    RESULT(CALL("t/b", "1"), 0);
    RESULT(CALL("t/c", "1"), 0);
    RESULT(CALL("t/a", "2"),
           SENDS(to("t/b", "2", text), to("t/c", "2", text), to("t/d", "2", text)));
    RESULT(CALL("u/a", "3"),
           SENDS(to("t/b", "3", text), to("t/c", "3", text), to("t/d", "3", text)));
    cr_expect_eq(fixture_metrics(f).blocked_now, 2);
    cr_assert_null(CALL("t/a", "2"));
    fixture_fail(f, CALL("u/a", "slow"), OUTCOME_UNREACHABLE, "down");
    cr_expect_not_null(CALL("t/a", "2"), "at once");
    f->quiet = true;
    fixture_close(f);
}

/* Many calls are out at once, and come back in any order. */
Test(budget, few_answers_are_thrown_away)
{
    struct fixture *f = fixture_open();
    struct prng prng = {.state = 1};
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    f->quiet = true;
    for (int i = 0; i < ROOTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        fixture_send(f, "t/a", id, text);
    }
    f->config.memory_max = fixture_metrics(f).memory_bytes / 9 * 8;
    fixture_configure(f);
    for (int answered = 0; fixture_metrics(f).mailbox_messages > 0; answered++) {
        cr_assert_lt(answered, 20 * ROOTS * CHILDREN);
        fixture_pass(f, 1);
        if (f->call_count == 0) continue;
        const struct shard_invocation *call = f->calls[prng_below(&prng, f->call_count)];
        if (span_equal(call->request.target.type, SPAN_LITERAL("t/a")))
            answer_root(f, call, text);
        else
            RESULT(call, 0);
    }
    cr_expect_leq(fixture_metrics(f).blocked, 2 * ROOTS);
    fixture_close(f);
}

/* It would have led while its functions were down: it does when they are back. */
Test(budget, functions_that_come_back_lead_soon)
{
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    struct fixture *f = open_full(text);
    answer_two(f, "1", text);
    answer_two(f, "2", text);
    cr_assert_null(CALL("t/a", "2"), "the first one leads");
    fixture_fail(f, CALL("t/a", "slow"), OUTCOME_UNREACHABLE, "down");
    fixture_pass(f, 150);
    cr_assert_null(CALL("t/a", "2"));
    cr_assert_eq(fixture_metrics(f).blocked_now, 1);
    answer_two(f, "1", text); /* up again */
    fixture_pass(f, 150);
    cr_expect_eq(fixture_metrics(f).blocked_now, 0, "not by its own clock");
    f->quiet = true;
    fixture_close(f);
}

/* A batch may outgrow what each of its messages does not: the pioneer leads with ever fewer. */
Test(budget, a_batch_that_finds_no_room_gets_smaller_and_goes_on_leading)
{
    enum { MESSAGES = 256 };
    struct fixture *f = fixture_open();
    f->quiet = true;
    char text[600] = {0};
    memset(text, 'x', sizeof text - 1);
    fixture_send(f, "t/a", "1", "x");
    for (int i = 0; i < MESSAGES; i++) fixture_send(f, "t/a", "1", text);
    f->config.memory_max = fixture_metrics(f).memory_bytes / 9 * 8;
    fixture_configure(f);
    RESULT(CALL("t/a", "1"), 0);
    size_t most = MESSAGES;
    for (int calls = 0; fixture_metrics(f).messages_applied < 10; calls++) {
        cr_assert_lt(calls, 1000);
        fixture_pass(f, 1);
        if (f->call_count == 0) continue;
        const struct shard_invocation *call = f->calls[0];
        if (span_equal(call->request.target.type, SPAN_LITERAL("t/b"))) {
            RESULT(call, 0);
            continue;
        }
        static struct effect_message sends[3 * MESSAGES];
        size_t count = call->request.message_count;
        for (size_t i = 0; i < 3 * count; i++) sends[i] = to("t/b", "1", text);
        for (size_t i = 0; i < 3 * count; i++) sends[i] = sends[3 * count - 1];
        cr_assert_leq(count, most);
        most = count;
        RESULT(call, .messages = sends, .message_count = 3 * count);
    }
    cr_expect_eq(fixture_metrics(f).outgrown, 0);
    cr_expect_lt(f->clock.mono_ms, 5000 + BLOCKED_RETRY_MS, "by no clock");
    fixture_close(f);
}

/* Both have led; the one that stands last lacks more than there will ever be. */
Test(budget, who_has_outgrown_the_memory_does_not_hide_the_others)
{
    struct fixture *f = fixture_open();
    f->quiet = true;
    static char huge[90001], large[30001];
    memset(huge, 'x', sizeof huge - 1);
    memset(large, 'x', sizeof large - 1);
    for (int i = 0; i < 8; i++) { /* opens the window */
        fixture_send(f, "t/a", "0", "x");
        RESULT(CALL("t/a", "0"), 0);
    }
    fixture_send(f, "t/b", "slow", huge);
    fixture_send(f, "t/a", "1", "x");
    fixture_send(f, "t/a", "2", "x");
    f->config.memory_max = fixture_metrics(f).memory_bytes / 12 * 8; /* all there will ever be */
    fixture_configure(f);
    for (int i = 0; i < 2; i++) {
        RESULT(CALL("t/a", "1"), SENDS(to("t/c", "1", huge), to("t/c", "1", huge)));
        if (i == 0) fixture_pass(f, 100);
    }
    for (int i = 0; i < 2; i++) {
        RESULT(CALL("t/a", "2"), SENDS(to("t/c", "2", large)));
        if (i == 0) fixture_pass(f, 100);
    }
    cr_assert_eq(fixture_metrics(f).outgrown, 2);
    fixture_fail(f, CALL("t/b", "slow"), OUTCOME_UNREACHABLE, "down");
    cr_assert_null(CALL("t/a", "2"));
    fixture_pass(f, 100);
    RESULT(CALL("t/b", "slow"), 0);
    fixture_pass(f, 100);
    cr_expect_not_null(CALL("t/a", "2"), "not by its own clock");
    fixture_close(f);
}
