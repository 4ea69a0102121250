/* A caller whose time is over asks whether its call is accepted: by its token, or by its key when
 * it may have joined the call of another, whose token it does not know. */
#include "common.h"

static waiter_t call(struct fixture *f, const char *id, const char *key, const char *token)
{
    return fixture_message(f, &(struct event_message){.target = fixture_address("t/a", id),
                                                      .argument = fixture_value("question"),
                                                      .key = span_text(key),
                                                      .reply_token = span_text(token),
                                                      .delay_ms = -1});
}

static waiter_t attach(struct fixture *f, const char *type, const char *id, const char *key)
{
    struct shard_event event = {.kind = EVENT_ATTACH,
                                .reply_token = TEXT("token of a duplicate"),
                                .call_target = fixture_address(type, id),
                                .call_key = span_text(key)};
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

Test(attach_key, pending_only_when_the_first_call_is_durable)
{
    struct fixture *f = fixture_open();
    f->hold_durable = true;
    waiter_t first = call(f, "1", "key", "token1");
    waiter_t asked = attach(f, "t/a", "1", "key");
    cr_expect_eq(KIND(asked), NO_ANSWER, "not durable yet");
    cr_expect(f->commit_wanted);
    fixture_durable(f);
    cr_assert_eq(KIND(asked), ANSWER_PENDING);
    cr_expect_gt(strlen(fixture_answer(f, asked)->message_id), 0);
    cr_expect_eq(KIND(first), NO_ANSWER, "it waits on for its reply");
    detach(f, first);
    fixture_close(f);
}

Test(attach_key, the_first_waiter_still_gets_the_reply)
{
    struct fixture *f = fixture_open();
    waiter_t first = call(f, "1", "key", "token1");
    waiter_t second = call(f, "1", "key", "token2");
    waiter_t asked = attach(f, "t/a", "1", "key");
    cr_assert_eq(KIND(asked), ANSWER_PENDING);
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    cr_assert_eq(KIND(first), ANSWER_REPLY);
    cr_assert_eq(KIND(second), ANSWER_REPLY);
    cr_expect_str_eq(fixture_answer(f, asked)->message_id, fixture_answer(f, first)->message_id);
    waiter_t late = attach(f, "t/a", "1", "key");
    cr_assert_eq(KIND(late), ANSWER_REPLY);
    cr_expect_str_eq(body(f, late), "answer");
    fixture_close(f);
}

Test(attach_key, a_reply_that_is_not_durable_is_waited_for)
{
    struct fixture *f = fixture_open();
    detach(f, call(f, "1", "key", "token1"));
    f->hold_durable = true;
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", "token1", "answer")));
    waiter_t asked = attach(f, "t/a", "1", "key");
    cr_expect_eq(KIND(asked), NO_ANSWER);
    fixture_durable(f);
    cr_expect_eq(KIND(asked), ANSWER_REPLY);
    fixture_close(f);
}

Test(attach_key, finds_nothing_that_is_not_this_call)
{
    struct fixture *f = fixture_open();
    call(f, "1", "key", "token1");
    call(f, "2", "", "token2");
    fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "3"),
                                               .argument = fixture_value("sent"),
                                               .key = TEXT("key"),
                                               .delay_ms = -1});
    cr_expect_eq(KIND(attach(f, "t/a", "1", "other")), ANSWER_NOT_FOUND);
    cr_expect_eq(KIND(attach(f, "t/a", "9", "key")), ANSWER_NOT_FOUND);
    cr_expect_eq(KIND(attach(f, "t/b", "1", "key")), ANSWER_NOT_FOUND);
    cr_expect_eq(KIND(attach(f, "t/a", "2", "")), ANSWER_NOT_FOUND);
    cr_expect_eq(KIND(attach(f, "t/a", "3", "key")), ANSWER_NOT_FOUND, "a send has no reply");
    fixture_close(f);
}

Test(attach_key, what_a_crash_took_was_not_accepted)
{
    struct fixture *f = fixture_open();
    f->hold_durable = true;
    call(f, "1", "key", "token1");
    fixture_crash(f);
    f->hold_durable = false;
    cr_expect_eq(KIND(attach(f, "t/a", "1", "key")), ANSWER_NOT_FOUND);
    fixture_close(f);
}

Test(attach_key, a_waiter_keeps_the_call_beyond_its_window)
{
    struct fixture *f = fixture_open();
    f->config.dedup_window_ms = 60000;
    fixture_configure(f);
    waiter_t first = call(f, "1", "key", "token1");
    fixture_pass(f, 140000);
    cr_expect_eq(KIND(attach(f, "t/a", "1", "key")), ANSWER_PENDING,
                 "whoever waits for longer is told the truth");
    detach(f, first);
    fixture_close(f);
}
