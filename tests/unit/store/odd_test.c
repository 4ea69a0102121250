/* Directories that are odd rather than damaged: empty, moved, mixed up, of another shard, of
 * another version, with more in them than there should be. */
#include "unit/store/snapshot_fixture.h"

#include "base/crc.h"
#include "os/file.h"
#include "store/check.h"
#include "store/manifest.h"
#include "store/segment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct ledger ledger;
static struct errmsg errmsg;
static unsigned damage_told;

static void setup(void)
{
    shelf_setup();
    ledger_init(&ledger, shelf.directory, SEGMENT_SIZE_MIN);
}

TestSuite(odd, .init = setup, .fini = shelf_teardown, .timeout = 60);

static void groups(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ledger_append(&ledger, 10);
        ledger_commit(&ledger);
    }
}

static void hear(void *context, enum store_finding finding, const char *text)
{
    (void)context, (void)text;
    damage_told += finding == STORE_DAMAGED;
}

static struct store_tool tool(void)
{
    damage_told = 0;
    return (struct store_tool){.directory = shelf.directory, .report = hear};
}

static int check(void)
{
    struct store_tool tools = tool();
    return store_check(&tools, &errmsg);
}

static int repair(void)
{
    struct store_tool tools = tool();
    return store_repair(&tools, true, &errmsg);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

/* ---- Journals ---- */

/* The head of a segment with one field changed, and its checksum right. */
static void change_head(unsigned number, size_t at, uint32_t value)
{
    char path[PATH_SIZE];
    struct buffer bytes;
    buffer_init(&bytes);
    segment_at(path, shelf.directory, number);
    file_bytes(path, &bytes);
    put_u32(bytes.at + at, value);
    put_u32(bytes.at + 60, crc_of(span_of(bytes.at, 60)));
    file_bytes_write(path, buffer_span(&bytes));
    buffer_close(&bytes);
}

Test(odd, a_segment_of_another_shard)
{
    ledger_must_open(&ledger);
    ledger_close(&ledger);
    change_head(1, 8, 3);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "belongs to shard 3, not 0"), "%s",
                       ledger.errmsg.text);
}

Test(odd, a_segment_that_does_not_follow)
{
    ledger_must_open(&ledger);
    groups(30);
    ledger_close(&ledger);
    change_head(2, 24, 77);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "does not follow segment 1"), "%s",
                       ledger.errmsg.text);
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_eq(repair(), 0, "%s", errmsg.text);
    cr_assert_eq(check(), 0, "%s", errmsg.text);
    ledger_must_open(&ledger);
    ledger_close(&ledger);
}

Test(odd, files_that_only_look_like_ours)
{
    static const char *const names[] = {"journal/segment-0000000000000000000x",
                                        "journal/segment-1",
                                        "journal/spare-000000000000000000x1",
                                        "journal/segmentation-0000000000001",
                                        "snapshots/blocks-0000000000000000000x",
                                        "snapshots/blocks-1",
                                        "snapshots/manifest-0000000000000000000x",
                                        "snapshots/manifest-1",
                                        "snapshots/tmp",
                                        "snapshots/note.txt"};
    fill();
    must_open();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    snapshots_close(shelf.snapshots);
    ledger_must_open(&ledger);
    groups(10);
    ledger_close(&ledger);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%.500s/%s", shelf.directory, names[i]);
        file_bytes_write(path, SPAN_LITERAL("not ours"));
    }
    must_open();
    must_load();
    cr_assert_eq(take(42, none), SNAPSHOT_PUBLISHED);
    snapshots_close(shelf.snapshots);
    ledger_must_open(&ledger);
    cr_assert_geq(ledger.replayed_last, 101);
    ledger_close(&ledger);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%.500s/%s", shelf.directory, names[i]);
        cr_assert_eq(access(path, F_OK), 0, "%s is not ours to remove", names[i]);
    }
}

/* Without a record for OPEN an epoch takes no seq. */
Test(odd, epochs_without_a_record)
{
    ledger.options.encode_open = NULL;
    for (unsigned life = 0; life < 5; life++) {
        ledger_must_open(&ledger);
        cr_assert_eq(ledger.epoch, life + 1);
        cr_assert_eq(ledger.next_seq, 10 * life + 1);
        ledger_append(&ledger, 10);
        ledger_commit(&ledger);
        ledger_close(&ledger);
    }
    cr_assert_eq(check(), 0, "%s", errmsg.text);
}

Test(odd, spares_of_another_size_go)
{
    ledger_must_open(&ledger);
    groups(60);
    cr_assert_eq(journal_trim(ledger.journal, journal_durable(ledger.journal)), 0);
    ledger_close(&ledger);
    uint64_t last = ledger.next_seq - 1;
    ledger.options.segment_size = 4 * SEGMENT_SIZE_MIN;
    cr_assert_eq(ledger_open(&ledger, last), 0, "%s", ledger.errmsg.text);
    groups(60);
    ledger_close(&ledger);
    cr_assert_eq(ledger_open(&ledger, last), 0, "%s", ledger.errmsg.text);
    cr_assert_eq(ledger.replayed_last, ledger.next_seq - 1);
    ledger_close(&ledger);
}

/* Records of more than a group keeps, so that its memory is given back. */
Test(odd, a_group_of_many_runs)
{
    ledger_init(&ledger, shelf.directory, 16 << 20);
    ledger_must_open(&ledger);
    for (int i = 0; i < 9; i++) ledger_append_large(&ledger, 900000);
    ledger_commit(&ledger);
    groups(2);
    uint64_t last = ledger.next_seq - 1;
    ledger_close(&ledger);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.replayed_last, last + 1);
    ledger_close(&ledger);
}

Test(odd, a_path_that_is_too_long)
{
    char long_path[2000];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    ledger.options.directory = long_path;
    cr_assert_neq(ledger_open(&ledger, 0), 0);
    cr_assert_gt(strlen(ledger.errmsg.text), 10);
    struct snapshots *snapshots;
    struct snapshot_info info;
    cr_assert_neq(snapshots_open(&snapshots, long_path, &info, &errmsg), 0);
    cr_assert_gt(strlen(errmsg.text), 10);
    struct store_tool tools = {.directory = long_path};
    cr_assert_neq(store_check(&tools, &errmsg), 0);
    cr_assert_neq(store_repair(&tools, true, &errmsg), 0);
}

/* Nobody listens to what is found: the result is the same. */
Test(odd, a_check_that_nobody_listens_to)
{
    ledger_must_open(&ledger);
    groups(10);
    ledger_close(&ledger);
    struct store_tool quiet = {.directory = shelf.directory};
    cr_assert_eq(store_check(&quiet, &errmsg), 0);
    char path[PATH_SIZE];
    segment_at(path, shelf.directory, 1);
    file_flip(path, SEGMENT_HEAD_SIZE + 200, 1);
    cr_assert_eq(store_check(&quiet, &errmsg), ERROR_DAMAGED);
    cr_assert_eq(store_repair(&quiet, false, &errmsg), ERROR_REFUSED);
    cr_assert_eq(store_repair(&quiet, true, &errmsg), 0);
    cr_assert_eq(store_check(&quiet, &errmsg), 0);
}

/* A damaged note of a repair is damage; a second repair does not forget what the first had cut. */
Test(odd, repaired_twice)
{
    char path[PATH_SIZE];
    ledger_must_open(&ledger);
    groups(60);
    ledger_close(&ledger);
    segment_at(path, shelf.directory, 3);
    file_flip(path, SEGMENT_HEAD_SIZE + 300, 1);
    cr_assert_eq(repair(), 0, "%s", errmsg.text);
    segment_at(path, shelf.directory, 2);
    file_flip(path, SEGMENT_HEAD_SIZE + 300, 1);
    cr_assert_eq(repair(), 0, "%s", errmsg.text);
    uint64_t before = LINEAGE;
    int error =
        journal_open(&ledger.journal, &ledger.options, (struct journal_position){0}, before + 1,
                     NULL, NULL, &ledger.epoch, &ledger.lineage, &ledger.next_seq, &ledger.errmsg);
    cr_assert_eq(error, 0, "%s", ledger.errmsg.text);
    cr_assert_eq(ledger.lineage, before + 1, "records were lost: another lineage");
    ledger_close(&ledger);
    snprintf(path, sizeof path, "%.500s/journal/repaired", shelf.directory);
    file_bytes_write(path, SPAN_LITERAL("repaired 1\nepoch x\n"));
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_gt(damage_told, 0);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "note of a repair"), "%s", ledger.errmsg.text);
    cr_assert_eq(repair(), 0, "%s", errmsg.text);
}

/* ---- Snapshots ---- */

/* The newest manifest with some bytes changed and its checksum right. */
static void change_manifest(size_t at, uint32_t value)
{
    char path[PATH_SIZE];
    struct buffer bytes;
    buffer_init(&bytes);
    manifest_file(path, 1);
    file_bytes(path, &bytes);
    put_u32(bytes.at + at, value);
    put_u32(bytes.at + bytes.size - 4, crc_of(span_of(bytes.at, bytes.size - 4)));
    file_bytes_write(path, buffer_span(&bytes));
    buffer_close(&bytes);
}

static int open_snapshots(void)
{
    int error = snapshots_open(&shelf.snapshots, shelf.directory, &shelf.newest, &shelf.errmsg);
    if (error == 0) snapshots_close(shelf.snapshots);
    return error;
}

Test(odd, manifests_that_make_no_sense)
{
    static const struct {
        size_t at;
        uint32_t value;
        int error;
        const char *text;
    } cases[] = {
        {4, 2 | 2 << 16, ERROR_NEWER_FORMAT, "newer version"},
        {8, 9, ERROR_DAMAGED, "it is manifest 9"},
        {36, 1, ERROR_DAMAGED, "list of blocks"},                     /* the count */
        {MANIFEST_HEAD_SIZE, 99999, ERROR_DAMAGED, "list of blocks"}, /* a block beyond all */
        {MANIFEST_HEAD_SIZE + 8, 0, ERROR_DAMAGED, "list of blocks"}, /* in no file */
    };
    fill();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        temporary_remove(shelf.directory);
        temporary_make(shelf.directory);
        must_open();
        cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
        snapshots_close(shelf.snapshots);
        change_manifest(cases[i].at, cases[i].value);
        cr_assert_eq(open_snapshots(), cases[i].error, "case %zu: %s", i, shelf.errmsg.text);
        cr_assert_not_null(strstr(shelf.errmsg.text, cases[i].text), "case %zu: %s", i,
                           shelf.errmsg.text);
        cr_assert_neq(check(), 0);
    }
}

Test(odd, a_manifest_that_is_too_long)
{
    char path[PATH_SIZE];
    struct buffer bytes;
    buffer_init(&bytes);
    fill();
    must_open();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    snapshots_close(shelf.snapshots);
    manifest_file(path, 1);
    file_bytes(path, &bytes);
    cr_assert_eq(buffer_reserve(&bytes, MANIFEST_SIZE_MAX), 0);
    memset(bytes.at + bytes.size, 0, MANIFEST_SIZE_MAX);
    bytes.size += MANIFEST_SIZE_MAX;
    file_bytes_write(path, buffer_span(&bytes));
    buffer_close(&bytes);
    cr_assert_eq(open_snapshots(), ERROR_DAMAGED);
    cr_assert_not_null(strstr(shelf.errmsg.text, "too long"), "%s", shelf.errmsg.text);
}

Test(odd, a_block_file_of_another_version)
{
    char path[PATH_SIZE];
    struct buffer bytes;
    buffer_init(&bytes);
    fill();
    must_open();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    snapshots_close(shelf.snapshots);
    block_file(path, 1);
    file_bytes(path, &bytes);
    put_u32(bytes.at + 4, 2 | 2 << 16);
    put_u32(bytes.at + 60, crc_of(span_of(bytes.at, 60)));
    file_bytes_write(path, buffer_span(&bytes));
    buffer_close(&bytes);
    must_open();
    cr_assert_eq(snapshots_load(shelf.snapshots, compare_block, NULL, &shelf.errmsg),
                 ERROR_NEWER_FORMAT);
    cr_assert_not_null(strstr(shelf.errmsg.text, "newer version"), "%s", shelf.errmsg.text);
    snapshots_close(shelf.snapshots);
}

/* Only one at a time; one that was given up is in nobody's way. */
Test(odd, a_snapshot_while_another_one_is_under_way)
{
    struct snapshot_info info = {.seq = 50, .lineage = 7, .epoch = 3};
    fill();
    must_open();
    cr_assert_eq(take(41, all), SNAPSHOT_PUBLISHED);
    begin(45);
    cr_assert_eq(snapshot_begin(shelf.snapshots, &info), ERROR_IN_USE);
    cr_assert_eq(snapshot_write(shelf.snapshots, 1, bytes_of(1)), 0);
    snapshot_abort(shelf.snapshots);
    for (int i = 0; snapshot_begin(shelf.snapshots, &info) != 0; i++) {
        cr_assert(i < 5000, "the one that was given up does not end");
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    snapshot_abort(shelf.snapshots);
    for (int i = 0; i < 5000; i++) {
        if (snapshot_poll(shelf.snapshots, &info, &shelf.errmsg) == SNAPSHOT_IDLE) break;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    snapshot_abort(shelf.snapshots); /* none runs */
    cr_assert_eq(take(60, all), SNAPSHOT_PUBLISHED);
    snapshots_close(shelf.snapshots);
    must_open();
    cr_assert_eq(shelf.newest.seq, 60);
    must_load();
    snapshots_close(shelf.snapshots);
}
