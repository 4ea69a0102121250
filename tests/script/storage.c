/*
 * Memory runs out in the store, in os and in the decoders: the same work is done again and again
 * while its Nth allocation fails, alone or with all that follow, until N is beyond its end. Every
 * step either works or says ERROR_MEMORY; nothing leaks; data is never called damaged; and what was
 * durable is there afterwards. Ends with "N passed, N failed".
 */
#include "held.h"

#include "base/buffer.h"
#include "os/clock.h"
#include "os/file.h"
#include "store/check.h"
#include "store/journal.h"
#include "store/snapshot.h"
#include "wire/function.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- An allocator that fails when told and knows what is held; several threads use it ---- */

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

enum { WAIT_US = 5000000 };

static struct {
    pthread_mutex_t mutex;
    bool on;
    uint64_t count, fail_at, fail_until, failed;
    struct held held;
} memory = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fail_at = UINT64_MAX, .fail_until = UINT64_MAX};

static const char *work_now;

static _Noreturn void failed(const char *what, int value)
{
    printf("FAILED %s with allocation %llu failing%s: %s (%d)\n"
           "    repeat: tests/script/run storage\n0 passed, 1 failed\n",
           work_now, (unsigned long long)memory.fail_at,
           memory.fail_until == UINT64_MAX ? " and all after it" : "", what, value);
    fflush(stdout);
    _exit(1);
}

static void must(bool condition, const char *what, int value)
{
    if (!condition) failed(what, value);
}

/* With the mutex. */
static bool fails(void)
{
    if (!memory.on) return false;
    memory.count++;
    if (memory.count < memory.fail_at || memory.count >= memory.fail_until) return false;
    memory.failed++;
    return true;
}

static void *hold(void *block)
{
    if (block == NULL || !memory.on) return block;
    must(held_add(&memory.held, block), "too much is held", 0);
    return block;
}

void *__wrap_malloc(size_t size)
{
    pthread_mutex_lock(&memory.mutex);
    void *block = fails() ? NULL : hold(__real_malloc(size));
    pthread_mutex_unlock(&memory.mutex);
    return block;
}

void *__wrap_calloc(size_t count, size_t size)
{
    pthread_mutex_lock(&memory.mutex);
    void *block = fails() ? NULL : hold(__real_calloc(count, size));
    pthread_mutex_unlock(&memory.mutex);
    return block;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    pthread_mutex_lock(&memory.mutex);
    void *block = fails() ? NULL : hold(__real_aligned_alloc(alignment, size));
    pthread_mutex_unlock(&memory.mutex);
    return block;
}

void *__wrap_realloc(void *old, size_t size)
{
    void *block = NULL;
    pthread_mutex_lock(&memory.mutex);
    if (!fails()) {
        held_drop(&memory.held, old);
        block = hold(__real_realloc(old, size));
    }
    pthread_mutex_unlock(&memory.mutex);
    return block;
}

void __wrap_free(void *block)
{
    pthread_mutex_lock(&memory.mutex);
    held_drop(&memory.held, block);
    pthread_mutex_unlock(&memory.mutex);
    __real_free(block);
}

/* ---- Work on a data directory that goes on from run to run ---- */

static struct {
    char directory[512];
    uint64_t durable, last, seen; /* seqs: promised, ever appended, replayed */
    uint64_t snapshot;            /* of the newest known to be published */
} data;

enum { RECORD_SIZE = 100, RECORDS = 40, BLOCKS = 30 };

static int replayed(void *context, struct span records, uint64_t first_seq, uint32_t count,
                    uint32_t epoch, uint64_t lineage)
{
    (void)epoch, (void)lineage, (void)context;
    must(records.size == (size_t)count * RECORD_SIZE, "size of a run", (int)records.size);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t seq;
        memcpy(&seq, records.at + (size_t)i * RECORD_SIZE, sizeof seq);
        must(seq == first_seq + i, "content of a record", (int)seq);
    }
    must(data.seen == 0 || first_seq <= data.seen + 1, "a hole", (int)first_seq);
    if (first_seq + count - 1 > data.seen) data.seen = first_seq + count - 1;
    return 0;
}

static int loaded(void *context, uint32_t block, struct span bytes)
{
    uint64_t seq;
    must(bytes.size == 8 + block % 50, "size of a block", (int)bytes.size);
    memcpy(&seq, bytes.at, sizeof seq);
    must(seq > 0 && seq <= data.last, "content of a block", (int)seq);
    (*(uint32_t *)context)++;
    return 0;
}

static bool allowed(int error)
{
    return error == 0 || (error == ERROR_MEMORY && memory.failed > 0);
}

static int take_snapshot(struct snapshots *snapshots, struct journal *journal, uint32_t epoch,
                         uint64_t lineage)
{
    struct errmsg errmsg = {{0}};
    struct snapshot_info info = {
        .seq = journal_durable(journal), .lineage = lineage, .epoch = epoch, .created_ms = 1};
    uint8_t bytes[64] = {0};
    memcpy(bytes, &info.seq, sizeof info.seq);
    int error = snapshot_begin(snapshots, &info);
    if (error != 0) return error;
    for (uint32_t i = 0; i < BLOCKS && error == 0; i++) {
        uint32_t block = i == 0 ? SNAPSHOT_GLOBALS : i * 7;
        error = snapshot_write(snapshots, block, span_of(bytes, 8 + block % 50));
    }
    if (error != 0) {
        snapshot_abort(snapshots);
    } else {
        snapshot_finish(snapshots);
    }
    for (int64_t until_us = clock_mono_us() + WAIT_US;;) {
        enum snapshot_state state = snapshot_poll(snapshots, &info, &errmsg);
        if (state == SNAPSHOT_PUBLISHED) {
            data.snapshot = info.seq;
            return journal_trim(journal, info.seq);
        }
        if (state == SNAPSHOT_FAILED || state == SNAPSHOT_IDLE) return ERROR_MEMORY;
        must(clock_mono_us() < until_us, "a snapshot does not end", (int)state);
        usleep(50);
    }
}

static int append(struct journal *journal, uint64_t next_seq)
{
    uint8_t record[RECORD_SIZE] = {0};
    int error = 0;
    uint64_t last = next_seq - 1;
    for (uint64_t seq = next_seq; seq < next_seq + RECORDS && error == 0; seq++) {
        memcpy(record, &seq, sizeof seq);
        if (seq > data.last) data.last = seq;
        error = journal_append(journal, span_of(record, sizeof record), seq, 1);
        if (error == 0) last = seq;
        if (error == 0 && seq % 10 == 0) journal_commit(journal);
    }
    journal_commit(journal);
    for (int64_t until_us = clock_mono_us() + WAIT_US; journal_durable(journal) < last;) {
        struct journal_metrics metrics;
        journal_metrics(journal, &metrics);
        if (metrics.full || journal_failed(journal, NULL) != 0) return ERROR_MEMORY;
        must(clock_mono_us() < until_us, "a commit does not end", (int)last);
        usleep(50);
    }
    return error;
}

/* Opens, replays, appends, takes a snapshot, closes. */
static int live(void)
{
    struct snapshots *snapshots = NULL;
    struct journal *journal = NULL;
    struct snapshot_info newest;
    struct errmsg errmsg = {{0}};
    uint32_t epoch = 0, blocks = 0;
    uint64_t lineage = 0, next_seq = 0;
    data.seen = 0;
    int error = snapshots_open(&snapshots, data.directory, &newest, &errmsg);
    if (error != 0) return error;
    must(newest.seq >= data.snapshot, "a published snapshot is gone", (int)newest.seq);
    if (newest.seq != 0) error = snapshots_load(snapshots, loaded, &blocks, &errmsg);
    if (error == 0) must(newest.seq == 0 || blocks == BLOCKS, "blocks", (int)blocks);
    if (error != 0) goto close_snapshots;
    struct journal_options options = {.directory = data.directory, .segment_size = 64 << 10};
    error = journal_open(&journal, &options,
                         (struct journal_position){newest.seq, newest.lineage, newest.epoch}, 77,
                         replayed, NULL, &epoch, &lineage, &next_seq, &errmsg);
    if (error != 0) goto close_snapshots;
    must(next_seq > data.durable, "what was durable is lost", (int)next_seq);
    error = append(journal, next_seq);
    if (error == 0) error = take_snapshot(snapshots, journal, epoch, lineage);
    if (journal_durable(journal) > data.durable) data.durable = journal_durable(journal);
    journal_close(journal);
close_snapshots:
    snapshots_close(snapshots);
    return error;
}

static void report(void *context, enum store_finding finding, const char *text)
{
    (void)context;
    if (finding == STORE_DAMAGED || finding == STORE_LOST) printf("%s\n", text);
    must(finding != STORE_DAMAGED && finding != STORE_LOST, "called damaged", (int)finding);
}

static int inspected(void *context, const struct snapshot_block_info *info)
{
    (void)context, (void)info;
    return 0;
}

static int tools(void)
{
    struct store_tool tool = {.directory = data.directory, .report = report};
    struct snapshot_info info;
    struct errmsg errmsg = {{0}};
    uint32_t blocks = 0;
    int error = store_check(&tool, &errmsg);
    data.seen = 0;
    if (error == 0) error = store_replay(&tool, loaded, replayed, &blocks, &info, &errmsg);
    if (error == 0) error = snapshot_inspect(data.directory, 0, &info, inspected, NULL, &errmsg);
    if (error == 0) error = store_repair(&tool, false, &errmsg);
    return error;
}

static int files(void)
{
    char path[FILE_PATH_MAX];
    struct buffer back;
    struct errmsg errmsg = {{0}};
    struct span text = SPAN_LITERAL("content of a small file");
    buffer_init(&back);
    int error = file_replace(data.directory, "small", text, &errmsg);
    if (error == 0) error = path_join(path, data.directory, "small");
    if (error == 0) error = file_load(path, &back, 1000, &errmsg);
    if (error == 0) must(span_equal(buffer_span(&back), text), "content", 0);
    if (error == 0) error = file_remove(path, &errmsg);
    buffer_close(&back);
    return error;
}

/* ---- Decoders ---- */

enum { EFFECTS = 40 };

static void response_bytes(struct buffer *out)
{
    static struct effect_message messages[EFFECTS];
    static struct effect_delayed delayed[EFFECTS];
    static struct effect_egress egress[EFFECTS];
    static struct effect_mutation mutations[EFFECTS];
    static char names[EFFECTS][300];
    struct buffer value;
    buffer_init(&value);
    typed_value_encode(&value, SPAN_LITERAL("a/b"), SPAN_LITERAL("value"));
    for (int i = 0; i < EFFECTS; i++) {
        snprintf(names[i], sizeof names[i], "name%d-%0200d", i, i);
        struct address to = {.type = SPAN_LITERAL("space/type"), .id = span_text(names[i])};
        messages[i] = (struct effect_message){to, buffer_span(&value)};
        delayed[i] =
            (struct effect_delayed){.delay_ms = i, .target = to, .argument = buffer_span(&value)};
        egress[i] = (struct effect_egress){.name_space = SPAN_LITERAL("out"),
                                           .type = span_text(names[i]),
                                           .argument = buffer_span(&value)};
        mutations[i] = (struct effect_mutation){.name = span_text(names[i]),
                                                .type_name = SPAN_LITERAL("a/b"),
                                                .value = SPAN_LITERAL("v")};
    }
    struct function_response response = {.mutations = mutations,
                                         .mutation_count = EFFECTS,
                                         .messages = messages,
                                         .message_count = EFFECTS,
                                         .delayed = delayed,
                                         .delayed_count = EFFECTS,
                                         .egress = egress,
                                         .egress_count = EFFECTS};
    function_response_encode(out, &response);
    must(!out->failed, "no memory for the harness itself", 0);
    buffer_close(&value);
}

static struct buffer encoded;

static int decode(void)
{
    struct function_response response;
    struct function_limits limits = {0};
    function_response_init(&response);
    int error = function_response_parse(&response, buffer_span(&encoded), &limits);
    if (error == 0) must(response.egress_count == EFFECTS, "effects", (int)response.egress_count);
    if (error != 0) must(response.message_count == 0, "effects of a failure", error);
    /* The same struct must be good for the next one. */
    int again = function_response_parse(&response, buffer_span(&encoded), &limits);
    must(allowed(again), "the next parse", again);
    function_response_close(&response);
    return error != 0 ? error : again;
}

/* ---- Runs ---- */

static int with_failure(int (*work)(void), uint64_t first, uint64_t end)
{
    must(memory.held.count == 0, "held before", (int)memory.held.count);
    memory.count = memory.failed = 0;
    memory.fail_at = first;
    memory.fail_until = end;
    memory.on = true;
    int error = work();
    memory.on = false;
    must(allowed(error), error_text(error), error);
    must(memory.held.count == 0, "blocks leaked", (int)memory.held.count);
    return error;
}

/* True when no allocation was left to fail. */
static bool one(int (*work)(void), uint64_t first, uint64_t end)
{
    int error = with_failure(work, first, end);
    bool done = memory.failed == 0;
    must(!done || error == 0, "fails without a failure", error);
    /* And with enough memory everything is there. */
    error = with_failure(work, UINT64_MAX, UINT64_MAX);
    must(error == 0, "does not work afterwards", error);
    return done;
}

static uint64_t until_it_works(const char *name, int (*work)(void))
{
    uint64_t runs = 0;
    work_now = name;
    must(with_failure(work, UINT64_MAX, UINT64_MAX) == 0, "without a failure", 0);
    for (int ever = 0; ever < 2; ever++)
        for (uint64_t n = 1;; n++, runs++)
            if (one(work, n, ever ? UINT64_MAX : n + 1)) break;
    printf("%s: %llu runs with a failing allocation\n", name, (unsigned long long)runs);
    return runs;
}

static int leak_one(void)
{
    static void *volatile lost;
    lost = malloc(10);
    return lost != NULL;
}

/* A leak must be seen. */
static bool canary(void)
{
    memory.on = true;
    (void)leak_one();
    memory.on = false;
    bool seen = memory.held.count == 1;
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (memory.held.blocks[i] == NULL) continue;
        __real_free(memory.held.blocks[i]);
        memory.held.blocks[i] = NULL;
    }
    memory.held.count = 0;
    return seen;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status, (void)kind, (void)at;
    return remove(path);
}

int main(void)
{
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    int64_t began_us = clock_mono_us();
    snprintf(data.directory, sizeof data.directory, "%s/holdfast-memory-XXXXXX",
             folder == NULL ? "/tmp" : folder);
    if (mkdtemp(data.directory) == NULL) return 1;
    work_now = "canary";
    must(canary(), "a leak is not seen", 0);
    buffer_init(&encoded);
    response_bytes(&encoded);
    uint64_t runs[] = {until_it_works("decode", decode), until_it_works("live", live),
                       until_it_works("tools", tools), until_it_works("files", files)};
    size_t kinds = sizeof runs / sizeof runs[0], passed = 0;
    uint64_t all = 0;
    for (size_t i = 0; i < kinds; i++) {
        passed += runs[i] > 0;
        all += runs[i];
    }
    (void)nftw(data.directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    buffer_close(&encoded);
    printf("proof: harness=memory-storage cases=%llu faults=%llu recoveries=%llu violations=0 "
           "seconds=%.1f\n",
           (unsigned long long)all, (unsigned long long)all, (unsigned long long)all,
           (double)(clock_mono_us() - began_us) / 1e6);
    printf("%zu passed, %zu failed\n", passed, kinds - passed);
    return passed == kinds ? 0 : 1;
}
