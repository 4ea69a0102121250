/* How shards begin, make things last, and die. */
#include "world.h"

void host_start(struct world *world, struct host *host)
{
    MUST(host->shard == NULL);
    host->shard = store_recover(&host->store, chance(world, 80), 99 + world->restores);
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

static void kill_host(struct world *world, struct host *host)
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
    store_lose(&host->store, unsure == 0 ? 0 : pick(world, (uint32_t)unsure + 1));
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
    for (uint32_t i = 0; i < world->host_count; i++)
        if (world->hosts[i].shard != NULL) kill_host(world, &world->hosts[i]);
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
    kill_host(world, host);
    if (host->up_at_ms > world->now_ms) return;
    host_revive(world, host);
    if (chance(world, 10)) world_check(world);
}

/* All of it, or some: the disk is as fast as it likes. */
void host_commit(struct world *world, struct host *host)
{
    struct ledger *ledger = &host->store.ledger;
    uint64_t unsure = ledger->count - ledger->durable;
    if (host->shard == NULL || unsure == 0) return;
    uint64_t some = world->calm ? unsure : 1 + pick(world, (uint32_t)unsure);
    ledger->durable += some;
    ledger_publish(ledger);
    struct shard_event event = {.kind = EVENT_DURABLE, .durable_seq = ledger->durable};
    world_step(world, host, &event);
}
