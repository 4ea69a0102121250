/* Several shards of which some are full: what they take of each other, and when. */
#include <stdlib.h>

enum { SHARDS = 3 };

#include "shard/limits.h"
#include "shards.h"

TestSuite(channel_room, .init = open_shards, .fini = close_shards);

Test(channel_room, a_full_outbox_blocks_what_would_go_to_another_shard)
{
    carry_all();
    struct fixture *f = shards[0];
    f->config.outbox_bytes_max = 600;
    fixture_configure(f);
    for (int i = 0; i < 4; i++) fixture_send(f, "t/a", ids[0], "go");
    for (int i = 0; i < 4 && CALL("t/a", ids[0]) != NULL; i++)
        RESULT(CALL("t/a", ids[0]), SENDS(to("t/b", ids[1], "0123456789012345678901234567890")));
    for (int i = 0; fixture_metrics(f).blocked_now == 0; i++) {
        cr_assert_lt(i, 10);
        fixture_send(f, "t/a", ids[0], "go");
        if (CALL("t/a", ids[0]) != NULL)
            RESULT(CALL("t/a", ids[0]),
                   SENDS(to("t/b", ids[1], "0123456789012345678901234567890"),
                         to("t/b", ids[1], "0123456789012345678901234567890")));
    }
    carry_all();
    cr_expect_eq(fixture_metrics(f).parcels_waiting, 0);
    cr_expect_eq(fixture_metrics(f).blocked_now, 0, "room came, so it is called again");
}

Test(channel_room, a_full_receiver_takes_nothing_and_asks_again_when_there_is_room)
{
    carry_all();
    struct fixture *f = shards[1];
    for (int i = 0; i < 100; i++) fixture_send(f, "t/a", ids[1], "takes room");
    size_t used = fixture_metrics(f).memory_bytes;
    f->config.memory_max = used - used / 4;
    fixture_configure(f);
    for (int i = 0; i < 20; i++) send_text_across(1, "parcel");
    carry_all();
    cr_expect_eq(fixture_metrics(f).parcels_received, 0);
    cr_expect_eq(fixture_metrics(f).signals_refused, 1, "the others are ahead");
    cr_expect_eq(fixture_metrics(shards[0]).parcels_sent, 20, "nobody asked for them in vain");
    f->config.memory_max = 100 * used;
    fixture_configure(f);
    carry_all();
    cr_expect_eq(fixture_metrics(f).parcels_received, 20);
    cr_expect_eq(fixture_metrics(shards[0]).parcels_waiting, 0);
}

/* With no call out, what it waits for may be in them: then they may come up to half above the
 * budget, and no further. */
Test(channel_room, a_full_receiver_in_which_nothing_is_out_takes_more)
{
    carry_all();
    struct fixture *f = shards[1];
    for (int i = 0; i < 100; i++) fixture_send(f, "t/a", ids[1], "takes room");
    size_t used = fixture_metrics(f).memory_bytes;
    f->config.memory_max = used - used / 4; /* as above: more than a quarter over it */
    fixture_configure(f);
    fixture_fail(f, CALL("t/a", ids[1]), OUTCOME_UNREACHABLE, "down");
    cr_assert_null(CALL("t/a", ids[1]));
    send_text_across(1, "parcel");
    carry_all();
    cr_expect_eq(fixture_metrics(f).parcels_received, 1);
    for (int i = 0; i < 200; i++) send_text_across(1, "parcel");
    carry_all();
    cr_expect_gt(fixture_metrics(shards[0]).parcels_waiting, 0);
    cr_expect_leq(fixture_metrics(f).memory_bytes, f->config.memory_max / 2 * 3);
    f->config.memory_max = 100 * used;
    fixture_configure(f);
    carry_all();
    cr_expect_eq(fixture_metrics(f).parcels_received, 201);
}

/* All of what waits may be more than there will ever be room for. */
Test(channel_room, a_full_receiver_takes_what_it_has_room_for)
{
    enum { PARCELS = 200 };
    carry_all();
    struct fixture *f = shards[1];
    for (int i = 0; i < PARCELS; i++) send_text_across(1, "parcel");
    fixture_forget_signals(shards[0]); /* they are lost: later there is one with all of them */
    f->config.memory_max = fixture_metrics(f).memory_bytes + 10000;
    fixture_configure(f);
    fixture_pass(shards[0], 1000);
    cr_assert_eq(parcels_for(shards[0], 1).count, PARCELS);
    carry_all();
    cr_expect_gt(fixture_metrics(f).parcels_received, PARCELS / 10);
    cr_expect_lt(fixture_metrics(f).parcels_received, PARCELS);
    cr_expect_leq(fixture_metrics(f).memory_bytes, f->config.memory_max / 2 * 3);
    f->quiet = true;
    for (int turns = 0;
         fixture_metrics(shards[0]).parcels_waiting > 0 || fixture_metrics(f).mailbox_messages > 0;
         turns++) {
        cr_assert_lt(turns, 1000);
        while (f->call_count > 0) RESULT(f->calls[0], 0);
        carry_all();
        for (uint32_t i = 0; i < 2; i++) fixture_pass(shards[i], 100);
    }
    cr_expect_eq(fixture_metrics(f).parcels_received, PARCELS);
}

/* No name is left for the first parcel, and no room for the last ones: that room comes does not
 * help. */
Test(channel_room, parcels_without_a_name_are_not_asked_for)
{
    enum { PARCELS = 200, NAMES_AT_ONCE = 1000 };
    carry_all();
    struct fixture *f = shards[0];
    fixture_send(f, "t/a", ids[0], "go");
    RESULT(CALL("t/a", ids[0]), SENDS(to("t/new", ids[1], "parcel")));
    for (int i = 0; i < PARCELS; i++) send_text_across(1, "parcel");
    fixture_forget_signals(f); /* they are lost: later there is one with all of them */

    f = shards[1];
    f->quiet = true;
    static char names[NAMES_AT_ONCE][24];
    static struct effect_delayed delayed[NAMES_AT_ONCE];
    for (int i = 0; i * NAMES_AT_ONCE < NAMES_MAX; i++) {
        for (int j = 0; j < NAMES_AT_ONCE; j++) {
            snprintf(names[j], sizeof names[j], "t/n%d", i * NAMES_AT_ONCE + j);
            delayed[j] = (struct effect_delayed){.target = fixture_address(names[j], ids[1]),
                                                 .delay_ms = 1000000};
        }
        fixture_send(f, "t/a", ids[1], "go");
        RESULT(CALL("t/a", ids[1]), .delayed = delayed, .delayed_count = NAMES_AT_ONCE);
    }
    f->config.memory_max = (fixture_metrics(f).memory_bytes + 50000) / 12 * 8;
    fixture_configure(f);
    fixture_pass(shards[0], 1000);
    cr_assert_gt(parcels_for(shards[0], 1).count, PARCELS);
    for (int i = 0; i < 20; i++) {
        struct shard_signal signal = parcels_for(shards[0], 1);
        if (signal.count > 0) fixture_carry(shards[0], &signal, f);
        fixture_forget_signals(shards[0]);
        for (size_t j = 0; j < f->signal_count; j++) {
            struct shard_signal back = fixture_signal(f, j);
            if (back.peer == 0) fixture_carry(f, &back, shards[0]);
        }
        fixture_forget_signals(f);
    }
    cr_expect_leq(fixture_metrics(f).signals_refused, 1);
    cr_expect_eq(fixture_metrics(f).parcels_received, 0);
}

/* Both are over their budgets with mail whose results go to the other one. */
Test(channel_room, two_full_shards_take_each_others_parcels)
{
    carry_all();
    for (uint32_t i = 0; i < 2; i++) {
        for (int j = 0; j < 200; j++) fixture_send(shards[i], "t/a", ids[i], "takes room");
        shards[i]->endpoints[0].batch_count_max = 1;
        shards[i]->config.memory_max = fixture_metrics(shards[i]).memory_bytes;
        fixture_configure(shards[i]);
    }
    uint64_t applied = 0;
    for (int round = 0; round < 2000 && applied < 400; round++) {
        for (uint32_t i = 0; i < 2; i++) {
            struct fixture *f = shards[i];
            if (CALL("t/a", ids[i]) != NULL)
                RESULT(CALL("t/a", ids[i]), SENDS(to("t/b", ids[1 - i], "takes room")));
        }
        carry_all();
        applied = fixture_metrics(shards[0]).parcels_received +
                  fixture_metrics(shards[1]).parcels_received;
        for (uint32_t i = 0; i < 2; i++) fixture_pass(shards[i], 50);
    }
    cr_expect_eq(applied, 400);
}
