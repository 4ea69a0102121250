#include "crashpoints/life.h"

#include "base/check.h"
#include "lib/fake_threads.h"
#include "store/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void (*violation_hook)(void);

void violation(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "violation: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    if (violation_hook != NULL) violation_hook();
    exit(1);
}

/* ---- Opening ---- */

static int compare_block(void *context, uint32_t block, struct span bytes)
{
    struct life *life = context;
    struct buffer wanted;
    size_t index = book_block_index(block);
    if (index == SIZE_MAX) violation("a snapshot gives block %u, which there never was", block);
    buffer_init(&wanted);
    book_block(life->book, life->replayed, index, &wanted);
    if (!span_equal(bytes, buffer_span(&wanted)))
        violation("block %u of the snapshot of record %" PRIu64 " is not what it was", block,
                  life->replayed);
    buffer_close(&wanted);
    return 0;
}

/* Blocks that there should be, with the globals. */
static uint32_t count_blocks(const struct life *life)
{
    uint32_t count = 0;
    struct buffer bytes;
    buffer_init(&bytes);
    for (size_t i = 0; i <= BOOK_BLOCKS; i++) {
        book_block(life->book, life->replayed, i, &bytes);
        count += bytes.size > 0;
    }
    buffer_close(&bytes);
    return count;
}

static void check_newest(const struct life *life, const struct snapshot_info *info)
{
    const struct book *book = life->book;
    if (life->lax) return;
    if (!book_may_be_newest(book, info->seq))
        violation("the newest snapshot is of record %" PRIu64 ", published was %" PRIu64
                  ", %u more were named, finishing %" PRIu64,
                  info->seq, book->published, book->named_count, book->finishing);
    if (info->seq > book->durable)
        violation("a snapshot of record %" PRIu64 " is ahead of what is durable, %" PRIu64,
                  info->seq, book->durable);
}

static int open_snapshots(struct life *life, struct snapshot_info *info)
{
    int error = snapshots_open(&life->snapshots, LIFE_DIRECTORY, info, &life->errmsg);
    if (error != 0) {
        life->snapshots = NULL;
        return error;
    }
    check_newest(life, info);
    life->replayed = info->seq;
    error = snapshots_load(life->snapshots, compare_block, life, &life->errmsg);
    if (error == 0 && info->seq > 0 && info->block_count != count_blocks(life))
        violation("the snapshot of record %" PRIu64 " has %u blocks of %u", info->seq,
                  info->block_count, count_blocks(life));
    return error;
}

static int replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                  uint32_t epoch, uint64_t lineage)
{
    struct life *life = context;
    const struct book *book = life->book;
    (void)epoch;
    if (first_seq > life->replayed + 1)
        violation("replay goes from record %" PRIu64 " to %" PRIu64, life->replayed, first_seq);
    for (uint32_t i = 0; i < count; i++) {
        const char *wrong = book_compare(book, first_seq + i, &records);
        if (wrong == NULL) continue;
        if (!life->lax) violation("replay of record %" PRIu64 ": %s", first_seq + i, wrong);
        life->wrong = wrong; /* the open may still refuse */
        records.size = 0;
        break;
    }
    if (records.size != 0) violation("a run of records has %zu bytes too many", records.size);
    if (book->lineage != 0 && lineage != book->lineage && !life->lax)
        violation("the journal has lineage %" PRIx64 ", it was %" PRIx64, lineage, book->lineage);
    life->replayed = first_seq + count - 1;
    return 0;
}

/* All that counts is back now. */
static int encode_open(void *context, uint32_t epoch, uint64_t lineage, struct buffer *out)
{
    struct life *life = context;
    struct book *book = life->book;
    (void)lineage;
    if (life->replayed < book->durable && !life->lax)
        violation("only %" PRIu64 " records are back, %" PRIu64 " were durable", life->replayed,
                  book->durable);
    book_truncate(book, life->replayed);
    book_append(book, epoch, 0, prng_next(&life->prng), out);
    return 0;
}

static void check_identity(struct life *life, uint32_t epoch, uint64_t lineage, uint64_t next_seq)
{
    struct book *book = life->book;
    if (life->wrong != NULL) return;
    if (epoch <= book->epoch)
        violation("epoch %u was given out, %u had been before", epoch, book->epoch);
    if (book->lineage != 0 && lineage != book->lineage && !life->lax)
        violation("lineage %" PRIx64 " became %" PRIx64, book->lineage, lineage);
    if (next_seq != book->appended + 1)
        violation("the next record is to be %" PRIu64 " after %" PRIu64, next_seq, book->appended);
    book->epoch = epoch;
    book->lineage = lineage;
    book->durable = book->appended;
}

static int open_journal(struct life *life, const struct snapshot_info *info)
{
    struct journal_options options = {.directory = LIFE_DIRECTORY,
                                      .segment_size = LIFE_SEGMENT_SIZE,
                                      .encode_open = encode_open,
                                      .open_context = life,
                                      .seal_idle_ms = 100};
    struct journal_position from = {
        .seq = info->seq, .lineage = info->lineage, .epoch = info->epoch};
    uint32_t epoch;
    uint64_t lineage;
    uint64_t next_seq;
    int error = journal_open(&life->journal, &options, from, prng_next(&life->prng) | 1, replay,
                             life, &epoch, &lineage, &next_seq, &life->errmsg);
    if (error != 0) {
        life->journal = NULL;
        return error;
    }
    check_identity(life, epoch, lineage, next_seq);
    return 0;
}

int life_open(struct life *life)
{
    struct snapshot_info info;
    fake_disk_use(life->disk);
    life->process = fake_disk_start_process(life->disk);
    life->wrong = NULL;
    life->lax = life->book->damaged;
    int error = open_snapshots(life, &info);
    if (error == 0) error = open_journal(life, &info);
    if (error != 0) {
        life_kill(life);
        return error;
    }
    book_publish(life->book, info.seq);
    return 0;
}

/* ---- Working ---- */

void life_note(struct life *life)
{
    if (life->journal == NULL) return;
    uint64_t durable = journal_durable(life->journal);
    if (durable > life->book->durable) life->book->durable = durable;
}

void life_watch(struct life *life, const struct fake_call *call)
{
    static const char manifest[] = LIFE_DIRECTORY "/snapshots/manifest-";
    if (call->call == FILE_CALL_RENAME && life->book->finishing != 0 &&
        strncmp(call->path, manifest, sizeof manifest - 1) == 0)
        book_name_snapshot(life->book);
}

int life_append(struct life *life, unsigned count, uint32_t size_max)
{
    struct book *book = life->book;
    struct buffer bytes;
    int error = 0;
    buffer_init(&bytes);
    for (unsigned i = 0; i < count && error == 0; i++) {
        uint32_t size = (uint32_t)prng_below(&life->prng, size_max + 1);
        buffer_clear(&bytes);
        book_append(book, book->epoch, size, prng_next(&life->prng), &bytes);
        error = journal_append(life->journal, buffer_span(&bytes), book->appended, 1);
        if (error != 0) book_truncate(book, book->appended - 1);
    }
    buffer_close(&bytes);
    return error;
}

int life_commit(struct life *life)
{
    if (prng_below(&life->prng, 4) == 0)
        (void)journal_commit_here(life->journal);
    else
        journal_commit(life->journal);
    for (int i = 0; journal_durable(life->journal) < life->book->appended; i++) {
        int error = journal_failed(life->journal, &life->errmsg);
        life_note(life);
        if (error != 0) return error;
        if (i == 600) return ERROR_TIMEOUT;
        fake_threads_sleep_us(100000);
    }
    life_note(life);
    return 0;
}

int life_snapshot_begin(struct life *life, bool all)
{
    const struct book *book = life->book;
    struct snapshot_info info = {
        .seq = book->durable, .lineage = book->lineage, .epoch = book->epoch, .created_ms = 1};
    if (info.seq == book->published) return ERROR_EXISTS;
    int error = snapshot_begin(life->snapshots, &info);
    if (error != 0) return error;
    struct buffer bytes;
    buffer_init(&bytes);
    for (size_t i = 0; i <= BOOK_BLOCKS && error == 0; i++) {
        if (!all && !book_block_changed(book, book->published, info.seq, i)) {
            snapshot_keep(life->snapshots, book_block_number(i));
            continue;
        }
        book_block(book, info.seq, i, &bytes);
        error = snapshot_write(life->snapshots, book_block_number(i), buffer_span(&bytes));
    }
    buffer_close(&bytes);
    life->cut = info.seq;
    return error;
}

void life_snapshot_finish(struct life *life)
{
    if (life->cut == 0) return;
    life->book->finishing = life->cut;
    life->cut = 0;
    snapshot_finish(life->snapshots);
}

int life_snapshot_wait(struct life *life)
{
    for (int i = 0; i < 600; i++) {
        struct snapshot_info info;
        switch (snapshot_poll(life->snapshots, &info, &life->errmsg)) {
        case SNAPSHOT_PUBLISHED:
            if (info.seq != life->book->finishing) violation("another snapshot was published");
            book_publish(life->book, info.seq);
            return 0;
        case SNAPSHOT_FAILED: life->book->finishing = 0; return ERROR_IO;
        case SNAPSHOT_IDLE: return ERROR_CLOSED;
        default: fake_threads_sleep_us(10000);
        }
    }
    violation("a snapshot did not end");
}

int life_trim(struct life *life)
{
    return journal_trim(life->journal, life->book->published);
}

/* ---- The end ---- */

void life_close(struct life *life)
{
    life->cut = 0;
    journal_close(life->journal);
    life->journal = NULL;
    snapshots_close(life->snapshots);
    life->snapshots = NULL;
}

void life_kill(struct life *life)
{
    life_note(life);
    life->cut = 0;
    fake_disk_kill(life->disk, life->process);
    if (life->journal != NULL) journal_abandon(life->journal);
    if (life->snapshots != NULL) snapshots_close(life->snapshots);
    life->journal = NULL;
    life->snapshots = NULL;
    fake_threads_set_process(0);
}

/* ---- Tools ---- */

static void keep_damage(void *context, enum store_finding finding, const char *text)
{
    struct errmsg *errmsg = context;
    if (finding == STORE_DAMAGED) errmsg_set(errmsg, 0, "%.310s", text);
}

void life_check(struct life *life, const char *when)
{
    struct errmsg said = {{0}};
    struct errmsg errmsg;
    struct store_tool tool = {.directory = LIFE_DIRECTORY, .report = keep_damage, .context = &said};
    fake_disk_use(life->disk);
    fake_threads_set_process(0);
    int error = store_check(&tool, &errmsg);
    if (error != 0) violation("check, %s: %s (%s)", when, errmsg.text, said.text);
}

int life_repair(struct life *life, bool accept_loss)
{
    struct store_tool tool = {.directory = LIFE_DIRECTORY};
    fake_disk_use(life->disk);
    life->process = fake_disk_start_process(life->disk);
    int error = store_repair(&tool, accept_loss, &life->errmsg);
    fake_disk_kill(life->disk, life->process);
    fake_threads_set_process(0);
    return error;
}
