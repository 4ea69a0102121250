/* Nothing is told or shown before it is durable. */
#include "common.h"

Test(early, pending_is_told_when_the_call_is_durable)
{
    struct fixture *f = fixture_open();
    f->hold_durable = true;
    fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                               .argument = fixture_value("x"),
                                               .reply_token = TEXT("token1"),
                                               .delay_ms = -1});
    struct shard_event attach = {.kind = EVENT_ATTACH, .reply_token = TEXT("token1")};
    waiter_t waiter = fixture_ask(f, &attach);
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    cr_expect(f->commit_wanted);
    fixture_durable(f);
    cr_assert_eq(KIND(waiter), ANSWER_PENDING);
    cr_expect_gt(strlen(fixture_answer(f, waiter)->message_id), 0);
    fixture_close(f);
}

Test(early, a_durable_dispatch_waits_for_a_deletion_too)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    f->endpoints[0].dispatch_durable = true;
    f->endpoints[0].batch_count_max = 1;
    fixture_configure(f);
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "write");
    fixture_send(f, "t/a", "1", "delete");
    fixture_send(f, "t/a", "1", "look");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "v")));
    f->hold_durable = true;
    RESULT(CALL("t/a", "1"), WRITES(unset("s")));
    cr_expect_null(CALL("t/a", "1"), "a crash would bring the state back");
    cr_expect(f->commit_wanted);
    fixture_durable(f);
    cr_assert_not_null(CALL("t/a", "1"));
    cr_expect_str_eq(fixture_argument(CALL("t/a", "1"), 0), "look");
    fixture_close(f);
}
