/* Snapshot and journal have to meet. The open, the offline replay and `check` say the same of it.
 */
#include "unit/store/fixture.h"

#include "os/file.h"
#include "store/check.h"
#include "store/repaired.h"
#include "store/segment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static char directory[PATH_SIZE];
static struct ledger ledger;
static struct errmsg errmsg;
static struct errmsg finding;
static bool savepoint;

static void setup(void)
{
    savepoint = false;
    temporary_make(directory);
    ledger_init(&ledger, directory, SEGMENT_SIZE_MIN);
}

static void teardown(void)
{
    temporary_remove(directory);
}

TestSuite(joint, .init = setup, .fini = teardown, .timeout = 60);

/* ---- The three readers ---- */

static void hear(void *context, enum store_finding kind, const char *text)
{
    (void)context;
    if (kind == STORE_DAMAGED) errmsg_set(&finding, ERROR_DAMAGED, "%.300s", text);
}

static int take_block(void *context, uint32_t block, struct span bytes)
{
    (void)context, (void)block, (void)bytes;
    return 0;
}

static int take_run(void *context, struct span records, uint64_t first_seq, uint32_t count,
                    uint32_t epoch, uint64_t lineage)
{
    (void)context, (void)records, (void)first_seq, (void)count, (void)epoch, (void)lineage;
    return 0;
}

static int replay(void)
{
    struct store_tool tool = {.directory = directory, .savepoint = savepoint};
    struct snapshot_info newest;
    return store_replay(&tool, take_block, take_run, NULL, &newest, &errmsg);
}

static int check(void)
{
    struct store_tool tool = {.directory = directory, .report = hear, .savepoint = savepoint};
    finding.text[0] = 0;
    int error = store_check(&tool, &errmsg);
    if (finding.text[0] != 0) errmsg = finding;
    return error;
}

/* Nobody folds what it gives: it has to see by itself. */
static int open_journal(void)
{
    struct snapshots *snapshots;
    struct snapshot_info newest;
    cr_assert_eq(snapshots_open(&snapshots, directory, &newest, &errmsg), 0, "%s", errmsg.text);
    struct journal_position from = {newest.seq, newest.lineage, newest.epoch};
    int error = journal_open(&ledger.journal, &ledger.options, from, LINEAGE + 2, NULL, NULL,
                             &ledger.epoch, &ledger.lineage, &ledger.next_seq, &errmsg);
    if (error == 0) journal_close(ledger.journal);
    snapshots_close(snapshots);
    return error;
}

/* `file`: that of the journal which it names, with an offset; NULL: there is none. */
static void all_refuse(const char *text, const char *file)
{
    static int (*const readers[])(void) = {replay, check, open_journal};
    static const char *const names[] = {"replay", "check", "open"};
    for (size_t i = 0; i < (savepoint ? 2 : 3); i++) {
        errmsg.text[0] = 0;
        int error = readers[i]();
        cr_expect_eq(error, ERROR_DAMAGED, "%s: %s", names[i], error_text(error));
        cr_expect_not_null(strstr(errmsg.text, text), "%s: %s", names[i], errmsg.text);
        cr_expect_not_null(strstr(errmsg.text, "at offset"), "%s: %s", names[i], errmsg.text);
        if (file != NULL)
            cr_expect_not_null(strstr(errmsg.text, file), "%s: %s", names[i], errmsg.text);
    }
}

static void all_accept(void)
{
    cr_assert_eq(replay(), 0, "%s", errmsg.text);
    cr_assert_eq(check(), 0, "%s", errmsg.text);
    cr_assert_eq(open_journal(), 0, "%s", errmsg.text);
}

/* ---- Directories ---- */

/* Records 1 to 601, of which 1 is the OPEN, over several segments. */
static void make_journal(void)
{
    ledger_make(&ledger, 60);
}

static void take_snapshot(uint64_t seq, uint64_t lineage)
{
    snapshot_make_of(directory, lineage, seq, 1);
}

static void remove_segments(unsigned through)
{
    char path[PATH_SIZE];
    for (unsigned number = 1; number <= through; number++) {
        segment_at(path, directory, number);
        cr_assert_eq(unlink(path), 0);
    }
}

/* Record 2 begins behind the OPEN and ends some segments later. */
static void make_long_record(void)
{
    ledger_must_open(&ledger);
    ledger_append_large(&ledger, 2 * SEGMENT_SIZE_MIN + SEGMENT_SIZE_MIN / 2);
    ledger_commit(&ledger);
}

/* ---- */

Test(joint, a_journal_that_goes_on_where_the_snapshot_ends)
{
    make_journal();
    take_snapshot(300, LINEAGE);
    all_accept();
}

Test(joint, records_that_are_missing_behind_the_snapshot)
{
    make_journal();
    take_snapshot(3, LINEAGE);
    remove_segments(1);
    all_refuse("records 4 to", "segment-00000000000000000002");
}

Test(joint, a_journal_without_its_snapshot)
{
    make_journal();
    remove_segments(1);
    all_refuse("records 1 to", "segment-00000000000000000002");
}

Test(joint, a_journal_that_ends_before_the_snapshot)
{
    make_journal();
    take_snapshot(700, LINEAGE);
    all_refuse("ends here at record 601", "segment-");
}

Test(joint, a_snapshot_without_a_journal)
{
    take_snapshot(7, LINEAGE);
    all_refuse("snapshot of record 7", NULL);
}

Test(joint, halves_of_different_gateways)
{
    make_journal();
    take_snapshot(300, LINEAGE + 1);
    all_refuse("different gateways", "segment-");
}

Test(joint, all_that_is_left_is_the_end_of_a_run)
{
    make_long_record();
    ledger_kill(&ledger);
    take_snapshot(1, LINEAGE);
    remove_segments(2);
    all_refuse("records 2 to 2 are missing", "segment-");
}

Test(joint, what_is_left_begins_with_a_seal)
{
    make_long_record();
    ledger_close(&ledger);
    ledger_must_open(&ledger);
    ledger_append(&ledger, 3);
    ledger_close(&ledger);
    take_snapshot(1, LINEAGE);
    remove_segments(2);
    all_refuse("records 2 to 2 are missing", "segment-");
}

Test(joint, the_end_of_a_run_behind_a_snapshot_of_it)
{
    make_long_record();
    ledger_kill(&ledger);
    take_snapshot(2, LINEAGE);
    remove_segments(2);
    all_accept();
}

Test(joint, a_savepoint_is_a_snapshot_without_a_journal)
{
    take_snapshot(7, LINEAGE);
    savepoint = true;
    cr_assert_eq(replay(), 0, "%s", errmsg.text);
    cr_assert_eq(check(), 0, "%s", errmsg.text);
}

Test(joint, a_savepoint_with_a_journal_is_none)
{
    make_journal();
    take_snapshot(300, LINEAGE);
    savepoint = true;
    all_refuse("no journal", "segment-00000000000000000001");
    remove_segments(1);
    all_refuse("no journal", "segment-00000000000000000002");
}

Test(joint, a_savepoint_without_its_snapshot_is_none)
{
    char path[PATH_SIZE];
    take_snapshot(7, LINEAGE);
    snprintf(path, sizeof path, "%.500s/snapshots/manifest-%020u", directory, 1U);
    cr_assert_eq(unlink(path), 0);
    savepoint = true;
    all_refuse("no snapshot", NULL);
}

/* A restored directory before its first start, or a repaired one. */
Test(joint, a_note_of_a_snapshot_that_is_gone)
{
    char path[PATH_SIZE];
    struct repaired note = {.epoch = 3, .new_lineage = true, .next_seq = 8, .number = 1};
    take_snapshot(7, LINEAGE);
    snprintf(path, sizeof path, "%.500s/journal", directory);
    cr_assert_eq(directory_make(path, &errmsg), 0);
    cr_assert_eq(repaired_write(&note, path, &errmsg), 0);
    cr_assert_eq(replay(), 0, "%s", errmsg.text);
    cr_assert_eq(check(), 0, "%s", errmsg.text);
    snprintf(path, sizeof path, "%.500s/snapshots/manifest-%020u", directory, 1U);
    cr_assert_eq(unlink(path), 0);
    all_refuse("snapshot of record 7", "journal");
    struct store_tool tool = {.directory = directory};
    cr_assert_eq(store_repair(&tool, false, &errmsg), ERROR_REFUSED);
    cr_assert_eq(store_repair(&tool, true, &errmsg), 0, "%s", errmsg.text);
    all_accept();
}
