/* Budgets: what finds no room waits and goes on by itself. */
#include "common.h"

#include "lib/sanitized.h"
#include "shard/limits.h"

#include <stdlib.h>
#include <sys/resource.h>

static struct fixture *open_blocked_by_outbox(void)
{
    struct fixture *f = fixture_open();
    f->config.outbox_bytes_max = 400;
    fixture_configure(f);
    while (fixture_metrics(f).blocked_now == 0) {
        cr_assert_lt(fixture_metrics(f).egress_waiting, 50);
        fixture_send(f, "t/a", "1", "x");
        RESULT(CALL("t/a", "1"), EGRESS(out("t/out", "0123456789")));
    }
    return f;
}

Test(budget, egress_blocks_and_resumes)
{
    struct fixture *f = open_blocked_by_outbox();
    uint64_t waiting = fixture_metrics(f).egress_waiting;
    cr_expect_gt(waiting, 0);
    for (int i = 0; i < 10; i++) { /* it is called again, ever more slowly, and blocks again */
        if (i > 0 && i < BLOCKED_DOUBLINGS_MAX) {
            fixture_pass(f, BLOCKED_RETRY_MS);
            cr_assert_null(CALL("t/a", "1"), "nobody gains by answers that are thrown away");
        }
        fixture_pass(f,
                     BLOCKED_RETRY_MS << (i < BLOCKED_DOUBLINGS_MAX ? i : BLOCKED_DOUBLINGS_MAX));
        cr_assert_not_null(CALL("t/a", "1"));
        RESULT(CALL("t/a", "1"), EGRESS(out("t/out", "0123456789")));
        cr_expect_eq(fixture_metrics(f).egress_waiting, waiting);
    }
    fixture_send(f, "t/b", "1", "x");
    RESULT(CALL("t/b", "1"), 0);
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 1, "who writes no egress goes on");
    struct shard_event ack = {.kind = EVENT_PULL_ACK,
                              .pull = {.egress = TEXT("t/out"), .after = waiting}};
    fixture_ask(f, &ack); /* room: it is called at once */
    RESULT(CALL("t/a", "1"), EGRESS(out("t/out", "0123456789")));
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    cr_expect_eq(fixture_metrics(f).egress_waiting, 1);
    fixture_close(f);
}

Test(budget, one_response_over_the_whole_outbox_passes_when_it_is_empty)
{
    struct fixture *f = fixture_open();
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    f->config.outbox_bytes_max = 400;
    fixture_configure(f);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), EGRESS(out("t/out", text)));
    cr_expect_eq(fixture_metrics(f).egress_waiting, 1, "else it would block for ever");
    fixture_close(f);
}

Test(budget, discarded_records_need_no_room)
{
    struct fixture *f = open_blocked_by_outbox();
    fixture_send(f, "t/b", "1", "x");
    RESULT(CALL("t/b", "1"), EGRESS(out("t/none", "0123456789")));
    cr_expect_null(CALL("t/b", "1"));
    cr_expect_eq(fixture_metrics(f).blocked_now, 1);
    fixture_close(f);
}

Test(budget, blocked_addresses_survive_reload_and_crash)
{
    struct fixture *f = open_blocked_by_outbox();
    fixture_configure(f);
    cr_expect_eq(fixture_metrics(f).blocked_now, 1);
    struct shard_endpoint before = f->endpoints[0];
    f->endpoints[0].pattern = TEXT("u/*");
    fixture_configure(f);
    fixture_pass(f, BLOCKED_RETRY_MS);
    cr_expect_eq(fixture_metrics(f).held, 1);
    f->endpoints[0] = before;
    fixture_configure(f);
    cr_expect_not_null(CALL("t/a", "1"));
    fixture_crash(f);
    cr_expect_not_null(CALL("t/a", "1"));
    fixture_close(f);
}

Test(budget, memory_blocks_and_resumes)
{
    struct fixture *f = fixture_open();
    static char text[30001];
    memset(text, 'x', sizeof text - 1);
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "x");
    f->config.memory_max = fixture_metrics(f).memory_bytes / 3 * 2 + 1000;
    fixture_configure(f);
    RESULT(CALL("t/a", "1"), WRITES(set("s", text)));
    cr_expect_eq(fixture_metrics(f).blocked_now, 0);
    RESULT(CALL("t/a", "1"), WRITES(set("s", text))); /* once more, with half as much again */
    cr_expect_eq(fixture_metrics(f).blocked_now, 1);
    cr_expect_eq(fixture_metrics(f).outgrown, 1);
    cr_expect_null(CALL("t/a", "1"), "nobody gains by answers that are thrown away");
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    f->config.memory_max = 0;
    fixture_configure(f);
    fixture_pass(f, 100);
    RESULT(CALL("t/a", "1"), WRITES(set("s", text)));
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    fixture_close(f);
}

Test(budget, results_that_only_free_memory_pass)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "x");
    f->config.memory_max = 1;
    fixture_configure(f);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    fixture_close(f);
}

/* Everything a shard can hold, then all of it drained. */
static void fill_and_drain(struct fixture *f)
{
    for (int i = 0; i < 50; i++) {
        char id[16], token[32];
        snprintf(id, sizeof id, "%d", i);
        snprintf(token, sizeof token, "token%d", i);
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", id),
                                                   .argument = fixture_value("x"),
                                                   .key = TEXT("key"),
                                                   .reply_token = span_text(token),
                                                   .delay_ms = -1});
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", id),
                                                   .argument = fixture_value("y"),
                                                   .cancel_token = span_text(token),
                                                   .delay_ms = 500});
    }
    for (int turns = 0; f->call_count > 0; turns++) {
        cr_assert_lt(turns, 1000);
        const struct function_message *message = &f->calls[0]->request.messages[0];
        struct address caller = message->caller;
        struct effect_message reply = {caller, fixture_value("reply")};
        RESULT(f->calls[0], .messages = &reply, .message_count = caller.type.size > 0 ? 1 : 0,
               EGRESS(out("t/out", "e")), WRITES(set("s", "v")));
        if (f->call_count == 0) fixture_pass(f, 500);
    }
    struct shard_event ack = {
        .kind = EVENT_PULL_ACK,
        .pull = {.egress = TEXT("t/out"), .after = fixture_metrics(f).egress_records}};
    fixture_ask(f, &ack);
    for (int i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        fixture_send(f, "t/a", id, "the end");
        RESULT(CALL("t/a", id), WRITES(unset("s")));
    }
    fixture_pass(f, 800000); /* the window of the keys */
}

Test(budget, memory_returns_when_all_is_drained)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    f->quiet = true;
    fill_and_drain(f);
    size_t base = fixture_metrics(f).memory_bytes;
    fill_and_drain(f);
    struct shard_metrics metrics = fixture_metrics(f);
    cr_expect_eq(metrics.memory_bytes, base);
    cr_expect_eq(metrics.state_bytes + metrics.mailbox_bytes + metrics.delayed_bytes +
                     metrics.entry_bytes + metrics.egress_bytes,
                 0);
    cr_expect_eq(metrics.entries + metrics.keys + metrics.delayed + metrics.waiters, 0);
    fixture_close(f);
}

static void take_one(struct fixture *f, uint64_t number)
{
    struct shard_event ack = {.kind = EVENT_PULL_ACK,
                              .pull = {.egress = TEXT("t/out"), .after = number}};
    fixture_ask(f, &ack);
}

/* As much room comes as one of them needs: nobody calls the others for nothing. */
Test(budget, room_for_one_wakes_one)
{
    struct fixture *f = fixture_open();
    enum { ADDRESSES = 20 };
    f->quiet = true;
    f->config.outbox_bytes_max = 400;
    fixture_configure(f);
    for (int i = 0; i < 8; i++) { /* opens the window */
        fixture_send(f, "t/a", "0", "x");
        RESULT(CALL("t/a", "0"), 0);
    }
    fixture_send(f, "t/a", "0", "x");
    static char large[301];
    memset(large, 'x', sizeof large - 1);
    RESULT(CALL("t/a", "0"), EGRESS(out("t/out", large)));
    for (int i = 0; i < ADDRESSES; i++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", i);
        fixture_send(f, "t/a", id, "x");
        RESULT(CALL("t/a", id), EGRESS(out("t/out", large)));
    }
    cr_assert_eq(fixture_metrics(f).blocked_now, ADDRESSES);
    for (uint64_t i = 1; i <= ADDRESSES; i++) {
        take_one(f, i);
        cr_assert_eq(f->call_count, 1, "after %d", (int)i);
        RESULT(f->calls[0], EGRESS(out("t/out", large)));
    }
    cr_expect_eq(fixture_metrics(f).blocked_now, 0);
    cr_expect_eq(fixture_metrics(f).blocked, ADDRESSES);
    fixture_close(f);
}

/* Two endpoints; "1" of each is blocked, that of u/a first: the outbox has one record, and no room
 * for another one. `window`: of u/a. */
static struct fixture *open_two_blocked(uint32_t window)
{
    struct fixture *f = fixture_open();
    f->quiet = true;
    f->config.outbox_bytes_max = 400;
    f->endpoints[1] = f->endpoints[0];
    f->endpoints[1].pattern = TEXT("u/*");
    f->endpoints[1].window_max = window;
    fixture_configure(f);
    for (int i = 0; i < 8; i++) { /* opens the windows */
        const char *type = i % 2 == 0 ? "t/a" : "u/a";
        fixture_send(f, type, "0", "x");
        RESULT(CALL(type, "0"), 0);
    }
    static char large[301];
    memset(large, 'x', sizeof large - 1);
    fixture_send(f, "t/a", "0", "x");
    RESULT(CALL("t/a", "0"), EGRESS(out("t/out", large)));
    fixture_send(f, "u/a", "1", "x");
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("u/a", "1"), EGRESS(out("t/out", large)));
    RESULT(CALL("t/a", "1"), EGRESS(out("t/out", large)));
    cr_assert_eq(fixture_metrics(f).blocked_now, 2);
    fixture_send(f, "u/a", "2", "x");
    return f;
}

/* There is room, but not for those whose functions cannot be called. */
Test(budget, room_goes_to_who_can_be_called)
{
    struct fixture *f = open_two_blocked(64);
    fixture_fail(f, CALL("u/a", "2"), OUTCOME_UNREACHABLE, "down");
    take_one(f, 1);
    fixture_tick(f);
    cr_assert_not_null(CALL("t/a", "1"));
    cr_expect_eq(fixture_metrics(f).blocked_now, 1, "the other one waits for room as before");
    fixture_close(f);
}

/* The first of them is to be called again. */
static struct fixture *open_woken(uint32_t window)
{
    struct fixture *f = open_two_blocked(window);
    take_one(f, 1);
    cr_assert_eq(fixture_metrics(f).blocked_now, 1);
    cr_assert_null(CALL("t/a", "1"), "the room is kept for the other one");
    return f;
}

/* The functions that go down meanwhile do not keep the room. */
Test(budget, a_call_that_fails_keeps_no_room)
{
    struct fixture *f = open_woken(64);
    cr_assert_not_null(CALL("u/a", "1"));
    fixture_fail(f, CALL("u/a", "1"), OUTCOME_UNREACHABLE, "down");
    cr_expect_not_null(CALL("t/a", "1"));
    fixture_close(f);
}

Test(budget, who_is_to_be_called_by_functions_that_are_down_keeps_no_room)
{
    struct fixture *f = open_woken(1);
    cr_assert_null(CALL("u/a", "1"), "there is a call out already");
    fixture_fail(f, CALL("u/a", "2"), OUTCOME_UNREACHABLE, "down");
    cr_expect_not_null(CALL("t/a", "1"));
    fixture_close(f);
}

/* Room has come for one message, so the call has one, though there is more mail now. */
Test(budget, room_for_one_message_is_not_for_all)
{
    struct fixture *f = open_blocked_by_outbox();
    for (int i = 0; i < 20; i++) fixture_send(f, "t/a", "1", "x");
    take_one(f, 1);
    cr_assert_not_null(CALL("t/a", "1"));
    cr_expect_eq(CALL("t/a", "1")->request.message_count, 1);
    RESULT(CALL("t/a", "1"), EGRESS(out("t/out", "0123456789")));
    cr_expect_eq(CALL("t/a", "1")->request.message_count, 2, "slowly more again");
    fixture_close(f);
}

/* What a snapshot has kept is given back between two steps. */
Test(budget, the_end_of_a_snapshot_makes_room)
{
    struct fixture *f = fixture_open();
    f->quiet = true;
    static char text[20001];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 4; i++) { /* opens the window */
        fixture_send(f, "t/a", "0", "x");
        RESULT(CALL("t/a", "0"), 0);
    }
    for (int i = 0; i < 3; i++) fixture_send(f, "t/b", "slow", text);
    fixture_send(f, "t/a", "1", "x");
    cr_assert_eq(shard_cut_begin(f->shard, 0), 0);
    fixture_send(f, "t/b", "slow", text); /* now there are two of the slot */
    f->config.memory_max = fixture_metrics(f).memory_bytes / 10 * 8;
    fixture_configure(f);
    for (int i = 0; i < 2; i++) { /* then as a pioneer */
        RESULT(CALL("t/a", "1"), SENDS(to("t/a", "3", text), to("t/a", "4", text)));
        if (i == 0) fixture_pass(f, 100);
    }
    cr_assert_eq(fixture_metrics(f).outgrown, 1);
    fixture_pass(f, 100);
    cr_assert_null(CALL("t/a", "1"));
    shard_cut_end(f->shard);
    cr_assert_leq(shard_wake_at(f->shard), f->clock.mono_ms + 100);
    fixture_pass(f, 100);
    cr_expect_not_null(CALL("t/a", "1"), "not by its own clock");
    fixture_close(f);
}

#if !SANITIZED
static size_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return pages * 4096;
}

/* The machine has no memory for the result: the address is called again later, not at once. */
Test(budget, a_result_that_finds_no_heap_waits)
{
    struct fixture *f = fixture_open();
    enum { SIZE = 64 << 20 };
    char *text = malloc(SIZE + 1);
    memset(text, 'x', SIZE);
    text[SIZE] = 0;
    fixture_send(f, "t/a", "1", "x");
    struct effect_message send = to("t/b", "1", text);
    struct rlimit before, less;
    getrlimit(RLIMIT_AS, &before);
    less = (struct rlimit){address_space() + (8 << 20), before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_AS, &less), 0);
    int calls = 0;
    while (calls < 100 && CALL("t/a", "1") != NULL) { /* no time passes */
        struct function_response result = {.messages = &send, .message_count = 1};
        fixture_respond(f, CALL("t/a", "1")->flight,
                        &(struct event_response){
                            .outcome = OUTCOME_RESULT, .response = &result, .retry_after_ms = -1});
        calls++;
    }
    setrlimit(RLIMIT_AS, &before);
    cr_expect_eq(calls, 1);
    f->quiet = true;
    fixture_close(f);
    free(text);
}
#endif
