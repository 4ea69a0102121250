#include "store.h"

#include "verdict.h"

void store_open(struct store *store, const struct store_options *options)
{
    *store = (struct store){0};
    ledger_init(&store->ledger);
    store->ledger.shard = options->shard;
    store->ledger.shard_count = options->shard_count;
    if (options->disk != NULL) store->disk = store_disk_new(options);
}

void store_close(struct store *store)
{
    if (store->disk != NULL) store_disk_free(store->disk);
    store->disk = NULL;
    ledger_close(&store->ledger);
}

void store_append(struct store *store, const struct shard_update *update)
{
    ledger_append(&store->ledger, update);
    if (store->disk != NULL && update->record_count > 0) store_disk_append(store->disk, update);
}

void store_commit(struct store *store, uint64_t some)
{
    if (store->disk != NULL)
        store_disk_commit(store->disk, some % 4 == 0);
    else
        store->ledger.durable += some;
}

bool store_look(struct store *store)
{
    if (store->disk != NULL) {
        uint64_t durable;
        if (!store_disk_look(store->disk, &durable)) return false;
        HOLDS(5, durable >= store->ledger.durable && durable <= store->ledger.count);
        store->ledger.durable = durable;
    }
    ledger_publish(&store->ledger);
    return true;
}

void store_die(struct store *store, uint64_t keep, bool power_cut)
{
    if (store->disk != NULL)
        store_disk_die(store->disk, power_cut);
    else
        ledger_lose_after(&store->ledger, store->ledger.durable + keep);
}

void store_stop(struct store *store, bool stops)
{
    if (store->disk != NULL) store_disk_stop(store->disk, stops);
}

void store_check_hole(const struct store *store)
{
    const struct ledger *ledger = &store->ledger;
    uint64_t middle = ledger->count / 2;
    if (ledger->base > 0 || middle < 1 || ledger->count < middle + 2) return;
    struct shard *shard;
    MUST(shard_open(&shard) == 0);
    MUST(shard_replay(shard, ledger_records(ledger, 0, middle), 1, (uint32_t)middle) == 0);
    HOLDS(5, shard_replay(shard, ledger_records(ledger, middle + 1, ledger->count), middle + 2,
                          (uint32_t)(ledger->count - middle - 1)) == ERROR_DAMAGED);
    shard_close(shard);
}

/* The journal has decided how much was left; the ledger follows. */
static int recover_disk(struct store *store, uint64_t lineage, struct shard **shard,
                        struct errmsg *errmsg)
{
    struct ledger *ledger = &store->ledger;
    MUST(shard_open(shard) == 0);
    MUST(shard_place(*shard, ledger->shard, ledger->shard_count == 0 ? 1 : ledger->shard_count) ==
         0);
    uint64_t durable = ledger->durable;
    int error = store_disk_recover(store->disk, *shard, lineage, errmsg);
    if (error == 0) {
        uint64_t first_seq;
        struct span replayed = store_disk_replayed(store->disk, &first_seq);
        if (!ledger_adopt(ledger, replayed, first_seq))
            error = errmsg_set(errmsg, ERROR_DAMAGED, "durable records are lost");
    }
    if (error != 0) {
        shard_close(*shard);
        *shard = NULL;
        return error;
    }
    HOLDS(5, ledger->count == shard_seq(*shard));
    store->epoch_again = ledger->count <= durable; /* the last record is what has opened it */
    ledger->durable = ledger->count;
    return 0;
}

int store_recover(struct store *store, bool by_snapshot, uint64_t lineage, struct shard **shard,
                  struct errmsg *errmsg)
{
    if (store->disk != NULL) return recover_disk(store, lineage, shard, errmsg);
    *shard = ledger_recover(&store->ledger, by_snapshot);
    uint64_t known = shard_lineage(*shard); /* by its first record, or by a restore */
    ledger_open_epoch(&store->ledger, *shard, known == 0 ? lineage : known);
    return 0;
}

void store_begin_from(struct store *store, struct shard *shard)
{
    ledger_begin_from(&store->ledger, shard);
    if (store->disk != NULL) store_disk_begin_from(store->disk, shard);
}

void store_cut(struct store *store, struct shard *shard, uint32_t blocks)
{
    if (store->disk != NULL) {
        store_disk_cut(store->disk, shard, blocks);
        return;
    }
    ledger_cut(&store->ledger, shard, blocks);
    ledger_publish(&store->ledger);
}

void store_cut_replaced(struct store *store)
{
    if (store->disk != NULL)
        store_disk_cut_replaced(store->disk);
    else
        ledger_cut_replaced(&store->ledger);
}
