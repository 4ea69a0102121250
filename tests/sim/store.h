/*
 * What a shard's records and snapshots are kept in: the ledger, which knows everything that was
 * ever appended, and, in some worlds, the gateway's own journal and snapshots on a fake disk. The
 * ledger is then the witness of what these must give back.
 */
#ifndef TESTS_SIM_STORE_H
#define TESTS_SIM_STORE_H

#include "lib/shard_ledger.h"
#include "swarm.h"

struct fake_disk;
struct store_disk;

struct store {
    struct ledger ledger;
    struct store_disk *disk; /* NULL: the ledger alone */
    bool epoch_again; /* at the last recovery: what said that its epoch was taken had not lasted */
};

struct store_options {
    uint32_t shard, shard_count;
    struct fake_disk *disk; /* NULL: the ledger alone */
    uint32_t segment_size;
    uint32_t generation; /* of the world: after each restore there are other directories */
};

void store_open(struct store *store, const struct store_options *options);
/* Its files end as they would after a clean end, if the store is in use. */
void store_close(struct store *store);
void store_append(struct store *store, const struct shard_update *update);
/* Asks for a commit of what was appended. On a ledger `some` records more are durable. */
void store_commit(struct store *store, uint64_t some);
/* False: the store has failed and its owner must die. Else the ledger knows what is durable. */
bool store_look(struct store *store);
/* Its process is dead (on a disk: killed here, unless the disk has lost its power); of what was not
 * durable the ledger keeps `keep` records more. */
void store_die(struct store *store, uint64_t keep, bool power_cut);
/* Its process is stopped, or goes on. */
void store_stop(struct store *store, bool stops);
/* Records that do not follow on what is there are refused. */
void store_check_hole(const struct store *store);
/* The shard as it comes out of the store, in a new epoch; not started. Else an error: on a disk
 * alone. */
int store_recover(struct store *store, bool by_snapshot, uint64_t lineage, struct shard **shard,
                  struct errmsg *errmsg);
/* In the place of a new store's beginning: a restored image is its first snapshot. */
void store_begin_from(struct store *store, struct shard *shard);
/* A snapshot moves forward by so many blocks. */
void store_cut(struct store *store, struct shard *shard, uint32_t blocks);
/* The shard has begun another cut in place of the store's. */
void store_cut_replaced(struct store *store);

/* store_disk.c: the same for what is on the disk. */
struct store_disk *store_disk_new(const struct store_options *options);
void store_disk_free(struct store_disk *disk);
void store_disk_append(struct store_disk *disk, const struct shard_update *update);
void store_disk_commit(struct store_disk *disk, bool here);
bool store_disk_look(struct store_disk *disk, uint64_t *durable);
void store_disk_die(struct store_disk *disk, bool power_cut);
void store_disk_stop(struct store_disk *disk, bool stops);
int store_disk_recover(struct store_disk *disk, struct shard *shard, uint64_t lineage,
                       struct errmsg *errmsg);
/* What the journal gave at the last recovery, to its end. */
struct span store_disk_replayed(const struct store_disk *disk, uint64_t *first_seq);
void store_disk_begin_from(struct store_disk *disk, struct shard *shard);
void store_disk_cut(struct store_disk *disk, struct shard *shard, uint32_t blocks);
void store_disk_cut_replaced(struct store_disk *disk);
/* Another process on the same directory is refused. */
void store_disk_intrude(struct store_disk *disk);

#endif
