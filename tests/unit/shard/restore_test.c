/* A savepoint holds each message once, wherever it was when the cuts came. */
enum { SHARDS = 2 };

#include "shards.h"

#include "shard/overlay.h"

TestSuite(restore, .init = open_shards, .fini = close_shards);

/* What one shard says, to the other one; without parcels only when acks may pass. */
static void carry(uint32_t from, bool acks)
{
    size_t count = shards[from]->signal_count;
    for (size_t i = 0; i < count; i++) {
        struct shard_signal signal = fixture_signal(shards[from], i);
        if (signal.count > 0 || acks) fixture_carry(shards[from], &signal, shards[signal.peer]);
    }
    fixture_forget_signals(shards[from]);
}

static uint64_t restored_messages(uint32_t count)
{
    struct shard *old[SHARDS] = {cut_of(shards[0]), cut_of(shards[1])};
    uint64_t messages = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct shard *made;
        struct shard_metrics metrics;
        cr_assert_eq(shard_open(&made), 0);
        cr_assert_eq(shard_place(made, i, count), 0);
        cr_assert_eq(shard_restore(made, old, SHARDS, 99), 0);
        shard_metrics(made, &metrics);
        messages += metrics.mailbox_messages;
        shard_close(made);
    }
    for (uint32_t i = 0; i < SHARDS; i++) shard_close(old[i]);
    return messages;
}

static void send_across(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        fixture_send(shards[0], "t/a", ids[0], "go");
        fixture_result(shards[0], fixture_call(shards[0], "t/a", ids[0]),
                       &(struct function_response){SENDS(to("t/b", ids[1], "across"))});
    }
}

/* The receiver has it, and the sender does not know yet: both hold it when they cut. */
static void ack_under_way(uint32_t count)
{
    carry(0, true), carry(1, true);
    send_across(3);
    carry(0, true);
    fixture_forget_signals(shards[1]); /* its ack */
    send_across(2);
    fixture_forget_signals(shards[0]); /* never arrived at all */
    cr_assert_eq(fixture_metrics(shards[0]).parcels_waiting, 5);
    cr_assert_eq(fixture_metrics(shards[1]).mailbox_messages, 3);
    cr_expect_eq(restored_messages(count), 5, "into %u shards", count);
}

Test(restore, what_was_accepted_is_not_delivered_again)
{
    ack_under_way(SHARDS);
}

Test(restore, nor_into_another_number_of_shards)
{
    ack_under_way(1);
}

Test(restore, nor_into_many)
{
    ack_under_way(7);
}

static uint64_t seq_of_key(const struct shard *shard, const char *id)
{
    const struct image *image = &shard->image;
    const struct entry *entry =
        entry_find_key(image, dictionary_find(image, TEXT("t/a")), span_text(id), TEXT("key"));
    cr_assert_not_null(entry);
    cr_expect_eq(entry->epoch, image->epoch);
    cr_expect_leq(entry->seq, image->seq);
    return entry->seq;
}

/* Both were the first of their shard. A retry of either is answered with the id of its message,
 * which must not be the other one's. */
Test(restore, no_two_keys_have_one_message_id)
{
    for (uint32_t i = 0; i < SHARDS; i++)
        fixture_message(shards[i], &(struct event_message){.target = fixture_address("t/a", ids[i]),
                                                           .argument = fixture_value("x"),
                                                           .key = TEXT("key"),
                                                           .delay_ms = -1});
    carry(0, true), carry(1, true);
    struct shard *old[SHARDS] = {cut_of(shards[0]), cut_of(shards[1])}, *made;
    cr_assert_eq(shard_open(&made), 0);
    cr_assert_eq(shard_place(made, 0, 1), 0);
    cr_assert_eq(shard_restore(made, old, SHARDS, 99), 0);
    cr_expect_neq(seq_of_key(made, ids[0]), seq_of_key(made, ids[1]));
    shard_close(made);
    for (uint32_t i = 0; i < SHARDS; i++) shard_close(old[i]);
}
