/* What an engine leaves behind is what it was: after a clean end and a kill, with snapshots and
 * without, and again after the next life. */
#include "unit/app/engine_fixture.h"
#include "unit/app/fake_invoke.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>

TestSuite(recovery, .init = world_begin, .fini = world_end, .timeout = 60);

struct life {
    uint64_t seq, digest;
};

static struct life now(void)
{
    return (struct life){live_seq(), shard_digest(world.engine->shard)};
}

static void live_a_little(void)
{
    send_some(60);
    settle();
}

static struct offline must_leave(struct life life)
{
    struct offline image = offline_image();
    cr_assert_eq(image.seq, life.seq, "%" PRIu64 ", not %" PRIu64, image.seq, life.seq);
    cr_assert_eq(image.digest, life.digest);
    cr_assert_gt(image.keys, 0);
    return image;
}

Test(recovery, from_the_journal_alone)
{
    for (int i = 0; i < 3; i++) {
        world_start();
        live_a_little();
        struct life life = now();
        world_close();
        cr_assert_eq(must_leave(life).snapshot_seq, 0);
    }
}

Test(recovery, after_kills)
{
    for (int i = 0; i < 3; i++) {
        world_start();
        live_a_little();
        struct life life = now();
        world_kill();
        must_leave(life);
    }
}

Test(recovery, from_a_snapshot_and_what_came_after_it)
{
    world_start();
    live_a_little();
    take_snapshot();
    uint64_t covered = world.engine->snapshotter.newest.seq;
    live_a_little();
    struct life life = now();
    world_kill();
    struct offline image = must_leave(life);
    cr_assert_eq(image.snapshot_seq, covered);
    cr_assert_lt(image.snapshot_seq, image.seq);
}

Test(recovery, from_a_snapshot_of_everything)
{
    world_start();
    live_a_little();
    take_snapshot();
    struct life life = now();
    world_close();
    cr_assert_eq(must_leave(life).snapshot_seq, life.seq);
}

/* Each next one keeps what did not change from those before. */
Test(recovery, from_the_last_of_several_snapshots)
{
    struct life life = {0};
    for (int i = 0; i < 4; i++) {
        world_start();
        live_a_little();
        take_snapshot();
        send_to(NULL, "a/f", "only this one");
        settle();
        take_snapshot();
        live_a_little();
        life = now();
        world_kill();
        must_leave(life);
    }
    world_start();
    cr_assert_gt(live_seq(), life.seq);
    cr_assert_eq(shard_epoch(world.engine->shard), 5);
}

/* The mail of the dead is delivered by the next: nothing of a call that was out is lost. */
Test(recovery, calls_that_were_out_are_made_again)
{
    world_start();
    send_some(1);
    UNTIL(fake_invoke.open == 1);
    UNTIL(durable() == live_seq());
    world_kill();
    world_start();
    UNTIL(fake_invoke.open == 1);
    cr_assert_str_eq(fake_invoke.calls[0].id, "id-0");
    cr_assert_eq(fake_invoke.calls[0].message_count, 1);
    settle();
}

/* What the disk never had is gone with the process, and nobody was told otherwise. */
Test(recovery, what_was_not_durable)
{
    struct client client;
    client_init(&client);
    world_start();
    live_a_little();
    struct life life = now();
    faults_set(FILE_CALL_WRITE, "journal/segment-", EIO);
    send_to(&client, "a/f", "lost");
    UNTIL(world.failures > 0);
    world_close();
    faults_clear();
    cr_assert_eq(client.answers, 0);
    must_leave(life);
}

/* A clean end commits what nobody has waited for. */
Test(recovery, what_was_accepted_last)
{
    world_start();
    live_a_little();
    send_some(5);
    turn();
    cr_assert_lt(durable(), live_seq());
    struct life life = now();
    world_close();
    must_leave(life);
}
