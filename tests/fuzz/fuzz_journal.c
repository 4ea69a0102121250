/*
 * The journal in operation on the fake disk: the input is a list of appends, commits, faults,
 * crashes of four kinds, damage and opens. Record n says n and how often that number has been
 * given, so that every replay can be compared: what was durable and undamaged is there, in order,
 * and nothing else. Damage is refused or harmless, never read as something else (I12); what repair
 * leaves opens.
 */
#include "fuzz.h"

#include "lib/fake_disk.h"
#include "lib/fake_threads.h"
#include "store/check.h"
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 120, RECORDS_MAX = 4000, RECORD_SIZE_MAX = 3000, SEGMENT_SIZE = 16384 };

#define DIRECTORY "/data"

struct world {
    struct span input;
    struct fake_disk *disk;
    uint32_t process;
    struct journal *journal; /* NULL: closed */
    struct prng prng;
    uint8_t generation; /* of records appended since the last open */
    uint8_t given[RECORDS_MAX];
    uint16_t size[RECORDS_MAX];
    uint64_t count;    /* records appended, durable or not */
    uint64_t durable;  /* known to be */
    uint64_t trimmed;  /* what a snapshot covers: need not be there */
    uint64_t replayed; /* in the open at hand */
    uint64_t lineage;
    bool damaged; /* since the last open: what was durable may be gone, but not silently */
    bool failing; /* the next calls of a kind fail */
    enum file_call failing_call;
};

static struct world world;

static void record(struct buffer *out, uint64_t seq)
{
    uint16_t size = world.size[seq % RECORDS_MAX];
    buffer_u64(out, seq);
    buffer_byte(out, world.given[seq % RECORDS_MAX]);
    buffer_byte(out, (uint8_t)size);
    buffer_byte(out, (uint8_t)(size >> 8));
    for (uint16_t i = 0; i < size; i++) buffer_byte(out, (uint8_t)(seq * 31 + i));
}

/* Each run has to be the very bytes that were appended, next in order. */
static int replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                  uint32_t epoch, uint64_t lineage)
{
    struct buffer expected;
    (void)context;
    (void)epoch;
    buffer_init(&expected);
    FUZZ_CHECK(world.replayed == 0 ? first_seq <= world.trimmed + 1
                                   : first_seq == world.replayed + 1);
    FUZZ_CHECK(first_seq + count - 1 <= world.count);
    FUZZ_CHECK(lineage == world.lineage);
    for (uint32_t i = 0; i < count; i++) record(&expected, first_seq + i);
    FUZZ_CHECK(span_equal(buffer_span(&expected), records));
    buffer_close(&expected);
    world.replayed = first_seq + count - 1;
    return 0;
}

static const struct store_tool tool = {.directory = DIRECTORY};

static void ignore(void *context, enum store_finding finding, const char *text)
{
    (void)context;
    FUZZ_CHECK(text[0] != 0);
    FUZZ_CHECK(finding <= STORE_DONE);
}

static int check(void)
{
    struct errmsg errmsg = {""};
    struct store_tool with_report = tool;
    with_report.report = ignore;
    return store_check(&with_report, &errmsg);
}

static void opened(uint64_t next_seq, uint64_t lineage)
{
    uint64_t last = world.replayed > world.trimmed ? world.replayed : world.trimmed;
    if (!world.damaged) FUZZ_CHECK(last >= world.durable);
    FUZZ_CHECK(next_seq == last + 1);
    world.count = world.durable = last;
    world.lineage = lineage;
    world.damaged = false;
    world.generation++;
}

static void open_it(void)
{
    struct journal_options options = {
        .directory = DIRECTORY, .segment_size = SEGMENT_SIZE, .seal_idle_ms = 50};
    struct journal_position from = {.seq = world.trimmed, .lineage = 0, .epoch = 0};
    struct errmsg errmsg = {""};
    uint32_t epoch;
    uint64_t lineage, next_seq;
    if (world.journal != NULL) return;
    world.process = fake_disk_start_process(world.disk);
    world.replayed = 0;
    int error = journal_open(&world.journal, &options, from, world.lineage, replay, NULL, &epoch,
                             &lineage, &next_seq, &errmsg);
    if (error == 0) {
        opened(next_seq, lineage);
    } else {
        world.journal = NULL;
        FUZZ_CHECK(errmsg.text[0] != 0 || error == ERROR_MEMORY);
        FUZZ_CHECK(world.damaged || world.failing);
        fake_disk_kill(world.disk, world.process);
    }
    fake_threads_set_process(0);
}

static void append(void)
{
    struct buffer records;
    unsigned count = 1 + fuzz_choice(&world.input, 5);
    unsigned size = fuzz_short(&world.input) % RECORD_SIZE_MAX;
    if (world.journal == NULL || world.count + count >= RECORDS_MAX) return;
    buffer_init(&records);
    for (unsigned i = 1; i <= count; i++) {
        world.given[world.count + i] = world.generation;
        world.size[world.count + i] = (uint16_t)(size / i);
        record(&records, world.count + i);
    }
    fake_threads_set_process(world.process);
    int error = journal_append(world.journal, buffer_span(&records), world.count + 1, count);
    fake_threads_set_process(0);
    if (error == 0) world.count += count;
    buffer_close(&records);
}

static void look(void)
{
    if (world.journal == NULL) return;
    uint64_t durable = journal_durable(world.journal);
    FUZZ_CHECK(durable >= world.durable && durable <= world.count);
    world.durable = durable;
}

static void commit(void)
{
    unsigned how = fuzz_byte(&world.input);
    if (world.journal == NULL) return;
    fake_threads_set_process(world.process);
    if (how & 1)
        journal_commit_here(world.journal);
    else
        journal_commit(world.journal);
    if (how & 2) fake_threads_settle();
    if (how & 4) fake_threads_sleep_us(fuzz_byte(&world.input) * 1000);
    fake_threads_set_process(0);
    look();
}

static void trim(void)
{
    if (world.journal == NULL || world.durable == 0) return;
    uint64_t through = fuzz_byte(&world.input) % (world.durable + 1);
    if (through > world.trimmed) world.trimmed = through;
    fake_threads_set_process(world.process);
    int error = journal_trim(world.journal, world.trimmed);
    fake_threads_set_process(0);
    FUZZ_CHECK(error == 0 || world.failing);
}

static void leave(bool orderly)
{
    if (world.journal == NULL) return;
    look();
    uint64_t all = world.count;
    fake_threads_set_process(world.process);
    bool failed = journal_failed(world.journal, NULL) != 0;
    if (orderly)
        journal_close(world.journal);
    else
        journal_abandon(world.journal);
    fake_threads_set_process(0);
    fake_disk_kill(world.disk, world.process);
    if (orderly && !failed && !world.failing) world.durable = all;
    world.journal = NULL;
}

static void close_it(void)
{
    leave(true);
}

static void kill_it(void)
{
    if (world.journal == NULL) return;
    look();
    fake_disk_kill(world.disk, world.process);
    leave(false);
}

static void cut_power(void)
{
    enum fake_crash model = (enum fake_crash)fuzz_choice(&world.input, FAKE_CRASHES + 1);
    world.prng.state = fuzz_short(&world.input);
    look();
    fake_disk_crash(world.disk, model, &world.prng);
    leave(false);
}

static void damage(void)
{
    unsigned how = fuzz_choice(&world.input, 4);
    size_t files = 0;
    uint8_t bytes[FAKE_SECTOR] = {0};
    if (world.journal != NULL) return;
    while (fake_disk_file(world.disk, files) != NULL) files++;
    if (files == 0) return;
    const char *path = fake_disk_file(world.disk, fuzz_byte(&world.input) % files);
    uint64_t size = fake_disk_file_size(world.disk, path);
    uint64_t offset = fuzz_short(&world.input);
    if (strstr(path, "/journal/") == NULL || size == 0) return;
    offset %= size;
    world.damaged = true;
    if (how == 0) { /* a bit */
        fake_disk_peek(world.disk, path, offset, bytes, 1);
        bytes[0] ^= (uint8_t)(1 << fuzz_choice(&world.input, 8));
        fake_disk_poke(world.disk, path, offset, span_of(bytes, 1));
    } else if (how == 1) { /* a sector of zeros */
        fake_disk_poke(world.disk, path, offset / FAKE_SECTOR * FAKE_SECTOR,
                       span_of(bytes, sizeof bytes));
    } else if (how == 2) { /* a sector of somewhere else */
        uint64_t from = fuzz_short(&world.input) % size / FAKE_SECTOR * FAKE_SECTOR;
        fake_disk_peek(world.disk, path, from, bytes, sizeof bytes);
        fake_disk_poke(world.disk, path, offset / FAKE_SECTOR * FAKE_SECTOR,
                       span_of(bytes, sizeof bytes));
    } else {
        fake_disk_cut(world.disk, path, offset);
    }
}

static void before(void *context, const struct fake_call *call, struct fake_fault *fault)
{
    (void)context;
    if (world.failing && call->call == world.failing_call) fault->number = 5; /* EIO */
}

static void fault(void)
{
    world.failing = fuzz_byte(&world.input) & 1;
    world.failing_call = (enum file_call)fuzz_choice(&world.input, FILE_CALLS);
    if (!world.failing) kill_it(); /* an error latches: on to the next open */
}

static void repair(void)
{
    struct errmsg errmsg = {""};
    struct store_tool with_report = tool;
    with_report.report = ignore;
    if (world.journal != NULL || world.failing) return;
    int error = store_repair(&with_report, fuzz_byte(&world.input) & 1, &errmsg);
    if (error == 0) FUZZ_CHECK(check() == 0);
    FUZZ_CHECK(error == 0 || errmsg.text[0] != 0);
}

static void look_offline(void)
{
    if (world.journal != NULL || world.failing) return;
    int error = check();
    if (!world.damaged) FUZZ_CHECK(error == 0 || error == ERROR_NOT_FOUND);
}

static void begin(struct span input)
{
    world = (struct world){.input = input, .lineage = 77};
    fake_threads_begin(&(struct fake_threads_options){.seed = fuzz_byte(&world.input), .stay = 3});
    world.disk = fake_disk_new(&(struct fake_disk_options){0});
    fake_disk_use(world.disk);
    fake_disk_hooks(world.disk, before, NULL, NULL);
}

void fuzz_one(struct span input)
{
    static void (*const steps[])(void) = {append, append,       append,  commit,    commit, commit,
                                          trim,   close_it,     kill_it, cut_power, damage, fault,
                                          repair, look_offline, open_it, open_it};
    begin(input);
    open_it();
    for (int i = 0; i < STEPS_MAX && world.input.size > 0; i++)
        steps[fuzz_choice(&world.input, sizeof steps / sizeof steps[0])]();
    world.failing = false;
    kill_it();
    open_it();
    close_it();
    FUZZ_CHECK(fake_threads_left() == 0);
    fake_disk_free(world.disk);
}
