#include "run.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_MAX = 60 };

bool fails(uint64_t seed, const struct swarm_limits *limits, int canary, bool quiet)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct totals totals = {0};
        int nowhere = quiet ? open("/dev/null", O_WRONLY) : -1;
        if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
        alarm(SECONDS_MAX);
        simulate(seed, limits, canary, &totals);
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return false;
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void print_command(uint64_t seed, const struct swarm_limits *limits)
{
    bool first = true;
    printf("tests/sim/run --from %llu --seeds 1", (unsigned long long)seed);
    if (limits->acts > 0) printf(" --acts %u", limits->acts);
    if (limits->shards > 0) printf(" --shards %u", limits->shards);
    if (limits->store >= 0) printf(" --store %s", limits->store == STORE_DISK ? "disk" : "memory");
    if (limits->small_budgets) printf(" --small-budgets");
    for (int i = 0; i < FAULTS; i++) {
        if (!limits->off[i]) continue;
        printf("%s%s", first ? " --off " : ",", fault_names[i]);
        first = false;
    }
    printf("\n");
}

static bool try(uint64_t seed, struct swarm_limits *limits, const struct swarm_limits *smaller)
{
    if (!fails(seed, smaller, 0, true)) return false;
    *limits = *smaller;
    return true;
}

static void shrink_acts(uint64_t seed, struct swarm_limits *limits)
{
    struct swarm swarm;
    swarm_draw(&swarm, seed, limits);
    uint32_t acts = swarm.acts;
    for (uint32_t step = acts / 2; step > 0; step /= 2) {
        struct swarm_limits smaller = *limits;
        smaller.acts = acts > step ? acts - step : 1;
        if (try(seed, limits, &smaller)) acts = smaller.acts;
    }
}

void shrink(uint64_t seed, const struct swarm_limits *given)
{
    struct swarm_limits limits = *given, smaller;
    printf("seed %llu failed; again with: ", (unsigned long long)seed);
    print_command(seed, &limits);
    if (!fails(seed, &limits, 0, true)) {
        printf("… which does not fail alone: something from outside of the seed is in it\n");
        return;
    }
    for (int i = 0; i < FAULTS; i++) {
        smaller = limits;
        smaller.off[i] = true;
        struct swarm swarm;
        swarm_draw(&swarm, seed, &limits);
        if (swarm.has[i]) try(seed, &limits, &smaller);
    }
    for (uint32_t shards = 1; shards <= 3; shards++) {
        smaller = limits;
        smaller.shards = shards;
        if (try(seed, &limits, &smaller)) break;
    }
    smaller = limits;
    smaller.store = STORE_MEMORY;
    struct swarm swarm;
    swarm_draw(&swarm, seed, &limits);
    if (swarm.store != STORE_MEMORY) try(seed, &limits, &smaller);
    shrink_acts(seed, &limits);
    printf("the smallest world found that fails: ");
    print_command(seed, &limits);
    fails(seed, &limits, 0, false);
}
