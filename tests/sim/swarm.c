#include "swarm.h"

#include "base/prng.h"

#include <string.h>

const char *const fault_names[FAULTS] = {
    "crashes", "downtime", "failures", "poison",     "late",      "operators", "purges",
    "edits",   "reloads",  "budgets",  "jumps",      "lazy-disk", "forget",    "loss",
    "doubles", "delays",   "reorder",  "savepoints", "restores",  "rewinds",   "disk",
    "lies",    "big",      "long-ids", "outages",    "stops",     "misuse"};

static const uint8_t percents[FAULTS] = {
    [FAULT_CRASHES] = 85, [FAULT_DOWNTIME] = 40,   [FAULT_FAILURES] = 65, [FAULT_POISON] = 50,
    [FAULT_LATE] = 60,    [FAULT_OPERATORS] = 50,  [FAULT_PURGES] = 20,   [FAULT_EDITS] = 60,
    [FAULT_RELOADS] = 40, [FAULT_BUDGETS] = 30,    [FAULT_JUMPS] = 30,    [FAULT_LAZY_DISK] = 50,
    [FAULT_FORGET] = 15,  [FAULT_LOSS] = 60,       [FAULT_DOUBLES] = 60,  [FAULT_DELAYS] = 60,
    [FAULT_REORDER] = 60, [FAULT_SAVEPOINTS] = 50, [FAULT_RESTORES] = 70, [FAULT_REWINDS] = 60,
    [FAULT_DISK] = 40,    [FAULT_LIES] = 8,        [FAULT_BIG] = 15,      [FAULT_LONG_IDS] = 15,
    [FAULT_OUTAGES] = 30, [FAULT_STOPS] = 30,      [FAULT_MISUSE] = 40};

static uint32_t of(struct prng *prng, uint32_t bound)
{
    return (uint32_t)prng_below(prng, bound);
}

static void obey(struct swarm *swarm, const struct swarm_limits *limits)
{
    for (int i = 0; i < FAULTS; i++) swarm->has[i] = swarm->has[i] && !limits->off[i];
    if (limits->acts > 0 && swarm->acts > limits->acts) swarm->acts = limits->acts;
    if (limits->shards > 0 && swarm->shards > limits->shards) swarm->shards = limits->shards;
    if (limits->store >= 0) swarm->store = (enum store_kind)limits->store;
}

static void agree(struct swarm *swarm)
{
    static const enum fault network[] = {FAULT_LOSS, FAULT_DOUBLES, FAULT_DELAYS, FAULT_REORDER};
    for (int i = 0; i < 4; i++)
        if (swarm->together || swarm->shards == 1) swarm->has[network[i]] = false;
    if (swarm->together) swarm->has[FAULT_DOWNTIME] = swarm->own_disks = false;
    if (swarm->has[FAULT_FORGET]) swarm->window_ms = 0;
    if (!swarm->has[FAULT_CRASHES]) swarm->crash_per_mille = 0;
    if (!swarm->has[FAULT_CRASHES]) swarm->has[FAULT_DOWNTIME] = false;
    if (!swarm->has[FAULT_FAILURES]) swarm->fail_percent = 0;
    if (!swarm->has[FAULT_OPERATORS]) swarm->has[FAULT_PURGES] = false;
    if (!swarm->has[FAULT_SAVEPOINTS]) swarm->has[FAULT_RESTORES] = false;
    if (!swarm->has[FAULT_RESTORES]) swarm->back_at_end = false;
    if (swarm->store == STORE_MEMORY) swarm->has[FAULT_DISK] = swarm->has[FAULT_LIES] = false;
}

static void draw_more(struct swarm *swarm, struct prng *prng)
{
    swarm->plain = of(prng, 100) < 8;
    swarm->own_disks = of(prng, 2) == 0;
    swarm->back_at_end = of(prng, 100) < 40;
    swarm->cured_late = of(prng, 2) == 0;
    swarm->window_ms = of(prng, 4) == 0 ? 2000 + of(prng, 15000) : 0;
}

/* What rests in the end has to fit: keys are forgotten, nothing is large but messages. */
static void make_small(struct swarm *swarm, struct prng *prng)
{
    static const uint32_t rooms[] = {96 << 10, 128 << 10, 256 << 10};
    static const enum fault large[] = {FAULT_BUDGETS, FAULT_BIG, FAULT_LONG_IDS};
    for (int i = 0; i < 3; i++) swarm->has[large[i]] = false;
    swarm->has[FAULT_FORGET] = true;
    swarm->room_bytes = rooms[of(prng, 3)];
    swarm->outbox_bytes = of(prng, 2) == 0 ? 0 : 4000 + of(prng, 20000);
    if (swarm->shards > 4) swarm->shards = 4;
}

void swarm_draw(struct swarm *swarm, uint64_t seed, const struct swarm_limits *limits)
{
    static const uint32_t shards[] = {1, 2, 2, 2, 3, 3, 4, 8}, crashes[] = {3, 10, 30},
                          fails[] = {10, 40}, types[] = {1, 2, 3}, ids[] = {1, 2, 4, 5},
                          sizes[] = {4096, 8192, 65536, 1 << 20};
    struct prng prng = {seed * 0xd1342543de82ef95u + 7};
    memset(swarm, 0, sizeof *swarm);
    for (int i = 0; i < FAULTS; i++) swarm->has[i] = of(&prng, 100) < percents[i];
    swarm->shards = shards[of(&prng, 8)];
    swarm->together = of(&prng, 100) < 50;
    swarm->acts = 50 + of(&prng, of(&prng, 4) == 0 ? 800 : 300);
    swarm->types = types[of(&prng, 3)];
    swarm->ids = ids[of(&prng, 4)];
    swarm->crash_per_mille = crashes[of(&prng, 3)];
    swarm->fail_percent = fails[of(&prng, 2)];
    swarm->snapshot_always = of(&prng, 100) < 5;
    swarm->snapshot_percent = of(&prng, 3) == 0 ? 0 : 5 + of(&prng, 40);
    swarm->commit_percent = 20 + of(&prng, 80);
    swarm->batch_one = of(&prng, 100) < 15;
    swarm->segment_size = sizes[of(&prng, 4)];
    swarm->store = of(&prng, 100) < 30 ? STORE_DISK : STORE_MEMORY;
    draw_more(swarm, &prng);
    if (of(&prng, 100) < 6 || limits->small_budgets) make_small(swarm, &prng);
    swarm->slow_functions = of(&prng, 100) < 25;
    obey(swarm, limits);
    agree(swarm);
}
