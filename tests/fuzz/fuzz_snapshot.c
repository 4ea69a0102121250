/*
 * Snapshots on the fake disk: manifest, block files and segment heads with any content. The input
 * is a list of patches to a small good snapshot and journal (which file, where, bytes), after each
 * of which checksums may be made right again, as nothing but malice does. Everything that reads
 * them must end, give blocks that match the manifest, or name the damage.
 */
#include "fuzz.h"

#include "base/crc.h"
#include "lib/fake_disk.h"
#include "lib/fake_threads.h"
#include "store/check.h"
#include "store/manifest.h"
#include "store/segment.h"
#include "store/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 6, PATCHES_MAX = 16, FILE_MAX = 1 << 16 };

#define DIRECTORY "/data"
#define SNAPSHOTS DIRECTORY "/snapshots"

static struct fake_disk *good;

static struct span block_of(uint32_t block)
{
    static uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(block * 7 + i);
    return span_of(bytes, 10 + block * 17 % 280);
}

static int nothing(void *context, struct span records, uint64_t first_seq, uint32_t count,
                   uint32_t epoch, uint64_t lineage)
{
    (void)context, (void)first_seq, (void)count, (void)epoch, (void)lineage;
    fuzz_touch(records);
    return 0;
}

static void take_snapshot(void)
{
    struct snapshots *snapshots;
    struct snapshot_info newest,
        info = {.seq = 5, .lineage = 77, .epoch = 1, .created_ms = 1700000000000};
    struct errmsg errmsg;
    FUZZ_CHECK(snapshots_open(&snapshots, DIRECTORY, &newest, &errmsg) == 0);
    FUZZ_CHECK(snapshot_begin(snapshots, &info) == 0);
    FUZZ_CHECK(snapshot_write(snapshots, SNAPSHOT_GLOBALS, block_of(0)) == 0);
    for (uint32_t i = 0; i < SNAPSHOT_SLOTS; i++)
        FUZZ_CHECK(snapshot_write(snapshots, i, i < BLOCKS ? block_of(i) : SPAN_EMPTY) == 0);
    snapshot_finish(snapshots);
    enum snapshot_state state;
    do {
        fake_threads_sleep_us(1000);
        state = snapshot_poll(snapshots, &info, &errmsg);
    } while (state == SNAPSHOT_WRITING || state == SNAPSHOT_PUBLISHING);
    FUZZ_CHECK(state == SNAPSHOT_PUBLISHED);
    snapshots_close(snapshots);
}

static void write_journal(void)
{
    struct journal_options options = {.directory = DIRECTORY, .segment_size = SEGMENT_SIZE_MIN};
    struct journal *journal;
    struct errmsg errmsg;
    uint32_t epoch;
    uint64_t lineage, next_seq;
    FUZZ_CHECK(journal_open(&journal, &options, (struct journal_position){0}, 77, nothing, NULL,
                            &epoch, &lineage, &next_seq, &errmsg) == 0);
    for (uint64_t i = 0; i < 7; i++) {
        FUZZ_CHECK(journal_append(journal, block_of(3), next_seq + i, 1) == 0);
        journal_commit(journal);
        fake_threads_settle();
    }
    journal_close(journal);
}

static void make_good(void)
{
    fake_threads_begin(&(struct fake_threads_options){.seed = 1});
    good = fake_disk_new(&(struct fake_disk_options){0});
    fake_disk_use(good);
    write_journal();
    take_snapshot();
}

/* ---- Patches ---- */

static void put_crc(uint8_t *at, struct span of)
{
    uint32_t crc = crc_of(of);
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(crc >> 8 * i);
}

/* What a writer would have put there: manifests at their end, heads of the others at byte 60. */
static void make_right(const char *path, uint8_t *bytes, size_t size)
{
    if (strstr(path, "manifest-") != NULL && size >= 4)
        put_crc(bytes + size - 4, span_of(bytes, size - 4));
    else if (size >= 64)
        put_crc(bytes + 60, span_of(bytes, 60));
}

static void patch(struct fake_disk *disk, struct span *input)
{
    static uint8_t bytes[FILE_MAX];
    size_t files = 0;
    while (fake_disk_file(disk, files) != NULL) files++;
    if (files == 0) return;
    char path[300];
    snprintf(path, sizeof path, "%s", fake_disk_file(disk, fuzz_byte(input) % files));
    unsigned how = fuzz_byte(input);
    if (how & 8) snprintf(path, sizeof path, DIRECTORY "/journal/repaired");
    size_t offset = fuzz_short(input);
    struct span with = fuzz_bytes(input);
    bool is_there = fake_disk_file_size(disk, path) != UINT64_MAX;
    size_t size = is_there ? fake_disk_peek(disk, path, 0, bytes, sizeof bytes) : 0;
    if (offset > size) offset = size == 0 ? 0 : offset % size;
    if (with.size > sizeof bytes - offset) with.size = sizeof bytes - offset;
    if (with.size > 0) memcpy(bytes + offset, with.at, with.size);
    if (offset + with.size > size) size = offset + with.size;
    if (how & 2) size = offset;
    if (how & 1) make_right(path, bytes, size);
    if ((how & 4) && is_there)
        fake_disk_take_away(disk, path);
    else
        fake_disk_put(disk, path, span_of(bytes, size));
}

/* ---- Reading ---- */

static int take_block(void *context, uint32_t block, struct span bytes)
{
    (void)context;
    FUZZ_CHECK(block <= SNAPSHOT_GLOBALS);
    fuzz_touch(bytes);
    return 0;
}

static int take_info(void *context, const struct snapshot_block_info *info)
{
    (void)context;
    FUZZ_CHECK(info->block <= SNAPSHOT_GLOBALS);
    return 0;
}

static int take_entry(void *context, uint64_t number, const struct snapshot_info *info, int error,
                      const char *text)
{
    (void)context, (void)number, (void)info;
    FUZZ_CHECK(error == 0 || text[0] != 0);
    return 0;
}

static void report(void *context, enum store_finding finding, const char *text)
{
    (void)context, (void)finding;
    FUZZ_CHECK(text[0] != 0);
}

static void read_snapshots(void)
{
    struct snapshots *snapshots;
    struct snapshot_info newest;
    struct errmsg errmsg = {""};
    (void)!snapshots_list(DIRECTORY, take_entry, NULL, &errmsg);
    (void)!snapshot_inspect(DIRECTORY, 0, &newest, take_info, NULL, &errmsg);
    if (snapshots_open(&snapshots, DIRECTORY, &newest, &errmsg) != 0) return;
    if (newest.seq > 0) (void)!snapshots_load(snapshots, take_block, NULL, &errmsg);
    snapshots_close(snapshots);
}

static void read_all(bool repair, bool lose)
{
    struct store_tool tool = {.directory = DIRECTORY, .report = report};
    struct snapshot_info newest;
    struct errmsg errmsg = {""};
    int error = store_check(&tool, &errmsg);
    FUZZ_CHECK(error == 0 || errmsg.text[0] != 0);
    (void)!store_replay(&tool, take_block, nothing, NULL, &newest, &errmsg);
    if (repair && store_repair(&tool, lose, &errmsg) == 0)
        FUZZ_CHECK(store_check(&tool, &errmsg) == 0);
}

void fuzz_one(struct span input)
{
    if (good == NULL) make_good();
    fake_threads_begin(&(struct fake_threads_options){.seed = 1});
    struct fake_disk *disk = fake_disk_clone(good);
    fake_disk_use(disk);
    unsigned how = fuzz_byte(&input);
    for (int i = 0; i < PATCHES_MAX && input.size > 0; i++) patch(disk, &input);
    if (how & 1) read_snapshots();
    read_all(how & 2, how & 4);
    fake_disk_free(disk);
}
