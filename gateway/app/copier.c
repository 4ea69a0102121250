#include "app/copier.h"

#include "app/engine.h"
#include "os/clock.h"

enum {
    QUOTA_BYTES = 256 << 10, /* of blocks read per turn */
    QUOTA_SLOTS = 512,       /* empty and kept slots cost too */
    BACKLOG_MAX = 8 << 20,   /* given to the writer and not yet on disk */
    POLL_US = 5000,
};

int copier_begin(struct copier *copier, struct engine *engine, struct snapshots *snapshots)
{
    struct shard *shard = engine->shard;
    *copier =
        (struct copier){.engine = engine, .snapshots = snapshots, .cut_seq = shard_cut_seq(shard)};
    struct snapshot_info info = {.seq = copier->cut_seq,
                                 .lineage = shard_lineage(shard),
                                 .epoch = shard_epoch(shard),
                                 .created_ms = clock_wall_us() / 1000};
    int error = snapshot_begin(snapshots, &info);
    if (error == 0) copier->phase = COPIER_READING;
    return error;
}

void copier_abort(struct copier *copier)
{
    if (copier->phase == COPIER_IDLE) return;
    snapshot_abort(copier->snapshots);
    copier->phase = COPIER_IDLE;
}

/* The journal carries the cut: nothing of it may be published before the records it rests on. */
static void ask_for_commit(struct copier *copier)
{
    struct journal *journal = copier->engine->journal;
    copier->phase = COPIER_SYNCING;
    if (journal_durable(journal) < copier->cut_seq) journal_commit(journal);
}

static int give(struct copier *copier, const struct cut_block *block)
{
    if (!block->keep) return snapshot_write(copier->snapshots, block->block, block->bytes);
    snapshot_keep(copier->snapshots, block->block);
    return 0;
}

/* ERROR_MEMORY. */
static int read_blocks(struct copier *copier)
{
    struct shard *shard = copier->engine->shard;
    size_t bytes = 0;
    for (int i = 0; i < QUOTA_SLOTS && bytes < QUOTA_BYTES; i++) {
        if (snapshot_backlog(copier->snapshots) > BACKLOG_MAX) return 0;
        struct cut_block block;
        if (!shard_cut_next(shard, &block)) {
            if (shard_cut_failed(shard)) return ERROR_MEMORY;
            ask_for_commit(copier);
            return 0;
        }
        bytes += block.bytes.size;
        int error = give(copier, &block);
        if (error != 0) return error;
    }
    return 0;
}

/* A failure of the writer shows in any phase. */
static enum copier_result poll(struct copier *copier, struct snapshot_info *info,
                               struct errmsg *errmsg)
{
    enum snapshot_state state = snapshot_poll(copier->snapshots, info, errmsg);
    if (state != SNAPSHOT_FAILED && state != SNAPSHOT_PUBLISHED) return COPIER_GOES_ON;
    copier->phase = COPIER_IDLE;
    return state == SNAPSHOT_PUBLISHED ? COPIER_PUBLISHED : COPIER_FAILED;
}

enum copier_result copier_turn(struct copier *copier, struct snapshot_info *info,
                               struct errmsg *errmsg)
{
    if (copier->phase == COPIER_READING && read_blocks(copier) != 0) {
        copier_abort(copier);
        errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
        return COPIER_FAILED;
    }
    if (copier->phase == COPIER_SYNCING &&
        journal_durable(copier->engine->journal) >= copier->cut_seq) {
        snapshot_finish(copier->snapshots);
        copier->phase = COPIER_PUBLISHING;
    }
    return poll(copier, info, errmsg);
}

int64_t copier_delay_us(const struct copier *copier)
{
    return copier->phase == COPIER_READING ? POLL_US / 10 : POLL_US;
}
