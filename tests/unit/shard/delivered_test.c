/* How long a reply is kept that somebody has got. */
#include "common.h"

static waiter_t call(struct fixture *f, const char *token)
{
    return fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                                      .argument = fixture_value("question"),
                                                      .reply_token = span_text(token),
                                                      .delay_ms = -1});
}

static waiter_t ask(struct fixture *f, const char *token)
{
    struct shard_event event = {.kind = EVENT_ATTACH, .reply_token = span_text(token)};
    return fixture_ask(f, &event);
}

static void reply(struct fixture *f, const char *token)
{
    RESULT(CALL("t/a", "1"), SENDS(to("holdfast/reply", token, "answer")));
}

/* What is over goes with the next ones, a lot at a time, or with the sweep of its slot. */
static void call_others(struct fixture *f)
{
    for (int i = 0; i < 20; i++) {
        char token[32];
        snprintf(token, sizeof token, "other%d", i);
        call(f, token);
        reply(f, token);
    }
}

Test(delivered, what_the_caller_has_got_makes_room_at_once)
{
    struct fixture *f = fixture_open();
    call_others(f);
    cr_expect_lt(fixture_metrics(f).entries, 6);
    fixture_close(f);
}

Test(delivered, what_crossed_the_leaving_of_its_caller_stays_until_it_is_fetched)
{
    struct fixture *f = fixture_open();
    call(f, "token1");
    cr_expect_eq(KIND(ask(f, "token1")), ANSWER_PENDING, "its time is over");
    reply(f, "token1"); /* the caller is told "no reply yet" before it hears of this */
    fixture_pass(f, 100000);
    call_others(f);
    cr_expect_eq(KIND(ask(f, "token1")), ANSWER_REPLY);
    fixture_close(f);
}

Test(delivered, what_was_fetched_can_be_fetched_again_for_a_moment)
{
    struct fixture *f = fixture_open();
    call(f, "token1");
    ask(f, "token1");
    reply(f, "token1");
    cr_expect_eq(KIND(ask(f, "token1")), ANSWER_REPLY);
    fixture_pass(f, 900);
    call_others(f);
    cr_expect_eq(KIND(ask(f, "token1")), ANSWER_REPLY);
    fixture_pass(f, 1100);
    call_others(f);
    cr_expect_eq(KIND(ask(f, "token1")), ANSWER_NOT_FOUND);
    fixture_close(f);
}
