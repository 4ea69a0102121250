/* Several shards: what goes from one to another, what is lost on the way, cuts through all of them.
 */
#include <stdlib.h>

enum { SHARDS = 3 };

#include "shards.h"

TestSuite(channel, .init = open_shards, .fini = close_shards);

static void forget_all(void)
{
    for (uint32_t i = 0; i < SHARDS; i++) fixture_forget_signals(shards[i]);
}

Test(channel, a_message_is_handed_over_when_it_is_durable)
{
    carry_all();
    shards[0]->hold_durable = true;
    send_text_across(1, "hello");
    cr_expect_eq(shards[0]->signal_count, 0);
    cr_expect(shards[0]->commit_wanted);
    fixture_durable(shards[0]);
    cr_expect_eq(parcels_for(shards[0], 1).count, 1);
    carry_all();
    struct fixture *f = shards[1];
    cr_assert_not_null(CALL("t/b", ids[1]));
    cr_expect_str_eq(fixture_argument(CALL("t/b", ids[1]), 0), "hello");
    const struct address *caller = &CALL("t/b", ids[1])->request.messages[0].caller;
    cr_expect(span_equal(caller->type, TEXT("t/a")));
    cr_expect(span_equal(caller->id, span_text(ids[0])));
    fixture_durable(shards[0]);
    cr_expect_eq(fixture_metrics(shards[0]).parcels_waiting, 0);
}

Test(channel, what_is_lost_is_said_again_and_what_is_doubled_counts_once)
{
    carry_all();
    send_text_across(1, "one");
    forget_all(); /* lost */
    fixture_pass(shards[0], 1100);
    struct shard_signal again = parcels_for(shards[0], 1);
    cr_assert_eq(again.count, 1);
    fixture_carry(shards[0], &again, shards[1]);
    fixture_carry(shards[0], &again, shards[1]);
    cr_expect_eq(fixture_metrics(shards[1]).parcels_received, 1);
    cr_expect_eq(fixture_metrics(shards[1]).parcels_doubled, 1);
    cr_expect_eq(fixture_metrics(shards[1]).mailbox_messages, 1);
    carry_all();
    cr_expect_eq(fixture_metrics(shards[0]).parcels_waiting, 0);
    fixture_pass(shards[0], 20000);
    cr_expect_eq(parcels_for(shards[0], 1).count, 0, "an acknowledged parcel is not repeated");
}

Test(channel, a_gap_is_not_accepted_and_told)
{
    carry_all();
    send_text_across(1, "one");
    fixture_forget_signals(shards[0]); /* lost */
    send_text_across(1, "two");
    struct shard_signal second = parcels_for(shards[0], 1);
    cr_assert_eq(second.first, 2);
    fixture_carry(shards[0], &second, shards[1]);
    cr_expect_eq(fixture_metrics(shards[1]).mailbox_messages, 0);
    fixture_forget_signals(shards[0]);
    carry_all(); /* the rewind goes back, both come */
    struct fixture *f = shards[1];
    cr_assert_not_null(CALL("t/b", ids[1]));
    cr_expect_str_eq(fixture_argument(CALL("t/b", ids[1]), 0), "one");
    cr_expect_eq(fixture_metrics(shards[1]).parcels_received, 2);
}

Test(channel, the_sender_keeps_it_until_the_receiver_has_it_durably)
{
    carry_all();
    shards[1]->hold_durable = true;
    send_text_across(1, "one");
    carry_all();
    cr_expect_eq(fixture_metrics(shards[1]).parcels_received, 1);
    cr_expect_eq(fixture_metrics(shards[0]).parcels_waiting, 1);
    fixture_crash(shards[1]); /* it was not durable there */
    cr_expect_eq(fixture_metrics(shards[1]).mailbox_messages, 0);
    fixture_tick(shards[1]);
    carry_all();
    cr_expect_eq(fixture_metrics(shards[1]).mailbox_messages, 1, "told to send again at its start");
    fixture_durable(shards[1]);
    carry_all();
    cr_expect_eq(fixture_metrics(shards[0]).parcels_waiting, 0);
}

Test(channel, a_crash_of_the_sender_loses_and_doubles_nothing)
{
    carry_all();
    send_text_across(1, "one");
    struct shard_signal before = parcels_for(shards[0], 1);
    fixture_carry(shards[0], &before, shards[1]);
    forget_all(); /* the ack is lost */
    fixture_crash(shards[0]);
    fixture_tick(shards[0]);
    carry_all();
    cr_expect_eq(fixture_metrics(shards[1]).mailbox_messages, 1);
    cr_expect_eq(fixture_metrics(shards[0]).parcels_waiting, 0);
}

Test(channel, a_reply_finds_its_caller_from_any_shard)
{
    carry_all();
    struct fixture *f = shards[2];
    char token[REPLY_TOKEN_SIZE];
    reply_token_make(token, span_text(ids[2]), (const uint8_t *)"sixteen bytes ok");
    waiter_t waiter =
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", ids[2]),
                                                   .argument = fixture_value("question"),
                                                   .reply_token = span_of(token, REPLY_TOKEN_SIZE),
                                                   .delay_ms = -1});
    char asker[REPLY_TOKEN_SIZE + 1] = {0};
    memcpy(asker, token, REPLY_TOKEN_SIZE);
    RESULT(CALL("t/a", ids[2]), SENDS(to("t/b", ids[0], asker)));
    carry_all();
    f = shards[0];
    RESULT(CALL("t/b", ids[0]), SENDS(to("holdfast/reply", asker, "answer")));
    carry_all();
    f = shards[2];
    cr_assert_eq(KIND(waiter), ANSWER_REPLY);
    cr_expect_str_eq(fixture_text(buffer_span(&fixture_answer(f, waiter)->body)), "answer");
}

Test(channel, an_egress_has_one_order_for_all_shards)
{
    carry_all();
    uint32_t home = slot_owner(slot_of(TEXT("t/out")), SHARDS);
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct fixture *f = shards[i];
        fixture_send(f, "t/a", ids[i], "go");
        RESULT(CALL("t/a", ids[i]), EGRESS(out("t/out", ids[i])));
    }
    carry_all();
    for (uint32_t i = 0; i < SHARDS; i++)
        cr_expect_eq(fixture_metrics(shards[i]).egress_waiting, i == home ? SHARDS : 0);
}

Test(channel, a_delayed_message_and_a_dead_letter_go_where_they_belong)
{
    carry_all();
    struct fixture *f = shards[0];
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_send(f, "t/a", ids[0], "go");
    RESULT(CALL("t/a", ids[0]), DELAYED(later("t/b", ids[1], "later", 500, "t")));
    fixture_pass(f, 400);
    carry_all();
    cr_expect_eq(fixture_metrics(shards[1]).mailbox_messages, 0);
    fixture_pass(f, 200);
    carry_all();
    cr_expect_eq(fixture_metrics(shards[1]).mailbox_messages, 1);

    fixture_send(f, "t/a", ids[0], "poison");
    fixture_fail(f, CALL("t/a", ids[0]), OUTCOME_BAD_ANSWER, "no");
    struct shard_event letter = {
        .kind = EVENT_OPERATOR,
        .operate = {.verb = VERB_DEAD_LETTER, .address = fixture_address("t/a", ids[0])}};
    fixture_ask(f, &letter);
    carry_all();
    uint32_t home = slot_owner(slot_of(TEXT("holdfast/dead-letters")), SHARDS);
    cr_expect_eq(fixture_metrics(shards[home]).egress_waiting, 1);
}

Test(channel, nonsense_is_refused)
{
    carry_all();
    struct fixture *f = shards[0];
    uint64_t seq = shard_seq(f->shard);
    struct shard_signal bad[] = {
        {.peer = SHARDS, .acked = 1},
        {.peer = 0, .acked = 1},
        {.peer = 1, .acked = 1}, /* of what was never sent */
        {.peer = 1, .first = 1, .count = 1, .parcels = TEXT("?")},
        {.peer = 1, .first = 1, .count = 2, .parcels = TEXT("")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct shard_event event = {.kind = EVENT_SIGNAL, .signal = bad[i]};
        fixture_step(f, &event);
    }
    cr_expect_eq(fixture_metrics(f).signals_refused, 5);
    cr_expect_eq(shard_seq(f->shard), seq);
    waiter_t waiter = fixture_send(f, "t/a", ids[1], "not here");
    cr_expect_eq(KIND(waiter), ANSWER_INVALID);
    struct shard *elsewhere;
    cr_assert_eq(shard_open(&elsewhere), 0);
    cr_assert_eq(shard_place(elsewhere, 1, SHARDS), 0);
    cr_expect_eq(shard_place(elsewhere, 1, SHARDS + 1), ERROR_REFUSED);
    cr_expect_eq(shard_replay(elsewhere, ledger_records(&f->ledger, 0, 1), 1, 1), ERROR_REFUSED);
    shard_close(elsewhere);
}

Test(channel, shards_of_which_one_lost_durable_records_do_not_agree)
{
    carry_all();
    uint64_t before[2] = {shard_seq(shards[0]->shard), shard_seq(shards[1]->shard)};
    send_text_across(1, "one");
    carry_all();
    cr_expect(shard_agrees(shards[0]->shard, shards[1]->shard));
    for (uint32_t i = 0; i < 2; i++) { /* the sender, the receiver */
        struct shard *cut;
        cr_assert_eq(shard_open(&cut), 0);
        cr_assert_eq(shard_replay(cut, ledger_records(&shards[i]->ledger, 0, before[i]), 1,
                                  (uint32_t)before[i]),
                     0);
        cr_expect(!shard_agrees(cut, shards[1 - i]->shard));
        cr_expect(!shard_agrees(shards[1 - i]->shard, cut));
        shard_close(cut);
    }
}

/* ---- Savepoints ---- */

static void begin_cut(struct fixture *f, uint64_t cut)
{
    struct shard_event event = {.kind = EVENT_CUT, .cut = cut};
    fixture_step(f, &event);
}

/* The shard that its cut describes. */
static struct shard *read_cut(struct fixture *f)
{
    struct shard *read;
    struct cut_block block;
    cr_assert_eq(shard_open(&read), 0);
    cr_assert_neq(shard_cut_seq(f->shard), 0);
    uint64_t seq = shard_cut_seq(f->shard);
    while (shard_cut_next(f->shard, &block)) {
        if (block.keep) continue; /* never changed: empty */
        cr_assert_eq(shard_load(read, block.block, block.bytes), 0);
    }
    cr_assert(!shard_cut_failed(f->shard));
    shard_cut_end(f->shard);
    cr_assert_eq(shard_seq(read), seq);
    return read;
}

Test(channel, a_newer_cut_comes_before_what_it_comes_with)
{
    carry_all();
    begin_cut(shards[0], 1);
    send_text_across(1, "after the cut");
    carry_all();
    cr_expect_eq(shards[1]->cut_begun, 1);
    cr_expect_eq(shard_cut_known(shards[1]->shard), 1);
    struct shard *cut = read_cut(shards[1]);
    struct shard_metrics metrics;
    shard_metrics(cut, &metrics);
    cr_expect_eq(metrics.mailbox_messages, 0);
    cr_expect_eq(fixture_metrics(shards[1]).mailbox_messages, 1);
    shard_close(cut);
}

static uint64_t restored_messages(uint32_t count)
{
    struct shard *old[SHARDS];
    struct shard *made[5];
    uint64_t messages = 0;
    for (uint32_t i = 0; i < SHARDS; i++) old[i] = read_cut(shards[i]);
    for (uint32_t i = 0; i < count; i++) {
        struct shard_metrics metrics;
        cr_assert_eq(shard_open(&made[i]), 0);
        cr_assert_eq(shard_place(made[i], i, count), 0);
        cr_assert_eq(shard_restore(made[i], old, SHARDS, 99), 0);
        cr_expect_eq(shard_lineage(made[i]), 99);
        for (uint32_t j = 0; j < SHARDS; j++) cr_expect_gt(shard_seq(made[i]), shard_seq(old[j]));
        shard_metrics(made[i], &metrics);
        messages += metrics.mailbox_messages;
        shard_close(made[i]);
    }
    for (uint32_t i = 0; i < SHARDS; i++) shard_close(old[i]);
    return messages;
}

static void cut_with_an_ack_across(uint32_t count)
{
    carry_all();
    send_text_across(1, "under way");
    struct shard_signal message = parcels_for(shards[0], 1);
    begin_cut(shards[1], 1); /* before it comes in */
    fixture_carry(shards[0], &message, shards[1]);
    carry_all(); /* its ack reaches shard 0, and makes it cut first */
    cr_expect_eq(shards[0]->cut_begun, 1);
    begin_cut(shards[2], 1);
    cr_expect_eq(restored_messages(count), 1, "of %u shards", count);
}

Test(channel, an_ack_that_crosses_the_cut_loses_no_message)
{
    cut_with_an_ack_across(SHARDS);
}

Test(channel, a_savepoint_is_restored_into_one_shard)
{
    cut_with_an_ack_across(1);
}

Test(channel, a_savepoint_is_restored_into_more_shards)
{
    cut_with_an_ack_across(5);
}

/* Everything that a slot can hold, and a running snapshot that the cut takes the place of. */
Test(channel, a_restored_shard_is_whole)
{
    carry_all();
    struct fixture *f = shards[1];
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", ids[1], specs, 1);
    fixture_send(f, "t/a", ids[1], "one");
    RESULT(CALL("t/a", ids[1]), WRITES(set("s", "kept")), EGRESS(out("t/out", "letter")),
           DELAYED(later("t/b", ids[0], "later", 5000, "token")));
    fixture_message(f, &(struct event_message){.target = fixture_address("t/a", ids[1]),
                                               .argument = fixture_value("keyed"),
                                               .key = TEXT("key"),
                                               .delay_ms = -1});
    carry_all();
    f->cutting = true;
    fixture_tick(f);
    cr_expect_neq(shard_cut_seq(f->shard), 0);
    f->cutting = false;
    for (uint32_t i = 0; i < SHARDS; i++) begin_cut(shards[i], 7);
    struct shard *old[SHARDS];
    uint64_t keys = 0, delayed = 0, entries = 0, letters = 0, messages = 0;
    for (uint32_t i = 0; i < SHARDS; i++) old[i] = read_cut(shards[i]);
    for (uint32_t i = 0; i < 2; i++) {
        struct shard *made;
        struct shard_metrics metrics;
        cr_assert_eq(shard_open(&made), 0);
        cr_assert_eq(shard_place(made, i, 2), 0);
        cr_assert_eq(shard_restore(made, old, SHARDS, 99), 0);
        shard_metrics(made, &metrics);
        keys += metrics.keys;
        delayed += metrics.delayed;
        entries += metrics.entries;
        letters += metrics.egress_waiting;
        messages += metrics.mailbox_messages;
        cr_expect_eq(shard_cut_begin(made, 0), 0);
        struct shard *again;
        struct cut_block block;
        cr_assert_eq(shard_open(&again), 0);
        while (shard_cut_next(made, &block))
            if (!block.keep) cr_assert_eq(shard_load(again, block.block, block.bytes), 0);
        cr_expect_eq(shard_digest(again), shard_digest(made));
        cr_expect_eq(shard_start(again), 0);
        shard_close(again);
        shard_close(made);
    }
    for (uint32_t i = 0; i < SHARDS; i++) shard_close(old[i]);
    cr_expect_eq(keys, 1);
    cr_expect_eq(delayed, 1);
    cr_expect_eq(entries, 1);
    cr_expect_eq(letters, 1);
    cr_expect_eq(messages, 1);
}

Test(channel, shards_that_are_not_of_one_savepoint_are_refused)
{
    carry_all();
    for (uint32_t i = 0; i < SHARDS; i++) begin_cut(shards[i], 1 + i / 2);
    struct shard *old[SHARDS], *made;
    for (uint32_t i = 0; i < SHARDS; i++) old[i] = read_cut(shards[i]);
    cr_assert_eq(shard_open(&made), 0);
    cr_assert_eq(shard_place(made, 0, 1), 0);
    cr_expect_eq(shard_restore(made, old, SHARDS, 99), ERROR_DAMAGED);
    cr_expect_eq(shard_restore(made, old, SHARDS - 1, 99), ERROR_DAMAGED);
    cr_expect_eq(shard_restore(made, old, 0, 99), ERROR_DAMAGED);
    for (uint32_t i = 0; i < SHARDS; i++) shard_close(old[i]);
    shard_close(made);
}
