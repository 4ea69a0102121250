#include "app/copier.h"

#include "app/engine.h"
#include "os/clock.h"

enum {
    READ_US = 100,         /* blocks are read for so long in a turn; one takes what it takes */
    READ_US_MAX = 1000,    /* … when turns are long */
    REST_SHARE = 4,        /* then the engine has so many times as long for all else */
    BACKLOG_MAX = 8 << 20, /* given to the writer and not yet on disk */
    POLL_US = 5000,
};

int copier_begin(struct copier *copier, struct engine *engine, struct snapshots *snapshots)
{
    struct shard *shard = engine->shard;
    *copier = (struct copier){.engine = engine,
                              .snapshots = snapshots,
                              .cut_seq = shard_cut_seq(shard),
                              .rests_until_us = clock_mono_us()};
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
static int read_block(struct copier *copier)
{
    struct shard *shard = copier->engine->shard;
    struct cut_block block;
    if (shard_cut_next(shard, &block)) return give(copier, &block);
    if (shard_cut_failed(shard)) return ERROR_MEMORY;
    ask_for_commit(copier);
    return 0;
}

static bool is_writer_behind(const struct copier *copier)
{
    return snapshot_backlog(copier->snapshots) > BACKLOG_MAX;
}

/* Where turns take longer than the rest, its share would be less and less the more there is to do,
 * and what others change meanwhile is kept for the snapshot: so it is given some of that time. */
int64_t copier_reading_us(int64_t late_us)
{
    int64_t us = READ_US + late_us / REST_SHARE;
    return us < READ_US_MAX ? us : READ_US_MAX;
}

/* ERROR_MEMORY. */
static int read_blocks(struct copier *copier)
{
    int64_t began_us = clock_mono_us(), now_us = began_us;
    int error = 0;
    if (now_us < copier->rests_until_us) return 0;
    int64_t until_us = began_us + copier_reading_us(began_us - copier->rests_until_us);
    while (error == 0 && copier->phase == COPIER_READING && now_us < until_us &&
           !is_writer_behind(copier)) {
        error = read_block(copier);
        now_us = clock_mono_us();
    }
    copier->rests_until_us = now_us + REST_SHARE * (now_us - began_us);
    return error;
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
    if (copier->phase != COPIER_READING || is_writer_behind(copier)) return POLL_US;
    int64_t rest_us = copier->rests_until_us - clock_mono_us();
    return rest_us < 0 ? 0 : rest_us < POLL_US ? rest_us : POLL_US;
}
