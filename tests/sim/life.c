/* How shards begin, make things last, and die. */
#include "world.h"

#include <stdio.h>

void host_open(struct world *world, struct host *host, uint32_t number)
{
    struct store_options options = {.shard = number,
                                    .shard_count = world->host_count,
                                    .disk = world->disk,
                                    .segment_size = world->swarm.segment_size,
                                    .generation = (uint32_t)world->restores};
    *host = (struct host){.number = number};
    shard_update_init(&host->update);
    store_open(&host->store, &options);
}

/* A disk that fails may be tried again; one that has lied may be found out. */
static bool recover(struct world *world, struct host *host)
{
    struct errmsg errmsg = {{0}};
    uint64_t lineage = 99 + world->restores;
    bool by_snapshot = chance(world, 80);
    world->disk_fails = chance(world, 30);
    int error = store_recover(&host->store, by_snapshot, lineage, &host->shard, &errmsg);
    if (error != 0 && world->disk_fails && !world->lied_to) {
        world->disk_fails = false;
        error = store_recover(&host->store, by_snapshot, lineage, &host->shard, &errmsg);
    }
    world->disk_fails = true;
    if (error != 0 && !world->lied_to) fprintf(stderr, "recovery: %s\n", errmsg.text);
    HOLDS(12, error == 0 || (world->lied_to && errmsg.text[0] != 0));
    world->over = world->over || error != 0;
    return error == 0;
}

void host_start(struct world *world, struct host *host)
{
    MUST(host->shard == NULL);
    if (world->over || !recover(world, host)) return;
    host->told = host->store.ledger.durable;
    host->may_be_killed = false; /* the next life begins in peace */
    MUST(shard_start(host->shard) == 0);
    world_configure(world, host);
    host->may_be_killed = true;
}

/* What it was doing is over, for all who were waiting. */
static void cut_off(struct world *world, const struct host *host)
{
    for (uint32_t i = world->call_count; i-- > 0;)
        if (world->calls[i].host == host->number)
            world->calls[i] = world->calls[--world->call_count];
    for (uint32_t i = 0; i < world->waiters_count; i++) {
        struct waiter *waiter = &world->waiters[i];
        if (waiter->host != host->number || waiter->what == WAIT_NOTHING) continue;
        if (waiter->what == WAIT_EGRESS) world->pulling = false;
        if (waiter->what == WAIT_TOPIC) {
            world->popping = false;
            world->history.topic_lost = true;
        }
        waiter->what = WAIT_NOTHING;
    }
}

static void kill_host(struct world *world, struct host *host, bool power_cut)
{
    struct ledger *ledger = &host->store.ledger;
    uint64_t unsure = ledger->count - ledger->durable;
    shard_close(host->shard);
    host->shard = NULL;
    shard_update_clear(&host->update);
    world->crashes++;
    world->faults++;
    world->lives++;
    cut_off(world, host);
    store_die(&host->store, unsure == 0 ? 0 : pick(world, (uint32_t)unsure + 1), power_cut);
    host->mono_skew_ms = (int64_t)pick(world, 100000); /* another machine, perhaps */
    host->up_at_ms = world->now_ms;
    if (has(world, FAULT_DOWNTIME) && chance(world, 50)) host->up_at_ms += pick(world, 5000);
}

void host_revive(struct world *world, struct host *host)
{
    host_start(world, host);
    world->recoveries++;
    savepoint_crashed(world, host);
}

void world_crash(struct world *world)
{
    bool power_cut = world->disk != NULL && chance(world, 60);
    if (power_cut) disk_cut_power(world);
    for (uint32_t i = 0; i < world->host_count; i++)
        if (world->hosts[i].shard != NULL) kill_host(world, &world->hosts[i], power_cut);
    network_clear(world);
    world_raise(world);
}

void world_raise(struct world *world)
{
    for (uint32_t i = 0; i < world->host_count; i++)
        if (world->hosts[i].shard == NULL) host_revive(world, &world->hosts[i]);
    if (chance(world, 20)) world_check(world);
}

void host_crash(struct world *world, struct host *host)
{
    if (world->swarm.together) {
        world_crash(world);
        return;
    }
    kill_host(world, host, false);
    if (host->up_at_ms > world->now_ms) return;
    host_revive(world, host);
    if (chance(world, 10)) world_check(world);
}

void host_look(struct world *world, struct host *host)
{
    struct ledger *ledger = &host->store.ledger;
    if (host->shard == NULL) return;
    if (!store_look(&host->store)) {
        host_crash(world, host);
        return;
    }
    if (ledger->durable == host->told) return;
    host->told = ledger->durable;
    struct shard_event event = {.kind = EVENT_DURABLE, .durable_seq = ledger->durable};
    world_step(world, host, &event);
}

/* All of it, or some: the disk is as fast as it likes. */
void host_commit(struct world *world, struct host *host)
{
    struct ledger *ledger = &host->store.ledger;
    uint64_t unsure = ledger->count - ledger->durable;
    if (host->shard == NULL || unsure == 0) return;
    store_commit(&host->store, world->calm ? unsure : 1 + pick(world, (uint32_t)unsure));
    disk_turn(world);
    host_look(world, host);
}
