/*
 * A shard: the pure state machine at the heart of the gateway.
 *
 *     step(event) = decide (reads image + overlay) -> record(s) -> fold(image, record) -> overlay
 * changes -> update replay      = fold(image, record)
 *
 * No clock, no I/O, no callback, no randomness. The same configuration and the same events give
 * equal updates and an equal digest. Reading order: event.h, image.h, fold.c, then decide_*.c.
 */
#ifndef HOLDFAST_SHARD_SHARD_H
#define HOLDFAST_SHARD_SHARD_H

#include "base/slot.h"
#include "shard/event.h"
#include "shard/metrics.h"

struct shard;

/* ERROR_MEMORY. */
int shard_open(struct shard **shard) MUST_USE;
void shard_close(struct shard *shard);

/* ---- Placement: see base/slot.h for what lives where. ---- */

/* Shard `number` of `count`, before anything is loaded: what belongs to another place is then
 * refused (ERROR_REFUSED by load and replay). Without it the shard takes its place from the first
 * block or record that it is given. ERROR_MEMORY. */
int shard_place(struct shard *shard, uint32_t number, uint32_t count) MUST_USE;
uint32_t shard_number(const struct shard *shard);
uint32_t shard_count(const struct shard *shard); /* 1 until it is known */
/* Two shards as they were recovered: neither has lost what the other one knows of. False only after
 * a repair that gave up records: their channels would lose messages or stand still. */
bool shard_agrees(const struct shard *a, const struct shard *b);

/* ---- Recovery: load the snapshot's blocks (globals first), then fold the journal, then start.
 * ---- */

/* ERROR_DAMAGED, ERROR_NEWER_FORMAT, ERROR_MEMORY. Blocks as shard_cut_next gave them. */
int shard_load(struct shard *shard, uint32_t block, struct span bytes) MUST_USE;
/* `count` records from first_seq on; those up to the image's seq are skipped. ERROR_DAMAGED: a
   hole, or a record that does not fit. ERROR_NEWER_FORMAT, ERROR_MEMORY. */
int shard_replay(struct shard *shard, struct span records, uint64_t first_seq,
                 uint32_t count) MUST_USE;
/* Everything up to the image's seq is durable: builds the overlay. Call once, after EVENT_CONFIG is
 * not yet needed. */
int shard_start(struct shard *shard) MUST_USE;
/* The record that begins an epoch, to be journaled and replayed before the start. */
void shard_encode_open(const struct shard *shard, struct buffer *out, uint32_t epoch,
                       uint64_t lineage, struct span version);

/* ---- The machine ---- */

/* Appends to the update. The only error is a lack of memory in the middle of a fold's consequences
   (ERROR_MEMORY): the owner must stop, having shown nothing of this update. Every refusal is an
   answer. */
int shard_step(struct shard *shard, const struct shard_event *event,
               struct shard_update *update) MUST_USE;
/* When EVENT_TICK is due, in the clock that the last event's mono_ms came from; INT64_MAX: never.
 */
int64_t shard_wake_at(const struct shard *shard);

/* All that goes on waits for the journal: nobody is served by doing something else meanwhile. At
 * most `most` wait. */
bool shard_only_waits(const struct shard *shard, uint64_t most);
/* All who wait for an answer, and those of them whose answer waits for the journal. */
void shard_count_waiters(const struct shard *shard, uint64_t *waiters, uint64_t *gated);
uint64_t shard_seq(const struct shard *shard);
uint32_t shard_epoch(const struct shard *shard);
uint64_t shard_lineage(const struct shard *shard);
int64_t shard_time_ms(const struct shard *shard);
/* Equal for images with equal content, however they came about. */
uint64_t shard_digest(struct shard *shard);
void shard_metrics(const struct shard *shard, struct shard_metrics *metrics);
/* Of the first `most` endpoints. Returns their number. */
size_t shard_endpoint_metrics(struct shard *shard, struct shard_endpoint_metrics *metrics,
                              size_t most);
/* False: there is no lane of that index. */
bool shard_lane_metrics(const struct shard *shard, size_t index,
                        struct shard_lane_metrics *metrics);

/* ---- Snapshots: the image at one seq, read out in pieces while the shard goes on. ---- */

enum { SHARD_BLOCK_GLOBALS = 4096 };

/* Starts a cut at the current seq; blocks that did not change after since_seq are told as kept (0:
   they are empty). One at a time. ERROR_MEMORY, ERROR_EXISTS. */
int shard_cut_begin(struct shard *shard, uint64_t since_seq) MUST_USE;
struct cut_block {
    uint32_t block;
    bool keep;         /* unchanged: bytes are not given */
    struct span bytes; /* empty: nothing in this slot; valid until the next call */
};
/* False: all have been given; the cut has ended. */
bool shard_cut_next(struct shard *shard, struct cut_block *block);
/* The cut ran out of memory: its blocks so far must not be published. */
bool shard_cut_failed(const struct shard *shard);
void shard_cut_end(struct shard *shard);
uint64_t shard_cut_seq(const struct shard *shard);

/* ---- Savepoints: the cuts of all shards, such that no message is in two of them or in none. ----
 */

/* The newest savepoint it has joined: EVENT_CUT wants a larger number, in all shards the same. */
uint64_t shard_cut_known(const struct shard *shard);
/*
 * Fills a new shard, placed and otherwise empty, with its part of a savepoint: what the old shards
 * hold of its slots, then the messages that were under way between them, in the order of (old
 * shard, number). Old shards are loaded and not started. The new one has the lineage given, and its
 * seq is above all of theirs; its image is to be written as a snapshot before it is started.
 * ERROR_MEMORY; ERROR_DAMAGED: they are not the shards of one savepoint; ERROR_FULL: too many
 * names.
 */
int shard_restore(struct shard *into, struct shard *const *old, uint32_t old_count,
                  uint64_t lineage) MUST_USE;

#endif
