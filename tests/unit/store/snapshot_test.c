/* Snapshots: written, published, incremental, cleaned up, damaged. */
#include "unit/store/snapshot_fixture.h"

#include "os/file.h"
#include "store/check.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

TestSuite(snapshot, .init = shelf_setup, .fini = shelf_teardown, .timeout = 60);

Test(snapshot, there_is_none_at_first)
{
    struct snapshot_info info;
    must_open();
    cr_assert_eq(shelf.newest.seq, 0);
    must_load();
    cr_assert_eq(snapshot_poll(shelf.snapshots, &info, &shelf.errmsg), SNAPSHOT_IDLE);
    snapshots_close(shelf.snapshots);
}

Test(snapshot, what_was_published_is_loaded_by_the_next)
{
    must_open();
    fill();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    must_load();
    snapshots_close(shelf.snapshots);
    must_open();
    cr_assert_eq(shelf.newest.seq, 41);
    cr_assert_eq(shelf.newest.lineage, 7);
    cr_assert_eq(shelf.newest.epoch, 3);
    cr_assert_eq(shelf.newest.created_ms, 1000);
    cr_assert_eq(shelf.newest.block_count, filled());
    must_load();
    snapshots_close(shelf.snapshots);
}

Test(snapshot, kept_blocks_are_not_written_again)
{
    char path[PATH_SIZE];
    must_open();
    fill();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    change_tenth();
    cr_assert_eq(take(50, tenth), SNAPSHOT_PUBLISHED);
    must_load();
    snapshots_close(shelf.snapshots);
    must_open();
    cr_assert_eq(shelf.newest.seq, 50);
    must_load();
    block_file(path, 1);
    long first = size_of_file(path);
    block_file(path, 2);
    cr_assert_gt(first, 5 * size_of_file(path));
    cr_assert_gt(size_of_file(path), 0);
    manifest_file(path, 1);
    cr_assert_eq(size_of_file(path), -1, "the old manifest is gone");
    snapshots_close(shelf.snapshots);
}

Test(snapshot, one_without_any_change_writes_only_a_manifest)
{
    char path[PATH_SIZE];
    must_open();
    fill();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    cr_assert_eq(take(42, none), SNAPSHOT_PUBLISHED);
    must_load();
    block_file(path, 2);
    cr_assert_eq(size_of_file(path), -1);
    snapshots_close(shelf.snapshots);
}

static bool most(uint32_t block)
{
    return block % 10 != 1;
}

Test(snapshot, a_file_less_than_half_alive_is_rewritten)
{
    char path[PATH_SIZE];
    must_open();
    fill();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    for (uint32_t i = 0; i < BLOCKS; i++) shelf.generation[i] += most(i);
    cr_assert_eq(take(42, most), SNAPSHOT_PUBLISHED);
    must_load();
    block_file(path, 1);
    cr_assert_eq(size_of_file(path), -1);
    snapshots_close(shelf.snapshots);
    must_open();
    must_load();
    snapshots_close(shelf.snapshots);
}

Test(snapshot, large_blocks_pass)
{
    must_open();
    shelf.content[5] = 3 << 20;
    shelf.content[6] = 1;
    shelf.content[SNAPSHOT_GLOBALS] = 2 << 20;
    cr_assert_eq(take(9, all), SNAPSHOT_PUBLISHED);
    snapshots_close(shelf.snapshots);
    must_open();
    must_load();
    snapshots_close(shelf.snapshots);
}

Test(snapshot, the_backlog_falls_to_zero)
{
    struct snapshot_info info;
    must_open();
    begin(3);
    shelf.content[1] = 1 << 20;
    cr_assert_eq(snapshot_write(shelf.snapshots, 1, bytes_of(1)), 0);
    cr_assert_leq(snapshot_backlog(shelf.snapshots), 1u << 20);
    for (int i = 0; snapshot_backlog(shelf.snapshots) > 0; i++) {
        cr_assert_lt(i, 10000);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    cr_assert_eq(snapshot_poll(shelf.snapshots, &info, &shelf.errmsg), SNAPSHOT_WRITING);
    snapshot_finish(shelf.snapshots);
    cr_assert_eq(wait_for_end(&info), SNAPSHOT_PUBLISHED);
    snapshots_close(shelf.snapshots);
}

Test(snapshot, one_that_is_not_finished_never_was)
{
    struct snapshot_info info;
    char path[PATH_SIZE];
    must_open();
    fill();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    begin(42);
    uint8_t other[5] = {1, 2, 3, 4, 5};
    for (uint32_t i = 0; i < 100; i++)
        cr_assert_eq(snapshot_write(shelf.snapshots, i, span_of(other, 5)), 0);
    cr_assert_eq(snapshot_begin(shelf.snapshots, &info), ERROR_IN_USE);
    snapshot_abort(shelf.snapshots);
    cr_assert_eq(wait_for_end(&info), SNAPSHOT_IDLE);
    must_load();
    begin(43);
    snapshots_close(shelf.snapshots);
    block_file(path, 77);
    file_bytes_write(path, SPAN_LITERAL("left by a crash"));
    snprintf(path, sizeof path, "%.500s/snapshots/manifest-00000000000000000002.tmp",
             shelf.directory);
    file_bytes_write(path, SPAN_LITERAL("left by a crash"));
    must_open();
    cr_assert_eq(shelf.newest.seq, 41);
    must_load();
    cr_assert_eq(size_of_file(path), -1);
    block_file(path, 77);
    cr_assert_eq(size_of_file(path), -1);
    snapshots_close(shelf.snapshots);
}

Test(snapshot, older_ones_are_retained_on_demand)
{
    char path[PATH_SIZE];
    must_open();
    snapshots_retain(shelf.snapshots, 2);
    fill();
    for (unsigned i = 0; i < 5; i++) {
        change_tenth();
        cr_assert_eq(take(41 + i, i == 0 ? all : tenth), SNAPSHOT_PUBLISHED);
    }
    manifest_file(path, 3);
    cr_assert_eq(size_of_file(path), -1);
    manifest_file(path, 4);
    cr_assert_gt(size_of_file(path), 0);
    must_load();
    snapshots_close(shelf.snapshots);
    file_flip(path, 70, 1);
    must_open();
    cr_assert_eq(shelf.newest.seq, 45, "the older one does not matter");
    must_load();
    snapshots_close(shelf.snapshots);
}

static void must_be_damaged(const char *path)
{
    int error = snapshots_open(&shelf.snapshots, shelf.directory, &shelf.newest, &shelf.errmsg);
    if (error == 0) {
        shelf.loaded = 1;
        error = snapshots_load(shelf.snapshots, compare_block, NULL, &shelf.errmsg);
        snapshots_close(shelf.snapshots);
    }
    cr_assert_eq(error, ERROR_DAMAGED);
    cr_assert_not_null(strstr(shelf.errmsg.text, path), "%s, expected %s", shelf.errmsg.text, path);
    cr_assert_not_null(strstr(shelf.errmsg.text, "at offset"), "%s", shelf.errmsg.text);
}

static void damage_all(const char *path)
{
    struct buffer whole;
    buffer_init(&whole);
    file_bytes(path, &whole);
    for (size_t i = 0; i < whole.size; i++) {
        file_flip(path, i, (uint8_t)(1u << i % 8));
        must_be_damaged(path);
        file_flip(path, i, (uint8_t)(1u << i % 8));
    }
    for (size_t size = 0; size < whole.size; size += 1 + size / 16) {
        file_bytes_write(path, span_of(whole.at, size));
        must_be_damaged(path);
    }
    file_bytes_write(path, buffer_span(&whole));
    buffer_close(&whole);
}

Test(snapshot, every_changed_byte_and_cut_is_found)
{
    char path[PATH_SIZE];
    must_open();
    shelf.content[3] = 50;
    shelf.content[700] = 1;
    shelf.content[SNAPSHOT_GLOBALS] = 99;
    cr_assert_eq(take(9, all), SNAPSHOT_PUBLISHED);
    snapshots_close(shelf.snapshots);
    block_file(path, 1);
    damage_all(path);
    manifest_file(path, 1);
    damage_all(path);
    must_open();
    must_load();
    snapshots_close(shelf.snapshots);
    block_file(path, 1);
    unlink(path);
    cr_assert_eq(snapshots_open(&shelf.snapshots, shelf.directory, &shelf.newest, &shelf.errmsg),
                 0);
    cr_assert_eq(snapshots_load(shelf.snapshots, compare_block, NULL, &shelf.errmsg),
                 ERROR_DAMAGED);
    cr_assert_not_null(strstr(shelf.errmsg.text, "is missing"), "%s", shelf.errmsg.text);
    snapshots_close(shelf.snapshots);
}

static int count_entry(void *context, uint64_t number, const struct snapshot_info *info, int error,
                       const char *text)
{
    (void)text;
    cr_assert_eq(error, 0);
    cr_assert_eq(number, 1);
    cr_assert_eq(info->seq, 41);
    ++*(int *)context;
    return 0;
}

static int count_block(void *context, const struct snapshot_block_info *info)
{
    cr_assert_eq(info->size, shelf.content[info->block]);
    cr_assert_eq(info->version, 41);
    ++*(size_t *)context;
    return 0;
}

Test(snapshot, it_can_be_listed_and_inspected_while_in_use)
{
    struct snapshot_info info;
    int entries = 0;
    size_t blocks = 0;
    must_open();
    cr_assert_eq(snapshot_inspect(shelf.directory, 0, &info, count_block, &blocks, &shelf.errmsg),
                 ERROR_NOT_FOUND);
    fill();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    cr_assert_eq(snapshots_list(shelf.directory, count_entry, &entries, &shelf.errmsg), 0);
    cr_assert_eq(entries, 1);
    cr_assert_eq(snapshot_inspect(shelf.directory, 0, &info, count_block, &blocks, &shelf.errmsg),
                 0);
    cr_assert_eq(blocks, filled());
    cr_assert_eq(info.seq, 41);
    snapshots_close(shelf.snapshots);
}
