/* Messages from outside: what is accepted, what is refused and with which reason. */
#include "common.h"

Test(accept, answers_when_durable_and_calls_at_once)
{
    struct fixture *f = fixture_open();
    f->hold_durable = true;
    waiter_t waiter = fixture_send(f, "t/a", "1", "hello");
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    cr_expect(f->commit_wanted);
    const struct shard_invocation *call = CALL("t/a", "1");
    cr_assert_not_null(call); /* dispatch never waits for the disk */
    cr_expect_str_eq(fixture_argument(call, 0), "hello");
    cr_expect_eq(call->attempt, 1);
    cr_expect_eq(call->request.messages[0].caller.type.size, 0);
    fixture_durable(f);
    cr_assert_eq(KIND(waiter), ANSWER_ACCEPTED);
    char id[128];
    snprintf(id, sizeof id, "%s+1", fixture_answer(f, waiter)->message_id);
    cr_expect(span_equal(call->invocation_id, span_text(id)));
    fixture_close(f);
}

Test(accept, a_message_that_nobody_waits_for_starts_no_commit)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "0", "names are known now");
    f->hold_durable = true;
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .message = {.target = fixture_address("t/a", "1"),
                                            .argument = fixture_value("x"),
                                            .delay_ms = -1}};
    fixture_step(f, &event);
    cr_expect_not(f->commit_wanted);
    fixture_durable(f);
    cr_expect_eq(f->answer_count, 1);
    fixture_close(f);
}

static void expect_refused(struct fixture *f, struct event_message message, enum answer_kind kind)
{
    uint64_t seq = shard_seq(f->shard);
    if (message.argument.size == 0) message.argument = fixture_value("x");
    if (message.delay_ms == 0) message.delay_ms = -1;
    waiter_t waiter = fixture_message(f, &message);
    cr_expect_eq(KIND(waiter), (int)kind, "%d", KIND(waiter));
    cr_expect_eq(shard_seq(f->shard), seq, "nothing is recorded of a refusal");
}

Test(accept, refusals)
{
    struct fixture *f = fixture_open();
    static char longer[4096];
    memset(longer, 'x', sizeof longer - 1);
    f->endpoints[1] = f->endpoints[0];
    f->endpoints[1].pattern = TEXT("t/inner");
    f->endpoints[1].expose = false;
    f->endpoints[2] = f->endpoints[0];
    f->endpoints[2].pattern = TEXT("t/small");
    f->endpoints[2].payload_bytes_max = 10;
    fixture_configure(f);
#define MESSAGE(...) ((struct event_message){__VA_ARGS__})
    expect_refused(f, MESSAGE(.target = {TEXT("other/a"), TEXT("1")}), ANSWER_UNKNOWN_FUNCTION);
    expect_refused(f, MESSAGE(.target = {TEXT("t"), TEXT("1")}), ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {TEXT("t/a/b"), TEXT("1")}), ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {TEXT(""), TEXT("1")}), ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {TEXT("t/a"), TEXT("")}), ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {TEXT("t/a"), span_of(longer, 1025)}), ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {TEXT("t/a"), TEXT("a\0b")}), ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {TEXT("t/a"), TEXT("\xff\xfe")}), ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {span_of(longer, 300), TEXT("1")}), ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {TEXT("holdfast/reply"), TEXT("1")}), ANSWER_RESERVED);
    expect_refused(f, MESSAGE(.target = {TEXT("holdfast/x"), TEXT("1")}), ANSWER_RESERVED);
    expect_refused(f, MESSAGE(.target = {TEXT("t/inner"), TEXT("1")}), ANSWER_INTERNAL);
    expect_refused(
        f, MESSAGE(.target = {TEXT("t/small"), TEXT("1")}, .argument = fixture_value(longer)),
        ANSWER_TOO_LARGE);
    expect_refused(f, MESSAGE(.target = {TEXT("t/a"), TEXT("1")}, .key = span_of(longer, 256)),
                   ANSWER_INVALID);
    expect_refused(f,
                   MESSAGE(.target = {TEXT("t/a"), TEXT("1")},
                           .cancel_token = span_of(longer, 1025), .delay_ms = 5),
                   ANSWER_INVALID);
    expect_refused(f, MESSAGE(.target = {TEXT("t/a"), TEXT("1")}, .cancel_token = TEXT("no delay")),
                   ANSWER_INVALID);
    cr_expect_eq(f->call_count, 0);
    fixture_close(f);
}

Test(accept, a_delay_that_overflows_the_clock_is_refused)
{
    struct fixture *f = fixture_open();
    expect_refused(
        f, (struct event_message){.target = {TEXT("t/a"), TEXT("1")}, .delay_ms = INT64_MAX},
        ANSWER_INVALID);
    waiter_t waiter = fixture_message(f, &(struct event_message){.target = {TEXT("t/a"), TEXT("1")},
                                                                 .argument = fixture_value("x"),
                                                                 .delay_ms = FUNCTION_TIME_MS_MAX});
    cr_expect_eq(KIND(waiter), ANSWER_ACCEPTED);
    fixture_pass(f, 1000);
    cr_expect_eq(f->call_count, 0);
    fixture_close(f);
}

Test(accept, over_the_memory_budget)
{
    struct fixture *f = fixture_open();
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    fixture_send(f, "t/a", "1", "first");
    f->config.memory_max = fixture_metrics(f).memory_bytes + 50000;
    fixture_configure(f);
    waiter_t waiter = fixture_send(f, "t/a", "2", large);
    cr_expect_eq(KIND(waiter), ANSWER_FULL);
    waiter = fixture_send(f, "t/a", "2", "little");
    cr_expect_eq(KIND(waiter), ANSWER_ACCEPTED);
    cr_expect_eq(fixture_metrics(f).messages_refused, 1);
    fixture_close(f);
}

Test(accept, longest_names_pass)
{
    struct fixture *f = fixture_open();
    static char id[1025], key[256], token[1025], type[257] = "t/";
    memset(id, 'i', 1024);
    memset(key, 'k', 255);
    memset(token, 'c', 1024);
    memset(type + 2, 'n', 254);
    waiter_t waiter =
        fixture_message(f, &(struct event_message){.target = {span_text(type), span_text(id)},
                                                   .argument = fixture_value("x"),
                                                   .key = span_text(key),
                                                   .cancel_token = span_text(token),
                                                   .delay_ms = 5});
    cr_assert_eq(KIND(waiter), ANSWER_ACCEPTED);
    fixture_pass(f, 5);
    cr_expect_not_null(fixture_call(f, type, id));
    fixture_crash(f);
    cr_expect_not_null(fixture_call(f, type, id));
    fixture_close(f);
}

Test(accept, specific_endpoint_wins_over_namespace)
{
    struct fixture *f = fixture_open();
    f->endpoints[1] = f->endpoints[0];
    f->endpoints[0].pattern = TEXT("t/special");
    fixture_configure(f);
    fixture_send(f, "t/special", "1", "x");
    fixture_send(f, "t/other", "1", "x");
    cr_expect_eq(CALL("t/special", "1")->endpoint, 0);
    cr_expect_eq(CALL("t/other", "1")->endpoint, 1);
    fixture_close(f);
}

Test(accept, traceparent_travels_to_the_call)
{
    struct fixture *f = fixture_open();
    fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                               .argument = fixture_value("x"),
                                               .traceparent = TEXT("00-aa-bb-01"),
                                               .delay_ms = -1});
    cr_expect(span_equal(CALL("t/a", "1")->traceparent, TEXT("00-aa-bb-01")));
    fixture_crash(f);
    cr_expect(span_equal(CALL("t/a", "1")->traceparent, TEXT("00-aa-bb-01")));
    fixture_close(f);
}
