/*
 * The Nth call of the system fails while a directory is looked at, repaired or opened: whoever
 * asked is told, nothing is harmed, and the next try does what the first should have done.
 */
#include "unit/store/fixture.h"

#include "os/file.h"
#include "store/check.h"
#include "store/segment.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static char directory[PATH_SIZE];
static char golden[PATH_SIZE];
static struct ledger ledger;
static struct errmsg errmsg;
static struct snapshot_info newest;
static unsigned damage_told, lost_told, done_told, given;

/* ---- What fails ---- */

static struct {
    atomic_uint countdown; /* 0: nothing */
    atomic_bool hit;
    int number;
    bool stays;
} fault;

static int inject(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)call, (void)path, (void)size;
    if (fault.hit && fault.stays) return fault.number;
    if (fault.countdown == 0 || --fault.countdown > 0) return 0;
    fault.hit = true;
    return fault.number;
}

static void arm(unsigned nth, int number, bool stays)
{
    fault.countdown = nth;
    fault.hit = false;
    fault.number = number;
    fault.stays = stays;
    file_fault_set(inject, NULL);
}

/* ---- The directory ---- */

static void setup(void)
{
    temporary_make(directory);
    temporary_make(golden);
    ledger_init(&ledger, directory, SEGMENT_SIZE_MIN);
}

static void teardown(void)
{
    file_fault_set(NULL, NULL);
    temporary_remove(directory);
    temporary_remove(golden);
}

TestSuite(tool_fault, .init = setup, .fini = teardown, .timeout = 120);

static void groups(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ledger_append(&ledger, 10);
        ledger_commit(&ledger);
    }
}

/* Several segments and two snapshots, of which the journal reaches behind the older one. */
static void make_golden(bool damaged)
{
    ledger_must_open(&ledger);
    groups(40);
    ledger_close(&ledger);
    snapshot_make(directory, 60, 20);
    snapshot_make(directory, 90, 20);
    if (damaged) {
        char path[PATH_SIZE];
        segment_at(path, directory, 3);
        file_flip(path, SEGMENT_HEAD_SIZE + 700, 0x10);
        snprintf(path, sizeof path, "%.500s/snapshots/manifest-%020u", directory, 2);
        file_flip(path, 100, 0x10);
    }
    directory_copy(directory, golden);
}

/* ---- What is done to it ---- */

static void hear(void *context, enum store_finding finding, const char *text)
{
    (void)context;
    cr_assert_gt(strlen(text), 0);
    damage_told += finding == STORE_DAMAGED;
    lost_told += finding == STORE_LOST;
    done_told += finding == STORE_DONE;
}

static struct store_tool tool(void)
{
    damage_told = lost_told = done_told = given = 0;
    return (struct store_tool){.directory = directory, .report = hear};
}

static int do_check(void)
{
    struct store_tool tools = tool();
    return store_check(&tools, &errmsg);
}

static int do_repair(void)
{
    struct store_tool tools = tool();
    return store_repair(&tools, true, &errmsg);
}

static int take_block(void *context, uint32_t block, struct span bytes)
{
    (void)context, (void)block;
    given += bytes.size > 0;
    return 0;
}

static int take_run(void *context, struct span records, uint64_t first_seq, uint32_t count,
                    uint32_t epoch, uint64_t lineage)
{
    (void)context, (void)first_seq, (void)epoch, (void)lineage;
    given += records.size > 0 ? count : 0;
    return 0;
}

static int do_replay(void)
{
    struct store_tool tools = tool();
    return store_replay(&tools, take_block, take_run, NULL, &newest, &errmsg);
}

static int take_entry(void *context, uint64_t number, const struct snapshot_info *info, int error,
                      const char *text)
{
    (void)context, (void)info, (void)number;
    if (error != 0) cr_assert_gt(strlen(text), 0);
    given += error == 0;
    damage_told += error != 0;
    return 0;
}

static int do_list(void)
{
    (void)tool();
    return snapshots_list(directory, take_entry, NULL, &errmsg);
}

static int take_inspected(void *context, const struct snapshot_block_info *info)
{
    (void)context;
    given += info->size > 0;
    return 0;
}

static int do_inspect(void)
{
    (void)tool();
    return snapshot_inspect(directory, 0, &newest, take_inspected, NULL, &errmsg);
}

static int do_open(void)
{
    (void)tool();
    struct snapshots *snapshots;
    int error = snapshots_open(&snapshots, directory, &newest, &errmsg);
    if (error != 0) return error;
    error = snapshots_load(snapshots, take_block, NULL, &errmsg);
    if (error == 0) {
        error = ledger_open(&ledger, newest.seq);
        if (error == 0) {
            given += (unsigned)ledger.replayed_last;
            ledger_kill(&ledger);
        } else {
            errmsg = ledger.errmsg;
        }
    }
    snapshots_close(snapshots);
    return error;
}

struct operation {
    const char *name;
    int (*run)(void);
    unsigned calls_min; /* of the system, that it makes at least */
};

static const struct operation operations[] = {
    {"check", do_check, 30}, {"repair", do_repair, 30},  {"replay", do_replay, 20},
    {"list", do_list, 5},    {"inspect", do_inspect, 5}, {"open", do_open, 30},
};

/* Each call fails once, and in another run all after it fail too. */
static void fail_each(const struct operation *operation, int number, bool stays)
{
    directory_copy(golden, directory);
    int expected = operation->run();
    unsigned expected_given = given, expected_damage = damage_told, calls = 0, told = 0;
    for (unsigned nth = 1;; nth++, calls++) {
        directory_copy(golden, directory);
        errmsg.text[0] = '\0';
        arm(nth, number, stays);
        int error = operation->run();
        bool hit = fault.hit;
        file_fault_set(NULL, NULL);
        if (error != 0) {
            told++;
            cr_assert_gt(strlen(errmsg.text), 5, "%s, call %u: no sentence", operation->name, nth);
        } else {
            /* What did not matter may pass: then everything is there, or it was said what is not.
             */
            cr_assert(given == expected_given || damage_told > expected_damage || done_told > 0,
                      "%s, call %u failed and nobody was told", operation->name, nth);
        }
        int again = operation->run();
        cr_assert(again == expected || again == 0, "%s, after call %u had failed: %d, not %d: %s",
                  operation->name, nth, again, expected, errmsg.text);
        if (!hit) break;
    }
    cr_assert_gt(calls, operation->calls_min, "%s", operation->name);
    cr_assert_gt(told, 0, "%s", operation->name);
}

Test(tool_fault, each_call_on_a_sound_directory)
{
    make_golden(false);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        fail_each(&operations[i], EIO, false);
        fail_each(&operations[i], EACCES, true);
    }
}

Test(tool_fault, each_call_on_a_damaged_directory)
{
    make_golden(true);
    for (size_t i = 0; i < 2; i++) { /* the others refuse it at once */
        fail_each(&operations[i], EIO, false);
        fail_each(&operations[i], ENOSPC, true);
    }
}

/* After whatever part of a repair was done, a second one ends it, and no record comes back that it
 * had called lost. */
Test(tool_fault, a_repair_that_was_interrupted_is_ended_by_the_next)
{
    make_golden(true);
    directory_copy(golden, directory);
    cr_assert_eq(do_repair(), 0, "%s", errmsg.text);
    cr_assert_eq(do_open(), 0, "%s", errmsg.text);
    uint64_t last = ledger.replayed_last;
    for (unsigned nth = 1;; nth++) {
        directory_copy(golden, directory);
        arm(nth, EIO, true);
        int error = do_repair();
        bool hit = fault.hit;
        file_fault_set(NULL, NULL);
        cr_assert(error != 0 || !hit || nth > 30, "call %u", nth);
        cr_assert_eq(do_repair(), 0, "after call %u: %s", nth, errmsg.text);
        cr_assert_eq(do_check(), 0, "after call %u: %s", nth, errmsg.text);
        cr_assert_eq(do_open(), 0, "after call %u: %s", nth, errmsg.text);
        cr_assert_eq(ledger.replayed_last, last, "after call %u", nth);
        cr_assert_neq(ledger.lineage, LINEAGE + 1);
        if (!hit) break;
    }
}

/* ---- What was moved aside stays there ---- */

enum { ASIDES_MAX = 8 };

static struct {
    char paths[ASIDES_MAX][FILE_PATH_MAX]; /* of the folders that were synced */
    unsigned count;
} synced;

static int note_sync(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)size;
    if (call != FILE_CALL_SYNC_DIRECTORY || strstr(path, "/damaged-") == NULL) return 0;
    cr_assert_lt(synced.count, ASIDES_MAX);
    snprintf(synced.paths[synced.count++], FILE_PATH_MAX, "%s", path);
    return 0;
}

static bool was_synced(const char *name)
{
    for (unsigned i = 0; i < synced.count; i++)
        if (strstr(synced.paths[i], name) != NULL) return true;
    return false;
}

/* How many there are; each has to be synced. */
static unsigned asides_are_synced(unsigned nth, const char *by)
{
    unsigned count = 0;
    DIR *list = opendir(directory);
    cr_assert_not_null(list);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        if (strncmp(entry->d_name, "damaged-", 8) != 0) continue;
        count++;
        cr_assert(was_synced(entry->d_name), "after call %u: %s by %s", nth, entry->d_name, by);
    }
    closedir(list);
    return count;
}

/* A repair that is killed has moved files, and synced neither folder: a later power cut would bring
 * them back into a journal that has gone on without them. */
Test(tool_fault, what_an_interrupted_repair_has_moved_stays_moved)
{
    unsigned by_repair = 0;
    unsigned by_open = 0;
    bool hit = true;
    make_golden(true);
    for (unsigned nth = 1; hit; nth++) {
        directory_copy(golden, directory);
        arm(nth, EIO, true);
        (void)!do_repair();
        hit = fault.hit;
        synced.count = 0;
        file_fault_set(note_sync, NULL);
        bool opens = nth % 2 == 0 && do_open() == 0; /* of itself, the end was near */
        if (!opens) {
            cr_assert_eq(do_repair(), 0, "after call %u: %s", nth, errmsg.text);
            if (done_told > 0 && asides_are_synced(nth, "the next repair") > 1) by_repair++;
            cr_assert_eq(do_open(), 0, "after call %u: %s", nth, errmsg.text);
        }
        if (asides_are_synced(nth, "the open") > 0) by_open++;
        file_fault_set(NULL, NULL);
    }
    cr_assert(by_repair > 0 && by_open > by_repair, "%u, %u", by_repair, by_open);
}
