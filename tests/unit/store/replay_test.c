/* The offline replay gives what recovery would get, and leaves the directory as it is. */
#include "unit/store/fixture.h"

#include "store/check.h"
#include "store/segment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { STOPPED = -1000 };

static char directory[PATH_SIZE];
static struct ledger ledger;
static struct errmsg errmsg;
static struct snapshot_info newest;
static struct {
    unsigned blocks, runs;
    uint32_t first_block;
    uint64_t first_seq, last_seq;
    uint32_t epoch;
    unsigned stop_at_block, stop_at_run;
    bool out_of_order;
} got;

static int take_block(void *context, uint32_t block, struct span bytes)
{
    (void)context, (void)bytes;
    if (got.blocks == 0) got.first_block = block;
    got.out_of_order |= got.runs > 0;
    return ++got.blocks == got.stop_at_block ? STOPPED : 0;
}

static int take_run(void *context, struct span records, uint64_t first_seq, uint32_t count,
                    uint32_t epoch, uint64_t lineage)
{
    (void)context;
    if (got.runs == 0) got.first_seq = first_seq;
    got.out_of_order |= got.runs > 0 && first_seq != got.last_seq + 1;
    got.last_seq = first_seq + count - 1;
    got.epoch = epoch;
    cr_assert_eq(lineage, LINEAGE);
    cr_assert_gt(records.size, 0);
    return ++got.runs == got.stop_at_run ? STOPPED : 0;
}

static int replay(unsigned stop_at_block, unsigned stop_at_run)
{
    struct store_tool tool = {.directory = directory};
    memset(&got, 0, sizeof got);
    got.stop_at_block = stop_at_block;
    got.stop_at_run = stop_at_run;
    return store_replay(&tool, take_block, take_run, NULL, &newest, &errmsg);
}

static void setup(void)
{
    temporary_make(directory);
    ledger_init(&ledger, directory, SEGMENT_SIZE_MIN);
}

static void teardown(void)
{
    temporary_remove(directory);
}

TestSuite(store_replay, .init = setup, .fini = teardown, .timeout = 60);

/* Records 1 to 201, of which 1 is the OPEN. */
static void make_journal(void)
{
    ledger_make(&ledger, 20);
}

static void take_snapshot(uint64_t seq)
{
    struct snapshots *snapshots;
    struct snapshot_info info;
    cr_assert_eq(snapshots_open(&snapshots, directory, &info, &errmsg), 0, "%s", errmsg.text);
    info = (struct snapshot_info){.seq = seq, .lineage = LINEAGE, .epoch = 1};
    cr_assert_eq(snapshot_begin(snapshots, &info), 0);
    for (uint32_t i = 7; i < 10; i++)
        cr_assert_eq(snapshot_write(snapshots, i, SPAN_LITERAL("what a slot holds")), 0);
    cr_assert_eq(snapshot_write(snapshots, SNAPSHOT_GLOBALS, SPAN_LITERAL("globals")), 0);
    snapshot_finish(snapshots);
    enum snapshot_state state;
    while ((state = snapshot_poll(snapshots, &info, &errmsg)) == SNAPSHOT_PUBLISHING)
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    cr_assert_eq(state, SNAPSHOT_PUBLISHED);
    snapshots_close(snapshots);
}

Test(store_replay, no_data_directory)
{
    cr_assert_eq(replay(0, 0), ERROR_NOT_FOUND);
    cr_assert_not_null(strstr(errmsg.text, "not a data directory"), "%s", errmsg.text);
}

Test(store_replay, a_directory_in_use_is_left_alone)
{
    ledger_must_open(&ledger);
    cr_assert_eq(replay(0, 0), ERROR_IN_USE);
    cr_assert_eq(got.runs, 0);
    ledger_close(&ledger);
}

Test(store_replay, a_journal_alone)
{
    make_journal();
    cr_assert_eq(replay(0, 0), 0, "%s", errmsg.text);
    cr_assert_eq(newest.seq, 0);
    cr_assert_eq(got.blocks, 0);
    cr_assert_eq(got.first_seq, 1);
    cr_assert_eq(got.last_seq, 201);
    cr_assert_eq(got.epoch, 1);
    cr_assert_not(got.out_of_order);
    /* Nothing has changed: the next engine finds the same end. */
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.next_seq, 203);
    ledger_close(&ledger);
}

Test(store_replay, a_snapshot_and_only_the_runs_that_go_beyond_it)
{
    make_journal();
    take_snapshot(96);
    cr_assert_eq(replay(0, 0), 0, "%s", errmsg.text);
    cr_assert_eq(newest.seq, 96);
    cr_assert_eq(newest.block_count, 4);
    cr_assert_eq(got.blocks, 4);
    cr_assert_eq(got.first_block, SNAPSHOT_GLOBALS);
    cr_assert_eq(got.first_seq, 92, "the run that holds record 96");
    cr_assert_eq(got.last_seq, 201);
    cr_assert_not(got.out_of_order);
}

Test(store_replay, a_snapshot_of_everything)
{
    make_journal();
    take_snapshot(201);
    cr_assert_eq(replay(0, 0), 0, "%s", errmsg.text);
    cr_assert_eq(got.blocks, 4);
    cr_assert_eq(got.runs, 0);
}

Test(store_replay, what_a_callback_gives_back_ends_it)
{
    make_journal();
    take_snapshot(96);
    cr_assert_eq(replay(2, 0), STOPPED);
    cr_assert_eq(got.blocks, 2);
    cr_assert_eq(got.runs, 0);
    cr_assert_eq(replay(0, 3), STOPPED);
    cr_assert_eq(got.runs, 3);
    cr_assert_eq(replay(0, 0), 0, "the lock is free again");
}

Test(store_replay, damage_is_named)
{
    char path[PATH_SIZE];
    make_journal();
    take_snapshot(96);
    segment_at(path, directory, 1);
    file_flip(path, 5000, 0x10);
    cr_assert_eq(replay(0, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(errmsg.text, "segment-00000000000000000001 at offset"), "%s",
                       errmsg.text);
    file_flip(path, 5000, 0x10);
    file_flip(path, 20, 0x10); /* its head */
    cr_assert_eq(replay(0, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(errmsg.text, "segment-00000000000000000001"), "%s", errmsg.text);
    file_flip(path, 20, 0x10);
    snprintf(path, sizeof path, "%.500s/snapshots/blocks-%020u", directory, 1U);
    file_flip(path, 200, 0x10);
    cr_assert_eq(replay(0, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(errmsg.text, "blocks-00000000000000000001 at offset"), "%s",
                       errmsg.text);
    cr_assert_eq(got.runs, 0);
}

Test(store_replay, a_damaged_format_file)
{
    char path[PATH_SIZE];
    make_journal();
    snprintf(path, sizeof path, "%.500s/format", directory);
    file_bytes_write(path, SPAN_LITERAL("?"));
    cr_assert_eq(replay(0, 0), ERROR_DAMAGED);
    cr_assert_eq(got.runs, 0);
}
