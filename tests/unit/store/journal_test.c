/* Append, commit, reopen, replay; epochs; segments; trim; the lock. */
#include "unit/store/fixture.h"

#include "os/file.h"
#include "store/segment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char directory[PATH_SIZE];
static struct ledger ledger;

static void setup(void)
{
    temporary_make(directory);
    ledger_init(&ledger, directory, 64 << 10);
}

static void teardown(void)
{
    temporary_remove(directory);
}

TestSuite(journal, .init = setup, .fini = teardown, .timeout = 60);

static unsigned segment_count(void)
{
    unsigned count = 0;
    for (unsigned number = 1; number < 1000; number++) {
        char path[PATH_SIZE];
        segment_at(path, directory, number);
        count += access(path, F_OK) == 0;
    }
    return count;
}

Test(journal, a_new_one_starts_with_epoch_one_and_its_open_record)
{
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.epoch, 1);
    cr_assert_eq(ledger.lineage, LINEAGE);
    cr_assert_eq(ledger.next_seq, 2);
    cr_assert_eq(ledger.opens, 1);
    cr_assert_eq(journal_durable(ledger.journal), 1);
    ledger_close(&ledger);
}

Test(journal, what_was_committed_comes_back_and_the_epoch_grows)
{
    for (uint32_t epoch = 1; epoch <= 30; epoch++) {
        ledger_must_open(&ledger);
        cr_assert_eq(ledger.epoch, epoch);
        cr_assert_eq(ledger.opens, epoch);
        cr_assert_eq(ledger.next_seq, 1 + epoch + (epoch - 1) * 10);
        ledger_append(&ledger, 7);
        ledger_commit(&ledger);
        ledger_append(&ledger, 3);
        ledger_commit(&ledger);
        if (epoch % 2 == 0)
            ledger_close(&ledger);
        else
            ledger_kill(&ledger);
    }
}

Test(journal, close_commits_what_is_open_and_a_kill_does_not)
{
    ledger_must_open(&ledger);
    ledger_append(&ledger, 5);
    ledger_close(&ledger);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.next_seq, 8);
    ledger_append(&ledger, 5);
    ledger_kill(&ledger);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.next_seq, 9);
    ledger_close(&ledger);
}

Test(journal, nothing_is_durable_before_its_commit)
{
    ledger_must_open(&ledger);
    ledger_append(&ledger, 5);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    cr_assert_eq(journal_durable(ledger.journal), 1);
    ledger_commit(&ledger);
    cr_assert_eq(journal_durable(ledger.journal), 6);
    ledger_close(&ledger);
}

Test(journal, a_commit_in_the_calling_thread_is_durable_when_it_returns)
{
    ledger_must_open(&ledger);
    for (int i = 0; i < 100; i++) {
        ledger_append(&ledger, 3);
        if (!journal_commit_here(ledger.journal)) ledger_commit(&ledger);
        cr_assert_eq(journal_durable(ledger.journal), ledger.next_seq - 1);
    }
    cr_assert(journal_commit_here(ledger.journal), "nothing to do is done");
    ledger_close(&ledger);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.next_seq, 1 + 1 + 300 + 1);
    ledger_close(&ledger);
}

Test(journal, it_goes_on_over_many_small_segments)
{
    ledger_init(&ledger, directory, SEGMENT_SIZE_MIN);
    ledger_must_open(&ledger);
    for (int i = 0; i < 200; i++) {
        ledger_append(&ledger, 13);
        ledger_commit(&ledger);
    }
    ledger_kill(&ledger);
    cr_assert_geq(segment_count(), 20);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.replayed_last, 1 + 200 * 13 + 1);
    ledger_close(&ledger);
}

Test(journal, records_of_any_size_pass)
{
    static const size_t sizes[] = {0, 1, 1 << 20, (1 << 20) - 12, (1 << 20) + 1, 5 << 20, 40 << 20};
    ledger_init(&ledger, directory, 16 << 20);
    ledger_must_open(&ledger);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ledger_append(&ledger, 2);
        ledger_append_large(&ledger, sizes[i]);
        ledger_append(&ledger, 2);
        ledger_commit(&ledger);
    }
    ledger_kill(&ledger);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.replayed_last, 1 + 7 * 5 + 1);
    ledger_close(&ledger);
}

Test(journal, trimmed_segments_are_used_again_and_never_read_as_new)
{
    ledger_init(&ledger, directory, SEGMENT_SIZE_MIN);
    uint64_t snapshot = 0;
    for (int round = 0; round < 40; round++) {
        int error = ledger_open(&ledger, snapshot);
        cr_assert_eq(error, 0, "%s", ledger.errmsg.text);
        for (int i = 0; i < 20; i++) {
            ledger_append(&ledger, 10);
            ledger_commit(&ledger);
        }
        snapshot = journal_durable(ledger.journal) - 3;
        cr_assert_eq(journal_trim(ledger.journal, snapshot), 0);
        ledger_append(&ledger, 1);
        ledger_commit(&ledger);
        ledger_kill(&ledger);
        cr_assert_leq(segment_count(), 14, "round %d", round);
    }
    cr_assert_eq(ledger_open(&ledger, snapshot), 0);
    cr_assert_leq(ledger.replayed_first, snapshot + 1);
    cr_assert_eq(ledger.next_seq, 1 + 40 * 202 + 1);
    ledger_close(&ledger);
}

static uint64_t spare_count(void)
{
    struct journal_metrics metrics;
    journal_metrics(ledger.journal, &metrics);
    cr_assert_eq(metrics.spare_bytes % SEGMENT_SIZE_MIN, 0);
    return metrics.spare_bytes / SEGMENT_SIZE_MIN;
}

static unsigned spare_files(void)
{
    unsigned count = 0;
    for (unsigned number = 1; number < 1000; number++) {
        char path[PATH_SIZE + 64];
        snprintf(path, sizeof path, "%s/journal/spare-%020u", directory, number);
        count += access(path, F_OK) == 0;
    }
    return count;
}

static void fill_segments(unsigned last)
{
    while (segment_count() < last) {
        ledger_append(&ledger, 10);
        ledger_commit(&ledger);
    }
}

static void wait_for_spares(uint64_t count)
{
    struct timespec pause = {.tv_nsec = 1000000};
    for (int i = 0; i < 10000 && spare_count() != count; i++) nanosleep(&pause, NULL);
    cr_assert_eq(spare_count(), count);
}

Test(journal, as_many_segments_are_kept_to_be_used_again_as_was_said)
{
    ledger_init(&ledger, directory, SEGMENT_SIZE_MIN);
    ledger.options.spares = 6;
    ledger_must_open(&ledger);
    fill_segments(10);
    cr_assert_eq(spare_count(), 0);
    uint64_t snapshot = journal_durable(ledger.journal);
    cr_assert_eq(journal_trim(ledger.journal, snapshot), 0);
    wait_for_spares(6);
    cr_assert_eq(spare_files(), 6);
    fill_segments(segment_count() + 4);
    cr_assert_eq(spare_files(), 2, "four are in use again");
    ledger_close(&ledger);
    ledger.options.spares = 1; /* what the one before has left is not for ever */
    cr_assert_eq(ledger_open(&ledger, snapshot), 0, "%s", ledger.errmsg.text);
    cr_assert_leq(spare_count(), 1);
    cr_assert_eq(spare_files(), spare_count());
    ledger_close(&ledger);
}

Test(journal, a_gap_behind_the_snapshot_is_refused)
{
    ledger_init(&ledger, directory, SEGMENT_SIZE_MIN);
    ledger_must_open(&ledger);
    for (int i = 0; i < 60; i++) {
        ledger_append(&ledger, 10);
        ledger_commit(&ledger);
    }
    cr_assert_eq(journal_trim(ledger.journal, 400), 0);
    ledger_close(&ledger);
    cr_assert_eq(ledger_open(&ledger, 100), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "records 101 to "), "%s", ledger.errmsg.text);
    cr_assert_eq(ledger_open(&ledger, 5000), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "ends here at record 601"), "%s",
                       ledger.errmsg.text);
    cr_assert_eq(ledger_open(&ledger, 400), 0, "%s", ledger.errmsg.text);
    ledger_close(&ledger);
}

Test(journal, a_missing_journal_with_a_snapshot_is_refused)
{
    cr_assert_eq(ledger_open(&ledger, 7), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "snapshot of record 7"), "%s",
                       ledger.errmsg.text);
}

Test(journal, another_lineage_than_the_snapshots_is_refused)
{
    ledger_must_open(&ledger);
    ledger_append(&ledger, 9);
    ledger_close(&ledger);
    struct journal_position from = {.seq = 5, .lineage = LINEAGE + 1};
    cr_assert_eq(journal_open(&ledger.journal, &ledger.options, from, 1, NULL, NULL, &ledger.epoch,
                              &ledger.lineage, &ledger.next_seq, &ledger.errmsg),
                 ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "different gateways"));
    from = (struct journal_position){.seq = 5, .lineage = LINEAGE, .epoch = 77};
    cr_assert_eq(journal_open(&ledger.journal, &ledger.options, from, 1, NULL, NULL, &ledger.epoch,
                              &ledger.lineage, &ledger.next_seq, &ledger.errmsg),
                 0);
    cr_assert_eq(ledger.epoch, 78, "newer than the snapshot's");
    cr_assert_eq(ledger.lineage, LINEAGE);
    ledger_close(&ledger);
}

Test(journal, the_directory_has_one_user)
{
    struct ledger second;
    ledger_must_open(&ledger);
    ledger_init(&second, directory, 64 << 10);
    cr_assert_eq(ledger_open(&second, 0), ERROR_IN_USE);
    cr_assert_not_null(strstr(second.errmsg.text, "LOCK is locked by this process"), "%s",
                       second.errmsg.text);
    pid_t child = fork();
    if (child == 0) {
        char expected[64];
        snprintf(expected, sizeof expected, "locked by process %d:", (int)getppid());
        /* A fresh process would not know of our lock; what the fork copied is forgotten by exec
         * only. */
        struct file file;
        struct errmsg errmsg;
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%.500s/LOCK", directory);
        int status = file_open(&file, path, FILE_WRITE, &errmsg) == 0 ? 0 : 1;
        struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (status == 0 && fcntl(file.fd, F_OFD_SETLK, &range) == 0) status = 2;
        _exit(status);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "another description of the file could be locked too");
    ledger_close(&ledger);
    ledger_must_open(&second);
    ledger_close(&second);
}

Test(journal, files_are_private)
{
    struct stat status;
    char path[PATH_SIZE];
    char nested[PATH_SIZE];
    snprintf(nested, sizeof nested, "%.400s/a/b/", directory);
    ledger_init(&ledger, nested, 64 << 10);
    ledger_must_open(&ledger);
    ledger_close(&ledger);
    segment_at(path, nested, 1);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    cr_assert_eq(stat(nested, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0700);
}

Test(journal, an_idle_journal_is_sealed_once)
{
    struct journal_metrics before;
    struct journal_metrics after;
    ledger.options.seal_idle_ms = 20;
    ledger_must_open(&ledger);
    ledger_append(&ledger, 1);
    ledger_commit(&ledger);
    journal_metrics(ledger.journal, &before);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    journal_metrics(ledger.journal, &after);
    cr_assert_eq(after.commits, before.commits + 1);
    ledger_kill(&ledger);
    /* The last group is damaged now beyond doubt. */
    char path[PATH_SIZE];
    segment_at(path, directory, 1);
    file_flip(path, SEGMENT_HEAD_SIZE + 80 + 70, 1);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED, "%s", ledger.errmsg.text);
}

Test(journal, metrics_count)
{
    struct journal_metrics metrics;
    ledger_must_open(&ledger);
    for (int i = 0; i < 10; i++) {
        ledger_append(&ledger, 10);
        ledger_commit(&ledger);
    }
    journal_metrics(ledger.journal, &metrics);
    cr_assert_eq(metrics.records, 100);
    cr_assert_eq(metrics.commits, 11);
    cr_assert_gt(metrics.bytes_appended, 100 * 12);
    cr_assert_eq(metrics.bytes, segment_count() * 65536u);
    cr_assert_not(metrics.full);
    cr_assert_gt(metrics.room, 1000);
    cr_assert_eq(metrics.sync_running_us, 0);
    ledger_close(&ledger);
}

static int refuse(void *context, struct span records, uint64_t first_seq, uint32_t count,
                  uint32_t epoch, uint64_t lineage)
{
    (void)context, (void)records, (void)first_seq, (void)count, (void)epoch, (void)lineage;
    return ERROR_UNSUPPORTED;
}

Test(journal, a_replay_that_refuses_stops_the_open)
{
    cr_assert_eq(journal_open(&ledger.journal, &ledger.options, (struct journal_position){0}, 1,
                              refuse, NULL, &ledger.epoch, &ledger.lineage, &ledger.next_seq,
                              &ledger.errmsg),
                 ERROR_UNSUPPORTED);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.epoch, 2);
    ledger_close(&ledger);
}

Test(journal, another_format_is_refused)
{
    char path[PATH_SIZE];
    ledger_must_open(&ledger);
    ledger_close(&ledger);
    snprintf(path, sizeof path, "%.500s/format", directory);
    file_bytes_write(path, SPAN_LITERAL("holdfast format 1\n"));
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_UNSUPPORTED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "use the version that made it"), "%s",
                       ledger.errmsg.text);
    file_bytes_write(path, SPAN_LITERAL("holdfast format 4\n"));
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_NEWER_FORMAT);
    cr_assert_not_null(strstr(ledger.errmsg.text, "start the newer version"), "%s",
                       ledger.errmsg.text);
    file_bytes_write(path, SPAN_LITERAL("something else\n"));
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED);
    unlink(path);
    ledger_must_open(&ledger);
    ledger_close(&ledger);
}

Test(journal, a_magic_of_the_other_byte_order_is_named)
{
    char path[PATH_SIZE];
    ledger_must_open(&ledger);
    ledger_close(&ledger);
    segment_at(path, directory, 1);
    struct buffer bytes;
    buffer_init(&bytes);
    file_bytes(path, &bytes);
    uint8_t first[4] = {bytes.at[3], bytes.at[2], bytes.at[1], bytes.at[0]};
    memcpy(bytes.at, first, 4);
    file_bytes_write(path, buffer_span(&bytes));
    buffer_close(&bytes);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "byte order"), "%s", ledger.errmsg.text);
}

/* The other tests run in memory where they can; this one meets direct writes, preallocation and
 * filling. */
Test(journal, on_a_real_disk)
{
    temporary_remove(directory);
    temporary_make_on_disk(directory);
    ledger_init(&ledger, directory, 256 << 10);
    for (unsigned round = 0; round < 3; round++) {
        ledger_must_open(&ledger);
        for (unsigned i = 0; i < 60; i++) {
            ledger_append(&ledger, 1 + i * i % 300);
            if (i % 2 == 0)
                ledger_commit(&ledger);
            else if (!journal_commit_here(ledger.journal))
                ledger_commit(&ledger);
        }
        ledger_append_large(&ledger, 700 << 10);
        ledger_commit(&ledger);
        if (round % 2 == 0)
            ledger_kill(&ledger);
        else
            ledger_close(&ledger);
    }
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.opens, 4);
    ledger_close(&ledger);
}
