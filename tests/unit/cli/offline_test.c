/* The commands that work on files, on a savepoint. */
#include "cli/command.h"

#include "app/savepoint_file.h"
#include "shard/shard.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char directory[] = "/tmp/holdfast-offline-XXXXXX";
static struct errmsg errmsg;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static void write_blocks(struct snapshots *snapshots, struct shard *shard)
{
    struct cut_block block;
    while (shard_cut_next(shard, &block))
        cr_assert_eq(snapshot_write(snapshots, block.block, block.bytes), 0);
    shard_cut_end(shard);
    snapshot_finish(snapshots);
}

/* Shard 0 of 1 after its first record. */
static void write_shard(struct snapshot_info *info)
{
    char path[FILE_PATH_MAX];
    struct shard *shard;
    struct snapshots *snapshots;
    struct snapshot_info none;
    struct buffer record;
    buffer_init(&record);
    cr_assert_eq(shard_open(&shard), 0);
    cr_assert_eq(shard_place(shard, 0, 1), 0);
    shard_encode_open(shard, &record, 1, 77, SPAN_LITERAL("test"));
    cr_assert_eq(shard_replay(shard, buffer_span(&record), 1, 1), 0);
    buffer_close(&record);
    cr_assert_eq(savepoint_shard_path(path, directory, 0, &errmsg), 0);
    cr_assert_eq(snapshots_open(&snapshots, path, &none, &errmsg), 0, "%s", errmsg.text);
    cr_assert_eq(shard_cut_begin(shard, 0), 0);
    *info = (struct snapshot_info){.seq = 1, .lineage = 77, .epoch = 1};
    cr_assert_eq(snapshot_begin(snapshots, info), 0);
    write_blocks(snapshots, shard);
    enum snapshot_state state;
    while ((state = snapshot_poll(snapshots, info, &errmsg)) == SNAPSHOT_PUBLISHING)
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    cr_assert_eq(state, SNAPSHOT_PUBLISHED, "%s", errmsg.text);
    snapshots_close(snapshots);
    shard_close(shard);
}

static void setup(void)
{
    struct snapshot_info shard;
    struct savepoint_info info = {.cut = 1, .count = 1, .shards = &shard};
    cr_assert_not_null(mkdtemp(directory));
    write_shard(&shard);
    cr_assert_eq(savepoint_write(directory, &info, &errmsg), 0, "%s", errmsg.text);
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void teardown(void)
{
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(offline, .init = setup, .fini = teardown, .timeout = 60);

static int run(const struct command *command, int count, char *const *words)
{
    struct flags flags;
    struct problems problems;
    size_t table_count;
    const struct flag *table = command->flags(&table_count);
    problems_init(&problems);
    cr_assert_eq(flags_parse(&flags, table, table_count, count, words, &problems), 0);
    return command->run(&flags);
}

Test(offline, a_savepoint_is_whole)
{
    char *words[] = {directory};
    cr_assert_eq(run(&command_check, 1, words), 0);
}

Test(offline, damage_in_a_savepoint_is_found)
{
    char path[FILE_PATH_MAX];
    char *words[] = {directory};
    snprintf(path, sizeof path, "%s/shards/0/snapshots/blocks-%020u", directory, 1U);
    FILE *file = fopen(path, "r+");
    cr_assert_not_null(file);
    fseek(file, -1, SEEK_END);
    int last = fgetc(file);
    fseek(file, -1, SEEK_END);
    fputc(last ^ 1, file);
    fclose(file);
    cr_assert_eq(run(&command_check, 1, words), EXIT_DAMAGED);
}

Test(offline, a_savepoint_is_not_repaired)
{
    char path[FILE_PATH_MAX];
    char *words[] = {directory, "--accept-loss"};
    cr_assert_eq(run(&command_repair, 2, words), EXIT_FAILED);
    snprintf(path, sizeof path, "%s/shards/0/journal", directory);
    cr_assert_neq(access(path, F_OK), 0, "nothing was changed");
}

Test(offline, the_only_snapshot_of_a_savepoint_is_inspected)
{
    char *words[] = {"inspect", "--data", directory};
    cr_assert_eq(run(&command_snapshot, 3, words), 0);
}
