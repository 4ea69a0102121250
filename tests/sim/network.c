/* The network between the shards: it loses, doubles, delays and reorders, or is a ring between
 * threads that does none of it. */
#include "world.h"

#include <stdlib.h>

static void put(struct world *world, uint32_t from, const struct shard_signal *signal)
{
    struct packet *packet = ADD(world, packets);
    uint8_t *bytes = malloc(signal->parcels.size + 1);
    MUST(bytes != NULL);
    if (signal->parcels.size > 0) memcpy(bytes, signal->parcels.at, signal->parcels.size);
    *packet = (struct packet){.from = from, .to = signal->peer, .at_ms = world->now_ms};
    packet->signal = *signal;
    packet->signal.peer = from;
    packet->signal.parcels = span_of(bytes, signal->parcels.size);
    if (!has(world, FAULT_DELAYS) || !chance(world, 20)) return;
    packet->at_ms += pick(world, chance(world, 10) ? 20000 : 800);
    world->faults++;
}

void network_post(struct world *world, uint32_t from, const struct shard_signal *signal)
{
    MUST(signal->peer < world->host_count && signal->peer != from);
    world->signals++;
    if (has(world, FAULT_LOSS) && chance(world, 15)) {
        world->faults++;
        return;
    }
    put(world, from, signal);
    if (!has(world, FAULT_DOUBLES) || !chance(world, 15)) return;
    world->faults++;
    put(world, from, signal);
}

static void drop(struct world *world, uint32_t i)
{
    free((void *)(uintptr_t)world->packets[i].signal.parcels.at);
    world->packets_count--;
    memmove(&world->packets[i], &world->packets[i + 1],
            (world->packets_count - i) * sizeof world->packets[0]);
}

/* The packets of one pair of shards stay in order, unless the network is a bad one. */
static bool is_next(const struct world *world, uint32_t i)
{
    const struct packet *packet = &world->packets[i];
    if (packet->at_ms > world->now_ms && !world->calm) return false;
    if (has(world, FAULT_REORDER)) return true;
    for (uint32_t j = 0; j < i; j++)
        if (world->packets[j].from == packet->from && world->packets[j].to == packet->to)
            return false;
    return true;
}

/* Nobody reads what comes. */
static bool is_stopped(const struct host *host)
{
    return host->shard != NULL && host->stopped_until_ms != 0;
}

bool network_deliver(struct world *world)
{
    if (world->packets_count == 0) return false;
    uint32_t start = pick(world, world->packets_count);
    for (uint32_t n = 0; n < world->packets_count; n++) {
        uint32_t i = (start + n) % world->packets_count;
        if (!is_next(world, i) || is_stopped(&world->hosts[world->packets[i].to])) continue;
        struct packet packet = world->packets[i];
        struct span bytes = packet.signal.parcels;
        world->packets[i].signal.parcels.at = NULL;
        drop(world, i);
        struct host *host = &world->hosts[packet.to];
        struct shard_event event = {.kind = EVENT_SIGNAL, .signal = packet.signal};
        if (i > 0 && has(world, FAULT_REORDER)) world->faults++;
        if (host->shard != NULL) world_step(world, host, &event);
        free((void *)(uintptr_t)bytes.at);
        return true;
    }
    return false;
}

void network_clear(struct world *world)
{
    while (world->packets_count > 0) drop(world, world->packets_count - 1);
}
