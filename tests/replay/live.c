/*
 * "The journal is a fold": kills an engine at random moments, replays what it has left on disk, and
 * compares the image with the one that was live at the same seq. The next engine goes on from
 * there.
 *
 *     replay_live DIRECTORY [rounds [seed]]
 * DIRECTORY is made; the two data directories in it stay. Prints "DIRECTORY seq digest" of each,
 * for tests/replay/run.
 */
#include "cli/replay.h"
#include "work.h"

#include "base/prng.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 40, LIFE_MS_MAX = 350, WATCHDOG_S = 60 };

struct test {
    char directory[512];
    int64_t snapshot_every_ms;
    struct prng prng;
    struct witness *witness;
    int kills, ends;
    uint64_t records, replayed; /* journaled in all; folded in all replays */
    uint64_t from_snapshot;     /* replays that began with one */
    uint64_t ahead; /* replays that ended beyond what the killed one knew to be durable */
    int unseen;     /* lives that ended before they could look */
    struct replay_result last;
};

static int passed, failed;

static void check(bool good, const char *what)
{
    printf("%s %s\n", good ? "ok  " : "FAIL", what);
    if (good)
        passed++;
    else
        failed++;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static pid_t begin_work(struct test *test)
{
    struct work_options options = {test->directory, prng_next(&test->prng), test->snapshot_every_ms,
                                   test->witness};
    fflush(NULL);
    pid_t child = fork();
    if (child != 0) return child;
    alarm(WATCHDOG_S);
    _exit(work_run(&options));
}

/* Whether it ended as it should: by our signal, or by itself with 0. */
static bool end_work(pid_t child, bool in_order, struct witness *witness)
{
    int status;
    if (in_order)
        atomic_store(&witness->stop, true);
    else
        kill(child, SIGKILL);
    if (waitpid(child, &status, 0) != child) return false;
    if (in_order) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool wrong(const struct test *test, const char *what, uint64_t one, uint64_t other)
{
    printf("     round %d, %s: %s: %" PRIu64 " and %" PRIu64 "\n", test->kills + test->ends,
           test->directory, what, one, other);
    return false;
}

static bool compare(struct test *test, bool in_order)
{
    struct errmsg errmsg;
    struct replay_result *result = &test->last;
    struct witness *witness = test->witness;
    uint64_t durable = atomic_load(&witness->durable), last = atomic_load(&witness->last_seq);
    int error = replay_directory(test->directory, result, &errmsg);
    /* Killed before there was anything. */
    if (error == ERROR_NOT_FOUND && durable == 0 && result->seq == 0) return true;
    if (error != 0) {
        printf("     round %d: %s\n", test->kills + test->ends, errmsg.text);
        return false;
    }
    if (result->seq < durable) return wrong(test, "durable records are gone", durable, result->seq);
    if (result->seq >= WITNESS_SEQS)
        return wrong(test, "too many records", result->seq, WITNESS_SEQS);
    if (in_order && result->seq != last)
        return wrong(test, "an orderly end lost records", last, result->seq);
    uint64_t live = atomic_load(&witness->digests[result->seq]);
    /* Killed after the records were written, and before it had looked at what they made. */
    if (live == 0 && (result->seq > last || result->seq == 0)) {
        atomic_store(&witness->digests[result->seq], result->digest);
        test->unseen++;
        return true;
    }
    if (live != result->digest)
        return wrong(test, "live and replayed digest", live, result->digest);
    test->replayed += result->records;
    test->from_snapshot += result->snapshot_seq > 0;
    test->ahead += result->seq > durable;
    return true;
}

/* Seqs after the end of the journal will be used again, for other records. */
static void forget_after(struct test *test, uint64_t seq)
{
    struct witness *witness = test->witness;
    for (uint64_t i = seq + 1; i < WITNESS_SEQS && i < seq + 100000; i++)
        atomic_store(&witness->digests[i], 0);
    atomic_store(&witness->last_seq, seq);
    atomic_store(&witness->durable, seq);
    atomic_store(&witness->stop, false);
}

static bool run_round(struct test *test, bool is_last)
{
    bool in_order = is_last || prng_below(&test->prng, 5) == 0;
    /* Some do not even live to the end of their recovery. */
    bool is_short = !in_order && prng_below(&test->prng, 6) == 0;
    pid_t child = begin_work(test);
    if (child < 0) return wrong(test, "fork", 0, 0);
    sleep_ms(is_short ? prng_below(&test->prng, 12) : 20 + prng_below(&test->prng, LIFE_MS_MAX));
    bool ended = end_work(child, in_order, test->witness);
    test->ends += in_order;
    test->kills += !in_order;
    if (!ended) return wrong(test, "the engine did not end as told", 0, 0);
    if (!compare(test, in_order)) return false;
    forget_after(test, test->last.seq);
    return true;
}

static void print_happenings(const struct test *test)
{
    static const char *const names[HAPPENED_COUNT] = {
        "sends",      "duplicates", "replies",     "cancels",        "writes", "results",
        "handshakes", "failures",   "told parked", "operator verbs", "pulled", "snapshots"};
    printf("    ");
    for (int i = 0; i < HAPPENED_COUNT; i++)
        printf(" %s %" PRIu64, names[i], atomic_load(&test->witness->happened[i]));
    printf("\n     %d kills, %d orderly ends, %" PRIu64 " records, %" PRIu64
           " folded again, %" PRIu64 " replays from a snapshot, %" PRIu64
           " beyond the last durable seq that was told, %d not seen\n",
           test->kills, test->ends, test->last.seq, test->replayed, test->from_snapshot,
           test->ahead, test->unseen);
    printf("     left: %" PRIu64 " keys, %" PRIu64 " messages, %" PRIu64 " delayed, %" PRIu64
           " parked\n",
           test->last.keys, test->last.mailbox_messages, test->last.delayed, test->last.parked);
}

static bool everything_happened(const struct test *test)
{
    for (int i = 0; i < HAPPENED_COUNT; i++)
        if (atomic_load(&test->witness->happened[i]) == 0 &&
            (i != HAPPENED_SNAPSHOT || test->snapshot_every_ms > 0))
            return false;
    return test->last.keys > 0 && test->kills > 0 && test->ends > 0 &&
           test->unseen < (test->kills + test->ends) / 3;
}

static void run_test(const char *parent, const char *name, int64_t snapshot_every_ms, int rounds,
                     uint64_t seed)
{
    struct test test = {.snapshot_every_ms = snapshot_every_ms, .prng = {seed}};
    char what[200];
    snprintf(test.directory, sizeof test.directory, "%s/%s", parent, name);
    test.witness =
        mmap(NULL, sizeof *test.witness, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (test.witness == MAP_FAILED) {
        check(false, "memory for the witness");
        return;
    }
    bool good = true;
    for (int i = 0; i < rounds && good; i++) good = run_round(&test, i == rounds - 1);
    snprintf(what, sizeof what, "%s: replayed image = live image after each of %d lives", name,
             rounds);
    check(good, what);
    snprintf(what, sizeof what, "%s: everything that can happen has happened", name);
    check(everything_happened(&test), what);
    print_happenings(&test);
    if (snapshot_every_ms > 0) check(test.from_snapshot > 0, "some replays began with a snapshot");
    if (good)
        printf("directory %s %" PRIu64 " %016" PRIx64 "\n", name, test.last.seq, test.last.digest);
    munmap(test.witness, sizeof *test.witness);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: replay_live DIRECTORY [rounds [seed]]\n");
        return 2;
    }
    int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL);
    printf("seed %" PRIu64 "\n", seed);
    mkdir(argv[1], 0700);
    run_test(argv[1], "journal", 0, rounds, seed);
    run_test(argv[1], "snapshots", 70, rounds, seed + 1);
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
