/* Crashes and failures at every step of a snapshot. */
#include "unit/store/snapshot_fixture.h"

#include "os/file.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

TestSuite(snapshot_fault, .init = shelf_setup, .fini = shelf_teardown, .timeout = 60);

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
    directory_copy(shelf.directory, to);
    return 0;
}

Test(snapshot_fault, a_crash_at_any_step_leaves_the_old_or_the_new_one)
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
    for (uint32_t i = 0; i < BLOCKS; i += 50) shelf.content[i] = 20;
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    memcpy(old_content, shelf.content, sizeof shelf.content);
    memcpy(old_generation, shelf.generation, sizeof shelf.generation);
    change_tenth();
    file_fault_set(copy_before, NULL);
    cr_assert_eq(take(50, tenth), SNAPSHOT_PUBLISHED);
    file_fault_set(NULL, NULL);
    snapshots_close(shelf.snapshots);
    memcpy(new_content, shelf.content, sizeof shelf.content);
    memcpy(new_generation, shelf.generation, sizeof shelf.generation);
    memcpy(real, shelf.directory, sizeof real);
    cr_assert_gt(crash.count, 10);
    for (unsigned i = 0; i < crash.count; i++) {
        snprintf(shelf.directory, sizeof shelf.directory, "%.500s/%u", crash.copies, i);
        must_open();
        bool is_new = shelf.newest.seq == 50;
        cr_assert(is_new || shelf.newest.seq == 41);
        memcpy(shelf.content, is_new ? new_content : old_content, sizeof shelf.content);
        memcpy(shelf.generation, is_new ? new_generation : old_generation, sizeof shelf.generation);
        must_load();
        seen_old += !is_new;
        seen_new += is_new;
        snapshots_close(shelf.snapshots);
    }
    memcpy(shelf.directory, real, sizeof real);
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

Test(snapshot_fault, a_failure_at_any_call_leaves_the_old_one_and_the_next_works)
{
    static const int numbers[] = {EIO, ENOSPC};
    unsigned failed = 0;
    for (size_t n = 0; n < 2; n++)
        for (unsigned nth = 1;; nth++) {
            temporary_remove(shelf.directory);
            temporary_make(shelf.directory);
            memset(shelf.content, 0, sizeof shelf.content);
            for (uint32_t i = 0; i < BLOCKS; i += 100) shelf.content[i] = 20;
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
                cr_assert_gt(strlen(shelf.errmsg.text), 10);
            }
            must_load();
            cr_assert_eq(take(43, all), SNAPSHOT_PUBLISHED, "after call %u failed: %s", nth,
                         shelf.errmsg.text);
            must_load();
            snapshots_close(shelf.snapshots);
            must_open();
            cr_assert_eq(shelf.newest.seq, 43);
            must_load();
            snapshots_close(shelf.snapshots);
            if (!fail.hit) break;
        }
    cr_assert_gt(failed, 15);
}

/* ---- A snapshot that is told to have failed, and whose manifest is there ---- */

static struct {
    bool named; /* its manifest */
    bool before;
} late;

/* Once a manifest has got its name, or before it, nothing works. */
static int fail_late(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)size;
    if (call == FILE_CALL_RENAME && strstr(path, "/manifest-") != NULL) {
        late.named = true;
        return late.before ? ENOSPC : 0;
    }
    return late.named && call == FILE_CALL_SYNC_DIRECTORY ? EIO : 0;
}

static void must_fail(uint64_t seq, bool before)
{
    late.named = false;
    late.before = before;
    file_fault_set(fail_late, NULL);
    cr_assert_eq(take(seq, all), SNAPSHOT_FAILED);
    file_fault_set(NULL, NULL);
}

static unsigned count_files(const char *prefix)
{
    char path[PATH_SIZE + 16];
    unsigned count = 0;
    snprintf(path, sizeof path, "%.580s/snapshots", shelf.directory);
    DIR *list = opendir(path);
    cr_assert_not_null(list);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(list);
    return count;
}

/* On a full disk they would pile up, until there is no room for the snapshot that frees some. */
Test(snapshot_fault, failed_ones_leave_no_files_behind_one_that_was_named)
{
    fill();
    must_open();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    must_fail(42, false);
    cr_assert_eq(count_files("blocks-"), 2, "the published one's, and of the one that may be");
    for (uint64_t seq = 43; seq < 50; seq++) must_fail(seq, true);
    cr_assert_eq(count_files("blocks-"), 2, "%u", count_files("blocks-"));
    cr_assert_eq(take(50, all), SNAPSHOT_PUBLISHED);
    cr_assert_eq(count_files("blocks-"), 1);
    cr_assert_eq(count_files("manifest-"), 1);
    snapshots_close(shelf.snapshots);
    must_open();
    cr_assert_eq(shelf.newest.seq, 50);
    must_load();
    snapshots_close(shelf.snapshots);
}
