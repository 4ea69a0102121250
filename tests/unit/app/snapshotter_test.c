/* Snapshots are taken when they are due, never in the way of the engine, and a failed one does no
 * harm. */
#include "unit/app/engine_fixture.h"
#include "unit/app/fake_invoke.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

static const int64_t far_ms = 900000; /* 15 minutes, the default of --snapshot-every */

static struct snapshotter *snapshotter(void)
{
    return &world.engine->snapshotter;
}

static uint64_t bytes_since_trim(void)
{
    struct journal_metrics metrics;
    journal_metrics(world.engine->journal, &metrics);
    return metrics.bytes_since_trim;
}

TestSuite(snapshotter, .init = world_begin, .fini = world_end, .timeout = 60);

/* ---- On demand ---- */

Test(snapshotter, who_asks_is_told)
{
    struct asked asked;
    world_start();
    send_some(20);
    settle();
    ask_for_snapshot(&asked);
    UNTIL(asked.told > 0);
    cr_assert_eq(asked.error, 0);
    cr_assert_eq(asked.info.seq, live_seq());
    cr_assert_gt(asked.info.block_count, 1);
    cr_assert_eq(snapshotter()->published, 1);
    cr_assert_eq(snapshotter()->copier.phase, COPIER_IDLE);
}

Test(snapshotter, several_who_ask_share_one)
{
    struct asked asked[3];
    world_start();
    for (int i = 0; i < 3; i++) ask_for_snapshot(&asked[i]);
    snapshotter_leave(snapshotter(), &asked[1].waiter);
    UNTIL(asked[0].told > 0 && asked[2].told > 0);
    cr_assert_eq(asked[1].told, 0);
    cr_assert_eq(asked[0].info.seq, asked[2].info.seq);
    cr_assert_eq(snapshotter()->published, 1);
}

Test(snapshotter, work_goes_on_while_one_is_written)
{
    struct client client;
    struct asked asked;
    world_start();
    send_some(200);
    settle();
    faults_hold(FILE_CALL_SYNC, "snapshots/");
    ask_for_snapshot(&asked);
    UNTIL(atomic_load(&faults.hits) > 0);
    uint64_t cut = snapshotter()->copier.cut_seq;
    client_init(&client);
    send_to(&client, "a/f", "meanwhile");
    UNTIL(client.answers == 1);
    send_some(100);
    settle();
    cr_assert_eq(asked.told, 0);
    cr_assert_gt(live_seq(), cut);
    atomic_store(&faults.hold, false);
    UNTIL(asked.told > 0);
    cr_assert_eq(asked.error, 0, "%s", asked.why);
    cr_assert_eq(asked.info.seq, cut, "of the moment at which it was begun");
    uint64_t seq = live_seq(), digest = shard_digest(world.engine->shard);
    world_kill();
    struct offline image = offline_image();
    cr_assert_eq(image.snapshot_seq, cut);
    cr_assert_eq(image.seq, seq);
    cr_assert_eq(image.digest, digest);
}

/* It rests on records that the journal has to have first. */
Test(snapshotter, nothing_is_published_before_the_journal_has_it)
{
    struct asked asked;
    world_start();
    send_some(20);
    settle();
    faults_hold(FILE_CALL_SYNC, "journal/segment-");
    send_some(1);
    ask_for_snapshot(&asked);
    turn_for_ms(100);
    cr_assert_eq(asked.told, 0);
    cr_assert_eq(snapshotter()->copier.phase, COPIER_SYNCING);
    atomic_store(&faults.hold, false);
    UNTIL(asked.told > 0);
    cr_assert_eq(asked.error, 0);
    cr_assert_geq(durable(), asked.info.seq);
}

Test(snapshotter, closed_in_the_middle)
{
    struct asked asked;
    world_start();
    send_some(50);
    settle();
    faults_hold(FILE_CALL_SYNC, "snapshots/");
    ask_for_snapshot(&asked);
    UNTIL(atomic_load(&faults.hits) > 0);
    uint64_t digest = shard_digest(world.engine->shard);
    faults_clear();
    world_close();
    cr_assert_eq(offline_image().digest, digest);
    world_start();
    take_snapshot();
}

/* ---- When they are due ---- */

Test(snapshotter, by_time)
{
    world.snapshot_every_ms = 100;
    world_start();
    send_some(1);
    UNTIL(snapshotter()->published == 1);
    settle();
    uint64_t published = snapshotter()->published;
    UNTIL(snapshotter()->newest.seq + 1 >= live_seq());
    published = snapshotter()->published;
    turn_for_ms(400);
    cr_assert_eq(snapshotter()->published, published, "nothing new, no snapshot");
}

/* More than `bytes` of journal. No function is called: it is only mail. */
static void fill_journal(uint64_t bytes)
{
    uint64_t before = bytes_since_trim();
    while (bytes_since_trim() < before + bytes) {
        for (int i = 0; i < 200; i++) send_to(NULL, "a/f", "much");
        turn();
        UNTIL(durable() == live_seq());
    }
}

Test(snapshotter, by_bytes)
{
    world.snapshot_bytes = 100 << 10;
    world.snapshot_every_ms = far_ms;
    world_open();
    world_configure(0, false);
    fill_journal(100 << 10);
    UNTIL(snapshotter()->published == 1);
    cr_assert_lt(bytes_since_trim(), 100 << 10, "the journal is let go of");
}

static bool first_segment_is_there(void)
{
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof path, "%s/journal/segment-%020d", world.directory, 1);
    return file_exists(path);
}

Test(snapshotter, by_as_many_bytes_as_the_last_one_has)
{
    struct asked asked;
    world.snapshot_bytes = 1 << 30;
    world.snapshot_every_ms = far_ms;
    world_open();
    world_configure(0, false);
    fill_journal(400 << 10);
    ask_for_snapshot(&asked);
    UNTIL(asked.told > 0);
    cr_assert_gt(asked.info.block_bytes, 150 << 10);
    snapshotter()->options.journal_bytes = 10 << 10;
    fill_journal(50 << 10);
    turn_for_ms(2300);
    cr_assert_eq(snapshotter()->published, 1);
    fill_journal(asked.info.block_bytes);
    UNTIL(snapshotter()->published == 2);
}

Test(snapshotter, segments_behind_it_go)
{
    world_open();
    world_configure(0, false);
    fill_journal(1 << 20); /* the first segment is full, then */
    cr_assert(first_segment_is_there());
    take_snapshot();
    UNTIL(!first_segment_is_there());
    uint64_t seq = live_seq(), digest = shard_digest(world.engine->shard);
    world_kill();
    struct offline image = offline_image();
    cr_assert_eq(image.seq, seq);
    cr_assert_eq(image.digest, digest);
}

/* A second without work must not make it look away until the next one by time. */
Test(snapshotter, by_bytes_after_a_rest)
{
    world.snapshot_bytes = 100 << 10;
    world.snapshot_every_ms = far_ms;
    world_open();
    world_configure(0, false);
    send_some(1);
    turn_for_ms(2300);
    cr_assert_eq(snapshotter()->published, 0);
    fill_journal(100 << 10);
    UNTIL(snapshotter()->published == 1);
}

/* The work of one turn, and then nothing any more. */
Test(snapshotter, by_bytes_of_one_burst)
{
    world.snapshot_bytes = 20 << 10;
    world.snapshot_every_ms = far_ms;
    world_open();
    world_configure(0, false);
    send_some(1);
    turn_for_ms(2300);
    for (int i = 0; i < 1000; i++) send_to(NULL, "a/f", "much");
    UNTIL(snapshotter()->published == 1);
}

/* As the gateway does while its disk is short of room. */
static void press(void)
{
    snapshotter()->pressed = true;
    loop_touch(world.loop);
}

Test(snapshotter, because_the_disk_is_short_of_room)
{
    world.snapshot_every_ms = far_ms;
    world.snapshot_bytes = 100 << 20;
    world_start();
    send_some(10);
    settle();
    turn_for_ms(1300);
    UNTIL((press(), snapshotter()->published == 1));
}

Test(snapshotter, at_rest_it_sleeps)
{
    world.snapshot_every_ms = far_ms;
    world.snapshot_bytes = 100 << 20;
    world_start();
    send_some(10);
    settle();
    turn_for_ms(2500);
    cr_assert_gt(snapshotter()->timer.node.key, clock_mono_us() + far_ms * 500,
                 "the next look is the one by time");
}

/* ---- Failures ---- */

static void must_fail_and_heal(enum file_call call, int number)
{
    struct asked asked;
    struct client client;
    world_start();
    send_some(50);
    settle();
    take_snapshot();
    uint64_t good = snapshotter()->newest.seq;
    send_some(50);
    settle();
    faults_set(call, "snapshots/", number);
    ask_for_snapshot(&asked);
    UNTIL(asked.told > 0);
    cr_assert_neq(asked.error, 0);
    cr_assert_neq(asked.why[0], 0);
    cr_assert_eq(snapshotter()->failed, 1);
    cr_assert_eq(snapshotter()->newest.seq, good);
    cr_assert_eq(world.failures, 0);
    client_init(&client);
    send_to(&client, "a/f", "meanwhile");
    UNTIL(client.answers == 1);
    settle();
    faults_clear();
    take_snapshot();
    cr_assert_eq(snapshotter()->newest.seq, live_seq());
    uint64_t digest = shard_digest(world.engine->shard);
    world_kill();
    struct offline image = offline_image();
    cr_assert_eq(image.digest, digest);
    cr_assert_gt(image.snapshot_seq, good);
}

Test(snapshotter, a_full_disk)
{
    must_fail_and_heal(FILE_CALL_WRITE, ENOSPC);
}

Test(snapshotter, a_file_that_cannot_be_made)
{
    must_fail_and_heal(FILE_CALL_OPEN, EMFILE);
}

Test(snapshotter, a_failed_sync)
{
    must_fail_and_heal(FILE_CALL_SYNC, EIO);
}

Test(snapshotter, a_manifest_that_cannot_be_put_in_its_place)
{
    must_fail_and_heal(FILE_CALL_RENAME, EIO);
}

Test(snapshotter, after_a_failure_it_tries_again_by_itself)
{
    world.snapshot_every_ms = 100;
    world_start();
    faults_set(FILE_CALL_WRITE, "snapshots/", ENOSPC);
    send_some(10);
    UNTIL((fake_results(), snapshotter()->failed == 1));
    settle();
    turn_for_ms(300);
    cr_assert_eq(snapshotter()->failed, 1, "not at once");
    faults_clear();
    UNTIL(snapshotter()->published == 1);
    cr_assert_eq(snapshotter()->failed_in_row, 0);
}
