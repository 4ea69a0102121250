/* "No reply yet" is a promise too. */
#include "common.h"

Test(attach, pending_is_told_when_the_call_is_durable)
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
