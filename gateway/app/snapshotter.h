/*
 * When snapshots are taken, and how they get from the shard to the store: a quota of blocks per
 * loop turn, published when the journal has caught up, the journal trimmed behind them.
 */
#ifndef HOLDFAST_APP_SNAPSHOTTER_H
#define HOLDFAST_APP_SNAPSHOTTER_H

#include "app/copier.h"
#include "base/buffer.h"
#include "os/loop.h"
#include "store/snapshot.h"

struct engine;

struct snapshotter_options {
    struct engine *engine;
    const char *directory;
    uint64_t journal_bytes; /* since the last one, that start one; 0: never */
    int64_t every_ms;       /* 0: never */
};

/* Somebody who wants to know. */
struct snapshot_waiter {
    struct list link;
    /* error 0: info is that of the published snapshot. */
    void (*done)(struct snapshot_waiter *waiter, int error, const struct snapshot_info *info,
                 const char *why);
};

struct snapshotter {
    struct snapshotter_options options;
    struct snapshots *snapshots;
    struct copier copier;        /* idle: none is being taken */
    bool barred;                 /* the shard's cut belongs to a savepoint */
    struct snapshot_info newest; /* published; seq 0: none */
    atomic_bool pressed;         /* the disk is short of room: a snapshot lets go of journal */
    uint64_t seen_seq;           /* of the shard, when it was last looked whether one is due … */
    int64_t look_at_us;          /* … and not again before */
    int64_t begun_us;
    int64_t last_us; /* begin of the last one, or of the process */
    int64_t took_us;
    uint64_t published;
    uint64_t failed;
    int failed_in_row;
    int64_t not_before_us; /* unless somebody asks: the last one failed */
    struct list waiters;
    struct loop_timer timer; /* polls while one runs, else wakes for the next */
};

/* *newest is what there is to load. Errors as snapshots_open. */
int snapshotter_open(struct snapshotter *snapshotter, const struct snapshotter_options *options,
                     struct snapshot_info *newest, struct errmsg *errmsg) MUST_USE;
/* At the end of each loop turn. */
void snapshotter_turn(struct snapshotter *snapshotter);
/* Starts one, or joins the one that runs. The waiter is told, never from within this call. */
void snapshotter_now(struct snapshotter *snapshotter, struct snapshot_waiter *waiter);
void snapshotter_leave(struct snapshotter *snapshotter, struct snapshot_waiter *waiter);
/* A savepoint has taken the shard's cut: what was being read is given up, to be begun again when
   the savepoint has ended. Who waits goes on waiting. */
void snapshotter_bar(struct snapshotter *snapshotter);
void snapshotter_unbar(struct snapshotter *snapshotter);
void snapshotter_close(struct snapshotter *snapshotter);

#endif
