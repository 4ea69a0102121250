/*
 * What a shard's records and snapshots are kept in: the ledger, which knows everything that was
 * ever appended, and, in some worlds, the gateway's own journal and snapshots on a fake disk. The
 * ledger is then the witness of what these must give back.
 */
#ifndef TESTS_SIM_STORE_H
#define TESTS_SIM_STORE_H

#include "lib/shard_ledger.h"
#include "swarm.h"

struct store_disk;

struct store {
    struct ledger ledger;
    struct store_disk *disk; /* NULL: the ledger alone */
};

void store_open(struct store *store, uint32_t shard, uint32_t shard_count);
void store_close(struct store *store);
void store_append(struct store *store, const struct shard_update *update);
/* What the killed process leaves is settled: of what was not durable `keep` more records. */
void store_lose(struct store *store, uint64_t keep);
/* The shard as it comes out of the store, in a new epoch; not started. */
struct shard *store_recover(struct store *store, bool by_snapshot, uint64_t lineage);
/* In the place of a new store's beginning: a restored image is its first snapshot. */
void store_begin_from(struct store *store, struct shard *shard);
/* A snapshot moves forward by so many blocks. */
void store_cut(struct store *store, struct shard *shard, uint32_t blocks);
/* The shard has begun another cut in place of the store's. */
void store_cut_replaced(struct store *store);

#endif
