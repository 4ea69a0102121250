/*
 * The store under its real threads, for ThreadSanitizer (criterion does not start under it): an
 * engine that appends, commits, trims and takes snapshots, a watcher that reads what any thread may
 * read, and the store's own threads. Ends with 0 when what was durable came back.
 */
#include "base/check.h"
#include "os/clock.h"
#include "store/check.h"
#include "store/journal.h"
#include "store/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 3, GROUPS = 400, SEGMENT_SIZE = 64 << 10 };

static struct {
    char directory[64];
    struct journal *journal;
    struct snapshots *snapshots;
    uint64_t next_seq;
    uint64_t covered; /* by the newest snapshot */
    uint64_t replayed;
    uint32_t epoch;
    uint64_t lineage;
    atomic_bool stop;
    atomic_uint changes;
    atomic_ulong looks;
} world;

static int encode_open(void *context, uint32_t epoch, uint64_t lineage, struct buffer *out)
{
    (void)context;
    buffer_u32(out, epoch);
    buffer_u64(out, lineage);
    return 0;
}

static void changed(void *context)
{
    (void)context;
    world.changes++;
}

static int replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                  uint32_t epoch, uint64_t lineage)
{
    (void)context, (void)records, (void)epoch, (void)lineage;
    world.replayed = first_seq + count - 1;
    return 0;
}

static void pause_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static void *watch(void *context)
{
    uint64_t last = 0;
    (void)context;
    while (!world.stop) {
        struct journal_metrics metrics;
        struct errmsg errmsg;
        uint64_t durable = journal_durable(world.journal);
        CHECK(durable >= last);
        last = durable;
        CHECK(journal_failed(world.journal, &errmsg) == 0);
        journal_metrics(world.journal, &metrics);
        world.looks++;
        pause_us(50);
    }
    return NULL;
}

static void append(unsigned count)
{
    static const uint8_t record[200];
    for (unsigned i = 0; i < count; i++) {
        int error =
            journal_append(world.journal, span_of(record, 1 + i * 37 % 199), world.next_seq, 1);
        CHECK(error == 0);
        world.next_seq++;
    }
}

static void wait_durable(void)
{
    int64_t deadline_us = clock_mono_us() + 20000000;
    while (journal_durable(world.journal) + 1 < world.next_seq) {
        CHECK(clock_mono_us() < deadline_us);
        pause_us(20);
    }
}

static void begin_snapshot(void)
{
    static const uint8_t block[5000];
    struct snapshot_info info = {
        .seq = world.next_seq - 1, .lineage = world.lineage, .epoch = world.epoch};
    wait_durable();
    if (snapshot_begin(world.snapshots, &info) != 0) return;
    for (uint32_t i = 0; i < 200; i++) {
        int error = snapshot_write(world.snapshots, i * 7, span_of(block, 1 + i));
        CHECK(error == 0);
        snapshot_keep(world.snapshots, i * 7 + 1);
        CHECK(snapshot_backlog(world.snapshots) < 1 << 20);
    }
    if (world.next_seq % 3 == 0)
        snapshot_abort(world.snapshots);
    else
        snapshot_finish(world.snapshots);
}

static void poll_snapshot(void)
{
    struct snapshot_info info;
    struct errmsg errmsg;
    enum snapshot_state state = snapshot_poll(world.snapshots, &info, &errmsg);
    CHECK(state != SNAPSHOT_FAILED);
    if (state != SNAPSHOT_PUBLISHED) return;
    world.covered = info.seq;
    CHECK(journal_trim(world.journal, info.seq) == 0);
}

static void work(void)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        append(1 + i % 13);
        if (i % 3 == 0)
            journal_commit_here(world.journal);
        else
            journal_commit(world.journal);
        if (i % 5 == 0) wait_durable();
        if (i % 40 == 20) begin_snapshot();
        poll_snapshot();
    }
    wait_durable();
}

static void open_all(void)
{
    struct errmsg errmsg;
    struct snapshot_info newest;
    struct journal_options options = {.directory = world.directory,
                                      .segment_size = SEGMENT_SIZE,
                                      .changed = changed,
                                      .encode_open = encode_open,
                                      .seal_idle_ms = 1};
    int error = snapshots_open(&world.snapshots, world.directory, &newest, &errmsg);
    CHECK(error == 0);
    CHECK(newest.seq >= world.covered);
    world.covered = newest.seq;
    struct journal_position from = {newest.seq, newest.lineage, newest.epoch};
    error = journal_open(&world.journal, &options, from, 9, replay, NULL, &world.epoch,
                         &world.lineage, &world.next_seq, &errmsg);
    if (error != 0) fprintf(stderr, "%s\n", errmsg.text);
    CHECK(error == 0);
}

static void round_once(bool kill)
{
    pthread_t watcher;
    open_all();
    world.stop = false;
    CHECK(pthread_create(&watcher, NULL, watch, NULL) == 0);
    work();
    uint64_t durable = journal_durable(world.journal);
    world.stop = true;
    pthread_join(watcher, NULL);
    snapshots_close(world.snapshots);
    if (kill)
        journal_abandon(world.journal);
    else
        journal_close(world.journal);
    open_all();
    CHECK(world.replayed >= durable);
    snapshots_close(world.snapshots);
    journal_close(world.journal);
}

static void remove_directory(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", world.directory);
    CHECK(system(command) == 0);
}

int main(void)
{
    struct errmsg errmsg;
    snprintf(world.directory, sizeof world.directory, "/tmp/holdfast-threads-XXXXXX");
    CHECK(mkdtemp(world.directory) != NULL);
    for (int i = 0; i < ROUNDS; i++) round_once(i % 2 == 0);
    struct store_tool tool = {.directory = world.directory};
    int error = store_check(&tool, &errmsg);
    if (error != 0) fprintf(stderr, "%s\n", errmsg.text);
    CHECK(error == 0 && world.looks > 0 && world.changes > 0);
    remove_directory();
    printf("%u rounds, %lu looks, %u changes: passed\n", (unsigned)ROUNDS,
           (unsigned long)world.looks, (unsigned)world.changes);
    return 0;
}
