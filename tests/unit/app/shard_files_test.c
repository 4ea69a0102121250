/* How many shards a directory has is said once; what is half restored does not count. */
#include "app/shard_files.h"

#include "os/file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char data[64];
static struct errmsg errmsg;

static void set_up(void)
{
    snprintf(data, sizeof data, "/tmp/holdfast-files-XXXXXX");
    cr_assert_not_null(mkdtemp(data));
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", data);
    cr_assert_eq(system(command), 0);
}

TestSuite(shard_files, .init = set_up, .fini = tear_down, .timeout = 30);

static uint32_t settle(uint32_t wanted, bool given, int expected)
{
    uint32_t count = 0;
    struct lock *lock = NULL;
    int error = shard_files_settle(data, wanted, given, &count, &lock, &errmsg);
    cr_assert_eq(error, expected, "%d %s", error, errmsg.text);
    if (error == 0) {
        cr_assert_eq(lock != NULL, count > 1);
        shard_files_release(lock);
    }
    return count;
}

static void make(const char *name, const char *content)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", data, name);
    if (content == NULL) {
        cr_assert_eq(mkdir(path, 0700), 0);
        return;
    }
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(content, file);
    fclose(file);
}

static bool is_there(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", data, name);
    return access(path, F_OK) == 0;
}

Test(shard_files, a_new_directory_gets_the_number_that_is_wanted)
{
    cr_assert_eq(settle(4, true, 0), 4);
    cr_assert_eq(settle(4, true, 0), 4);
    cr_assert_eq(settle(1, false, 0), 4, "nobody asked for another");
    settle(1, true, ERROR_REFUSED);
    cr_assert_not_null(strstr(errmsg.text, "4 shards"));
    settle(256, true, ERROR_REFUSED);
}

Test(shard_files, a_directory_of_one_shard_needs_no_word)
{
    cr_assert_eq(settle(1, false, 0), 1);
    cr_assert_not(is_there("shards"));
    make("journal", NULL);
    cr_assert_eq(settle(1, true, 0), 1);
    settle(2, true, ERROR_REFUSED);
    cr_assert_not_null(strstr(errmsg.text, "1 shard "), "%s", errmsg.text);
}

Test(shard_files, older_versions_do_not_take_it_for_an_empty_one)
{
    settle(2, true, 0);
    cr_assert(is_there("format"));
    char path[200], text[64] = "";
    snprintf(path, sizeof path, "%s/format", data);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(fgets(text, sizeof text, file));
    fclose(file);
    cr_assert_str_eq(text, "holdfast format 2\n");
}

Test(shard_files, a_count_that_cannot_be_is_damage)
{
    static const char *const wrong[] = {"", "holdfast shards 1\n", "holdfast shards 257\n",
                                        "holdfast shards\n", "4\n"};
    make("shards", NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        make("shards/count", wrong[i]);
        settle(4, true, ERROR_DAMAGED);
        cr_assert_not_null(strstr(errmsg.text, "shards/count at offset 0"), "%s", errmsg.text);
    }
}

static int no_room(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)size; /* the LOCK is written over in place, which needs none */
    return call == FILE_CALL_WRITE && strstr(path, ".tmp") != NULL ? ENOSPC : 0;
}

/* Both files are right, or one is missing, as a crash between them leaves it. */
Test(shard_files, a_full_disk_keeps_nobody_from_a_directory_that_is_settled)
{
    settle(3, true, 0);
    file_fault_set(no_room, NULL);
    cr_expect_eq(settle(0, false, 0), 3);
    file_fault_set(NULL, NULL);
    char path[200];
    snprintf(path, sizeof path, "%s/format", data);
    cr_assert_eq(unlink(path), 0);
    file_fault_set(no_room, NULL);
    settle(0, false, ERROR_FULL);
    file_fault_set(NULL, NULL);
    cr_expect_eq(settle(0, false, 0), 3);
    cr_expect(is_there("format"));
}

Test(shard_files, one_process_at_a_time)
{
    uint32_t count;
    struct lock *lock, *second;
    cr_assert_eq(shard_files_settle(data, 2, true, &count, &lock, &errmsg), 0);
    cr_assert_neq(shard_files_settle(data, 2, true, &count, &second, &errmsg), 0);
    shard_files_release(lock);
}

static void begin_restore(int expected)
{
    struct lock *lock;
    int error = shard_files_begin_restore(data, &lock, &errmsg);
    cr_assert_eq(error, expected, "%d %s", error, errmsg.text);
    if (error == 0) shard_files_release(lock);
}

Test(shard_files, only_a_new_directory_is_restored_to)
{
    make("something", "mine");
    begin_restore(ERROR_REFUSED);
    cr_assert(is_there("something"));
    cr_assert_not(is_there("restoring"));
}

Test(shard_files, until_a_restore_ends_nothing_starts)
{
    begin_restore(0);
    settle(1, false, ERROR_REFUSED);
    cr_assert_not_null(strstr(errmsg.text, "--restore"));
    cr_assert_eq(shard_files_write_count(data, 3, &errmsg), 0);
    settle(3, true, ERROR_REFUSED);
    cr_assert_eq(shard_files_end_restore(data, &errmsg), 0);
    cr_assert_eq(settle(3, true, 0), 3);
    begin_restore(ERROR_REFUSED);
}

Test(shard_files, one_that_was_cut_off_begins_with_nothing)
{
    begin_restore(0);
    cr_assert_eq(shard_files_write_count(data, 3, &errmsg), 0);
    make("shards/2", NULL);
    make("shards/2/snapshots", NULL);
    make("shards/2/snapshots/manifest-1", "half");
    make("shards/2/journal", NULL);
    make("shards/2/journal/repaired", "half");
    make("snapshots", NULL);
    make("snapshots/blocks-1", "half");
    begin_restore(0);
    cr_assert_not(is_there("shards/count"));
    cr_assert_not(is_there("shards/2/snapshots/manifest-1"));
    cr_assert_not(is_there("shards/2/journal/repaired"));
    cr_assert_not(is_there("snapshots/blocks-1"));
    cr_assert(is_there("restoring"));
}
