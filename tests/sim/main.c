/*
 * sim [--seeds N] [--from S] [--seconds T] [--rerun N] [--workers N] [--verbose]
 *     [--acts N] [--shards N] [--store memory|disk] [--off fault,fault…] [--small-budgets]
 * Runs seeds S, S + 1, …; the first N of them twice. The first failure ends it with the command
 * that shows it again and a smaller one. The second row makes worlds smaller than the seed has
 * drawn them. The last line is "N passed, N failed".
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *text_after(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return argv[i + 1];
    return otherwise;
}

static uint64_t number_after(int argc, char **argv, const char *name, uint64_t otherwise)
{
    const char *text = text_after(argc, argv, name, NULL);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void switch_off(struct swarm_limits *limits, const char *names)
{
    for (int i = 0; i < FAULTS; i++) {
        const char *at = names;
        size_t size = strlen(fault_names[i]);
        while ((at = strstr(at, fault_names[i])) != NULL) {
            bool whole = (at == names || at[-1] == ',') && (at[size] == 0 || at[size] == ',');
            if (whole) limits->off[i] = true;
            at += size;
        }
    }
}

/* The oracle sees what it must see. */
static bool canaries_sing(void)
{
    static const struct swarm_limits limits = {.store = STORE_MEMORY, .acts = 400};
    for (int canary = 1; canary <= CANARIES; canary++) {
        if (fails(4, &limits, canary, true)) continue;
        printf("canary %d: books that were falsified have passed\n", canary);
        return false;
    }
    if (!fails(4, &limits, 0, false)) return true;
    shrink(4, &limits);
    return false;
}

/* Work that outgrows its memory waits for an operator or for luck: some of them are slow. A budget
 * that makes all crawl would show here. */
static void print_settling(const struct totals *sum)
{
    const uint64_t *within = sum->settled_within;
    if (sum->settling_messages == 0) return;
    printf("small budgets, functions that answer at once: %.1f ms and %.2f calls for a message; "
           "settled within 1 s %llu, 4 s %llu, 16 s %llu, 64 s %llu, later %llu\n",
           (double)sum->settling_ms / (double)sum->settling_messages,
           (double)sum->settling_calls / (double)sum->settling_messages,
           (unsigned long long)within[0], (unsigned long long)within[1],
           (unsigned long long)within[2], (unsigned long long)within[3],
           (unsigned long long)within[4]);
}

static void print_totals(const struct job *job, const struct totals *sum, double seconds)
{
#define N(name) ((unsigned long long)sum->name)
    printf("%llu seeds from %llu (%llu on a disk), %llu of them twice: %llu steps, %llu messages, "
           "%llu responses, %llu signals, %llu savepoints, %llu restores, %llu digests compared\n",
           N(seeds), (unsigned long long)job->from, N(disk_seeds), N(reruns), N(steps), N(notes),
           N(deeds), N(signals), N(savepoints), N(restores), N(digests));
    printf("%llu crashes, %llu recoveries, %llu faults; %llu disks that had lied were found out; "
           "%llu processes stood still, %llu second ones were refused; %llu seeds with small "
           "budgets; %llu simulated seconds\n",
           N(crashes), N(recoveries), N(faults), N(found_out), N(stops), N(intrusions), N(small),
           N(simulated_ms) / 1000);
    print_settling(sum);
    printf("checks:");
    for (int i = 1; i < INVARIANTS; i++)
        if (sum->checks[i] > 0) printf(" I%d %llu", i, N(checks[i]));
    printf("\nproof: harness=sim cases=%llu faults=%llu recoveries=%llu violations=%d "
           "seconds=%.1f\n",
           N(seeds), N(faults), N(recoveries), 0, seconds);
#undef N
}

int main(int argc, char **argv)
{
    struct job job = {.from = number_after(argc, argv, "--from", 1),
                      .seeds = number_after(argc, argv, "--seeds", 100),
                      .seconds = number_after(argc, argv, "--seconds", 0),
                      .workers = (unsigned)number_after(argc, argv, "--workers", 2),
                      .limits = {.acts = (uint32_t)number_after(argc, argv, "--acts", 0),
                                 .shards = (uint32_t)number_after(argc, argv, "--shards", 0),
                                 .store = -1}};
    job.rerun = number_after(argc, argv, "--rerun", job.seeds / 50);
    for (int i = 1; i < argc; i++) {
        job.verbose = job.verbose || strcmp(argv[i], "--verbose") == 0;
        job.limits.small_budgets =
            job.limits.small_budgets || strcmp(argv[i], "--small-budgets") == 0;
    }
    switch_off(&job.limits, text_after(argc, argv, "--off", ""));
    const char *store = text_after(argc, argv, "--store", "");
    if (*store != 0) job.limits.store = strcmp(store, "disk") == 0 ? STORE_DISK : STORE_MEMORY;
    struct totals sum = {0};
    time_t start = time(NULL);
    bool failed = job.workers > 0 && !canaries_sing();
    if (!failed) failed = run_job(&job, &sum) != 0 || sum.seeds == 0;
    if (!failed) print_totals(&job, &sum, difftime(time(NULL), start));
    /* One test, however many seeds there was time for. */
    printf(failed ? "0 passed, 1 failed\n" : "1 passed, 0 failed\n");
    return failed;
}
