#include "store.h"

void store_open(struct store *store, uint32_t shard, uint32_t shard_count)
{
    *store = (struct store){0};
    ledger_init(&store->ledger);
    store->ledger.shard = shard;
    store->ledger.shard_count = shard_count;
}

void store_close(struct store *store)
{
    ledger_close(&store->ledger);
}

void store_append(struct store *store, const struct shard_update *update)
{
    ledger_append(&store->ledger, update);
}

void store_lose(struct store *store, uint64_t keep)
{
    ledger_lose_after(&store->ledger, store->ledger.durable + keep);
}

struct shard *store_recover(struct store *store, bool by_snapshot, uint64_t lineage)
{
    struct shard *shard = ledger_recover(&store->ledger, by_snapshot);
    ledger_open_epoch(&store->ledger, shard, lineage);
    return shard;
}

void store_begin_from(struct store *store, struct shard *shard)
{
    ledger_begin_from(&store->ledger, shard);
}

void store_cut(struct store *store, struct shard *shard, uint32_t blocks)
{
    ledger_cut(&store->ledger, shard, blocks);
    ledger_publish(&store->ledger);
}

void store_cut_replaced(struct store *store)
{
    ledger_cut_replaced(&store->ledger);
}
