#include "app/restore.h"

#include "app/savepoint_file.h"
#include "app/shard_files.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/loop.h"
#include "os/random.h"
#include "shard/shard.h"
#include "store/check.h"
#include "store/repaired.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BACKLOG_MAX = 8 << 20, POLL_MS = 2 };

struct restoring {
    const char *savepoint;
    const char *data;
    struct savepoint_info info;
    struct shard **old; /* loaded, not started */
    uint32_t count;     /* of new shards */
    struct loop loop;   /* to wait in */
    struct errmsg *errmsg;
};

/* ---- The old shards ---- */

struct loading {
    struct shard *shard;
    struct errmsg *errmsg;
};

static int load_block(void *context, uint32_t block, struct span bytes)
{
    struct loading *loading = context;
    int error = shard_load(loading->shard, block, bytes);
    if (error == 0) return 0;
    return errmsg_set(loading->errmsg, error, "block %" PRIu32 " of the savepoint: %s", block,
                      error_text(error));
}

static int load_shard(struct restoring *restoring, uint32_t number)
{
    char path[FILE_PATH_MAX];
    struct store_tool tool = {.directory = path, .shard = number, .savepoint = true};
    struct loading loading = {NULL, restoring->errmsg};
    struct snapshot_info newest;
    const struct snapshot_info *wanted = &restoring->info.shards[number];
    int error = savepoint_shard_path(path, restoring->savepoint, number, restoring->errmsg);
    if (error != 0) return error;
    error = shard_open(&restoring->old[number]);
    loading.shard = restoring->old[number];
    if (error == 0) error = shard_place(loading.shard, number, restoring->info.count);
    if (error != 0) return errmsg_set(restoring->errmsg, error, "out of memory");
    error = store_replay(&tool, load_block, NULL, &loading, &newest, restoring->errmsg);
    if (error != 0) return error;
    if (newest.seq == wanted->seq && newest.epoch == wanted->epoch &&
        newest.lineage == wanted->lineage)
        return 0;
    return errmsg_set(restoring->errmsg, ERROR_DAMAGED,
                      "%.200s is not of this savepoint: it has record %" PRIu64
                      ", savepoint.json says %" PRIu64,
                      path, newest.seq, wanted->seq);
}

static int load_all(struct restoring *restoring)
{
    int error = 0;
    restoring->old = calloc(restoring->info.count, sizeof(struct shard *));
    if (restoring->old == NULL) return errmsg_set(restoring->errmsg, ERROR_MEMORY, "out of memory");
    for (uint32_t i = 0; error == 0 && i < restoring->info.count; i++)
        error = load_shard(restoring, i);
    return error;
}

static void close_all(struct restoring *restoring)
{
    for (uint32_t i = 0; restoring->old != NULL && i < restoring->info.count; i++)
        if (restoring->old[i] != NULL) shard_close(restoring->old[i]);
    free(restoring->old);
    free(restoring->info.shards);
}

/* ---- The new ones ---- */

/* Nothing is in the loop: only its time-out is wanted. */
static void wait_a_little(struct loop *loop)
{
    (void)!loop_turn(loop, POLL_MS);
}

static int give_blocks(struct shard *shard, struct snapshots *snapshots, struct loop *loop)
{
    struct cut_block block;
    while (shard_cut_next(shard, &block)) {
        while (snapshot_backlog(snapshots) > BACKLOG_MAX) wait_a_little(loop);
        int error = snapshot_write(snapshots, block.block, block.bytes);
        if (error != 0) return error;
    }
    return shard_cut_failed(shard) ? ERROR_MEMORY : 0;
}

static int wait_published(struct snapshots *snapshots, struct loop *loop, struct errmsg *errmsg)
{
    for (;;) {
        struct snapshot_info info;
        enum snapshot_state state = snapshot_poll(snapshots, &info, errmsg);
        if (state == SNAPSHOT_PUBLISHED) return 0;
        if (state == SNAPSHOT_FAILED) return ERROR_IO;
        wait_a_little(loop);
    }
}

static int write_snapshot(struct shard *shard, const char *directory, struct loop *loop,
                          struct errmsg *errmsg)
{
    struct snapshots *snapshots;
    struct snapshot_info newest;
    struct snapshot_info info = {.seq = shard_seq(shard),
                                 .lineage = shard_lineage(shard),
                                 .epoch = shard_epoch(shard),
                                 .created_ms = clock_wall_us() / 1000};
    int error = snapshots_open(&snapshots, directory, &newest, errmsg);
    if (error != 0) return error;
    error = shard_cut_begin(shard, 0);
    if (error == 0) error = snapshot_begin(snapshots, &info);
    if (error == 0) error = give_blocks(shard, snapshots, loop);
    if (error != 0) {
        errmsg_set(errmsg, error, "%s", error_text(error));
        snapshot_abort(snapshots);
    } else {
        snapshot_finish(snapshots);
        error = wait_published(snapshots, loop, errmsg);
    }
    shard_cut_end(shard);
    snapshots_close(snapshots);
    return error;
}

/* The journal begins behind the snapshot, as after a repair that left none of it. */
static int write_note(struct shard *shard, const char *directory, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct repaired note = {.epoch = shard_epoch(shard),
                            .new_lineage = true,
                            .next_seq = shard_seq(shard) + 1,
                            .number = 1};
    int error = path_join(path, directory, "journal");
    if (error == 0) error = directory_make(path, errmsg);
    return error == 0 ? repaired_write(&note, path, errmsg) : error;
}

static int make_shard(struct restoring *restoring, uint32_t number)
{
    char path[FILE_PATH_MAX];
    struct shard *shard;
    int error =
        shard_files_path(path, restoring->data, number, restoring->count, restoring->errmsg);
    if (error != 0) return error;
    error = shard_open(&shard);
    if (error != 0) return errmsg_set(restoring->errmsg, error, "out of memory");
    error = shard_place(shard, number, restoring->count);
    if (error == 0)
        error = shard_restore(shard, restoring->old, restoring->info.count, random_u64());
    if (error != 0)
        errmsg_set(restoring->errmsg, error, "shard %" PRIu32 " of the savepoint %.200s: %s",
                   number, restoring->savepoint, error_text(error));
    if (error == 0) error = write_snapshot(shard, path, &restoring->loop, restoring->errmsg);
    if (error == 0) error = write_note(shard, path, restoring->errmsg);
    shard_close(shard);
    return error;
}

static int make_all(struct restoring *restoring)
{
    struct lock *lock;
    int error = shard_files_begin_restore(restoring->data, &lock, restoring->errmsg);
    if (error != 0) return error;
    if (restoring->count > 1)
        error = shard_files_write_count(restoring->data, restoring->count, restoring->errmsg);
    for (uint32_t i = 0; error == 0 && i < restoring->count; i++) error = make_shard(restoring, i);
    if (error == 0) error = shard_files_end_restore(restoring->data, restoring->errmsg);
    shard_files_release(lock);
    return error;
}

int restore(const char *savepoint, const char *data, uint32_t count, struct errmsg *errmsg)
{
    int64_t begun_us = clock_mono_us();
    struct restoring restoring = {
        .savepoint = savepoint, .data = data, .count = count, .errmsg = errmsg};
    int error = savepoint_read(savepoint, &restoring.info, errmsg);
    if (error != 0) return error;
    if (restoring.count == 0) restoring.count = restoring.info.count;
    error = loop_init(&restoring.loop);
    if (error != 0) {
        free(restoring.info.shards);
        return errmsg_set(errmsg, error, "cannot make an event loop");
    }
    error = load_all(&restoring);
    if (error == 0) error = make_all(&restoring);
    loop_close(&restoring.loop);
    if (error == 0)
        LOG(LOG_INFO, "restored", LOG_TEXT("savepoint", savepoint), LOG_TEXT("data", data),
            LOG_NUMBER("from_shards", restoring.info.count),
            LOG_NUMBER("to_shards", restoring.count),
            LOG_NUMBER("ms", (clock_mono_us() - begun_us) / 1000));
    close_all(&restoring);
    return error;
}
