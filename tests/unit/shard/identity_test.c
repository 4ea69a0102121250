/* Numbers and names that must never mean two things: message ids, records, entries that are waited
 * for. */
#include "common.h"

/* A crash takes the first message; what comes after it gets the same seq, and another id. */
Test(identity, an_id_that_was_seen_is_not_given_to_another_message)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "0", "makes the names known");
    RESULT(CALL("t/a", "0"), 0);
    f->hold_durable = true;
    fixture_send(f, "t/a", "1", "lost");
    fixture_send(f, "t/a", "2", "lost as well");
    char seen[200];
    struct span id = CALL("t/a", "2")->invocation_id;
    uint64_t seq = shard_seq(f->shard);
    snprintf(seen, sizeof seen, "%.*s", SPAN_PRINT(id));
    fixture_crash(f); /* the record of the new epoch takes the first one's place */
    fixture_send(f, "t/a", "2", "another");
    cr_assert_eq(shard_seq(f->shard), seq, "the same place");
    cr_assert_str_eq(fixture_argument(CALL("t/a", "2"), 0), "another");
    id = CALL("t/a", "2")->invocation_id;
    cr_expect(!span_equal(id, span_text(seen)), "%s for two messages", seen);
    fixture_close(f);
}

/* Nothing is called while it is shut. */
static void shut(struct fixture *f, bool yes)
{
    f->endpoints[0].window_max = yes ? 0 : 10;
    fixture_configure(f);
}

/* A call was made for two messages of which a crash left the first; another one takes the place of
 * the second. The function may have remembered the call by its id. */
Test(identity, a_call_for_other_messages_has_another_id)
{
    struct fixture *f = fixture_open();
    shut(f, true);
    fixture_send(f, "t/a", "1", "stays");
    f->hold_durable = true;
    fixture_send(f, "t/a", "1", "lost");
    shut(f, false);
    const struct shard_invocation *call = CALL("t/a", "1");
    cr_assert_eq(call->request.message_count, 2);
    char seen[200];
    snprintf(seen, sizeof seen, "%.*s", SPAN_PRINT(call->invocation_id));
    f->endpoints[0].window_max = 0; /* for what comes back */
    fixture_crash(f);
    fixture_send(f, "t/a", "1", "another");
    shut(f, false);
    call = CALL("t/a", "1");
    cr_assert_eq(call->request.message_count, 2);
    cr_assert_str_eq(fixture_argument(call, 0), "stays");
    cr_assert_str_eq(fixture_argument(call, 1), "another");
    cr_expect(!span_equal(call->invocation_id, span_text(seen)), "%s", seen);
    fixture_close(f);
}

/* The journal gives whole runs: the first of them may begin before what the image holds. */
Test(identity, records_that_the_image_holds_are_not_folded_again)
{
    struct fixture *f = fixture_open();
    for (int i = 0; i < 5; i++) fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), SENDS(to("t/a", "2", "y")));
    uint64_t count = f->ledger.count;
    for (uint64_t held = 0; held <= count; held++) {
        struct shard *shard;
        cr_assert_eq(shard_open(&shard), 0);
        cr_assert_eq(shard_replay(shard, ledger_records(&f->ledger, 0, held), 1, (uint32_t)held),
                     0);
        cr_assert_eq(shard_seq(shard), held);
        cr_assert_eq(shard_replay(shard, ledger_records(&f->ledger, 0, count), 1, (uint32_t)count),
                     0, "after %llu", (unsigned long long)held);
        cr_assert_eq(shard_seq(shard), count);
        cr_assert_eq(shard_digest(shard), shard_digest(f->shard));
        shard_close(shard);
    }
    fixture_close(f);
}

/* A caller may wait for longer than anything is remembered, and gets its reply. */
Test(identity, what_is_waited_for_is_not_forgotten)
{
    struct fixture *f = fixture_open();
    f->config.reply_keep_ms = 2000;
    f->config.dedup_window_ms = 2000;
    fixture_configure(f);
    waiter_t waiter =
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                                   .argument = fixture_value("x"),
                                                   .reply_token = TEXT("token of the first"),
                                                   .delay_ms = -1});
    waiter_t keyed =
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                                   .argument = fixture_value("x"),
                                                   .key = TEXT("key"),
                                                   .reply_token = TEXT("token of the second"),
                                                   .delay_ms = -1});
    for (int i = 0; i < 200; i++) fixture_pass(f, 1000); /* each slot is swept */
    cr_assert_eq(fixture_metrics(f).entries, 2);
    RESULT(CALL("t/a", "1"), SENDS({{NAME_REPLY, TEXT("token of the first")}, fixture_value("y")}));
    RESULT(CALL("t/a", "1"),
           SENDS({{NAME_REPLY, TEXT("token of the second")}, fixture_value("z")}));
    cr_assert_eq(KIND(waiter), ANSWER_REPLY);
    cr_assert_eq(KIND(keyed), ANSWER_REPLY);
    for (int i = 0; i < 200; i++) fixture_pass(f, 1000);
    cr_expect_eq(fixture_metrics(f).entries, 0, "then it is");
    fixture_close(f);
}
