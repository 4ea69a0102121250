/*
 * Corruption (I12): changes the bytes of small data directories in every way of damage.h and opens
 * each with the real code. What comes out must be a prefix of the history that is not shorter than
 * what the files can still prove to have been durable, or a refusal that names file and offset.
 */
#include "corruption/damage.h"

#include "base/check.h"
#include "lib/fake_threads.h"
#include "store/check.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHECK_EACH = 8 /* one case of so many is also shown to `holdfast check` */ };

static struct {
    uint64_t cases;
    uint64_t refused;
    uint64_t checked;
    double began;
} total;

static struct {
    uint64_t pairs;
    uint64_t each; /* one of so many cases */
    int golden;    /* -1: all */
    uint64_t one;  /* 0: all */
    int trace;
    bool canary; /* a record of the book is changed: somebody must notice */
} wanted = {.pairs = 20000, .each = 1, .golden = -1};

static struct {
    const struct golden *golden;
    size_t golden_index;
    uint64_t number;
    const struct damage *damage;
} now;

static double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void tell_result(unsigned violations)
{
    printf("%" PRIu64 " cases: %" PRIu64 " refused, %" PRIu64 " opened; %" PRIu64
           " also held against check\n",
           total.cases, total.refused, total.cases - total.refused, total.checked);
    printf("proof: harness=corruption cases=%" PRIu64 " faults=%" PRIu64 " recoveries=%" PRIu64
           " violations=%u seconds=%.1f\n",
           total.cases, total.cases, total.cases - total.refused, violations,
           seconds() - total.began);
    printf("%" PRIu64 " passed, %u failed\n", total.cases, violations + (total.cases == 0));
    fflush(stdout);
}

static void tell_case(void)
{
    const struct damage *damage = now.damage;
    if (damage != NULL)
        fprintf(stderr,
                "directory %s, %s of %s at %" PRIu64 ", %" PRIu64 " bytes, from %s at %" PRIu64
                "\n",
                now.golden->name, damage_name(damage->kind), damage->file, damage->to, damage->size,
                damage->from_file == NULL ? "-" : damage->from_file, damage->from);
    fprintf(stderr,
            "reproduce: tests/corruption/run --golden %zu --case %" PRIu64 " --pairs %" PRIu64 "\n",
            now.golden_index, now.number, wanted.pairs);
    if (!wanted.canary) tell_result(1);
}

static void aborted(int number)
{
    tell_case();
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- One case ---- */

static void judge_refusal(const struct life *life, int error)
{
    const char *text = life->errmsg.text;
    total.refused++;
    if (wanted.trace) fprintf(stderr, "refused: %s\n", text);
    if (error != ERROR_DAMAGED && error != ERROR_NEWER_FORMAT && error != ERROR_UNSUPPORTED)
        violation("not a refusal but %s: %s", error_text(error), text);
    if (strstr(text, LIFE_DIRECTORY "/") == NULL || strstr(text, " at offset ") == NULL)
        violation("a refusal without file and offset: %s", text);
}

/* A journal of which no frame is left is another gateway's, when no snapshot says otherwise. */
static bool is_foreign(const struct golden *golden, const struct fake_disk *damaged)
{
    return golden->book.published == 0 && golden_epoch(golden, damaged) == 0;
}

static void judge_open(const struct golden *golden, const struct fake_disk *damaged,
                       const struct life *life)
{
    const struct book *book = life->book;
    if (is_foreign(golden, damaged)) return;
    if (life->wrong != NULL) violation("the open gave %s, and did not refuse", life->wrong);
    uint64_t records = book->appended - 1; /* without the new OPEN */
    uint64_t proven = golden_proven(golden, damaged);
    if (wanted.trace) fprintf(stderr, "opened: %" PRIu64 " records\n", records);
    if (records < proven)
        violation("opened with %" PRIu64 " records, %" PRIu64 " can be proven to have been durable",
                  records, proven);
    if (book->published != golden->book.published)
        violation("opened with a snapshot of record %" PRIu64 " instead of %" PRIu64,
                  book->published, golden->book.published);
    if (records > 0 && book->lineage != golden->book.lineage)
        violation("opened with another lineage");
    if (book->epoch <= golden_epoch(golden, damaged))
        violation("opened with epoch %u, which a frame has", book->epoch);
}

static int ask_check(struct fake_disk *damaged)
{
    struct errmsg errmsg;
    struct store_tool tool = {.directory = LIFE_DIRECTORY};
    fake_disk_use(damaged);
    return store_check(&tool, &errmsg);
}

static void run_case(const struct golden *golden, const struct damage *damage)
{
    struct fake_disk *damaged = fake_disk_clone(golden->disk);
    struct book book;
    int found = 0;
    damage_do(golden, damaged, damage);
    bool check = now.number % CHECK_EACH == 0 || wanted.one != 0;
    book_copy(&book, &golden->book);
    book.damaged = true;
    book.epoch = 0;
    if (wanted.canary) book.entries[0].tag ^= 1;
    fake_threads_begin(&(struct fake_threads_options){.seed = now.number, .stay = 3});
    if (check) found = ask_check(damaged);
    struct fake_disk *opened = fake_disk_clone(damaged);
    struct life life = {.disk = opened, .book = &book, .prng = {now.number}};
    int error = life_open(&life);
    total.cases++;
    total.checked += check;
    if (error != 0) {
        judge_refusal(&life, error);
    } else {
        judge_open(golden, damaged, &life);
        life_kill(&life);
    }
    if (check && (found == 0) != (error == 0))
        violation("check says %s, the open %s: %s", error_text(found), error_text(error),
                  life.errmsg.text);
    book_close(&book);
    fake_disk_free(opened);
    fake_disk_free(damaged);
}

static void each(void *context, const struct damage *damage)
{
    now.number++;
    if (wanted.one != 0 && now.number != wanted.one) return;
    if (wanted.one == 0 && now.number % wanted.each != 0) return;
    now.damage = damage;
    run_case(context, damage);
    now.damage = NULL;
}

static void all(void)
{
    for (size_t i = 0; i < GOLDENS; i++) {
        struct golden golden;
        if (wanted.golden >= 0 && (size_t)wanted.golden != i) continue;
        now.number = 0;
        now.golden_index = i;
        now.golden = &golden;
        golden_make(&golden, i);
        damage_each(&golden, wanted.pairs, each, &golden);
        golden_free(&golden);
    }
}

/* ---- */

/* The book is wrong in one record: the harness must say so. */
static bool canary_caught(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        wanted.canary = true;
        wanted.each = 1000;
        all();
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void read_arguments(int count, char **arguments)
{
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = arguments[i];
        uint64_t value = strtoull(arguments[i + 1], NULL, 10);
        if (strcmp(name, "--pairs") == 0) wanted.pairs = value;
        if (strcmp(name, "--each") == 0) wanted.each = value;
        if (strcmp(name, "--golden") == 0) wanted.golden = (int)value;
        if (strcmp(name, "--case") == 0) wanted.one = value;
        if (strcmp(name, "--trace") == 0) wanted.trace = (int)value;
    }
}

int main(int count, char **arguments)
{
    /* Large blocks come and go with each open. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    read_arguments(count, arguments);
    violation_hook = tell_case;
    fake_threads_deadlock = tell_case;
    signal(SIGABRT, aborted);
    total.began = seconds();
    bool missed = wanted.one == 0 && !canary_caught();
    if (missed) printf("canary: the book was wrong, and nothing was noticed\n");
    all();
    tell_result(missed);
    return missed || total.cases == 0;
}
