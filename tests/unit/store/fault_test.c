/* Disks that fail, fill up or stop: the Nth call fails; a crash before each call. */
#include "unit/store/fixture.h"

#include "os/file.h"
#include "store/segment.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char directory[PATH_SIZE];
static struct ledger ledger;

static struct {
    atomic_uint countdown; /* 0: none fails */
    atomic_uint calls;     /* of the kind */
    atomic_bool hit;
    atomic_int call;   /* FILE_CALLS: any */
    atomic_int number; /* errno */
    atomic_bool stays; /* once it has failed it fails for ever */
} fault;

static int inject(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)size;
    if (fault.call != FILE_CALLS && fault.call != (int)call) return 0;
    /* The next segment is prepared whenever its thread gets to it: only of interest when any call
     * may fail. */
    bool prepared = call != FILE_CALL_ALLOCATE && strstr(path, "segment.tmp") != NULL;
    if (fault.call != FILE_CALLS && prepared) return 0;
    fault.calls++;
    if (fault.hit && fault.stays) return fault.number;
    if (fault.countdown == 0 || --fault.countdown > 0) return 0;
    fault.hit = true;
    return fault.number;
}

static void arm(int call, unsigned nth, int number, bool stays)
{
    fault.call = call;
    fault.number = number;
    fault.stays = stays;
    fault.hit = false;
    fault.calls = 0;
    fault.countdown = nth;
    file_fault_set(inject, NULL);
}

static void setup(void)
{
    temporary_make(directory);
    ledger_init(&ledger, directory, SEGMENT_SIZE_MIN);
}

static void teardown(void)
{
    file_fault_set(NULL, NULL);
    temporary_remove(directory);
}

TestSuite(fault, .init = setup, .fini = teardown, .timeout = 120);

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Waits until the commit has worked or failed. */
static int commit_or_fail(void)
{
    journal_commit(ledger.journal);
    for (int i = 0; journal_durable(ledger.journal) + 1 < ledger.next_seq; i++) {
        int error = journal_failed(ledger.journal, &ledger.errmsg);
        if (error != 0) return error;
        cr_assert(i < 100000, "neither durable nor failed");
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    return 0;
}

Test(fault, after_a_failed_sync_nothing_is_durable_any_more)
{
    ledger_must_open(&ledger);
    ledger_append(&ledger, 3);
    ledger_commit(&ledger);
    uint64_t durable = journal_durable(ledger.journal);
    arm(FILE_CALL_SYNC, 1, EIO, false); /* it would work again: it must not be tried */
    ledger_append(&ledger, 3);
    cr_assert_eq(commit_or_fail(), ERROR_IO);
    cr_assert_not_null(strstr(ledger.errmsg.text, "cannot sync"), "%s", ledger.errmsg.text);
    cr_assert_not_null(strstr(ledger.errmsg.text, "segment-"), "%s", ledger.errmsg.text);
    cr_assert_eq(journal_append(ledger.journal, SPAN_LITERAL("x"), ledger.next_seq, 1), ERROR_IO);
    cr_assert_not(journal_commit_here(ledger.journal));
    journal_commit(ledger.journal);
    pause_ms(20);
    cr_assert_eq(journal_durable(ledger.journal), durable);
    unsigned calls = fault.calls;
    ledger_close(&ledger);
    cr_assert_leq(fault.calls, calls, "no sync and no seal after a failure");
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    cr_assert_geq(ledger.replayed_last, durable + 1);
    ledger_close(&ledger);
}

static atomic_int told;

static void note_change(void *context)
{
    (void)context;
    told++;
}

Test(fault, a_failed_write_is_told)
{
    ledger.options.changed = note_change;
    ledger_must_open(&ledger);
    arm(FILE_CALL_WRITE, 1, EIO, true);
    ledger_append(&ledger, 1);
    told = 0;
    cr_assert_eq(commit_or_fail(), ERROR_IO);
    pause_ms(20);
    cr_assert_gt(told, 0);
    ledger_kill(&ledger);
}

Test(fault, interrupted_and_short_calls_go_on)
{
    for (unsigned nth = 1; nth < 12; nth++) {
        arm(FILE_CALL_WRITE, nth, EINTR, false);
        ledger_must_open(&ledger);
        ledger_append(&ledger, 30);
        ledger_commit(&ledger);
        ledger_close(&ledger);
    }
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.replayed_last, 11 * 31 + 1);
    ledger_close(&ledger);
}

static int shorten(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)path;
    if ((call == FILE_CALL_WRITE || call == FILE_CALL_READ) && *size > 1) *size = *size / 2;
    return 0;
}

Test(fault, half_of_each_read_and_write)
{
    file_fault_set(shorten, NULL);
    for (unsigned round = 0; round < 5; round++) {
        ledger_must_open(&ledger);
        ledger_append(&ledger, 100);
        ledger_commit(&ledger);
        ledger_close(&ledger);
    }
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.replayed_last, 5 * 101 + 1);
    ledger_close(&ledger);
}

/* A life of a journal that uses every call. Ends early when something fails. Gives the largest
 * durable seq seen. */
static uint64_t live(void)
{
    uint64_t durable = 0;
    if (ledger_open(&ledger, 0) != 0) return 0;
    durable = journal_durable(ledger.journal);
    for (int i = 0; i < 12; i++) {
        int error = 0;
        for (size_t k = 0; k < 20 && error == 0; k++) error = ledger_try_append(&ledger, k);
        if (error != 0 || commit_or_fail() != 0) break;
        durable = journal_durable(ledger.journal);
    }
    ledger_close(&ledger);
    return durable;
}

Test(fault, any_call_that_fails_loses_nothing_durable)
{
    unsigned failed = 0;
    for (unsigned nth = 1;; nth++) {
        temporary_remove(directory);
        mkdir(directory, 0700);
        arm(FILE_CALLS, nth, EIO, nth % 2 == 0);
        uint64_t durable = live();
        bool hit = fault.hit;
        file_fault_set(NULL, NULL);
        failed += hit;
        ledger_must_open(&ledger);
        cr_assert_geq(ledger.replayed_last, durable, "call %u failed", nth);
        ledger_append(&ledger, 5);
        ledger_commit(&ledger);
        ledger_close(&ledger);
        if (!hit) break;
    }
    cr_assert_gt(failed, 60);
}

static struct {
    char copies[PATH_SIZE];
    atomic_uint count;
    uint64_t durable[2000];
    uint64_t appended[2000];
} crash;

static int copy_before(void *context, enum file_call call, const char *path, size_t *size)
{
    char to[PATH_SIZE];
    (void)context, (void)path, (void)size;
    bool changes = call == FILE_CALL_WRITE || call == FILE_CALL_SYNC || call == FILE_CALL_RENAME ||
                   call == FILE_CALL_REMOVE || call == FILE_CALL_TRUNCATE ||
                   call == FILE_CALL_ALLOCATE;
    if (!changes || crash.count >= 2000) return 0;
    snprintf(to, sizeof to, "%.500s/%u", crash.copies, crash.count);
    mkdir(to, 0700);
    crash.durable[crash.count] = ledger.journal == NULL ? 0 : journal_durable(ledger.journal);
    directory_copy(directory, to);
    crash.count++;
    return 0;
}

/* The commit is made in this thread, so that a copy is of one moment; the thread that prepares may
 * be at work. */
Test(fault, a_crash_before_any_call_loses_nothing_durable)
{
    char real[PATH_SIZE];
    memcpy(real, directory, sizeof real);
    temporary_make(crash.copies);
    ledger_init(&ledger, real, 1 << 20);
    ledger_must_open(&ledger);
    file_fault_set(copy_before, NULL);
    for (int i = 0; i < 40; i++) {
        ledger_append(&ledger, 3);
        if (!journal_commit_here(ledger.journal)) ledger_commit(&ledger);
    }
    file_fault_set(NULL, NULL);
    ledger_kill(&ledger);
    cr_assert_gt(crash.count, 70);
    for (unsigned i = 0; i < crash.count; i++) {
        char copy[PATH_SIZE];
        struct ledger other;
        snprintf(copy, sizeof copy, "%.500s/%u", crash.copies, i);
        ledger_init(&other, copy, 1 << 20);
        ledger_must_open(&other);
        cr_assert_geq(other.replayed_last, crash.durable[i] + 1, "copy %u", i);
        ledger_kill(&other);
    }
    temporary_remove(crash.copies);
}

/* ---- No room ---- */

static bool wait_full(bool full)
{
    for (int i = 0; i < 3000; i++) {
        struct journal_metrics metrics;
        journal_metrics(ledger.journal, &metrics);
        if (metrics.full == full) return true;
        pause_ms(1);
    }
    return false;
}

Test(fault, a_full_disk_is_told_before_anything_is_lost_and_goes_on_by_itself)
{
    ledger_init(&ledger, directory, 64 << 10);
    ledger_must_open(&ledger);
    arm(FILE_CALL_ALLOCATE, 1, ENOSPC, true);
    ledger_append(&ledger, 1100); /* more than half of the segment: the next is wanted */
    ledger_commit(&ledger);
    cr_assert(wait_full(true), "it says so while there is room yet");
    ledger_append(&ledger, 10);
    ledger_commit(&ledger);
    ledger_append(&ledger, 1500); /* more than there is room for */
    journal_commit(ledger.journal);
    pause_ms(300);
    cr_assert_eq(journal_failed(ledger.journal, NULL), 0);
    cr_assert_eq(journal_durable(ledger.journal), 1111);
    cr_assert_not(journal_commit_here(ledger.journal));
    fault.stays = false;
    cr_assert(wait_full(false), "there is room again");
    ledger_commit(&ledger);
    ledger_close(&ledger);
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.replayed_last, 2612);
    ledger_close(&ledger);
}

Test(fault, a_close_on_a_full_disk_ends)
{
    ledger_must_open(&ledger);
    arm(FILE_CALL_ALLOCATE, 1, ENOSPC, true);
    ledger_append(&ledger, 300);
    journal_commit(ledger.journal);
    ledger_close(&ledger);
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.replayed_last, 2);
    ledger_close(&ledger);
}

Test(fault, a_first_start_on_a_full_disk_says_so)
{
    arm(FILE_CALL_ALLOCATE, 1, ENOSPC, true);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_FULL);
    cr_assert_not_null(strstr(ledger.errmsg.text, "make room"), "%s", ledger.errmsg.text);
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    ledger_close(&ledger);
}

Test(fault, a_directory_that_may_not_be_written_says_so)
{
    static const struct {
        int number;
        const char *text;
    } cases[] = {{EACCES, "read and write access"}, {EROFS, "mount it writable"}};
    for (size_t i = 0; i < 2; i++) {
        arm(FILE_CALL_OPEN, 1, cases[i].number, true);
        cr_assert_eq(ledger_open(&ledger, 0), ERROR_PERMISSION);
        cr_assert_not_null(strstr(ledger.errmsg.text, cases[i].text), "%s", ledger.errmsg.text);
        cr_assert_not_null(strstr(ledger.errmsg.text, directory), "%s", ledger.errmsg.text);
    }
    file_fault_set(NULL, NULL);
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%.500s/plain", directory);
    file_bytes_write(path, SPAN_LITERAL("a file"));
    ledger.options.directory = path;
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_IO);
    cr_assert_not_null(strstr(ledger.errmsg.text, "Not a directory"), "%s", ledger.errmsg.text);
}

Test(fault, a_sector_that_cannot_be_read_is_named)
{
    ledger_must_open(&ledger);
    ledger_close(&ledger);
    arm(FILE_CALL_READ, 3, EIO, true);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_IO);
    cr_assert_not_null(strstr(ledger.errmsg.text, "cannot read"), "%s", ledger.errmsg.text);
}
