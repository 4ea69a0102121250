/* Some processes share the seeds; what they have done is in memory that all of them see. */
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MAX = 16, SEED_SECONDS_MAX = 120, TELL_SECONDS = 30 };

struct worker {
    pid_t pid;
    uint64_t seed; /* the one it is at */
    struct totals totals;
};

/* Of a build that counts what has run (scripts/coverage): _exit would forget it. */
void __gcov_dump(void) __attribute__((weak));

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void run_seeds(const struct job *job, struct worker *worker, unsigned number, double start)
{
    for (uint64_t i = number; i < job->seeds; i += job->workers) {
        if (job->seconds > 0 && now() - start >= (double)job->seconds) return;
        worker->seed = job->from + i;
        alarm(SEED_SECONDS_MAX);
        if (job->verbose) fprintf(stderr, "seed %llu\n", (unsigned long long)worker->seed);
        uint64_t trace = simulate(worker->seed, &job->limits, 0, &worker->totals);
        if (i >= job->rerun) continue;
        struct totals again = {0}; /* the same seed, the same trace: nothing in it but the seed */
        if (simulate(worker->seed, &job->limits, 0, &again) != trace) {
            fprintf(stderr, "seed %llu: another trace the second time\n",
                    (unsigned long long)worker->seed);
            abort();
        }
        worker->totals.reruns++;
    }
}

static void add_all(struct totals *sum, const struct totals *totals)
{
    const uint64_t *from = (const uint64_t *)(const void *)totals;
    uint64_t *to = (uint64_t *)(void *)sum;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) to[i] += from[i];
}

static bool start_all(const struct job *job, struct worker *workers, double start)
{
    fflush(NULL);
    for (unsigned i = 0; i < job->workers; i++) {
        pid_t pid = fork();
        if (pid < 0) return false;
        if (pid > 0) { /* the child sees this as well */
            workers[i].pid = pid;
            continue;
        }
        run_seeds(job, &workers[i], i, start);
        if (__gcov_dump != NULL) __gcov_dump();
        _exit(0);
    }
    return true;
}

static void tell_progress(const struct job *job, const struct worker *workers, double *told)
{
    if (now() - *told < TELL_SECONDS) return;
    *told = now();
    uint64_t seeds = 0;
    for (unsigned i = 0; i < job->workers; i++) seeds += workers[i].totals.seeds;
    printf("%llu seeds\n", (unsigned long long)seeds);
    fflush(stdout);
}

/* The worker that failed, or -1 when all have ended well. */
static int wait_all(const struct job *job, struct worker *workers)
{
    unsigned left = job->workers;
    double told = now();
    int failed = -1;
    while (left > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0) {
            usleep(20000);
            tell_progress(job, workers, &told);
            continue;
        }
        left--;
        for (unsigned i = 0; i < job->workers; i++) {
            if (workers[i].pid != pid) {
                continue;
            }
            workers[i].pid = 0;
            if (failed < 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) failed = (int)i;
        }
        for (unsigned i = 0; failed >= 0 && i < job->workers; i++)
            if (workers[i].pid > 0) kill(workers[i].pid, SIGKILL);
    }
    return failed;
}

int run_job(const struct job *given, struct totals *sum)
{
    struct job job = *given;
    if (job.workers == 0) { /* in this process, for a debugger */
        static struct worker here;
        job.workers = 1;
        run_seeds(&job, &here, 0, now());
        add_all(sum, &here.totals);
        return 0;
    }
    if (job.workers > WORKERS_MAX) job.workers = WORKERS_MAX;
    size_t size = WORKERS_MAX * sizeof(struct worker);
    struct worker *workers =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED) return 1;
    int failed = start_all(&job, workers, now()) ? wait_all(&job, workers) : 0;
    for (unsigned i = 0; i < job.workers; i++) add_all(sum, &workers[i].totals);
    if (failed >= 0) shrink(workers[failed].seed, &job.limits);
    munmap(workers, size);
    return failed >= 0;
}
