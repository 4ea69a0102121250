/* The first phase of a life: anything may happen. */
#include "world.h"

static struct host *any_host(struct world *world)
{
    return &world->hosts[pick(world, world->host_count)];
}

static void jump(struct world *world)
{
    struct host *host = any_host(world);
    if (!has(world, FAULT_JUMPS) || !chance(world, 30)) return;
    host->wall_skew_ms += (int64_t)pick(world, 200000) - 100000;
    if (chance(world, 15)) host->wall_skew_ms += 90000000;
    world->faults++;
}

static void let_time_pass(struct world *world)
{
    int64_t at_ms = world_wake_at(world), wait_ms = at_ms - world->now_ms;
    if (chance(world, 50) || at_ms == INT64_MAX || wait_ms > 20000) wait_ms = pick(world, 400);
    world_pass(world, wait_ms < 0 ? 0 : wait_ms);
}

/* A second process is started by mistake. */
static void intrude(struct world *world, struct host *host)
{
    world->disk_fails = false;
    store_disk_intrude(host->store.disk);
    world->intrusions++;
    world->disk_fails = true;
}

static void act_rarely(struct world *world)
{
    struct host *host = any_host(world);
    switch (pick(world, 9)) {
    case 0:
        if (has(world, FAULT_OPERATORS)) operator_acts(world);
        return;
    case 1: jump(world); return;
    case 2:
        if (host_runs(host) && (has(world, FAULT_RELOADS) || has(world, FAULT_BUDGETS)))
            world_configure(world, host);
        return;
    case 3:
        if (has(world, FAULT_RESTORES) && chance(world, 20)) savepoint_restore(world);
        return;
    case 4:
        if (has(world, FAULT_CRASHES) && host->shard != NULL && chance(world, 30))
            host_crash(world, host);
        return;
    case 5:
        if (host->shard != NULL && host->store.disk != NULL &&
            chance(world, host_runs(host) ? 5 : 50))
            intrude(world, host);
        return;
    case 6:
        if (has(world, FAULT_STOPS) && host_runs(host) && chance(world, 60)) host_stop(world, host);
        if (host->stopped_until_ms != 0 && host->store.disk != NULL && chance(world, 30))
            intrude(world, host);
        return;
    case 7:
        if (has(world, FAULT_OUTAGES) && chance(world, 20)) {
            world->outage_until_ms[pick(world, ENDPOINTS_MAX)] = world->now_ms + pick(world, 30000);
            world->faults++;
        }
        return;
    default: consumer_pops(world);
    }
}

void world_act(struct world *world)
{
    uint32_t what = pick(world, 100), commits = world->swarm.has[FAULT_LAZY_DISK] ? 40 : 90;
    if (what < 25) {
        client_acts(world);
    } else if (what < 50) {
        if (world->call_count > 0) function_answers(world, pick(world, world->call_count));
    } else if (what < 60) {
        if (chance(world, commits)) host_commit(world, any_host(world));
    } else if (what < 75) {
        for (uint32_t n = 1 + pick(world, 4); n > 0 && network_deliver(world);) n--;
    } else if (what < 85) {
        let_time_pass(world);
    } else if (what < 88) {
        consumer_pulls(world);
    } else if (what < 93) {
        if (has(world, FAULT_SAVEPOINTS)) savepoint_acts(world);
    } else {
        act_rarely(world);
    }
}
