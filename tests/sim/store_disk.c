/* The gateway's journal and snapshots, driven as its engine and snapshotter drive them. */
#include "lib/fake_disk.h"
#include "lib/fake_threads.h"
#include "store.h"
#include "store/journal.h"
#include "store/repaired.h"
#include "store/snapshot.h"
#include "verdict.h"

#include <stdio.h>
#include <stdlib.h>

enum phase { IDLE, READING, SYNCING, PUBLISHING };

struct store_disk {
    struct fake_disk *disk;
    uint32_t shard, segment_size;
    char directory[48];
    uint32_t process;
    struct journal *journal; /* NULL: not in use */
    struct snapshots *snapshots;
    enum phase phase;
    uint64_t cut_seq, newest_seq;
    struct buffer replayed; /* all records of the last recovery */
    uint64_t replayed_first;
    struct shard *opening;
};

static void enter(const struct store_disk *disk)
{
    fake_threads_set_process(disk->process);
}

struct store_disk *store_disk_new(const struct store_options *options)
{
    struct store_disk *disk = calloc(1, sizeof *disk);
    MUST(disk != NULL);
    disk->disk = options->disk;
    disk->shard = options->shard;
    disk->segment_size = options->segment_size;
    snprintf(disk->directory, sizeof disk->directory, "/world-%u-shard-%u", options->generation,
             options->shard);
    buffer_init(&disk->replayed);
    return disk;
}

static void leave(struct store_disk *disk)
{
    disk->journal = NULL;
    disk->snapshots = NULL;
    disk->phase = IDLE;
    fake_threads_set_process(0);
}

void store_disk_free(struct store_disk *disk)
{
    enter(disk);
    if (disk->phase != IDLE) snapshot_abort(disk->snapshots);
    if (disk->snapshots != NULL) snapshots_close(disk->snapshots);
    if (disk->journal != NULL) journal_close(disk->journal);
    if (disk->process != 0) fake_disk_kill(disk->disk, disk->process);
    leave(disk);
    buffer_close(&disk->replayed);
    free(disk);
}

/* ---- Records ---- */

void store_disk_append(struct store_disk *disk, const struct shard_update *update)
{
    enter(disk);
    int error = journal_append(disk->journal, buffer_span(&update->records), update->first_seq,
                               update->record_count);
    MUST(error == 0 || journal_failed(disk->journal, NULL) != 0);
}

void store_disk_commit(struct store_disk *disk, bool here)
{
    enter(disk);
    if (here)
        journal_commit_here(disk->journal);
    else
        journal_commit(disk->journal);
}

bool store_disk_look(struct store_disk *disk, uint64_t *durable)
{
    if (journal_failed(disk->journal, NULL) != 0) return false;
    *durable = journal_durable(disk->journal);
    return true;
}

/* ---- The end, and a new beginning ---- */

void store_disk_die(struct store_disk *disk, bool power_cut)
{
    if (disk->journal == NULL) return;
    if (!power_cut) fake_disk_kill(disk->disk, disk->process);
    enter(disk);
    snapshots_close(disk->snapshots);
    journal_abandon(disk->journal);
    leave(disk);
    disk->process = 0;
}

void store_disk_stop(struct store_disk *disk, bool stops)
{
    if (disk->process == 0) return;
    fake_threads_set_process(0);
    if (stops)
        fake_threads_stop(disk->process);
    else
        fake_threads_go_on(disk->process);
}

static int load_block(void *context, uint32_t block, struct span bytes)
{
    return shard_load(context, block, bytes);
}

static int replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                  uint32_t epoch, uint64_t lineage)
{
    struct store_disk *disk = context;
    (void)epoch;
    (void)lineage;
    if (disk->replayed.size == 0) disk->replayed_first = first_seq;
    buffer_append(&disk->replayed, records);
    return shard_replay(disk->opening, records, first_seq, count);
}

static int encode_open(void *context, uint32_t epoch, uint64_t lineage, struct buffer *out)
{
    const struct store_disk *disk = context;
    shard_encode_open(disk->opening, out, epoch, lineage, SPAN_LITERAL("test"));
    return 0;
}

static int open_journal(struct store_disk *disk, struct shard *shard,
                        const struct snapshot_info *newest, uint64_t lineage, struct errmsg *errmsg)
{
    struct journal_options options = {.directory = disk->directory,
                                      .shard = disk->shard,
                                      .segment_size = disk->segment_size,
                                      .encode_open = encode_open,
                                      .open_context = disk,
                                      .seal_idle_ms = 100};
    struct journal_position from = {newest->seq, newest->lineage, newest->epoch};
    uint32_t epoch;
    uint64_t next_seq;
    disk->opening = shard;
    buffer_clear(&disk->replayed);
    int error = journal_open(&disk->journal, &options, from, lineage, replay, disk, &epoch,
                             &lineage, &next_seq, errmsg);
    if (error != 0) {
        disk->journal = NULL;
        return error;
    }
    HOLDS(5, next_seq == shard_seq(shard) + 1 && epoch == shard_epoch(shard));
    HOLDS(5, lineage == shard_lineage(shard));
    return 0;
}

int store_disk_recover(struct store_disk *disk, struct shard *shard, uint64_t lineage,
                       struct errmsg *errmsg)
{
    struct snapshot_info newest;
    disk->process = fake_disk_start_process(disk->disk);
    int error = snapshots_open(&disk->snapshots, disk->directory, &newest, errmsg);
    if (error != 0) goto end;
    disk->newest_seq = newest.seq;
    if (newest.seq > 0) error = snapshots_load(disk->snapshots, load_block, shard, errmsg);
    if (error == 0) error = open_journal(disk, shard, &newest, lineage, errmsg);
    if (error == 0) return 0;
    snapshots_close(disk->snapshots);
end:
    fake_disk_kill(disk->disk, disk->process);
    leave(disk);
    return error;
}

struct span store_disk_replayed(const struct store_disk *disk, uint64_t *first_seq)
{
    *first_seq = disk->replayed_first;
    return buffer_span(&disk->replayed);
}

/* ---- Snapshots ---- */

static void begin_cut(struct store_disk *disk, struct shard *shard)
{
    if (shard_seq(shard) <= disk->newest_seq + 1) return;
    MUST(shard_cut_begin(shard, disk->newest_seq) == 0);
    disk->cut_seq = shard_cut_seq(shard);
    struct snapshot_info info = {
        .seq = disk->cut_seq, .lineage = shard_lineage(shard), .epoch = shard_epoch(shard)};
    if (snapshot_begin(disk->snapshots, &info) == 0)
        disk->phase = READING;
    else
        shard_cut_end(shard);
}

static void read_blocks(struct store_disk *disk, struct shard *shard, uint32_t blocks)
{
    struct cut_block block;
    for (; blocks > 0 && shard_cut_next(shard, &block); blocks--) {
        if (block.keep)
            snapshot_keep(disk->snapshots, block.block);
        else if (snapshot_write(disk->snapshots, block.block, block.bytes) != 0)
            break; /* told by the poll */
    }
    if (blocks == 0) return;
    MUST(!shard_cut_failed(shard));
    shard_cut_end(shard);
    disk->phase = SYNCING;
}

static void poll(struct store_disk *disk, struct shard *shard)
{
    struct snapshot_info info;
    struct errmsg errmsg;
    switch (snapshot_poll(disk->snapshots, &info, &errmsg)) {
    case SNAPSHOT_FAILED:
        if (disk->phase == READING) shard_cut_end(shard);
        disk->phase = IDLE;
        return;
    case SNAPSHOT_PUBLISHED:
        HOLDS(5, info.seq == disk->cut_seq && info.seq <= journal_durable(disk->journal));
        disk->newest_seq = info.seq;
        disk->phase = IDLE;
        int error = journal_trim(disk->journal, info.seq);
        MUST(error == 0 || journal_failed(disk->journal, NULL) != 0);
        return;
    default: return;
    }
}

void store_disk_cut(struct store_disk *disk, struct shard *shard, uint32_t blocks)
{
    enter(disk);
    if (disk->phase == IDLE) begin_cut(disk, shard);
    if (disk->phase == READING) read_blocks(disk, shard, blocks);
    if (disk->phase == SYNCING && journal_durable(disk->journal) >= disk->cut_seq) {
        snapshot_finish(disk->snapshots);
        disk->phase = PUBLISHING;
    }
    if (disk->phase != IDLE) poll(disk, shard);
}

void store_disk_cut_replaced(struct store_disk *disk)
{
    if (disk->phase != READING) return;
    enter(disk);
    snapshot_abort(disk->snapshots);
    disk->phase = IDLE;
}

/* The journal begins behind the snapshot. */
static void write_note(const struct store_disk *disk, const struct shard *shard)
{
    char path[FILE_PATH_MAX];
    struct errmsg errmsg;
    struct repaired note = {.epoch = shard_epoch(shard),
                            .new_lineage = true,
                            .next_seq = shard_seq(shard) + 1,
                            .number = 1};
    MUST(path_join(path, disk->directory, "journal") == 0);
    MUST(directory_make(path, &errmsg) == 0);
    MUST(repaired_write(&note, path, &errmsg) == 0);
}

/* As a tool writes a restored image, before anybody opens the journal. */
void store_disk_begin_from(struct store_disk *disk, struct shard *shard)
{
    struct snapshot_info newest;
    struct errmsg errmsg;
    disk->process = fake_disk_start_process(disk->disk);
    MUST(snapshots_open(&disk->snapshots, disk->directory, &newest, &errmsg) == 0);
    MUST(shard_cut_begin(shard, 0) == 0);
    struct snapshot_info info = {
        .seq = shard_cut_seq(shard), .lineage = shard_lineage(shard), .epoch = shard_epoch(shard)};
    MUST(snapshot_begin(disk->snapshots, &info) == 0);
    struct cut_block block;
    while (shard_cut_next(shard, &block))
        MUST(snapshot_write(disk->snapshots, block.block, block.bytes) == 0);
    shard_cut_end(shard);
    snapshot_finish(disk->snapshots);
    enum snapshot_state state;
    while ((state = snapshot_poll(disk->snapshots, &info, &errmsg)) != SNAPSHOT_PUBLISHED) {
        MUST(state != SNAPSHOT_FAILED);
        fake_threads_sleep_us(1000);
    }
    snapshots_close(disk->snapshots);
    write_note(disk, shard);
    fake_disk_kill(disk->disk, disk->process);
    leave(disk);
    disk->process = 0;
}

void store_disk_intrude(struct store_disk *disk)
{
    struct snapshots *snapshots;
    struct journal *journal;
    struct snapshot_info newest;
    struct errmsg errmsg;
    uint32_t epoch, process = fake_disk_start_process(disk->disk);
    uint64_t lineage, next_seq;
    struct journal_options options = {
        .directory = disk->directory, .shard = disk->shard, .segment_size = disk->segment_size};
    int error = snapshots_open(&snapshots, disk->directory, &newest, &errmsg);
    HOLDS(13, error == ERROR_IN_USE);
    error = journal_open(&journal, &options, (struct journal_position){0}, 1, NULL, NULL, &epoch,
                         &lineage, &next_seq, &errmsg);
    HOLDS(13, error == ERROR_IN_USE);
    fake_disk_kill(disk->disk, process);
    fake_threads_set_process(0);
}
