/*
 * The engine of one shard: the pure machine between the journal, the functions and the edges. It
 * owns the order of things: records are appended before anything of their update goes outside, and
 * answers go out only when the shard, told what is durable, has released them.
 */
#ifndef HOLDFAST_APP_ENGINE_H
#define HOLDFAST_APP_ENGINE_H

#include "admin/histogram.h"
#include "app/pace.h"
#include "app/savepart.h"
#include "app/snapshotter.h"
#include "invoke/invoke.h"
#include "os/loop.h"
#include "shard/port.h"
#include "shard/shard.h"
#include "store/journal.h"

struct engine_options {
    const char *directory;
    struct loop *loop;
    uint32_t shard;          /* which, of how many */
    uint32_t shard_count;    /* 0 is taken as 1 */
    bool commits_apart;      /* never waits for the disk itself: others need it to go on */
    uint64_t snapshot_bytes; /* of journal that start a snapshot */
    int64_t snapshot_every_ms;
    /* The engine cannot go on: a failed disk, no memory. The process must end without another word.
     */
    void (*failed)(void *context, const char *why);
    void *failed_context;
    /* To shard `signal->peer`, which gets it as EVENT_SIGNAL. What it points to is borrowed. NULL
       with one shard. */
    void (*carry)(void *context, const struct shard_signal *signal);
    void *carry_context;
};

struct engine {
    struct port port; /* first: ports are cast back */
    struct engine_options options;
    struct loop *loop;
    struct shard *shard;
    struct journal *journal;
    struct invoke *invoke;
    struct snapshotter snapshotter;
    struct savepart savepart;
    struct shard_update updates[2]; /* one is filled while the other goes out */
    int filling;
    bool failed;
    bool uncommitted;  /* records are appended that no commit was asked for */
    bool commit_waits; /* … and somebody waits for one */
    struct pace pace;  /* … that goes out when it says so */
    struct loop_signal journal_moved;
    struct loop_turn_end turn_end;
    struct loop_timer tick;
    struct loop_timer lazy_commit;
    /* what commits cost, for the metrics */
    struct admin_histogram commit_us, commit_records;
    uint64_t seen_commits, seen_sync_us, seen_records;
    /* of the recovery */
    int64_t recovery_us;
    uint64_t recovery_records;
};

/* Recovers from the directory and starts a new epoch. Errors as journal_open and snapshots_open. */
int engine_open(struct engine *engine, const struct engine_options *options,
                struct errmsg *errmsg) MUST_USE;
/* Sends out what the shard has decided so far: before the endpoints change, which its invocations
 * name by index. */
void engine_flush(struct engine *engine);
/* Once, and again at each reload: engine_flush and the invoke room first. */
int engine_configure(struct engine *engine, const struct shard_config *config) MUST_USE;
/* From another shard, as it came with update.signals. */
void engine_take_signal(struct engine *engine, const struct shard_signal *signal);
/* Joins a savepoint, unless a signal has brought it already. */
void engine_cut(struct engine *engine, uint64_t cut);
/* Calls in flight are dropped, what is accepted is committed. */
void engine_close(struct engine *engine);

#endif
