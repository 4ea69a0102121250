/*
 * The discipline of the disk, held against the list of calls that the store makes: content is
 * synced before it gets its name, a name before anything rests on it, and all of it before it is
 * called durable. A machine that loses its power shows the same mistakes, but only now and then.
 */
#include "unit/store/snapshot_fixture.h"

#include "os/file.h"
#include "store/segment.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILES_MAX = 200 };

struct known { /* a file or a directory */
    char path[FILE_PATH_MAX];
    bool written; /* since its last sync, by the thread of the test … */
    bool filled;  /* … or by another one */
    bool renamed; /* its name is not synced yet */
    unsigned syncs;
};

static struct {
    pthread_mutex_t mutex;
    pthread_t self;
    struct known files[FILES_MAX];
    unsigned count;
    unsigned checks;
    unsigned wrong;
    char what[FILE_PATH_MAX + 200]; /* is wrong, first */
} watch = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void must(bool good, const char *what, const char *path)
{
    watch.checks++;
    if (good) return;
    if (watch.wrong++ == 0) snprintf(watch.what, sizeof watch.what, "%s: %s", what, path);
}

static struct known *find(const char *path)
{
    for (unsigned i = 0; i < watch.count; i++)
        if (strcmp(watch.files[i].path, path) == 0) return &watch.files[i];
    cr_assert_lt(watch.count, FILES_MAX);
    struct known *known = &watch.files[watch.count++];
    *known = (struct known){0};
    snprintf(known->path, sizeof known->path, "%s", path);
    return known;
}

static bool is_in(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    while (size > 1 && directory[size - 1] == '/') size--;
    return strncmp(path, directory, size) == 0 && path[size] == '/' &&
           strchr(path + size + 1, '/') == NULL;
}

static bool is_named(const char *path, const char *prefix)
{
    const char *slash = strrchr(path, '/');
    return strncmp(slash == NULL ? path : slash + 1, prefix, strlen(prefix)) == 0;
}

static void note_write(const char *path, bool mine)
{
    bool is_new = access(path, F_OK) == 0 && find(path)->syncs == 0 && is_named(path, "blocks-");
    struct known *known = find(path);
    if (is_new) known->renamed = true; /* made just now, under its last name */
    must(!known->renamed || is_named(path, "blocks-"), "written to before its name was synced",
         path);
    if (mine)
        known->written = true;
    else
        known->filled = true;
}

/* The hook names the new name alone: the old one is the file that was written to last. */
static void note_rename(const char *to)
{
    char from[FILE_PATH_MAX + 8];
    snprintf(from, sizeof from, "%s.tmp", to);
    if (is_named(to, "segment-") || is_named(to, "spare-")) from[0] = '\0';
    for (unsigned i = 0; i < watch.count; i++) {
        struct known *known = &watch.files[i];
        bool is_it = from[0] != '\0'
                         ? strcmp(known->path, from) == 0
                         : is_named(known->path, "segment.tmp") || is_named(known->path, "spare-");
        if (is_it) must(!known->written && !known->filled, "named before it was synced", to);
        if (is_named(to, "manifest-") && is_named(known->path, "blocks-")) {
            must(!known->written && !known->filled, "a manifest names a file that is not synced",
                 known->path);
            must(!known->renamed, "a manifest names a file whose name is not synced", known->path);
        }
    }
    find(to)->renamed = true;
}

static void note_sync_directory(const char *directory)
{
    for (unsigned i = 0; i < watch.count; i++)
        if (is_in(watch.files[i].path, directory)) watch.files[i].renamed = false;
}

static int look(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)size;
    if (is_named(path, "LOCK")) return 0; /* what it says is for people */
    pthread_mutex_lock(&watch.mutex);
    bool mine = pthread_equal(pthread_self(), watch.self);
    if (call == FILE_CALL_WRITE) note_write(path, mine);
    if (call == FILE_CALL_SYNC) {
        struct known *known = find(path);
        known->syncs++;
        known->filled = false;
        if (mine || !is_named(path, "segment-0")) known->written = false;
    }
    if (call == FILE_CALL_RENAME) note_rename(path);
    if (call == FILE_CALL_MAKE && access(path, F_OK) != 0) find(path)->renamed = true;
    if (call == FILE_CALL_SYNC_DIRECTORY) note_sync_directory(path);
    if (call == FILE_CALL_REMOVE && is_named(path, "manifest-"))
        for (unsigned i = 0; i < watch.count; i++)
            if (is_named(watch.files[i].path, "manifest-"))
                must(!watch.files[i].renamed,
                     "the old one goes before the new one's name is synced", watch.files[i].path);
    pthread_mutex_unlock(&watch.mutex);
    return 0;
}

/* Now something is called durable. */
static void nothing_is_left(const char *when)
{
    pthread_mutex_lock(&watch.mutex);
    for (unsigned i = 0; i < watch.count; i++) {
        const struct known *known = &watch.files[i];
        must(!known->written, when, known->path);
        if (known->written) continue;
        must(!known->renamed || is_named(known->path, "segment-") ||
                 is_named(known->path, "spare-"),
             when, known->path);
    }
    pthread_mutex_unlock(&watch.mutex);
    cr_assert_eq(watch.wrong, 0, "%s", watch.what);
}

static struct ledger ledger;

static void setup(void)
{
    shelf_setup();
    watch.self = pthread_self();
    watch.count = watch.checks = watch.wrong = 0;
    ledger_init(&ledger, shelf.directory, SEGMENT_SIZE_MIN);
    file_fault_set(look, NULL);
}

TestSuite(discipline, .init = setup, .fini = shelf_teardown, .timeout = 60);

static void commit_here(void)
{
    for (int i = 0; !journal_commit_here(ledger.journal); i++) {
        cr_assert(i < 5000, "no room for a commit in this thread");
        usleep(200);
        if (journal_durable(ledger.journal) + 1 == ledger.next_seq) return;
    }
}

Test(discipline, what_is_durable_is_synced_with_all_its_names)
{
    ledger_must_open(&ledger);
    nothing_is_left("the epoch is durable, but this is not");
    for (unsigned i = 0; i < 200; i++) {
        ledger_append(&ledger, 1 + i % 7);
        commit_here();
        nothing_is_left("a commit is durable, but this is not");
        if (i % 50 == 49)
            cr_assert_eq(journal_trim(ledger.journal, journal_durable(ledger.journal)), 0);
    }
    ledger_close(&ledger);
    cr_assert_eq(watch.wrong, 0, "%s", watch.what);
    cr_assert_gt(watch.checks, 500);
}

/* One group over the end of a segment: both files. */
Test(discipline, a_group_in_two_segments_is_synced_in_both)
{
    ledger_must_open(&ledger);
    for (unsigned i = 0; i < 30; i++) {
        ledger_append_large(&ledger, 3000);
        commit_here();
        nothing_is_left("a commit is durable, but this is not");
    }
    ledger_close(&ledger);
}

/* What a killed process had written, and perhaps not synced, is shown to everybody from now on. */
Test(discipline, an_open_syncs_what_it_has_read)
{
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    ledger_append(&ledger, 10);
    ledger_commit(&ledger);
    ledger_kill(&ledger);
    file_fault_set(look, NULL);
    ledger_must_open(&ledger);
    char path[PATH_SIZE];
    segment_at(path, shelf.directory, 1);
    cr_assert_geq(find(path)->syncs, 2, "the tail before the new epoch, and the epoch");
    nothing_is_left("the epoch is durable, but this is not");
    ledger_close(&ledger);
}

Test(discipline, a_published_snapshot_is_synced_with_all_its_names)
{
    fill();
    must_open();
    for (uint64_t seq = 41; seq < 46; seq++) {
        cr_assert_eq(take(seq, seq % 2 == 0 ? tenth : all), SNAPSHOT_PUBLISHED);
        nothing_is_left("the snapshot is published, but this is not synced");
        change_tenth();
    }
    snapshots_close(shelf.snapshots);
    cr_assert_gt(watch.checks, 50);
}

/* ---- Groups that are torn, and groups that are not ---- */

static void flip(unsigned number, size_t offset)
{
    char path[PATH_SIZE];
    segment_at(path, shelf.directory, number);
    file_flip(path, offset, 0x40);
}

/* A power cut keeps the second half of the last group, in the next segment, and not the first: that
 * is no damage. */
Test(discipline, the_end_of_a_torn_group_does_not_speak_for_its_beginning)
{
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    ledger_append_large(&ledger, 2500);
    ledger_commit(&ledger);
    ledger_append_large(&ledger, 3000); /* over the end of the first segment */
    ledger_commit(&ledger);
    uint64_t last = ledger.next_seq - 1;
    ledger_kill(&ledger);
    flip(1, SEGMENT_SIZE_MIN - 200);
    ledger_must_open(&ledger);
    cr_assert_eq(ledger.replayed_last, last, "the OPEN in the place of the lost record");
    cr_assert_eq(ledger.opens, 2);
    ledger_close(&ledger);
}

/* After a clean close nothing can have been torn. */
Test(discipline, damage_before_a_seal_is_damage)
{
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    ledger_append(&ledger, 10);
    ledger_commit(&ledger);
    ledger_close(&ledger);
    flip(1, SEGMENT_HEAD_SIZE + 64 + 16 + 64 + 20); /* in the body after that of the OPEN */
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "segment-"), "%s", ledger.errmsg.text);
}

/* ---- A full disk in the middle of a commit ---- */

static int full(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)size;
    return call == FILE_CALL_WRITE && is_named(path, "segment-0") ? ENOSPC : 0;
}

Test(discipline, a_write_that_finds_no_room_is_no_commit)
{
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    uint64_t durable = journal_durable(ledger.journal);
    file_fault_set(full, NULL);
    ledger_append(&ledger, 3);
    cr_assert_not(journal_commit_here(ledger.journal));
    for (int i = 0; journal_failed(ledger.journal, &ledger.errmsg) == 0; i++) {
        cr_assert(i < 5000, "it does not say that it has failed");
        usleep(200);
    }
    cr_assert_eq(journal_durable(ledger.journal), durable);
    ledger_kill(&ledger);
    file_fault_set(NULL, NULL);
    ledger_must_open(&ledger);
    ledger_close(&ledger);
}
