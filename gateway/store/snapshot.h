/*
 * A shard's full state at one seq, as blocks: one for the globals, one per slot that is not empty.
 * Written in the background of a running engine, published by a manifest that is renamed into
 * place, and only then real. Incremental: a slot that did not change keeps pointing into an older
 * file.
 */
#ifndef HOLDFAST_STORE_SNAPSHOT_H
#define HOLDFAST_STORE_SNAPSHOT_H

#include "base/error.h"
#include "base/span.h"

enum { SNAPSHOT_SLOTS = 4096, SNAPSHOT_GLOBALS = SNAPSHOT_SLOTS }; /* the globals' block number */

enum { MANIFEST_FORMAT = 1 }; /* of the files */

struct snapshots; /* the directory of them */

/* What a manifest says of itself. */
struct snapshot_info {
    uint64_t seq;
    uint64_t lineage;
    uint32_t epoch;
    int64_t created_ms;   /* wall clock */
    uint64_t block_bytes; /* live bytes */
    uint32_t block_count;
};

/* Called per block, globals first. Nonzero stops. */
typedef int snapshot_block(void *context, uint32_t block, struct span bytes);

/* Finds the newest published snapshot: info->seq is 0 when there is none. An unfinished one is
   removed. ERROR_DAMAGED (file and offset), ERROR_NEWER_FORMAT, ERROR_IO. */
int snapshots_open(struct snapshots **snapshots, const char *directory,
                   struct snapshot_info *newest, struct errmsg *errmsg) MUST_USE;
/* How many published snapshots stay on disk, the newest included: 1 unless said otherwise. An older
   one serves `holdfast repair` when the newest is damaged. */
void snapshots_retain(struct snapshots *snapshots, uint32_t count);
/* Reads and verifies every block of the newest. */
int snapshots_load(struct snapshots *snapshots, snapshot_block *block, void *context,
                   struct errmsg *errmsg) MUST_USE;

/* One snapshot is written at a time, by a thread of its own: the calls below never wait for the
 * disk. */
int snapshot_begin(struct snapshots *snapshots, const struct snapshot_info *info) MUST_USE;
/* A block that is new or changed (copied). Empty bytes: the block is empty now. */
int snapshot_write(struct snapshots *snapshots, uint32_t block, struct span bytes) MUST_USE;
/* A block that is as in the newest published snapshot. */
void snapshot_keep(struct snapshots *snapshots, uint32_t block);
/* Bytes given to snapshot_write and not yet on disk: the quota of the caller. */
uint64_t snapshot_backlog(struct snapshots *snapshots);
/* All blocks are in; the caller has seen durable >= info.seq: publish. */
void snapshot_finish(struct snapshots *snapshots);
void snapshot_abort(struct snapshots *snapshots);

enum snapshot_state {
    SNAPSHOT_IDLE,
    SNAPSHOT_WRITING,
    SNAPSHOT_PUBLISHING,
    SNAPSHOT_PUBLISHED,
    SNAPSHOT_FAILED
};
/* PUBLISHED and FAILED are told once; then IDLE. *info is that of the published one. */
enum snapshot_state snapshot_poll(struct snapshots *snapshots, struct snapshot_info *info,
                                  struct errmsg *errmsg);
void snapshots_close(struct snapshots *snapshots);

#endif
