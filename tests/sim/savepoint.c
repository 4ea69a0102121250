/* Savepoints of all shards, and the way back to one under another number of shards. */
#include "world.h"

#include <stdlib.h>

static void free_savepoint(struct savepoint *savepoint)
{
    if (savepoint == NULL) return;
    for (uint32_t i = 0; i < SHARDS_SIMULATED_MAX; i++)
        ledger_snapshot_close(&savepoint->parts[i].image);
    free(savepoint);
}

void savepoint_close(struct world *world)
{
    free_savepoint(world->savepoints[0]);
    free_savepoint(world->savepoints[1]);
    world->savepoints[0] = world->savepoints[1] = NULL;
}

/* Whoever still reads out its part stops. */
static void abandon(struct world *world)
{
    for (uint32_t i = 0; world->savepoints[1] != NULL && i < world->host_count; i++) {
        const struct savepoint_part *part = &world->savepoints[1]->parts[i];
        if (part->joined && !part->read_out && world->hosts[i].shard != NULL)
            shard_cut_end(world->hosts[i].shard);
    }
    free_savepoint(world->savepoints[1]);
    world->savepoints[1] = NULL;
}

static void begin(struct world *world)
{
    struct savepoint *savepoint = calloc(1, sizeof *savepoint);
    MUST(savepoint != NULL);
    savepoint->number = ++world->cut_number;
    savepoint->times =
        (struct cut_times){.begun = world->history.now, .shard_count = world->host_count};
    savepoint->egress_acked = world->egress_acked;
    world->savepoints[1] = savepoint;
}

/* Those that have not heard of it are told by the operator, some of them, or by their peers. */
static void tell(struct world *world, uint32_t percent)
{
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct savepoint *savepoint = world->savepoints[1];
        struct host *host = &world->hosts[i];
        if (savepoint == NULL) return; /* it died with a shard */
        if (savepoint->parts[i].joined || !host_runs(host) || !chance(world, percent)) continue;
        struct shard_event event = {.kind = EVENT_CUT, .cut = savepoint->number};
        world_step(world, host, &event);
    }
}

void savepoint_joined(struct world *world, struct host *host, uint64_t number)
{
    struct savepoint *savepoint = world->savepoints[1];
    HOLDS(5, number <= world->cut_number);
    if (savepoint == NULL || savepoint->number != number) { /* an older one: not needed */
        shard_cut_end(host->shard);
        return;
    }
    if (shard_cut_seq(host->shard) == 0) { /* there was no memory for it */
        MUST(host->store.ledger.may_fail);
        abandon(world);
        return;
    }
    struct savepoint_part *part = &savepoint->parts[host->number];
    MUST(!part->joined);
    part->joined = true;
    part->seq = shard_cut_seq(host->shard);
    savepoint->times.at[host->number] = world->history.now;
}

/* A shard that came back may have forgotten its cut, or may know of it and never show it. */
void savepoint_crashed(struct world *world, struct host *host)
{
    struct savepoint *savepoint = world->savepoints[1];
    if (savepoint == NULL || savepoint->parts[host->number].complete) return;
    struct savepoint_part *part = &savepoint->parts[host->number];
    if (host->shard == NULL) {
        abandon(world);
    } else if (shard_cut_known(host->shard) < savepoint->number) {
        part->joined = part->read_out = false;
        ledger_snapshot_close(&part->image);
    } else if (!part->read_out) {
        abandon(world);
    }
}

static void read_some(struct world *world, struct host *host, struct savepoint_part *part)
{
    for (uint32_t i = 1 + pick(world, 8000); i > 0 && !part->read_out; i--) {
        struct cut_block block;
        if (!shard_cut_next(host->shard, &block)) {
            part->failed = shard_cut_failed(host->shard);
            MUST(!part->failed || host->store.ledger.may_fail);
            shard_cut_end(host->shard);
            part->read_out = true;
            return;
        }
        MUST(!block.keep || block.bytes.size == 0);
        buffer_append(&part->image.blocks[block.block], block.bytes);
    }
}

static void complete(struct world *world)
{
    free_savepoint(world->savepoints[0]);
    world->savepoints[0] = world->savepoints[1];
    world->savepoints[0]->complete = true;
    world->savepoints[1] = NULL;
    world->savepoints_taken++;
}

static void go_on(struct world *world)
{
    struct savepoint *savepoint = world->savepoints[1];
    uint32_t done = 0;
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct savepoint_part *part = &savepoint->parts[i];
        struct host *host = &world->hosts[i];
        if (host_runs(host) && part->joined && !part->read_out) read_some(world, host, part);
        if (host_runs(host) && part->read_out && !part->complete &&
            host->store.ledger.durable >= part->seq) {
            part->complete = true;
            part->image.seq = part->seq;
        }
        if (part->failed) {
            abandon(world);
            return;
        }
        done += part->complete;
    }
    if (done == world->host_count) complete(world);
}

void savepoint_acts(struct world *world)
{
    if (world->savepoints[1] == NULL) {
        if (!chance(world, 30)) return;
        begin(world);
        tell(world, 40);
        return;
    }
    go_on(world);
    if (world->savepoints[1] != NULL) tell(world, 20);
}

/* ---- Back to it ---- */

static void load_old(const struct savepoint *savepoint, struct shard **old)
{
    for (uint32_t i = 0; i < savepoint->times.shard_count; i++) {
        MUST(shard_open(&old[i]) == 0);
        ledger_snapshot_load(&savepoint->parts[i].image, old[i]);
    }
}

static void stop_all(struct world *world)
{
    world->call_count = 0;
    if (world->popping) world->history.topic_lost = true;
    world->pulling = world->popping = false;
    for (uint32_t i = 0; i < world->waiters_count; i++) world->waiters[i].what = WAIT_NOTHING;
    network_clear(world);
    abandon(world);
    for (uint32_t i = 0; i < world->host_count; i++) {
        host_go_on(world, &world->hosts[i]);
        shard_close(world->hosts[i].shard);
        shard_update_close(&world->hosts[i].update);
        store_close(&world->hosts[i].store);
        world->hosts[i] = (struct host){0};
    }
}

static void start_new(struct world *world, struct shard *const *old, uint32_t old_count)
{
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct host *host = &world->hosts[i];
        host_open(world, host, i);
        struct shard *shard;
        MUST(shard_open(&shard) == 0);
        MUST(shard_place(shard, i, world->host_count) == 0);
        MUST(shard_restore(shard, old, old_count, 99 + world->restores) == 0);
        store_begin_from(&host->store, shard);
        shard_close(shard);
    }
    for (uint32_t i = 0; i < world->host_count; i++) host_start(world, &world->hosts[i]);
}

void savepoint_restore(struct world *world)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 8};
    const struct savepoint *savepoint = world->savepoints[0];
    if (savepoint == NULL) return;
    struct shard *old[SHARDS_SIMULATED_MAX];
    stop_all(world);
    history_go_back(&world->history, &savepoint->times);
    /* Who takes records goes back as well; what it said it has taken may be gone or not. */
    if (world->egress_acked > world->history.egress_count)
        world->egress_acked = world->history.egress_count;
    memset(world->tries, 0, sizeof world->tries);
    partitions_go_back(world);
    world->lives++;
    world->restores++;
    world->faults++;
    load_old(savepoint, old);
    world->host_count = world->swarm.shards == 1 && chance(world, 50) ? 1 : counts[pick(world, 5)];
    world->disk_fails = false; /* a tool that fails is started again */
    start_new(world, old, savepoint->times.shard_count);
    for (uint32_t i = 0; i < savepoint->times.shard_count; i++) shard_close(old[i]);
}
