/*
 * Crash points: runs scripted workloads on a fake disk, keeps what the disk was after each
 * operation that changed something, and then lets the power fail at each of those moments in
 * several ways, or the process be killed. The real recovery opens what is left, and a book of our
 * own says whether it is right; half of the recoveries are crashed themselves.
 */
#include "crashpoints/script.h"

#include "base/check.h"
#include "lib/fake_threads.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DRAWS_MAX = 3, KILLED = FAKE_CRASHES, MODELS };
static const char *const model_names[MODELS] = {"lost", "prefix", "subset", "torn", "killed"};
static const unsigned draws[MODELS] = {1, 2, 3, 2, 1};

static const char *const call_names[FILE_CALLS] = {
    "open",   "read",   "write", "sync",           "allocate", "truncate", "size",
    "rename", "remove", "make",  "sync directory", "list",     "lock",     "room"};

/* A moment: the disk and the book as they were. */
struct moment {
    struct fake_disk *disk;
    struct book book;
    uint64_t number;
    uint64_t syncs;
    enum file_call call;
};

static struct moment *moments;
static size_t moment_count;
static size_t moment_capacity;

static struct {
    uint64_t states;     /* recoveries that were checked */
    uint64_t recoveries; /* … after a crash */
    uint64_t faults;
    uint64_t runs;
    double began;
} total;

/* What is being done, for the sentence that a failure needs. */
static struct {
    const struct script *script;
    uint64_t seed;
    uint64_t op; /* 0: the run itself */
    int model;
    unsigned draw;
} now;

/* What was asked for on the command line; -1 and 0: anything. */
static struct {
    uint64_t states;
    uint64_t seed;
    uint64_t op;
    int model;
    int draw;
    int lie; /* of a canary */
    int trace;
    const struct script *script;
} wanted = {.states = 150000, .seed = 1, .model = -1, .draw = -1};

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void tell_result(unsigned violations)
{
    printf("%" PRIu64 " runs of scripts, %" PRIu64 " states recovered\n", total.runs, total.states);
    printf("proof: harness=crashpoints cases=%" PRIu64 " faults=%" PRIu64 " recoveries=%" PRIu64
           " violations=%u seconds=%.1f\n",
           total.states, total.faults + total.recoveries, total.recoveries, violations,
           seconds() - total.began);
    printf("%" PRIu64 " passed, %u failed\n", total.states, violations + (total.states == 0));
    fflush(stdout);
}

static void tell_command(void)
{
    fprintf(stderr, "reproduce: tests/crashpoints/run --script %s --seed %" PRIu64,
            now.script->name, now.seed);
    if (now.op != 0)
        fprintf(stderr, " --op %" PRIu64 " --model %s --draw %u", now.op, model_names[now.model],
                now.draw);
    fprintf(stderr, "\n");
    if (wanted.lie == 0) tell_result(1);
}

static void aborted(int number)
{
    tell_command();
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- The run ---- */

struct faults {
    struct life *life;
    uint64_t fail_at;   /* call that fails; 0: none */
    uint64_t fail_sync; /* … or sync of a file … */
    bool of_names;      /* … of a directory instead */
    uint64_t syncs;
    int number;
    bool loses;
    int lie;
};

static void trace(const struct life *life, const struct fake_call *call)
{
    if (wanted.trace)
        fprintf(stderr,
                "%" PRIu64 ": %s %s offset %" PRIu64 " size %" PRIu64 "; %" PRIu64
                " appended, %" PRIu64 " durable, %zu unsynced\n",
                call->number, call_names[call->call], call->path, call->offset, call->size,
                life->book->appended, life->book->durable, fake_disk_unsynced(life->disk));
}

static void take_moment(void *context, const struct fake_call *call)
{
    struct faults *faults = context;
    struct life *life = faults->life;
    life_note(life);
    life_watch(life, call);
    if (moment_count == moment_capacity) {
        moment_capacity = 2 * moment_capacity + 256;
        moments = realloc(moments, moment_capacity * sizeof *moments);
        CHECK(moments != NULL);
    }
    struct moment *moment = &moments[moment_count++];
    *moment = (struct moment){.disk = fake_disk_clone(life->disk),
                              .number = call->number,
                              .syncs = fake_disk_counts(life->disk).syncs,
                              .call = call->call};
    book_copy(&moment->book, life->book);
    trace(life, call);
}

/* Lies of the disk that a canary must be caught by. */
enum { LIE_NONE, LIE_FILES, LIE_NAMES, LIE_STALE, LIES };

static void before_call(void *context, const struct fake_call *call, struct fake_fault *fault)
{
    struct faults *faults = context;
    bool names = call->call == FILE_CALL_SYNC_DIRECTORY;
    if (faults->lie == LIE_FILES) fault->unwritten = call->call == FILE_CALL_SYNC;
    if (faults->lie == LIE_NAMES) fault->unwritten = names;
    if (faults->lie == LIE_STALE)
        fault->unwritten = call->call == FILE_CALL_WRITE && call->number % 7 == 0;
    enum file_call kind = faults->of_names ? FILE_CALL_SYNC_DIRECTORY : FILE_CALL_SYNC;
    bool sync = call->call == kind && ++faults->syncs == faults->fail_sync;
    if (call->number != faults->fail_at && !sync) return;
    fault->number = faults->number;
    fault->loses = faults->loses && call->call == FILE_CALL_SYNC;
    fault->size_done = call->size / 2 / FAKE_SECTOR * FAKE_SECTOR;
    script_may_fail = true;
    total.faults++;
}

static struct faults choose_faults(struct life *life, struct prng *prng)
{
    struct faults faults = {.life = life, .lie = wanted.lie};
    if (prng_below(prng, 2) != 0) return faults;
    if (prng_below(prng, 2) == 0)
        faults.fail_at = 1 + prng_below(prng, 400);
    else
        faults.fail_sync = 1 + prng_below(prng, 40);
    faults.of_names = now.seed % 3 == 2;
    faults.number = prng_below(prng, 3) == 0 ? ENOSPC : EIO;
    faults.loses = prng_below(prng, 2) == 0;
    return faults;
}

static void begin_threads(uint64_t seed)
{
    struct fake_threads_options options = {
        .seed = seed, .stay = (unsigned)(seed % 4), .spurious_in = seed % 5 == 0 ? 20 : 0};
    fake_threads_begin(&options);
}

static struct fake_disk *new_disk(struct prng *prng)
{
    struct fake_disk_options options = {
        .align = prng_below(prng, 2) == 0 ? 512 : 4096,
        .no_direct = prng_below(prng, 4) == 0,
    };
    return fake_disk_new(&options);
}

static void run_script(void)
{
    struct prng prng = {now.seed * 1000003};
    struct book book = {0};
    begin_threads(now.seed);
    struct fake_disk *disk = new_disk(&prng);
    struct life life = {.disk = disk, .book = &book, .prng = {now.seed ^ 0xb00c}};
    struct faults faults = choose_faults(&life, &prng);
    script_may_fail = strncmp(now.script->name, "full", 4) == 0;
    fake_disk_hooks(disk, before_call, take_moment, &faults);
    fake_disk_use(disk);
    script_run(now.script, &life, now.seed);
    fake_disk_free(disk);
    book_close(&book);
    total.runs++;
}

/* ---- The crashes ---- */

/* One crash within a recovery. */
struct inner {
    struct life *life;
    uint64_t at; /* counts down to 0 */
    struct fake_disk *disk;
    struct book book;
};

static void take_inner(void *context, const struct fake_call *call)
{
    struct inner *inner = context;
    trace(inner->life, call);
    life_watch(inner->life, call);
    if (inner->at == 0 || --inner->at > 0) return;
    life_note(inner->life);
    inner->disk = fake_disk_clone(inner->life->disk);
    book_copy(&inner->book, inner->life->book);
}

static void open_or_repair(struct life *life)
{
    int error = life_open(life);
    if (life->wrong != NULL && error == 0) violation("the open gave %s", life->wrong);
    if (error == 0) return;
    bool damaged = life->book->damaged && error == ERROR_DAMAGED;
    if (!damaged) violation("it does not open: %s: %s", error_text(error), life->errmsg.text);
    error = life_repair(life, true);
    if (error != 0) violation("repair: %s: %s", error_text(error), life->errmsg.text);
    error = life_open(life);
    if (error != 0) violation("after a repair: %s: %s", error_text(error), life->errmsg.text);
    if (life->wrong != NULL) violation("after a repair the open gave %s", life->wrong);
}

/* Opens, works a little, ends. */
static void live(struct life *life, struct prng *prng)
{
    open_or_repair(life);
    if (prng_below(prng, 2) == 0) {
        int error = life_append(life, 1 + (unsigned)prng_below(prng, 3), 700);
        if (error == 0) error = life_commit(life);
        if (error != 0) violation("it does not work after a crash: %s", life->errmsg.text);
    }
    if (prng_below(prng, 8) == 0 && life_snapshot_begin(life, false) == 0) {
        life_snapshot_finish(life);
        int error = life_snapshot_wait(life);
        if (error != 0) violation("no snapshot after a crash: %s", life->errmsg.text);
        if (life_trim(life) != 0) violation("no trim after a crash");
    }
    if (prng_below(prng, 2) == 0)
        life_close(life);
    else
        life_kill(life);
}

/* Frees the disk and the book. */
static void check_state(struct fake_disk *disk, struct book *book, struct prng *prng,
                        unsigned depth)
{
    struct life life = {.disk = disk, .book = book, .prng = {prng_next(prng)}};
    struct inner inner = {.life = &life};
    if (depth > 0 && prng_below(prng, 2) == 0) inner.at = 1 + prng_below(prng, 12);
    fake_disk_set_capacity(disk, 0);
    fake_disk_hooks(disk, NULL, take_inner, &inner);
    begin_threads(prng_next(prng));
    live(&life, prng);
    total.states++;
    fake_disk_hooks(disk, NULL, NULL, NULL);
    if (prng_below(prng, 4) == 0) life_check(&life, "after a recovery");
    /* What the process left may be all that a power cut leaves. */
    if (depth > 0 && inner.disk == NULL && prng_below(prng, 3) == 0) {
        inner.disk = fake_disk_clone(disk);
        book_copy(&inner.book, book);
    }
    fake_disk_free(disk);
    book_close(book);
    if (inner.disk == NULL) return;
    fake_disk_crash(inner.disk, (enum fake_crash)prng_below(prng, FAKE_CRASHES), prng);
    total.recoveries++;
    if (wanted.trace) fprintf(stderr, "-- the power fails\n");
    check_state(inner.disk, &inner.book, prng, depth - 1);
}

static void crash_at(const struct moment *moment, int model, unsigned draw)
{
    now.model = model;
    now.draw = draw;
    struct prng prng = {now.seed << 32 ^ moment->number << 8 ^ (unsigned)model << 4 ^ draw};
    struct book book;
    book_copy(&book, &moment->book);
    struct fake_disk *disk = model == KILLED
                                 ? fake_disk_clone(moment->disk)
                                 : fake_disk_crashed(moment->disk, (enum fake_crash)model, &prng);
    total.recoveries++;
    check_state(disk, &book, &prng, 2);
}

static bool asked_for(const struct moment *moment, int model, unsigned draw)
{
    return (wanted.op == 0 || wanted.op == moment->number) &&
           (wanted.model < 0 || wanted.model == model) &&
           (wanted.draw < 0 || (unsigned)wanted.draw == draw);
}

static void crash_everywhere(void)
{
    uint64_t syncs = UINT64_MAX;
    for (size_t i = 0; i < moment_count; i++) {
        const struct moment *moment = &moments[i];
        now.op = moment->number;
        for (int model = 0; model < MODELS; model++) {
            /* The same is lost until something is synced. */
            if (model == FAKE_CRASH_LOST && moment->syncs == syncs) continue;
            for (unsigned draw = 0; draw < draws[model]; draw++)
                if (asked_for(moment, model, draw)) crash_at(moment, model, draw);
        }
        syncs = moment->syncs;
    }
}

static void forget_moments(void)
{
    for (size_t i = 0; i < moment_count; i++) {
        fake_disk_free(moments[i].disk);
        book_close(&moments[i].book);
    }
    moment_count = 0;
}

static void one(const struct script *script, uint64_t seed)
{
    now.script = script;
    now.seed = seed;
    now.op = 0;
    run_script();
    crash_everywhere();
    forget_moments();
}

static void rounds(void)
{
    for (uint64_t seed = wanted.seed; total.states < wanted.states; seed++) {
        const struct script *script;
        for (size_t i = 0; (script = script_at(i)) != NULL && total.states < wanted.states; i++)
            if (wanted.script == NULL || wanted.script == script) one(script, seed);
    }
}

/* ---- Canaries ---- */

/* A disk that lies: somebody must notice. In a process of its own, whose words are not wanted. */
static bool caught(int lie)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        wanted.lie = lie;
        wanted.states = 20000;
        rounds();
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static unsigned canaries(void)
{
    static const char *const lies[LIES] = {"", "syncs of files do nothing",
                                           "syncs of names do nothing", "some writes never arrive"};
    unsigned missed = 0;
    for (int lie = 1; lie < LIES; lie++) {
        if (caught(lie)) continue;
        printf("canary: %s, and nothing was noticed\n", lies[lie]);
        missed++;
    }
    return missed;
}

/* ---- */

static int model_named(const char *name)
{
    for (int i = 0; i < MODELS; i++)
        if (strcmp(model_names[i], name) == 0) return i;
    fprintf(stderr, "no model %s\n", name);
    exit(2);
}

static void read_arguments(int count, char **arguments)
{
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = arguments[i];
        const char *value = arguments[i + 1];
        if (strcmp(name, "--states") == 0) wanted.states = strtoull(value, NULL, 10);
        if (strcmp(name, "--seed") == 0) wanted.seed = strtoull(value, NULL, 10);
        if (strcmp(name, "--op") == 0) wanted.op = strtoull(value, NULL, 10);
        if (strcmp(name, "--draw") == 0) wanted.draw = atoi(value);
        if (strcmp(name, "--trace") == 0) wanted.trace = atoi(value);
        if (strcmp(name, "--model") == 0) wanted.model = model_named(value);
        if (strcmp(name, "--script") != 0) continue;
        wanted.script = script_named(value);
        if (wanted.script == NULL) exit(2);
    }
}

int main(int count, char **arguments)
{
    /* Large blocks come and go with each recovery. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    read_arguments(count, arguments);
    violation_hook = tell_command;
    fake_threads_deadlock = tell_command;
    signal(SIGABRT, aborted);
    total.began = seconds();
    bool single = wanted.script != NULL;
    unsigned missed = single ? 0 : canaries();
    if (single)
        one(wanted.script, wanted.seed);
    else
        rounds();
    tell_result(missed);
    return missed > 0 || total.states == 0;
}
