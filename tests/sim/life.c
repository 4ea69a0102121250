/* How shards begin, make things last, and die. */
#include "world.h"

#include <stdio.h>

void host_open(struct world *world, struct host *host, uint32_t number)
{
    struct store_options options = {.shard = number,
                                    .shard_count = world->host_count,
                                    .disk = machine_of(world, number)->disk,
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
    const bool *lied_to = &machine_of(world, host->number)->lied_to; /* perhaps just now */
    uint64_t lineage = 99 + world->restores;
    bool by_snapshot = chance(world, 80);
    world->disk_fails = chance(world, 30);
    int error = store_recover(&host->store, by_snapshot, lineage, &host->shard, &errmsg);
    if (error != 0 && world->disk_fails && !*lied_to) {
        world->disk_fails = false;
        error = store_recover(&host->store, by_snapshot, lineage, &host->shard, &errmsg);
    }
    world->disk_fails = true;
    if (error != 0 && !*lied_to) fprintf(stderr, "recovery: %s\n", errmsg.text);
    HOLDS(12, error == 0 || (*lied_to && errmsg.text[0] != 0));
    world->over = world->over || error != 0;
    if (error != 0) return false;
    HOLDS(2, !host->store.epoch_again || *lied_to);
    if (host->store.epoch_again) history_epoch_again(&world->history, host->number, host->since);
    return true;
}

void host_start(struct world *world, struct host *host)
{
    MUST(host->shard == NULL);
    if (world->over || !recover(world, host)) return;
    host->told = host->store.ledger.durable;
    host->life = ++world->life_count;
    host->since = world->history.now;
    host->mono_ms = 0;
    host->stopped_until_ms = 0;
    blame_recovered(world, host, shard_seq(host->shard) - 1); /* the last one is of this life */
    host->may_be_killed = false;                              /* the next life begins in peace */
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
    MUST(!world->late);
    if (host->stopped_until_ms != 0) host_go_on(world, host); /* to its end */
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

/* Of the machine that this shard is on. */
static bool cuts_power(struct world *world, uint32_t number, uint32_t percent)
{
    struct machine *machine = machine_of(world, number);
    if (machine->disk == NULL || !chance(world, percent)) return false;
    disk_cut_power(world, machine);
    return true;
}

void world_crash(struct world *world)
{
    bool cut = false;
    for (uint32_t i = 0; i < world->host_count; i++) {
        if (i == 0 || world->swarm.own_disks) cut = cuts_power(world, i, 60);
        if (world->hosts[i].shard != NULL) kill_host(world, &world->hosts[i], cut);
    }
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
    kill_host(world, host, world->swarm.own_disks && cuts_power(world, host->number, 50));
    if (host->up_at_ms > world->now_ms) return;
    host_revive(world, host);
    if (chance(world, 10)) world_check(world);
}

void host_stop(struct world *world, struct host *host)
{
    bool together = world->swarm.together; /* in one process */
    int64_t until_ms = world->now_ms + 1 + pick(world, chance(world, 30) ? 60000 : 3000);
    for (uint32_t i = 0; i < world->host_count; i++) {
        struct host *other = &world->hosts[i];
        if (!host_runs(other) || (other != host && !together)) continue;
        other->stopped_until_ms = until_ms;
        store_stop(&other->store, true);
    }
    world->stops++;
    world->faults++;
}

void host_go_on(struct world *world, struct host *host)
{
    (void)world;
    host->stopped_until_ms = 0;
    store_stop(&host->store, false);
}

void host_look(struct world *world, struct host *host)
{
    struct ledger *ledger = &host->store.ledger;
    if (!host_runs(host)) return;
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
    if (!host_runs(host) || unsure == 0) return;
    store_commit(&host->store, world->calm ? unsure : 1 + pick(world, (uint32_t)unsure));
    disk_turn(world);
    host_look(world, host);
}
