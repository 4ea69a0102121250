/*
 * Memory runs out: the same world is run again and again, and its Nth allocation inside the shard
 * fails, alone or with all that follow. The shard must refuse or stop with ERROR_MEMORY, its image
 * must equal the fold of its records, nothing may leak, and a recovery must find everything it
 * promised (the oracle of tests/sim). Ends with "N passed, N failed".
 */
#include "held.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- An allocator that fails when told and knows what the shard holds ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);

static struct {
    bool inside;    /* the shard runs */
    uint64_t count; /* its allocations so far */
    uint64_t fail_at, fail_until;
    uint64_t failed;
    struct held held;
} memory;

static void *hold(void *block)
{
    if (block == NULL || !memory.inside) return block;
    MUST(held_add(&memory.held, block));
    return block;
}

static bool fails(void)
{
    if (!memory.inside) return false;
    memory.count++;
    if (memory.count < memory.fail_at || memory.count >= memory.fail_until) return false;
    memory.failed++;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : hold(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : hold(__real_calloc(count, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : hold(__real_aligned_alloc(alignment, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (fails()) return NULL;
    bool held = held_has(&memory.held, old), inside = memory.inside;
    held_drop(&memory.held, old);
    void *block = __real_realloc(old, size);
    memory.inside = inside || held;
    hold(block);
    memory.inside = inside;
    return block;
}

void __wrap_free(void *block)
{
    held_drop(&memory.held, block);
    __real_free(block);
}

static void guard(bool inside)
{
    memory.inside = inside;
}

static void fail_between(uint64_t first, uint64_t end)
{
    memory.count = memory.failed = 0;
    memory.fail_at = first;
    memory.fail_until = end;
}

/* ---- Runs ---- */

static uint64_t seed_now, fail_now;
static bool for_ever;

static void tell(int number)
{
    (void)number;
    signal(SIGABRT, SIG_DFL);
    printf("seed %llu with allocation %llu failing%s\n0 passed, 1 failed\n",
           (unsigned long long)seed_now, (unsigned long long)fail_now,
           for_ever ? " and all after it" : "");
    fflush(stdout);
}

/* Shards 1 to 3 in turn; nothing but the lack of memory kills them. */
static void open_world(struct world *world)
{
    struct swarm swarm;
    struct swarm_limits limits = {.store = STORE_MEMORY, .shards = 1 + (uint32_t)(seed_now % 3)};
    limits.off[FAULT_CRASHES] = limits.off[FAULT_BIG] = limits.off[FAULT_RESTORES] = true;
    swarm_draw(&swarm, seed_now, &limits);
    world_open(world, seed_now, &swarm);
}

/* True: something failed. */
static bool simulate(uint64_t first, uint64_t end)
{
    static struct world world;
    fail_now = first;
    world_guard = NULL;
    open_world(&world);
    for (uint32_t i = 0; i < world.host_count; i++) world.hosts[i].store.ledger.may_fail = true;
    world_guard = guard;
    fail_between(first, end);
    for (int i = 0; i < 150; i++) {
        uint64_t crashes = world.crashes;
        world_act(&world);
        if (world.crashes != crashes) break; /* it had to stop */
    }
    bool failed = memory.failed > 0;
    fail_between(UINT64_MAX, UINT64_MAX);
    world_settle(&world);
    world_judge(&world);
    world_close(&world);
    MUST(memory.held.count == 0);
    return failed;
}

/* Recovery with too little memory says so, leaks nothing, and works with enough. */
static uint64_t recover(void)
{
    static struct world world;
    world_guard = NULL;
    open_world(&world);
    for (int i = 0; i < 300; i++) world_act(&world);
    const struct ledger *ledger = &world.hosts[0].store.ledger;
    uint64_t tries = 0;
    for (int error = ERROR_MEMORY; error != 0; tries++) {
        struct shard *shard = NULL;
        fail_now = tries + 1;
        fail_between(tries + 1, tries + 2);
        guard(true);
        error = shard_open(&shard);
        uint64_t after = ledger->published.seq;
        if (error == 0 && after > 0)
            error = shard_load(shard, SHARD_BLOCK_GLOBALS,
                               buffer_span(&ledger->published.blocks[SHARD_BLOCK_GLOBALS]));
        for (uint32_t i = 0; error == 0 && after > 0 && i < SHARD_BLOCK_GLOBALS; i++)
            error = shard_load(shard, i, buffer_span(&ledger->published.blocks[i]));
        if (error == 0)
            error = shard_replay(shard, ledger_records(ledger, after, ledger->count), after + 1,
                                 (uint32_t)(ledger->count - after));
        guard(false);
        MUST(error == 0 || error == ERROR_MEMORY);
        if (error == 0) MUST(shard_digest(shard) == shard_digest(world.hosts[0].shard));
        shard_close(shard);
        MUST(memory.held.count == 0);
        if (error == 0 && memory.failed > 0) error = ERROR_MEMORY; /* it did without: go on */
    }
    world_close(&world);
    return tries;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 30;
    time_t start = time(NULL);
    uint64_t runs = 0, recoveries = 0;
    signal(SIGABRT, tell);
    for (seed_now = 1; difftime(time(NULL), start) < seconds; seed_now++) {
        recoveries += recover();
        uint64_t stride = seed_now == 1 ? 1 : 5;
        for (int ever = 0; ever < 2; ever++) {
            for_ever = ever;
            for (uint64_t n = 1 + seed_now % stride;; n += stride, runs++) {
                if (!simulate(n, for_ever ? UINT64_MAX : n + 1)) break;
                if (difftime(time(NULL), start) >= seconds && n % 2 == 0) break;
            }
        }
    }
    printf("%llu runs with a failing allocation, %llu recoveries, %llu seeds\n",
           (unsigned long long)runs, (unsigned long long)recoveries,
           (unsigned long long)seed_now - 1);
    /* Two tests, however many runs there was time for. */
    int passed = (runs > 0) + (recoveries > 0);
    printf("%d passed, %d failed\n", passed, 2 - passed);
    return passed < 2;
}
