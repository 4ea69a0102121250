/*
 * Crash points of `run --restore`: a savepoint is put back into a new data directory, under any
 * number of shards, and the first start follows. After each operation of the disk the power fails
 * or the process is killed. What is left is either refused as a restore that has not ended, and
 * then one begins anew, under another number perhaps and crashed as well; or it is all there. What
 * has once been whole stays so.
 */
#include "crashpoints/life.h"
#include "crashpoints/point.h"

#include "app/restore.h"
#include "app/shard_files.h"
#include "base/check.h"
#include "lib/fake_threads.h"
#include "os/log.h"
#include "os/loop.h"
#include "os/random.h"
#include "store/check.h"
#include "store/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLED = FAKE_CRASHES, MODELS, DEPTH = 3 };
static const char *const model_names[MODELS] = {"lost", "prefix", "subset", "torn", "killed"};
static const unsigned draws[MODELS] = {1, 1, 2, 1, 1};

/* What somebody who knows the directory may rely on. */
struct known {
    uint32_t count; /* of shards that the newest restore was to make */
    bool done;      /* it has ended */
};

struct moment {
    struct fake_disk *disk;
    struct known known;
    uint64_t number, syncs;
};

static struct point point;
static struct moment *moments;
static size_t moment_count, moment_capacity;

/* One who restores or starts: the process that is running. */
static struct {
    struct fake_disk *disk;
    struct known known;
    uint32_t process;
    uint64_t fail_at; /* the call that fails; 0: none */
    uint64_t inner;   /* counts down to the crash in here */
    struct moment crashed;
    bool failed;
} now;

static struct {
    uint64_t seed, op;
    int model;
    unsigned draw;
} at;

static struct {
    uint64_t states, seed, op;
    int model, draw;
    bool one, trace;
    bool lie; /* of a canary: syncs of names do nothing */
} wanted = {.states = 8000, .seed = 1, .model = -1, .draw = -1};

static struct {
    uint64_t states, runs, refused, begun_anew, whole;
} total;

static void tell_command(void)
{
    fprintf(stderr, "reproduce: tests/crashpoints/run --restore --seed %" PRIu64, at.seed);
    if (at.op != 0)
        fprintf(stderr, " --op %" PRIu64 " --model %s --draw %u", at.op, model_names[at.model],
                at.draw);
    fprintf(stderr, "\n");
}

static void aborted(int number)
{
    tell_command();
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- What restore.c asks of the world besides files and threads ---- */

int __wrap_loop_turn(struct loop *loop, int timeout_ms);
int __wrap_loop_turn(struct loop *loop, int timeout_ms)
{
    (void)loop;
    fake_threads_sleep_us((int64_t)timeout_ms * 1000);
    return 0;
}

static struct prng lineages;

uint64_t __wrap_random_u64(void);
uint64_t __wrap_random_u64(void)
{
    return prng_next(&lineages) | 1;
}

/* ---- The first start ---- */

static int load_block(void *context, uint32_t block, struct span bytes)
{
    return shard_load(context, block, bytes);
}

static int replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                  uint32_t epoch, uint64_t lineage)
{
    (void)epoch, (void)lineage;
    return shard_replay(context, records, first_seq, count);
}

static int encode_open(void *context, uint32_t epoch, uint64_t lineage, struct buffer *out)
{
    shard_encode_open(context, out, epoch, lineage, SPAN_LITERAL("test"));
    return 0;
}

struct started {
    struct snapshots *snapshots;
    struct journal *journal;
};

static struct snapshot_info load_shard(const char *path, struct started *started,
                                       struct shard *shard, uint32_t number)
{
    struct snapshot_info newest;
    struct errmsg errmsg;
    if (snapshots_open(&started->snapshots, path, &newest, &errmsg) != 0)
        violation("%s", errmsg.text);
    if (newest.seq == 0) violation("shard %u has no snapshot", number);
    if (snapshots_load(started->snapshots, load_block, shard, &errmsg) != 0)
        violation("shard %u: %s", number, errmsg.text);
    if (shard_digest(shard) != point_digest(&point, number, now.known.count, newest.lineage))
        violation("shard %u of %u is not what the savepoint holds", number, now.known.count);
    return newest;
}

static void start_shard(struct started *started, uint32_t number)
{
    char path[FILE_PATH_MAX];
    struct errmsg errmsg;
    struct shard *shard;
    uint32_t epoch;
    uint64_t lineage, next_seq;
    CHECK(shard_open(&shard) == 0);
    CHECK(shard_place(shard, number, now.known.count) == 0);
    CHECK(shard_files_path(path, "/data", number, now.known.count, &errmsg) == 0);
    struct snapshot_info newest = load_shard(path, started, shard, number);
    struct journal_options options = {.directory = path,
                                      .shard = number,
                                      .segment_size = LIFE_SEGMENT_SIZE,
                                      .encode_open = encode_open,
                                      .open_context = shard,
                                      .seal_idle_ms = 100};
    struct journal_position from = {newest.seq, newest.lineage, newest.epoch};
    if (journal_open(&started->journal, &options, from, random_u64(), replay, shard, &epoch,
                     &lineage, &next_seq, &errmsg) != 0)
        violation("shard %u: %s", number, errmsg.text);
    if (next_seq != shard_seq(shard) + 1 || epoch <= newest.epoch || lineage == newest.lineage)
        violation("shard %u goes on as record %" PRIu64 ", epoch %u, lineage %" PRIx64, number,
                  next_seq, epoch, lineage);
    shard_close(shard);
}

/* As the gateway, on a directory that does not say that it is unfinished. */
static void start(void)
{
    struct started started[POINT_SHARDS_MAX];
    struct errmsg errmsg;
    struct lock *lock;
    uint32_t count;
    if (shard_files_settle("/data", 1, false, &count, &lock, &errmsg) != 0)
        violation("the start: %s", errmsg.text);
    if (count != now.known.count) violation("%u shards were made of %u", count, now.known.count);
    for (uint32_t i = 0; i < count; i++) start_shard(&started[i], i);
    now.known.done = true; /* whoever has seen it at work relies on it */
    fake_threads_sleep_us(prng_below(&lineages, 2) == 0 ? 0 : 150000);
    for (uint32_t i = 0; i < count; i++) {
        snapshots_close(started[i].snapshots);
        journal_close(started[i].journal);
    }
    shard_files_release(lock);
    total.whole++;
}

/* ---- A process ---- */

static void begin_process(void)
{
    now.process = fake_disk_start_process(now.disk);
}

static void end_process(void)
{
    fake_disk_kill(now.disk, now.process);
    fake_threads_set_process(0);
}

/* Fails only when a call was made to fail. */
static int put_back(uint32_t count)
{
    struct errmsg errmsg = {{0}};
    now.known = (struct known){.count = count == 0 ? point.count : count};
    begin_process();
    now.failed = false;
    int error = restore(POINT_DIRECTORY, "/data", count, &errmsg);
    if (error != 0 && !now.failed) violation("the restore: %s", errmsg.text);
    if (error == 0) now.known.done = true;
    end_process();
    return error;
}

/* A directory that counts as new holds nothing that somebody could miss. */
static void must_be_empty(void)
{
    const char *path;
    for (size_t i = 0; (path = fake_disk_file(now.disk, i)) != NULL; i++)
        if (strncmp(path, "/data/", 6) == 0 &&
            (strstr(path, "/manifest-") != NULL || strstr(path, "/segment-") != NULL))
            violation("a directory that counts as new has %s", path);
}

static void come_back(struct prng *prng)
{
    uint32_t count;
    struct errmsg errmsg = {{0}};
    int error = shard_files_count("/data", &count, &errmsg);
    if (error != 0 && (error != ERROR_REFUSED || strstr(errmsg.text, "--restore") == NULL))
        violation("the directory is neither whole nor a restore: %s", errmsg.text);
    if (error == 0 && count == 0) must_be_empty();
    bool whole = error == 0 && count > 0;
    if (now.known.done && !whole) violation("it was whole: %s", errmsg.text);
    if (!whole) {
        total.refused += error != 0;
        total.begun_anew++;
        if (put_back((uint32_t)prng_below(prng, POINT_SHARDS_MAX + 1)) != 0)
            violation("a restore cannot be done again");
    }
    begin_process();
    start();
    end_process();
}

/* ---- Hooks ---- */

static void before_call(void *context, const struct fake_call *call, struct fake_fault *fault)
{
    (void)context;
    if (wanted.lie) fault->unwritten = call->call == FILE_CALL_SYNC_DIRECTORY;
    if (call->process == 0 || call->number != now.fail_at) return;
    fault->number = EIO;
    now.failed = true;
}

static struct moment moment_now(void)
{
    struct fake_disk_counts counts = fake_disk_counts(now.disk);
    return (struct moment){.disk = fake_disk_clone(now.disk),
                           .known = now.known,
                           .number = counts.calls,
                           .syncs = counts.syncs};
}

static void trace(const struct fake_call *call)
{
    if (wanted.trace)
        fprintf(stderr, "%" PRIu64 ": call %d %s; %zu unsynced%s\n", call->number, call->call,
                call->path, fake_disk_unsynced(now.disk), now.known.done ? ", done" : "");
}

static void keep_moment(void)
{
    if (moment_count == moment_capacity) {
        moment_capacity = 2 * moment_capacity + 256;
        moments = realloc(moments, moment_capacity * sizeof *moments);
        CHECK(moments != NULL);
    }
    moments[moment_count++] = moment_now();
}

static void take_moment(void *context, const struct fake_call *call)
{
    (void)context;
    trace(call);
    if (call->process != 0) keep_moment();
}

static void take_inner(void *context, const struct fake_call *call)
{
    (void)context;
    trace(call);
    if (now.inner == 0 || --now.inner > 0) return;
    now.crashed = moment_now();
}

/* ---- Runs ---- */

static void begin_threads(uint64_t seed)
{
    struct fake_threads_options options = {.seed = seed, .stay = (unsigned)(seed % 4)};
    fake_threads_begin(&options);
}

static void use(struct fake_disk *disk, fake_disk_after *after)
{
    now.disk = disk;
    now.fail_at = now.inner = 0;
    now.crashed.disk = NULL;
    fake_disk_use(disk);
    fake_disk_hooks(disk, before_call, after, NULL);
}

/* Restores, again when a call has failed, and starts. */
static void run(void)
{
    struct prng prng = {at.seed * 1000003};
    struct fake_disk_options options = {.align = prng_below(&prng, 2) == 0 ? 512 : 4096,
                                        .no_direct = prng_below(&prng, 4) == 0};
    begin_threads(at.seed);
    lineages = (struct prng){at.seed};
    use(fake_disk_new(&options), NULL);
    now.known = (struct known){0};
    point_make(&point, 1 + (uint32_t)(at.seed % POINT_SHARDS_MAX), &prng);
    use(now.disk, take_moment);
    if (prng_below(&prng, 2) == 0)
        now.fail_at = fake_disk_counts(now.disk).calls + 1 + prng_below(&prng, 150);
    uint32_t count = (uint32_t)prng_below(&prng, POINT_SHARDS_MAX + 1);
    while (put_back(count) != 0 && !now.known.done)
        count = (uint32_t)prng_below(&prng, POINT_SHARDS_MAX + 1);
    keep_moment(); /* it has said that it is done */
    now.fail_at = 0;
    begin_process();
    start();
    end_process();
    fake_disk_free(now.disk);
    total.runs++;
}

/* Frees the disk. */
static void check_state(struct moment *moment, struct prng *prng, unsigned depth)
{
    begin_threads(prng_next(prng));
    use(moment->disk, take_inner);
    now.known = moment->known;
    if (depth > 0 && prng_below(prng, 2) == 0) now.inner = 1 + prng_below(prng, 90);
    come_back(prng);
    total.states++;
    struct moment inner = now.crashed;
    /* What the process left may be all that a power cut leaves. */
    if (depth > 0 && inner.disk == NULL && prng_below(prng, 3) == 0)
        inner = (struct moment){.disk = fake_disk_clone(now.disk), .known = now.known};
    fake_disk_free(now.disk);
    if (inner.disk == NULL) return;
    if (prng_below(prng, 5) > 0)
        fake_disk_crash(inner.disk, (enum fake_crash)prng_below(prng, FAKE_CRASHES), prng);
    if (wanted.trace) fprintf(stderr, "-- a crash\n");
    check_state(&inner, prng, depth - 1);
}

static void crash_at(const struct moment *moment, int model, unsigned draw)
{
    at.model = model;
    at.draw = draw;
    struct prng prng = {at.seed << 32 ^ moment->number << 8 ^ (unsigned)model << 4 ^ draw};
    struct moment crashed = *moment;
    crashed.disk = model == KILLED ? fake_disk_clone(moment->disk)
                                   : fake_disk_crashed(moment->disk, (enum fake_crash)model, &prng);
    check_state(&crashed, &prng, DEPTH);
}

static void crash_everywhere(void)
{
    uint64_t syncs = UINT64_MAX;
    for (size_t i = 0; i < moment_count; i++) {
        const struct moment *moment = &moments[i];
        at.op = moment->number;
        for (int model = 0; model < MODELS; model++) {
            /* The same is lost until something is synced. */
            if (model == FAKE_CRASH_LOST && moment->syncs == syncs) continue;
            for (unsigned draw = 0; draw < draws[model]; draw++)
                if ((wanted.op == 0 || wanted.op == at.op) &&
                    (wanted.model < 0 || wanted.model == model) &&
                    (wanted.draw < 0 || (unsigned)wanted.draw == draw))
                    crash_at(moment, model, draw);
        }
        syncs = moment->syncs;
    }
}

static void one(uint64_t seed)
{
    at.seed = seed;
    at.op = 0;
    run();
    crash_everywhere();
    for (size_t i = 0; i < moment_count; i++) fake_disk_free(moments[i].disk);
    moment_count = 0;
    point_close(&point);
}

static void rounds(void)
{
    for (uint64_t seed = wanted.seed; total.states < wanted.states; seed++) {
        one(seed);
        if (wanted.one) break;
    }
}

/* A disk that lies: somebody must notice. In a process of its own, whose words are not wanted. */
static bool canary_sings(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        wanted.lie = true;
        rounds();
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void read_arguments(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i], *value = i + 1 < count ? arguments[i + 1] : "";
        if (strcmp(name, "--states") == 0) wanted.states = strtoull(value, NULL, 10);
        if (strcmp(name, "--seed") == 0) wanted.seed = strtoull(value, NULL, 10);
        if (strcmp(name, "--op") == 0) wanted.op = strtoull(value, NULL, 10);
        if (strcmp(name, "--draw") == 0) wanted.draw = atoi(value);
        if (strcmp(name, "--restore") == 0) wanted.one = true;
        if (strcmp(name, "--trace") == 0) wanted.trace = true;
        for (int model = 0; strcmp(name, "--model") == 0 && model < MODELS; model++)
            if (strcmp(model_names[model], value) == 0) wanted.model = model;
    }
}

int main(int count, char **arguments)
{
    read_arguments(count, arguments);
    log_level_set(LOG_ERROR);
    violation_hook = tell_command;
    fake_threads_deadlock = tell_command;
    signal(SIGABRT, aborted);
    bool sang = wanted.one || canary_sings();
    if (!sang) printf("canary: syncs of names do nothing, and nothing was noticed\n");
    rounds();
    printf("restores: %" PRIu64 " runs, %" PRIu64 " states: %" PRIu64 " whole, %" PRIu64
           " begun anew, of which %" PRIu64 " were refused as unfinished\n",
           total.runs, total.states, total.whole, total.begun_anew, total.refused);
    bool failed = !sang || total.states == 0;
    printf("%" PRIu64 " passed, %d failed\n", total.states, failed);
    return failed;
}
