#include "run.h"
#include "world.h"

/* What the oracle must see: without that its silence means nothing. */
static void falsify(struct world *world, int canary)
{
    struct history *history = &world->history;
    struct seen_log *logs = &history->reads[history->reads_count - history->address_count],
                    *log = logs;
    while (log < logs + history->address_count - 1 && log->count < 2) log++;
    MUST(log->count >= 2 && history->egress_count >= 2);
    struct pair *entries = &history->read_entries[log->first];
    switch (canary) {
    case 1: log->count--; return;                            /* a message is lost */
    case 2: entries[1].note = entries[0].note; return;       /* … or applied twice */
    case 3: history->egress[1] = history->egress[0]; return; /* a record comes twice */
    case 4: history->egress_count--; return;                 /* … or never */
    case 5: entries[0].deed = history->deeds_count; return;  /* a response out of nothing */
    default: return;
    }
}

static void add_settling(struct totals *totals, const struct world *world)
{
    int time = 0;
    if (world->over || world->swarm.room_bytes == 0 || world->swarm.slow_functions) return;
    totals->settling_ms += (uint64_t)world->settling.ms;
    totals->settling_calls += world->settling.calls;
    totals->settling_messages += world->settling.messages;
    while (time < SETTLED_TIMES - 1 && world->settling.ms > 1000 << 2 * time) time++;
    totals->settled_within[time]++;
}

static void add(struct totals *totals, const struct world *world)
{
    totals->seeds++;
    totals->steps += world->steps;
    totals->crashes += world->crashes;
    totals->recoveries += world->recoveries;
    totals->faults += world->faults;
    totals->digests += world->digests;
    totals->notes += world->history.notes_count - 1;
    totals->deeds += world->history.deeds_count - 1;
    totals->signals += world->signals;
    totals->savepoints += world->savepoints_taken;
    totals->restores += world->restores;
    totals->disk_seeds += world->swarm.store == STORE_DISK;
    totals->found_out += world->over;
    totals->stops += world->stops;
    totals->intrusions += world->intrusions;
    totals->small += world->swarm.room_bytes > 0;
    totals->simulated_ms += (uint64_t)world->now_ms;
    add_settling(totals, world);
    for (int i = 0; i < INVARIANTS; i++) totals->checks[i] += verdict_checks[i];
}

uint64_t simulate(uint64_t seed, const struct swarm_limits *limits, int canary,
                  struct totals *totals)
{
    static struct world world; /* large */
    struct swarm swarm;
    swarm_draw(&swarm, seed, limits);
    world_open(&world, seed, &swarm);
    for (uint32_t i = 0; i < swarm.acts && !world.over; i++) world_act(&world);
    if (swarm.back_at_end && !world.over) savepoint_restore(&world);
    if (swarm.has[FAULT_CRASHES] && seed % 2 == 0 && !world.over) world_crash(&world);
    world_settle(&world);
    if (canary != 0) falsify(&world, canary);
    if (!world.over) world_judge(&world);
    add(totals, &world);
    uint64_t trace = world.trace;
    world_close(&world);
    return trace;
}
