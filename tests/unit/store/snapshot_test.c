/* Snapshots: written, published, incremental, cleaned up; crashes and failures at every step. */
#include "unit/store/fixture.h"

#include "os/file.h"
#include "store/check.h"
#include "store/snapshot.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = SNAPSHOT_SLOTS + 1 };

static char directory[PATH_SIZE];
static struct snapshots *snapshots;
static struct snapshot_info newest;
static struct errmsg errmsg;
/* What each block should hold: `content[i]` bytes of the value i + generation; 0 = the block is
 * empty. */
static size_t content[BLOCKS];
static uint8_t generation[BLOCKS];
static size_t loaded;

static void setup(void)
{
    temporary_make(directory);
    memset(content, 0, sizeof content);
}

static void teardown(void)
{
    file_fault_set(NULL, NULL);
    temporary_remove(directory);
}

TestSuite(snapshot, .init = setup, .fini = teardown, .timeout = 60);

static void must_open(void)
{
    int error = snapshots_open(&snapshots, directory, &newest, &errmsg);
    cr_assert_eq(error, 0, "%s", errmsg.text);
}

static struct span bytes_of(uint32_t block)
{
    static uint8_t bytes[3 << 20];
    cr_assert_leq(content[block], sizeof bytes);
    memset(bytes, (int)(block * 3 + generation[block]), content[block]);
    return span_of(bytes, content[block]);
}

static enum snapshot_state wait_for_end(struct snapshot_info *info)
{
    for (int i = 0; i < 20000; i++) {
        enum snapshot_state state = snapshot_poll(snapshots, info, &errmsg);
        if (state != SNAPSHOT_WRITING && state != SNAPSHOT_PUBLISHING) return state;
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    cr_assert_fail("the snapshot did not end");
    return SNAPSHOT_FAILED;
}

static void begin(uint64_t seq)
{
    struct snapshot_info info = {.seq = seq, .lineage = 7, .epoch = 3, .created_ms = 1000};
    cr_assert_eq(snapshot_begin(snapshots, &info), 0);
}

/* Blocks of which `changed` says so are written, the others kept. */
static enum snapshot_state take(uint64_t seq, bool (*changed)(uint32_t block))
{
    struct snapshot_info info;
    begin(seq);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (!changed(i)) {
            snapshot_keep(snapshots, i);
            continue;
        }
        cr_assert_eq(snapshot_write(snapshots, i, bytes_of(i)), 0);
    }
    snapshot_finish(snapshots);
    enum snapshot_state state = wait_for_end(&info);
    if (state == SNAPSHOT_PUBLISHED) cr_assert_eq(info.seq, seq);
    return state;
}

static int compare(void *context, uint32_t block, struct span bytes)
{
    cr_assert(loaded > 0 || block == SNAPSHOT_GLOBALS || content[SNAPSHOT_GLOBALS] == 0,
              "globals first");
    cr_assert(span_equal(bytes, bytes_of(block)), "block %u", block);
    loaded++;
    (void)context;
    return 0;
}

static size_t filled(void)
{
    size_t count = 0;
    for (uint32_t i = 0; i < BLOCKS; i++) count += content[i] > 0;
    return count;
}

static void must_load(void)
{
    loaded = 0;
    cr_assert_eq(snapshots_load(snapshots, compare, NULL, &errmsg), 0, "%s", errmsg.text);
    cr_assert_eq(loaded, filled());
}

static bool all(uint32_t block)
{
    (void)block;
    return true;
}

static bool none(uint32_t block)
{
    (void)block;
    return false;
}

static bool tenth(uint32_t block)
{
    return block % 10 == 0;
}

static void fill(void)
{
    for (uint32_t i = 0; i < BLOCKS; i++) {
        content[i] = i % 3 == 0 ? 0 : 10 + i % 200;
        generation[i] = 0;
    }
    content[SNAPSHOT_GLOBALS] = 100;
}

static void change_tenth(void)
{
    for (uint32_t i = 0; i < BLOCKS; i += 10) {
        content[i] = i % 20 == 0 ? 33 : 0;
        generation[i]++;
    }
}

static void block_file(char path[PATH_SIZE], unsigned number)
{
    snprintf(path, PATH_SIZE, "%.500s/snapshots/blocks-%020u", directory, number);
}

static void manifest_file(char path[PATH_SIZE], unsigned number)
{
    snprintf(path, PATH_SIZE, "%.500s/snapshots/manifest-%020u", directory, number);
}

static long size_of_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (long)status.st_size : -1;
}

Test(snapshot, there_is_none_at_first)
{
    struct snapshot_info info;
    must_open();
    cr_assert_eq(newest.seq, 0);
    must_load();
    cr_assert_eq(snapshot_poll(snapshots, &info, &errmsg), SNAPSHOT_IDLE);
    snapshots_close(snapshots);
}

Test(snapshot, what_was_published_is_loaded_by_the_next)
{
    must_open();
    fill();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    must_load();
    snapshots_close(snapshots);
    must_open();
    cr_assert_eq(newest.seq, 41);
    cr_assert_eq(newest.lineage, 7);
    cr_assert_eq(newest.epoch, 3);
    cr_assert_eq(newest.created_ms, 1000);
    cr_assert_eq(newest.block_count, filled());
    must_load();
    snapshots_close(snapshots);
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
    snapshots_close(snapshots);
    must_open();
    cr_assert_eq(newest.seq, 50);
    must_load();
    block_file(path, 1);
    long first = size_of_file(path);
    block_file(path, 2);
    cr_assert_gt(first, 5 * size_of_file(path));
    cr_assert_gt(size_of_file(path), 0);
    manifest_file(path, 1);
    cr_assert_eq(size_of_file(path), -1, "the old manifest is gone");
    snapshots_close(snapshots);
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
    snapshots_close(snapshots);
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
    for (uint32_t i = 0; i < BLOCKS; i++) generation[i] += most(i);
    cr_assert_eq(take(42, most), SNAPSHOT_PUBLISHED);
    must_load();
    block_file(path, 1);
    cr_assert_eq(size_of_file(path), -1);
    snapshots_close(snapshots);
    must_open();
    must_load();
    snapshots_close(snapshots);
}

Test(snapshot, large_blocks_pass)
{
    must_open();
    content[5] = 3 << 20;
    content[6] = 1;
    content[SNAPSHOT_GLOBALS] = 2 << 20;
    cr_assert_eq(take(9, all), SNAPSHOT_PUBLISHED);
    snapshots_close(snapshots);
    must_open();
    must_load();
    snapshots_close(snapshots);
}

Test(snapshot, the_backlog_falls_to_zero)
{
    struct snapshot_info info;
    must_open();
    begin(3);
    content[1] = 1 << 20;
    cr_assert_eq(snapshot_write(snapshots, 1, bytes_of(1)), 0);
    cr_assert_leq(snapshot_backlog(snapshots), 1u << 20);
    for (int i = 0; snapshot_backlog(snapshots) > 0; i++) {
        cr_assert_lt(i, 10000);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    cr_assert_eq(snapshot_poll(snapshots, &info, &errmsg), SNAPSHOT_WRITING);
    snapshot_finish(snapshots);
    cr_assert_eq(wait_for_end(&info), SNAPSHOT_PUBLISHED);
    snapshots_close(snapshots);
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
        cr_assert_eq(snapshot_write(snapshots, i, span_of(other, 5)), 0);
    cr_assert_eq(snapshot_begin(snapshots, &info), ERROR_IN_USE);
    snapshot_abort(snapshots);
    cr_assert_eq(wait_for_end(&info), SNAPSHOT_IDLE);
    must_load();
    begin(43);
    snapshots_close(snapshots);
    block_file(path, 77);
    file_bytes_write(path, SPAN_LITERAL("left by a crash"));
    snprintf(path, sizeof path, "%.500s/snapshots/manifest-00000000000000000002.tmp", directory);
    file_bytes_write(path, SPAN_LITERAL("left by a crash"));
    must_open();
    cr_assert_eq(newest.seq, 41);
    must_load();
    cr_assert_eq(size_of_file(path), -1);
    block_file(path, 77);
    cr_assert_eq(size_of_file(path), -1);
    snapshots_close(snapshots);
}

Test(snapshot, older_ones_are_retained_on_demand)
{
    char path[PATH_SIZE];
    must_open();
    snapshots_retain(snapshots, 2);
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
    snapshots_close(snapshots);
    file_flip(path, 70, 1);
    must_open();
    cr_assert_eq(newest.seq, 45, "the older one does not matter");
    must_load();
    snapshots_close(snapshots);
}

static void must_be_damaged(const char *path)
{
    int error = snapshots_open(&snapshots, directory, &newest, &errmsg);
    if (error == 0) {
        loaded = 1;
        error = snapshots_load(snapshots, compare, NULL, &errmsg);
        snapshots_close(snapshots);
    }
    cr_assert_eq(error, ERROR_DAMAGED);
    cr_assert_not_null(strstr(errmsg.text, path), "%s, expected %s", errmsg.text, path);
    cr_assert_not_null(strstr(errmsg.text, "at offset"), "%s", errmsg.text);
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
    content[3] = 50;
    content[700] = 1;
    content[SNAPSHOT_GLOBALS] = 99;
    cr_assert_eq(take(9, all), SNAPSHOT_PUBLISHED);
    snapshots_close(snapshots);
    block_file(path, 1);
    damage_all(path);
    manifest_file(path, 1);
    damage_all(path);
    must_open();
    must_load();
    snapshots_close(snapshots);
    block_file(path, 1);
    unlink(path);
    cr_assert_eq(snapshots_open(&snapshots, directory, &newest, &errmsg), 0);
    cr_assert_eq(snapshots_load(snapshots, compare, NULL, &errmsg), ERROR_DAMAGED);
    cr_assert_not_null(strstr(errmsg.text, "is missing"), "%s", errmsg.text);
    snapshots_close(snapshots);
}

/* ---- A crash before each change of the disk ---- */

static struct {
    char copies[PATH_SIZE];
    unsigned count;
} crash;

static bool changes_disk(enum file_call call)
{
    return call == FILE_CALL_WRITE || call == FILE_CALL_SYNC || call == FILE_CALL_RENAME ||
           call == FILE_CALL_REMOVE || call == FILE_CALL_SYNC_DIRECTORY ||
           call == FILE_CALL_TRUNCATE || call == FILE_CALL_OPEN;
}

static int copy_before(void *context, enum file_call call, const char *path, size_t *size)
{
    char to[PATH_SIZE];
    (void)context, (void)path, (void)size;
    if (!changes_disk(call)) return 0;
    snprintf(to, sizeof to, "%.500s/%u", crash.copies, crash.count++);
    mkdir(to, 0700);
    directory_copy(directory, to);
    return 0;
}

Test(snapshot, a_crash_at_any_step_leaves_the_old_or_the_new_one)
{
    static size_t old_content[BLOCKS];
    static uint8_t old_generation[BLOCKS];
    static size_t new_content[BLOCKS];
    static uint8_t new_generation[BLOCKS];
    char real[PATH_SIZE];
    unsigned seen_old = 0;
    unsigned seen_new = 0;
    temporary_make(crash.copies);
    must_open();
    for (uint32_t i = 0; i < BLOCKS; i += 50) content[i] = 20;
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    memcpy(old_content, content, sizeof content);
    memcpy(old_generation, generation, sizeof generation);
    change_tenth();
    file_fault_set(copy_before, NULL);
    cr_assert_eq(take(50, tenth), SNAPSHOT_PUBLISHED);
    file_fault_set(NULL, NULL);
    snapshots_close(snapshots);
    memcpy(new_content, content, sizeof content);
    memcpy(new_generation, generation, sizeof generation);
    memcpy(real, directory, sizeof real);
    cr_assert_gt(crash.count, 10);
    for (unsigned i = 0; i < crash.count; i++) {
        snprintf(directory, sizeof directory, "%.500s/%u", crash.copies, i);
        must_open();
        bool is_new = newest.seq == 50;
        cr_assert(is_new || newest.seq == 41);
        memcpy(content, is_new ? new_content : old_content, sizeof content);
        memcpy(generation, is_new ? new_generation : old_generation, sizeof generation);
        must_load();
        seen_old += !is_new;
        seen_new += is_new;
        snapshots_close(snapshots);
    }
    memcpy(directory, real, sizeof real);
    cr_assert(seen_old > 0 && seen_new > 0, "%u old, %u new", seen_old, seen_new);
    temporary_remove(crash.copies);
}

/* ---- The Nth call fails ---- */

static struct {
    unsigned countdown;
    int number;
    bool hit;
} fail;

static int fail_nth(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)path, (void)size, (void)call;
    if (fail.countdown == 0 || --fail.countdown > 0) return 0;
    fail.hit = true;
    return fail.number;
}

Test(snapshot, a_failure_at_any_call_leaves_the_old_one_and_the_next_works)
{
    static const int numbers[] = {EIO, ENOSPC};
    unsigned failed = 0;
    for (size_t n = 0; n < 2; n++)
        for (unsigned nth = 1;; nth++) {
            temporary_remove(directory);
            temporary_make(directory);
            memset(content, 0, sizeof content);
            for (uint32_t i = 0; i < BLOCKS; i += 100) content[i] = 20;
            must_open();
            cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
            fail.countdown = nth;
            fail.number = numbers[n];
            fail.hit = false;
            file_fault_set(fail_nth, NULL);
            enum snapshot_state state = take(42, all);
            file_fault_set(NULL, NULL);
            cr_assert(state == SNAPSHOT_PUBLISHED || state == SNAPSHOT_FAILED);
            if (state == SNAPSHOT_FAILED) {
                failed++;
                cr_assert(fail.hit);
                cr_assert_gt(strlen(errmsg.text), 10);
            }
            must_load();
            cr_assert_eq(take(43, all), SNAPSHOT_PUBLISHED, "after call %u failed: %s", nth,
                         errmsg.text);
            must_load();
            snapshots_close(snapshots);
            must_open();
            cr_assert_eq(newest.seq, 43);
            must_load();
            snapshots_close(snapshots);
            if (!fail.hit) break;
        }
    cr_assert_gt(failed, 15);
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
    cr_assert_eq(info->size, content[info->block]);
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
    cr_assert_eq(snapshot_inspect(directory, 0, &info, count_block, &blocks, &errmsg),
                 ERROR_NOT_FOUND);
    fill();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    cr_assert_eq(snapshots_list(directory, count_entry, &entries, &errmsg), 0);
    cr_assert_eq(entries, 1);
    cr_assert_eq(snapshot_inspect(directory, 0, &info, count_block, &blocks, &errmsg), 0);
    cr_assert_eq(blocks, filled());
    cr_assert_eq(info.seq, 41);
    snapshots_close(snapshots);
}
