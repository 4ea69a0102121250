/* The fake disk and the fake threads do what they say: a few checks, the rest stands on them. */
#include "base/check.h"
#include "lib/fake_disk.h"
#include "lib/fake_threads.h"
#include "os/clock.h"
#include "os/lock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static unsigned passed;
static unsigned failed;

static void expect(bool good, const char *what)
{
    passed += good;
    failed += !good;
    if (!good) printf("FAILED %s\n", what);
}

static struct fake_disk *begin(uint64_t seed)
{
    struct fake_threads_options threads = {.seed = seed};
    struct fake_disk_options options = {.align = 512};
    struct fake_disk *disk = fake_disk_new(&options);
    fake_threads_begin(&threads);
    fake_disk_use(disk);
    CHECK(directory_make("/d", NULL) == 0);
    return disk;
}

static void write_file(const char *path, const char *text, bool sync)
{
    struct file file;
    CHECK(file_open(&file, path, FILE_WRITE | FILE_CREATE | FILE_EMPTY, NULL) == 0);
    CHECK(file_write(&file, 0, span_text(text), NULL) == 0);
    if (sync) CHECK(file_sync(&file, NULL) == 0);
    file_close(&file);
}

/* What a power cut leaves of a file of three letters. */
static bool left(struct fake_disk *disk, enum fake_crash model, uint64_t seed, const char *text)
{
    char bytes[4] = "";
    struct prng prng = {seed};
    struct fake_disk *crashed = fake_disk_crashed(disk, model, &prng);
    size_t size = fake_disk_peek(crashed, "/d/f", 0, bytes, 3);
    bool same = size == strlen(text) && memcmp(bytes, text, size) == 0;
    if (fake_disk_file_size(crashed, "/d/f") == UINT64_MAX) same = text[0] == '-';
    fake_disk_free(crashed);
    return same;
}

static bool left_once(struct fake_disk *disk, enum fake_crash model, const char *text)
{
    for (uint64_t seed = 0; seed < 64; seed++)
        if (left(disk, model, seed, text)) return true;
    return false;
}

static void names_need_their_directory(void)
{
    struct fake_disk *disk = begin(1);
    write_file("/d/f", "abc", true);
    expect(left(disk, FAKE_CRASH_LOST, 0, "-"), "a name that was not synced is gone");
    expect(left_once(disk, FAKE_CRASH_SUBSET, "abc"), "or it is not");
    CHECK(directory_sync("/d", NULL) == 0);
    expect(left(disk, FAKE_CRASH_LOST, 0, "abc"), "a name that was synced stays");
    CHECK(file_remove("/d/f", NULL) == 0);
    expect(left(disk, FAKE_CRASH_LOST, 0, "abc"), "a name that was removed comes back");
    expect(left_once(disk, FAKE_CRASH_PREFIX, "-"), "or it does not");
    fake_disk_free(disk);
}

static void content_needs_its_sync(void)
{
    struct fake_disk *disk = begin(2);
    write_file("/d/f", "abc", true);
    CHECK(directory_sync("/d", NULL) == 0);
    write_file("/d/f", "xyz", false);
    expect(fake_disk_unsynced(disk) > 0, "there is something to lose");
    expect(left(disk, FAKE_CRASH_LOST, 0, "abc"), "the old content is there");
    expect(left(disk, FAKE_CRASH_KEPT, 0, "xyz"), "the new content is there");
    expect(left_once(disk, FAKE_CRASH_PREFIX, ""), "or it was only emptied");
    expect(left_once(disk, FAKE_CRASH_TORN, ""), "or torn");
    fake_disk_free(disk);
}

static void fail_syncs(void *context, const struct fake_call *call, struct fake_fault *fault)
{
    (void)context;
    if (call->call != FILE_CALL_SYNC) return;
    fault->number = EIO;
    fault->loses = true;
}

static void a_failed_sync_forgets(void)
{
    struct fake_disk *disk = begin(3);
    struct file file;
    char bytes[4] = "";
    size_t got;
    CHECK(file_open(&file, "/d/f", FILE_WRITE | FILE_CREATE, NULL) == 0);
    CHECK(directory_sync("/d", NULL) == 0);
    CHECK(file_write(&file, 0, SPAN_LITERAL("abc"), NULL) == 0);
    fake_disk_hooks(disk, fail_syncs, NULL, NULL);
    expect(file_sync(&file, NULL) == ERROR_IO, "the sync fails");
    fake_disk_hooks(disk, NULL, NULL, NULL);
    expect(file_sync(&file, NULL) == 0, "the next one does not");
    expect(file_read(&file, 0, bytes, 3, &got, NULL) == 0 && memcmp(bytes, "abc", 3) == 0,
           "it can be read");
    expect(left(disk, FAKE_CRASH_LOST, 0, ""), "and is not on the disk");
    file_close(&file);
    fake_disk_free(disk);
}

static void the_dead_do_nothing(void)
{
    struct fake_disk *disk = begin(4);
    struct lock *lock;
    struct lock *other;
    struct errmsg errmsg;
    struct file file;
    uint32_t first = fake_disk_start_process(disk);
    CHECK(lock_hold(&lock, "/d/LOCK", LOCK_JOURNAL, &errmsg) == 0);
    CHECK(file_open(&file, "/d/f", FILE_WRITE | FILE_CREATE, NULL) == 0);
    CHECK(file_write(&file, 0, SPAN_LITERAL("abc"), NULL) == 0);
    (void)fake_disk_start_process(disk);
    expect(lock_hold(&other, "/d/LOCK", LOCK_JOURNAL, &errmsg) == ERROR_IN_USE, "it is locked");
    fake_disk_kill(disk, first);
    expect(lock_hold(&other, "/d/LOCK", LOCK_JOURNAL, &errmsg) == 0,
           "the lock of a dead one is free");
    expect(file_write(&file, 0, SPAN_LITERAL("xyz"), NULL) == ERROR_IO, "its handle is dead");
    expect(left(disk, FAKE_CRASH_KEPT, 0, "abc"), "what it had written is there");
    lock_release(lock, LOCK_JOURNAL);
    lock_release(other, LOCK_JOURNAL);
    file_close(&file);
    fake_disk_free(disk);
}

/* ---- Threads ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition;
static char order[16];
static size_t order_size;

static void *letter(void *argument)
{
    for (int i = 0; i < 3; i++) {
        pthread_mutex_lock(&mutex);
        order[order_size++] = *(const char *)argument;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void run_letters(uint64_t seed, char into[16])
{
    pthread_t threads[2];
    struct fake_threads_options options = {.seed = seed};
    fake_threads_begin(&options);
    order_size = 0;
    memset(order, 0, sizeof order);
    CHECK(pthread_create(&threads[0], NULL, letter, "a") == 0);
    CHECK(pthread_create(&threads[1], NULL, letter, "b") == 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    memcpy(into, order, sizeof order);
}

static void a_seed_is_a_run(void)
{
    char first[16];
    char again[16];
    unsigned different = 0;
    run_letters(0, first);
    run_letters(0, again);
    expect(strcmp(first, again) == 0, "the same seed, the same run");
    for (uint64_t seed = 1; seed < 20; seed++) {
        run_letters(seed, again);
        different += strcmp(first, again) != 0;
    }
    expect(different > 0, "another seed, another run");
    expect(fake_threads_left() == 0, "all have ended");
}

static void time_passes_only_in_waits(void)
{
    struct timespec until;
    struct fake_threads_options options = {.seed = 1};
    fake_threads_begin(&options);
    int64_t start_us = clock_mono_us();
    until.tv_sec = start_us / 1000000 + 5;
    until.tv_nsec = 0;
    pthread_mutex_lock(&mutex);
    expect(pthread_cond_timedwait(&condition, &mutex, &until) == ETIMEDOUT, "a wait times out");
    pthread_mutex_unlock(&mutex);
    expect(clock_mono_us() == (int64_t)until.tv_sec * 1000000, "at its time");
    fake_threads_jump_wall(-1000000);
    expect(clock_mono_us() == (int64_t)until.tv_sec * 1000000, "a jump of the other clock is none");
}

int main(void)
{
    names_need_their_directory();
    content_needs_its_sync();
    a_failed_sync_forgets();
    the_dead_do_nothing();
    a_seed_is_a_run();
    time_passes_only_in_waits();
    printf("the fake disk and threads: %u checks, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
