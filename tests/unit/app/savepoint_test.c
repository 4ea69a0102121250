/* A savepoint of a running engine: whole and put back, or none and nothing has happened. */
#include "app/restore.h"
#include "unit/app/engine_fixture.h"
#include "unit/app/fake_invoke.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct client_of_savepoint {
    struct savepoint_waiter waiter; /* first */
    unsigned told;
    int error;
    char text[600];
};

static struct client_of_savepoint client;
static char directory[128], restored[128];

static void told(struct savepoint_waiter *waiter, int error, struct span text)
{
    struct client_of_savepoint *of = (struct client_of_savepoint *)waiter;
    of->told++;
    of->error = error;
    snprintf(of->text, sizeof of->text, "%.*s", SPAN_PRINT(text));
}

static struct savepoint *savepoint(void)
{
    return &world.gateway->savepoint;
}

static void begin(void)
{
    world_begin();
    /* Beside the engine's own files, which the fixture removes. */
    snprintf(directory, sizeof directory, "%s/point", world.directory);
    snprintf(restored, sizeof restored, "%s/restored", world.directory);
    savepoint_init(savepoint(), &world.gateway->crew, &world.gateway->inbox);
    world_start();
}

static void end(void)
{
    if (world.open) savepoint_close(savepoint());
    world_end();
}

TestSuite(savepoint, .init = begin, .fini = end, .timeout = 60);

static int start(void)
{
    struct errmsg errmsg = {{0}};
    client = (struct client_of_savepoint){.waiter = {.done = told}};
    int error = savepoint_begin(savepoint(), span_text(directory), &client.waiter, &errmsg);
    cr_assert_eq(client.told, 0, "never from within the call");
    return error;
}

static void take(int expected)
{
    cr_assert_eq(start(), 0);
    UNTIL(client.told > 0);
    cr_assert_eq(client.error, expected, "%d %s", client.error, client.text);
    cr_assert_eq(client.told, 1);
    cr_assert_eq(savepoint()->phase, SAVEPOINT_IDLE);
}

static bool is_there(void)
{
    char path[160];
    snprintf(path, sizeof path, "%s/savepoint.json", directory);
    return file_exists(path);
}

/* What was taken, as one shard again. */
static struct offline restore_it(void)
{
    struct errmsg errmsg = {{0}};
    cr_assert_eq(restore(directory, restored, 0, &errmsg), 0, "%s", errmsg.text);
    char kept[DIRECTORY_SIZE];
    memcpy(kept, world.directory, sizeof kept);
    snprintf(world.directory, sizeof world.directory, "%.40s/restored", kept);
    struct offline image = offline_image();
    memcpy(world.directory, kept, sizeof kept);
    return image;
}

static uint64_t live_keys(void)
{
    struct shard_metrics metrics;
    shard_metrics(world.engine->shard, &metrics);
    return metrics.keys;
}

Test(savepoint, holds_what_was_there_when_it_was_taken)
{
    send_some(50);
    settle();
    take(0);
    cr_assert(is_there());
    uint64_t keys = live_keys();
    send_to(NULL, "a/f", "later");
    settle();
    cr_assert_eq(live_keys(), keys + 1);
    struct offline image = restore_it();
    cr_assert_eq(image.keys, keys);
    cr_assert_gt(image.snapshot_seq, 0);
}

Test(savepoint, a_snapshot_that_was_being_read_is_begun_again_and_told)
{
    struct asked asked;
    faults_hold(FILE_CALL_WRITE, "snapshots/blocks"); /* its writer stands still */
    send_some(100);
    settle();
    ask_for_snapshot(&asked);
    turn_for_ms(30);
    cr_assert_eq(start(), 0);
    UNTIL(shard_cut_known(world.engine->shard) == 1);
    turn_for_ms(30);
    faults_clear();
    UNTIL(client.told > 0 && asked.told > 0);
    cr_assert_eq(client.error, 0, "%s", client.text);
    cr_assert_eq(asked.error, 0, "%s", asked.why);
    take_snapshot();
}

Test(savepoint, one_at_a_time_each_into_a_new_directory)
{
    cr_assert_eq(start(), 0);
    struct client_of_savepoint first = client;
    struct errmsg errmsg;
    cr_assert_eq(savepoint_begin(savepoint(), span_text(directory), &first.waiter, &errmsg),
                 ERROR_IN_USE);
    UNTIL(client.told > 0);
    cr_assert_eq(client.error, 0, "%s", client.text);
    take(ERROR_EXISTS);
    cr_assert(is_there(), "what lies there stays");
    strcat(directory, "-2");
    take(0);
    cr_assert_eq(shard_cut_known(world.engine->shard), 2);
}

Test(savepoint, a_disk_that_fails_leaves_no_savepoint_and_a_gateway_that_goes_on)
{
    send_some(50);
    settle();
    faults_set(FILE_CALL_WRITE, "point/shards/0/snapshots/blocks", ENOSPC);
    take(ERROR_IO);
    cr_assert_not(is_there());
    cr_assert_not_null(strstr(client.text, "shard 0"), "%s", client.text);
    faults_clear();
    struct errmsg errmsg = {{0}};
    cr_assert_eq(restore(directory, restored, 0, &errmsg), ERROR_NOT_FOUND);
    take_snapshot();
    strcat(directory, "-2");
    take(0);
    cr_assert_eq(world.failures, 0);
}

Test(savepoint, the_last_file_is_what_makes_it_one)
{
    faults_set(FILE_CALL_SYNC, "savepoint.json", EIO);
    take(ERROR_IO);
    cr_assert_not(is_there());
    faults_clear();
    take_snapshot();
}

Test(savepoint, one_that_takes_too_long_is_given_up)
{
    savepoint()->time_max_us = 100000;
    faults_hold(FILE_CALL_WRITE, "point/shards/0/snapshots/blocks");
    cr_assert_eq(start(), 0);
    turn_for_ms(150);
    faults_clear(); /* its writer has to come to an end before it is told */
    UNTIL(client.told > 0);
    cr_assert_eq(client.error, ERROR_TIMEOUT, "%s", client.text);
    cr_assert_not(is_there());
    take_snapshot();
    savepoint()->time_max_us = 10000000;
    strcat(directory, "-2");
    take(0);
}

Test(savepoint, a_cut_that_nobody_here_knows_of_ends_by_itself)
{
    engine_cut(world.engine, 7);
    turn_for_ms(30);
    cr_assert_eq(shard_cut_known(world.engine->shard), 7);
    cr_assert_eq(shard_cut_seq(world.engine->shard), 0, "the cut is free");
    take_snapshot();
    take(0);
    cr_assert_eq(shard_cut_known(world.engine->shard), 8);
}

Test(savepoint, who_leaves_is_not_told_and_the_end_of_the_gateway_ends_it)
{
    cr_assert_eq(start(), 0);
    savepoint_leave(savepoint(), &client.waiter);
    UNTIL(savepoint()->phase == SAVEPOINT_IDLE);
    cr_assert_eq(client.told, 0);
    cr_assert(is_there());
    strcat(directory, "-2");
    faults_hold(FILE_CALL_WRITE, "point-2/shards/0/snapshots/blocks");
    cr_assert_eq(start(), 0);
    turn_for_ms(50);
    faults_clear();
    savepoint_close(savepoint());
    cr_assert_eq(client.told, 0);
    cr_assert_not(is_there());
}
