#include "unit/store/snapshot_fixture.h"

#include "os/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

struct shelf shelf;

void shelf_setup(void)
{
    temporary_make(shelf.directory);
    memset(shelf.content, 0, sizeof shelf.content);
}

void shelf_teardown(void)
{
    file_fault_set(NULL, NULL);
    temporary_remove(shelf.directory);
}

void must_open(void)
{
    int error = snapshots_open(&shelf.snapshots, shelf.directory, &shelf.newest, &shelf.errmsg);
    cr_assert_eq(error, 0, "%s", shelf.errmsg.text);
}

struct span bytes_of(uint32_t block)
{
    static uint8_t bytes[3 << 20];
    cr_assert_leq(shelf.content[block], sizeof bytes);
    memset(bytes, (int)(block * 3 + shelf.generation[block]), shelf.content[block]);
    return span_of(bytes, shelf.content[block]);
}

enum snapshot_state wait_for_end(struct snapshot_info *info)
{
    for (int i = 0; i < 20000; i++) {
        enum snapshot_state state = snapshot_poll(shelf.snapshots, info, &shelf.errmsg);
        if (state != SNAPSHOT_WRITING && state != SNAPSHOT_PUBLISHING) return state;
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    cr_assert_fail("the snapshot did not end");
    return SNAPSHOT_FAILED;
}

void begin(uint64_t seq)
{
    struct snapshot_info info = {.seq = seq, .lineage = 7, .epoch = 3, .created_ms = 1000};
    cr_assert_eq(snapshot_begin(shelf.snapshots, &info), 0);
}

enum snapshot_state take(uint64_t seq, bool (*changed)(uint32_t block))
{
    struct snapshot_info info;
    begin(seq);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        if (!changed(i)) {
            snapshot_keep(shelf.snapshots, i);
            continue;
        }
        cr_assert_eq(snapshot_write(shelf.snapshots, i, bytes_of(i)), 0);
    }
    snapshot_finish(shelf.snapshots);
    enum snapshot_state state = wait_for_end(&info);
    if (state == SNAPSHOT_PUBLISHED) cr_assert_eq(info.seq, seq);
    return state;
}

int compare_block(void *context, uint32_t block, struct span bytes)
{
    cr_assert(shelf.loaded > 0 || block == SNAPSHOT_GLOBALS || shelf.content[SNAPSHOT_GLOBALS] == 0,
              "globals first");
    cr_assert(span_equal(bytes, bytes_of(block)), "block %u", block);
    shelf.loaded++;
    (void)context;
    return 0;
}

size_t filled(void)
{
    size_t count = 0;
    for (uint32_t i = 0; i < BLOCKS; i++) count += shelf.content[i] > 0;
    return count;
}

void must_load(void)
{
    shelf.loaded = 0;
    cr_assert_eq(snapshots_load(shelf.snapshots, compare_block, NULL, &shelf.errmsg), 0, "%s",
                 shelf.errmsg.text);
    cr_assert_eq(shelf.loaded, filled());
}

bool all(uint32_t block)
{
    (void)block;
    return true;
}

bool none(uint32_t block)
{
    (void)block;
    return false;
}

bool tenth(uint32_t block)
{
    return block % 10 == 0;
}

void fill(void)
{
    for (uint32_t i = 0; i < BLOCKS; i++) {
        shelf.content[i] = i % 3 == 0 ? 0 : 10 + i % 200;
        shelf.generation[i] = 0;
    }
    shelf.content[SNAPSHOT_GLOBALS] = 100;
}

void change_tenth(void)
{
    for (uint32_t i = 0; i < BLOCKS; i += 10) {
        shelf.content[i] = i % 20 == 0 ? 33 : 0;
        shelf.generation[i]++;
    }
}

void block_file(char path[PATH_SIZE], unsigned number)
{
    snprintf(path, PATH_SIZE, "%.500s/snapshots/blocks-%020u", shelf.directory, number);
}

void manifest_file(char path[PATH_SIZE], unsigned number)
{
    snprintf(path, PATH_SIZE, "%.500s/snapshots/manifest-%020u", shelf.directory, number);
}

long size_of_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (long)status.st_size : -1;
}
