#include "corruption/golden.h"

#include "base/check.h"
#include "lib/fake_threads.h"

#include <stdlib.h>

enum { SEGMENT_START = 4096, HEAD = 64, LAST = 2 };

static void must(int error, const struct life *life)
{
    if (error != 0) violation("a golden directory cannot be made: %s", life->errmsg.text);
}

static void groups(struct life *life, unsigned count, unsigned records, uint32_t size)
{
    for (unsigned i = 0; i < count; i++) {
        must(life_append(life, records, size), life);
        must(life_commit(life), life);
    }
}

static void snapshot(struct life *life)
{
    must(life_snapshot_begin(life, false), life);
    life_snapshot_finish(life);
    must(life_snapshot_wait(life), life);
}

static void keep_older(struct golden *golden, const struct life *life)
{
    if (golden != NULL) golden->older = fake_disk_clone(life->disk);
}

/* One segment, closed. */
static void make_closed(struct life *life, struct golden *golden)
{
    groups(life, 4, 3, 120);
    keep_older(golden, life);
    groups(life, 3, 2, 200);
    life_close(life);
}

/* Two epochs; killed before the last group was proven by anything. */
static void make_killed(struct life *life, struct golden *golden)
{
    groups(life, 3, 3, 100);
    life_kill(life);
    must(life_open(life), life);
    keep_older(golden, life);
    groups(life, 2, 2, 100);
    must(life_append(life, 3, 300), life);
    (void)journal_commit_here(life->journal);
    while (journal_durable(life->journal) < life->book->appended) fake_threads_sleep_us(1000);
    life_note(life);
    life_kill(life);
}

/* A few segments, runs that go over from one to the next. */
static void make_segments(struct life *life, struct golden *golden)
{
    groups(life, 3, 4, 700);
    keep_older(golden, life);
    groups(life, 3, 5, 900);
    life_close(life);
    must(life_open(life), life);
    groups(life, 2, 3, 100);
    life_close(life);
}

/* Snapshots, the second one with blocks in two files; the journal before is gone, a spare is there.
 */
static void make_snapshots(struct life *life, struct golden *golden)
{
    groups(life, 2, 9, 900);
    snapshot(life);
    must(life_trim(life), life);
    groups(life, 1, 3, 400);
    keep_older(golden, life);
    groups(life, 1, 2, 100);
    snapshot(life);
    groups(life, 2, 2, 300);
    life_close(life);
    must(life_open(life), life);
    groups(life, 1, 1, 50);
    life_close(life);
}

static const struct {
    const char *name;
    void (*make)(struct life *life, struct golden *golden);
} makers[GOLDENS] = {{"closed", make_closed},
                     {"killed", make_killed},
                     {"segments", make_segments},
                     {"snapshots", make_snapshots}};

/* ---- Frames ---- */

static uint64_t load(const uint8_t *at, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static bool read_frame(struct golden *golden, const char *file, uint64_t offset)
{
    uint8_t head[HEAD];
    if (fake_disk_peek(golden->disk, file, offset, head, HEAD) < HEAD) return false;
    if (memcmp(head, "HFr1", 4) != 0) return false;
    CHECK(golden->frame_count < GOLDEN_FRAMES_MAX);
    uint64_t count = load(head + 20, 4);
    struct golden_frame *frame = &golden->frames[golden->frame_count++];
    *frame = (struct golden_frame){
        .file = file,
        .offset = offset,
        .size = HEAD + (load(head + 12, 4) + 7) / 8 * 8,
        .epoch = (uint32_t)load(head + 16, 4),
        .position = load(head + 40, 8),
        .group_start = load(head + 48, 8),
        .last_seq = (head[6] & LAST) != 0 && count > 0 ? load(head + 32, 8) + count - 1 : 0,
    };
    return true;
}

static void read_files(struct golden *golden)
{
    const char *path;
    for (size_t i = 0; (path = fake_disk_file(golden->disk, i)) != NULL; i++) {
        CHECK(golden->file_count < GOLDEN_FILES_MAX);
        golden->files[golden->file_count] = path;
        golden->sizes[golden->file_count++] = fake_disk_file_size(golden->disk, path);
        if (strstr(path, "/segment-") == NULL) continue;
        uint64_t offset = SEGMENT_START;
        while (read_frame(golden, path, offset))
            offset += golden->frames[golden->frame_count - 1].size;
    }
}

/* ---- */

static struct fake_disk *make(size_t index, uint64_t seed, struct book *book, struct golden *golden)
{
    struct fake_threads_options threads = {.seed = seed, .stay = 1};
    struct fake_disk_options options = {.align = 512};
    struct fake_disk *disk = fake_disk_new(&options);
    struct life life = {.disk = disk, .book = book, .prng = {seed}};
    fake_threads_begin(&threads);
    must(life_open(&life), &life);
    makers[index].make(&life, golden);
    fake_threads_set_process(0);
    struct prng prng = {1};
    fake_disk_crash(disk, FAKE_CRASH_KEPT, &prng); /* at rest */
    /* The number of a process depends on what ran before; cases are counted by bytes. */
    fake_disk_put(disk, LIFE_DIRECTORY "/LOCK", SPAN_LITERAL("1\n"));
    return disk;
}

void golden_make(struct golden *golden, size_t index)
{
    struct book other = {0};
    *golden = (struct golden){.name = makers[index].name};
    golden->disk = make(index, 100 + index, &golden->book, golden);
    golden->foreign = make(index, 200 + index, &other, NULL);
    CHECK(other.lineage != golden->book.lineage);
    book_close(&other);
    read_files(golden);
    CHECK(golden->frame_count > 5 && golden->book.durable == golden->book.appended);
}

void golden_free(struct golden *golden)
{
    fake_disk_free(golden->disk);
    fake_disk_free(golden->older);
    fake_disk_free(golden->foreign);
    book_close(&golden->book);
}

static bool same(const struct golden *golden, const struct fake_disk *damaged, const char *file,
                 uint64_t offset, size_t size)
{
    uint8_t before[1 << 14];
    uint8_t after[1 << 14];
    CHECK(size <= sizeof before);
    return fake_disk_peek(golden->disk, file, offset, before, size) == size &&
           fake_disk_peek(damaged, file, offset, after, size) == size &&
           memcmp(before, after, size) == 0;
}

/* Records that are whole before a place of the stream. */
static uint64_t seq_before(const struct golden *golden, uint64_t position)
{
    uint64_t seq = 0;
    for (size_t i = 0; i < golden->frame_count; i++) {
        const struct golden_frame *frame = &golden->frames[i];
        if (frame->position + frame->size <= position && frame->last_seq > seq)
            seq = frame->last_seq;
    }
    return seq;
}

uint64_t golden_proven(const struct golden *golden, const struct fake_disk *damaged)
{
    uint64_t start = 0;
    for (size_t i = 0; i < golden->frame_count; i++) {
        const struct golden_frame *frame = &golden->frames[i];
        if (frame->group_start > start &&
            same(golden, damaged, frame->file, frame->offset, frame->size))
            start = frame->group_start;
    }
    uint64_t seq = seq_before(golden, start);
    return seq > golden->book.published ? seq : golden->book.published;
}

uint32_t golden_epoch(const struct golden *golden, const struct fake_disk *damaged)
{
    uint32_t epoch = 0;
    for (size_t i = 0; i < golden->frame_count; i++) {
        const struct golden_frame *frame = &golden->frames[i];
        if (frame->epoch > epoch && same(golden, damaged, frame->file, frame->offset, frame->size))
            epoch = frame->epoch;
    }
    return epoch;
}
