/* The offline tools: what they say and what they keep. */
#include "unit/store/fixture.h"

#include "store/check.h"
#include "store/segment.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char directory[PATH_SIZE];
static struct ledger ledger;
static struct errmsg errmsg;
static struct {
    unsigned count[STORE_DONE + 1];
    char text[STORE_DONE + 1][700]; /* the last of each kind */
} said;

static void hear(void *context, enum store_finding finding, const char *text)
{
    (void)context;
    said.count[finding]++;
    snprintf(said.text[finding], sizeof said.text[finding], "%s", text);
}

static struct store_tool tool(void)
{
    memset(&said, 0, sizeof said);
    return (struct store_tool){.directory = directory, .report = hear};
}

static int check(void)
{
    struct store_tool tools = tool();
    return store_check(&tools, &errmsg);
}

static int repair(bool accept_loss)
{
    struct store_tool tools = tool();
    return store_repair(&tools, accept_loss, &errmsg);
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

TestSuite(check, .init = setup, .fini = teardown, .timeout = 60);

static void groups(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ledger_append(&ledger, 10);
        ledger_commit(&ledger);
    }
}

/* 60 groups of 10 records over several segments: records 1 to 601. */
static void make_journal(void)
{
    ledger_make(&ledger, 60);
}

static void take_snapshot(uint64_t seq)
{
    snapshot_make(directory, seq, 50);
}

static void flip_segment(unsigned number, size_t offset)
{
    char path[PATH_SIZE];
    segment_at(path, directory, number);
    file_flip(path, offset, 0x10);
}

static void flip_snapshot(const char *kind, unsigned number, size_t offset)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%.500s/snapshots/%s-%020u", directory, kind, number);
    file_flip(path, offset, 0x10);
}

static unsigned aside_count(const char *prefix)
{
    unsigned count = 0;
    DIR *top = opendir(directory);
    for (struct dirent *entry; (entry = readdir(top)) != NULL;) {
        char path[PATH_SIZE + 300];
        if (strncmp(entry->d_name, "damaged-", 8) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        DIR *aside = opendir(path);
        for (struct dirent *file; (file = readdir(aside)) != NULL;)
            count += strncmp(file->d_name, prefix, strlen(prefix)) == 0;
        closedir(aside);
    }
    closedir(top);
    return count;
}

/* Opens after a repair: records from `from` + 1 to last, then the OPEN of a new lineage or the old
 * one. */
static void must_end_at(uint64_t from, uint64_t last, bool new_lineage)
{
    uint64_t fresh = LINEAGE + 1;
    int error = journal_open(&ledger.journal, &ledger.options,
                             (struct journal_position){.seq = from}, fresh, NULL, NULL,
                             &ledger.epoch, &ledger.lineage, &ledger.next_seq, &ledger.errmsg);
    cr_assert_eq(error, 0, "%s", ledger.errmsg.text);
    cr_assert_eq(ledger.next_seq, last + 2);
    cr_assert_eq(ledger.lineage, new_lineage ? fresh : LINEAGE);
    cr_assert_gt(ledger.epoch, 1);
    groups(3);
    ledger_close(&ledger);
    error =
        journal_open(&ledger.journal, &ledger.options, (struct journal_position){.seq = from}, 5,
                     NULL, NULL, &ledger.epoch, &ledger.lineage, &ledger.next_seq, &ledger.errmsg);
    cr_assert_eq(error, 0, "%s", ledger.errmsg.text);
    cr_assert_eq(ledger.next_seq, last + 1 + 30 + 2);
    cr_assert_eq(ledger.lineage, new_lineage ? fresh : LINEAGE);
    ledger_close(&ledger);
    cr_assert_eq(check(), 0, "%s / %s", errmsg.text, said.text[STORE_DAMAGED]);
}

Test(check, no_data_directory)
{
    cr_assert_eq(check(), ERROR_NOT_FOUND);
    cr_assert_not_null(strstr(errmsg.text, "not a data directory"), "%s", errmsg.text);
    cr_assert_eq(repair(true), ERROR_NOT_FOUND);
}

Test(check, a_directory_in_use_is_left_alone)
{
    ledger_must_open(&ledger);
    cr_assert_eq(check(), ERROR_IN_USE);
    cr_assert_eq(repair(true), ERROR_IN_USE);
    ledger_close(&ledger);
    cr_assert_eq(check(), 0);
}

Test(check, a_sound_directory)
{
    make_journal();
    take_snapshot(300);
    cr_assert_eq(check(), 0, "%s", said.text[STORE_DAMAGED]);
    cr_assert_gt(said.count[STORE_FINE], 5);
    cr_assert_eq(said.count[STORE_DAMAGED], 0);
    cr_assert_not_null(strstr(said.text[STORE_NOTE], "closed at record 601"), "%s",
                       said.text[STORE_NOTE]);
    cr_assert_eq(repair(false), 0);
    cr_assert_not_null(strstr(said.text[STORE_FINE], "nothing to repair"), "%s",
                       said.text[STORE_FINE]);
    cr_assert_eq(aside_count(""), 0);
}

Test(check, an_unclean_end_is_no_damage)
{
    ledger_must_open(&ledger);
    groups(3);
    ledger_kill(&ledger);
    cr_assert_eq(check(), 0);
    cr_assert_not_null(strstr(said.text[STORE_NOTE], "without a clean close"), "%s",
                       said.text[STORE_NOTE]);
    cr_assert_eq(repair(false), 0);
}

Test(check, damage_is_named_and_cut_only_when_loss_is_accepted)
{
    make_journal();
    flip_segment(3, 5000);
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_not_null(strstr(said.text[STORE_DAMAGED], "segment-00000000000000000003 at offset"),
                       "%s", said.text[STORE_DAMAGED]);
    cr_assert_eq(repair(false), ERROR_REFUSED);
    cr_assert_eq(said.count[STORE_LOST], 1);
    cr_assert_not_null(strstr(said.text[STORE_LOST], "to 601 at least"), "%s",
                       said.text[STORE_LOST]);
    cr_assert_eq(check(), ERROR_DAMAGED, "nothing was changed");
    unsigned first_lost = 0;
    cr_assert_eq(sscanf(said.text[STORE_DAMAGED], "%*s"), 0);
    cr_assert_eq(repair(true), 0, "%s", errmsg.text);
    cr_assert_eq(sscanf(said.text[STORE_LOST], "records %u to", &first_lost), 1);
    cr_assert(first_lost > 200 && first_lost < 601, "%u", first_lost);
    cr_assert_gt(aside_count("segment-"), 2);
    must_end_at(0, first_lost - 1, true);
}

Test(check, damage_that_a_snapshot_covers_costs_nothing)
{
    make_journal();
    take_snapshot(500);
    flip_segment(2, 5000);
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_eq(repair(false), 0, "%s", errmsg.text);
    cr_assert_eq(said.count[STORE_LOST], 0);
    must_end_at(500, 601, false);
}

Test(check, a_damaged_head_that_a_snapshot_covers_costs_nothing)
{
    make_journal();
    take_snapshot(500);
    flip_segment(2, 20);
    cr_assert_eq(repair(false), 0, "%s", errmsg.text);
    must_end_at(500, 601, false);
}

Test(check, a_missing_segment_ends_the_state_there)
{
    char path[PATH_SIZE];
    make_journal();
    segment_at(path, directory, 3);
    unlink(path);
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_not_null(strstr(said.text[STORE_DAMAGED], "segment 3 of the journal is missing"));
    cr_assert_eq(repair(true), 0, "%s", errmsg.text);
    unsigned first_lost = 0;
    cr_assert_eq(sscanf(said.text[STORE_LOST], "records %u to 601", &first_lost), 1, "%s",
                 said.text[STORE_LOST]);
    must_end_at(0, first_lost - 1, true);
}

Test(check, a_damaged_snapshot_with_the_whole_journal_costs_nothing)
{
    make_journal();
    take_snapshot(300);
    flip_snapshot("blocks", 1, 200);
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_not_null(strstr(said.text[STORE_DAMAGED], "blocks-00000000000000000001 at offset"));
    cr_assert_eq(repair(false), 0, "%s", errmsg.text);
    cr_assert_eq(aside_count("manifest-"), 1);
    cr_assert_eq(aside_count("blocks-"), 1);
    must_end_at(0, 601, false);
}

/* A journal that begins behind record 300 or so. */
static void make_trimmed(void)
{
    ledger_must_open(&ledger);
    groups(60);
    cr_assert_eq(journal_trim(ledger.journal, 400), 0);
    ledger_close(&ledger);
}

Test(check, a_damaged_snapshot_falls_back_to_an_older_one)
{
    make_trimmed();
    take_snapshot(250);
    take_snapshot(400);
    flip_snapshot("manifest", 2, 100);
    cr_assert_eq(repair(false), ERROR_REFUSED);
    cr_assert_eq(repair(true), 0, "%s", errmsg.text);
    cr_assert_not_null(strstr(said.text[STORE_LOST], "records 251 to 601 at least"), "%s",
                       said.text[STORE_LOST]);
    must_end_at(250, 250, true);
}

Test(check, a_damaged_snapshot_without_another_one_loses_all)
{
    make_trimmed();
    take_snapshot(400);
    flip_snapshot("manifest", 1, 100);
    cr_assert_eq(repair(true), 0, "%s", errmsg.text);
    cr_assert_not_null(strstr(said.text[STORE_LOST], "records 1 to 601 at least"), "%s",
                       said.text[STORE_LOST]);
    cr_assert_eq(repair(false), 0, "a second repair finds nothing");
    must_end_at(0, 0, true);
}

Test(check, a_journal_that_does_not_reach_the_snapshot)
{
    char path[PATH_SIZE];
    make_journal();
    take_snapshot(601);
    for (unsigned number = 4; number < 20; number++) {
        segment_at(path, directory, number);
        unlink(path);
    }
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_not_null(strstr(said.text[STORE_DAMAGED], "there is a snapshot of record 601"), "%s",
                       said.text[STORE_DAMAGED]);
    cr_assert_eq(repair(true), 0, "%s", errmsg.text);
    must_end_at(601, 601, true);
}

Test(check, a_damaged_format_file_is_written_anew)
{
    char path[PATH_SIZE];
    make_journal();
    snprintf(path, sizeof path, "%.500s/format", directory);
    file_bytes_write(path, SPAN_LITERAL("?"));
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_eq(repair(false), 0, "%s", errmsg.text);
    must_end_at(0, 601, false);
}

/* What it had asked for is not known: the next open begins a new lineage, as after a loss. */
Test(check, a_damaged_note_of_a_repair_is_written_anew)
{
    char path[PATH_SIZE];
    make_journal();
    snprintf(path, sizeof path, "%.500s/journal/repaired", directory);
    file_bytes_write(path, SPAN_LITERAL("repaired 1\nepo"));
    cr_assert_eq(check(), ERROR_DAMAGED);
    cr_assert_eq(repair(false), 0, "%s", errmsg.text);
    cr_assert_not_null(strstr(said.text[STORE_DAMAGED], "the note of a repair"), "%s",
                       said.text[STORE_DAMAGED]);
    cr_assert_eq(check(), 0, "%s", errmsg.text);
    must_end_at(0, 601, true);
}

/* After a repair with loss, wherever the damage is, the directory opens and checks well. */
Test(check, any_damage_can_be_repaired)
{
    char golden[PATH_SIZE];
    temporary_make(golden);
    ledger_must_open(&ledger);
    groups(20);
    ledger_close(&ledger);
    take_snapshot(60);
    directory_copy(directory, golden);
    unsigned repaired = 0;
    for (unsigned number = 1; number <= 2; number++)
        for (size_t offset = 0; offset < SEGMENT_SIZE_MIN; offset += offset < 70 ? 1 : 37) {
            directory_copy(golden, directory);
            flip_segment(number, offset);
            int error = check();
            cr_assert(error == 0 || error == ERROR_DAMAGED);
            cr_assert_eq(repair(true), 0, "%s", errmsg.text);
            repaired += error != 0;
            cr_assert_eq(ledger_open(&ledger, 60), 0, "segment %u offset %zu: %s", number, offset,
                         ledger.errmsg.text);
            cr_assert_geq(ledger.next_seq, 62);
            ledger_close(&ledger);
            cr_assert_eq(check(), 0, "segment %u offset %zu: %s", number, offset,
                         said.text[STORE_DAMAGED]);
        }
    cr_assert_gt(repaired, 100);
    temporary_remove(golden);
}
