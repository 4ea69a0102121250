/*
 * sim_shard [--seeds N] [--from S] [--seconds T] [--verbose]: runs seeds S, S + 1, … The first
 * failure ends it with the command that shows it again. The last line is "N passed, N failed".
 */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t seed_now;

static void tell_seed(void)
{
    signal(SIGABRT, SIG_DFL);
    printf(
        "seed %llu failed; again with: tests/sim/run --seeds 1 --from %llu\n0 passed, 1 failed\n",
        (unsigned long long)seed_now, (unsigned long long)seed_now);
    fflush(stdout);
}

/* By a check of this program, of the shard, or of a sanitizer. */
static void on_abort(int number)
{
    (void)number;
    tell_seed();
}

static void act(struct world *world)
{
    uint32_t what = pick(world, 100);
    if (what < 30) {
        client_acts(world);
    } else if (what < 70) {
        if (world->call_count > 0) function_answers(world, pick(world, world->call_count));
    } else if (what < 80) {
        uint64_t unsure = world->ledger.count - world->ledger.durable;
        uint32_t some = unsure == 0 ? 0 : 1 + pick(world, (uint32_t)unsure);
        if (!world->lazy_disk || chance(world, 40))
            world_durable(world, world->ledger.durable + some);
    } else if (what < 90) {
        int64_t wait_ms = shard_wake_at(world->shard) - world->clock.mono_ms;
        if (chance(world, 50) || wait_ms > 20000) wait_ms = pick(world, 400);
        world_pass(world, wait_ms < 0 ? 0 : wait_ms);
    } else if (what < 95) {
        consumer_pulls(world);
    } else if (what < 97) {
        if (world->has_operators) operator_acts(world);
    } else if (what < 98) {
        if (world->has_clock_jumps && chance(world, 30))
            world->clock.wall_ms += (int64_t)pick(world, 200000) - 100000;
        if (world->has_clock_jumps && chance(world, 2)) world->clock.wall_ms += 90000000;
    } else if (world->has_reloads || world->has_budgets) {
        world_configure(world);
    }
}

static uint64_t simulate(uint64_t seed, struct world *sum)
{
    struct world world;
    seed_now = seed;
    world_open(&world, seed);
    uint32_t acts = 50 + pick(&world, 600);
    for (uint32_t i = 0; i < acts; i++) act(&world);
    if (world.crash_per_mille > 0) world_crash(&world);
    world_settle(&world);
    world_judge(&world);
    sum->steps += world.steps;
    sum->crashes += world.crashes;
    sum->checks += world.ledger.checks;
    sum->notes_count += world.notes_count;
    sum->deeds_count += world.deeds_count;
    uint64_t trace = world.trace;
    world_close(&world);
    return trace;
}

static uint64_t number_after(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return strtoull(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    uint64_t seeds = number_after(argc, argv, "--seeds", 100);
    uint64_t from = number_after(argc, argv, "--from", 1);
    uint64_t seconds = number_after(argc, argv, "--seconds", 0);
    struct world sum = {0};
    uint64_t passed = 0, failed = 0, again = 0;
    time_t start = time(NULL);
    signal(SIGABRT, on_abort);
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        if (seconds > 0 && (uint64_t)(time(NULL) - start) >= seconds) break;
        uint64_t trace = simulate(seed, &sum);
        if (seed % 50 == 1) { /* the same seed, the same trace: nothing in it but the seed */
            again++;
            if (simulate(seed, &sum) != trace) {
                tell_seed();
                return 1;
            }
        }
        passed++;
    }
    if (passed == 0) failed = 1;
    printf("%llu seeds from %llu, %llu of them twice: %llu steps, %llu crashes, %llu messages, "
           "%llu responses, %llu digests compared\n",
           (unsigned long long)passed, (unsigned long long)from, (unsigned long long)again,
           (unsigned long long)sum.steps, (unsigned long long)sum.crashes,
           (unsigned long long)sum.notes_count, (unsigned long long)sum.deeds_count,
           (unsigned long long)sum.checks);
    /* One test, however many seeds there was time for. */
    printf(failed > 0 ? "0 passed, 1 failed\n" : "1 passed, 0 failed\n");
    return failed > 0;
}
