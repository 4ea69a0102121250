#include "lib/shard_ledger.h"

#include "base/reader.h"
#include "wire/record.h"

#include <stdio.h>
#include <stdlib.h>

void (*must_hook)(void);

void must_failed(const char *what, const char *file, int line)
{
    if (must_hook != NULL) must_hook();
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    abort();
}

void ledger_snapshot_close(struct ledger_snapshot *snapshot)
{
    for (uint32_t i = 0; i <= SHARD_BLOCK_GLOBALS; i++) buffer_close(&snapshot->blocks[i]);
    snapshot->seq = 0;
}

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){0};
}

void ledger_close(struct ledger *ledger)
{
    ledger_snapshot_close(&ledger->published);
    buffer_close(&ledger->records);
    buffer_close(&ledger->given);
    free(ledger->ends);
    ledger_init(ledger);
}

static void append(struct ledger *ledger, struct span records, uint32_t count)
{
    struct reader in = reader_of(records);
    for (uint32_t i = 0; i < count; i++) {
        struct record record;
        record_read(&in, &record);
        MUST(!in.failed);
        if (ledger->count - ledger->base == ledger->capacity) {
            ledger->capacity = ledger->capacity == 0 ? 64 : ledger->capacity * 2;
            ledger->ends = realloc(ledger->ends, ledger->capacity * sizeof *ledger->ends);
            MUST(ledger->ends != NULL);
        }
        ledger->ends[ledger->count++ - ledger->base] =
            ledger->records.size + (size_t)(in.at - reader_of(records).at);
    }
    MUST(reader_done(&in));
    buffer_append(&ledger->records, records);
    MUST(!ledger->records.failed);
}

void ledger_append(struct ledger *ledger, const struct shard_update *update)
{
    if (update->record_count == 0) return;
    MUST(update->first_seq == ledger->count + 1);
    append(ledger, buffer_span(&update->records), update->record_count);
}

static size_t end_of(const struct ledger *ledger, uint64_t seq)
{
    return seq <= ledger->base ? 0 : ledger->ends[seq - ledger->base - 1];
}

struct span ledger_records(const struct ledger *ledger, uint64_t after, uint64_t through)
{
    if (after == through) return SPAN_EMPTY;
    return span_of(ledger->records.at + end_of(ledger, after),
                   end_of(ledger, through) - end_of(ledger, after));
}

void ledger_lose_after(struct ledger *ledger, uint64_t seq)
{
    MUST(seq >= ledger->durable && seq <= ledger->count);
    buffer_truncate(&ledger->records, end_of(ledger, seq));
    ledger->count = seq;
    ledger->cutting = ledger->complete = false;
    buffer_clear(&ledger->given);
}

bool ledger_adopt(struct ledger *ledger, struct span records, uint64_t first_seq)
{
    struct reader in = reader_of(records);
    uint64_t seq = first_seq;
    for (; reader_left(&in) > 0; seq++) {
        struct record record;
        const uint8_t *at = in.at;
        record_read(&in, &record);
        MUST(!in.failed);
        struct span bytes = span_of(at, (size_t)(in.at - at));
        if (seq <= ledger->base) continue;
        if (seq <= ledger->count && span_equal(bytes, ledger_records(ledger, seq - 1, seq)))
            continue;
        if (seq <= ledger->durable) return false;
        MUST(record.kind == RECORD_OPEN);
        if (seq <= ledger->count) ledger_lose_after(ledger, seq - 1);
        append(ledger, bytes, 1);
    }
    if (seq <= ledger->durable) return false;
    ledger_lose_after(ledger, seq - 1);
    return true;
}

void ledger_snapshot_load(const struct ledger_snapshot *snapshot, struct shard *shard)
{
    MUST(shard_load(shard, SHARD_BLOCK_GLOBALS,
                    buffer_span(&snapshot->blocks[SHARD_BLOCK_GLOBALS])) == 0);
    for (uint32_t i = 0; i < SHARD_BLOCK_GLOBALS; i++)
        if (snapshot->blocks[i].size > 0)
            MUST(shard_load(shard, i, buffer_span(&snapshot->blocks[i])) == 0);
    MUST(shard_seq(shard) == snapshot->seq);
}

struct shard *ledger_recover(struct ledger *ledger, bool by_snapshot)
{
    struct shard *shard;
    MUST(shard_open(&shard) == 0);
    /* Else it takes its place from what it is given. */
    if (ledger->shard_count > 0 && (ledger->count == 0 || by_snapshot))
        MUST(shard_place(shard, ledger->shard, ledger->shard_count) == 0);
    uint64_t after = 0;
    if ((by_snapshot || ledger->base > 0) && ledger->published.seq > 0) {
        ledger_snapshot_load(&ledger->published, shard);
        after = ledger->published.seq;
    }
    MUST(after <= ledger->count);
    MUST(shard_replay(shard, ledger_records(ledger, after, ledger->count), after + 1,
                      (uint32_t)(ledger->count - after)) == 0);
    MUST(shard_seq(shard) == ledger->count);
    return shard;
}

void ledger_open_epoch(struct ledger *ledger, struct shard *shard, uint64_t lineage)
{
    struct buffer record;
    buffer_init(&record);
    shard_encode_open(shard, &record, shard_epoch(shard) + 1, lineage, SPAN_LITERAL("test"));
    MUST(shard_replay(shard, buffer_span(&record), ledger->count + 1, 1) == 0);
    append(ledger, buffer_span(&record), 1);
    buffer_close(&record);
    ledger->durable = ledger->count;
}

static void give(struct ledger *ledger, const struct cut_block *block)
{
    buffer_varint(&ledger->given, block->block);
    buffer_byte(&ledger->given, block->keep);
    buffer_string(&ledger->given, block->bytes);
    MUST(!ledger->given.failed);
}

void ledger_cut(struct ledger *ledger, struct shard *shard, uint32_t blocks)
{
    if (ledger->complete) return; /* waits for the journal */
    if (!ledger->cutting) {
        MUST(shard_cut_begin(shard, ledger->published.seq) == 0);
        ledger->cutting = true;
        ledger->cut_seq = shard_cut_seq(shard);
        MUST(ledger->cut_seq == shard_seq(shard));
    }
    for (uint32_t i = 0; i < blocks; i++) {
        struct cut_block block;
        if (shard_cut_next(shard, &block)) {
            give(ledger, &block);
            continue;
        }
        bool failed = shard_cut_failed(shard);
        MUST(!failed || ledger->may_fail);
        shard_cut_end(shard);
        ledger->cutting = false;
        if (failed) {
            buffer_clear(&ledger->given);
            return;
        }
        ledger->complete = true;
        ledger_publish(ledger);
        return;
    }
}

void ledger_cut_replaced(struct ledger *ledger)
{
    if (!ledger->cutting) return;
    ledger->cutting = false;
    buffer_clear(&ledger->given);
}

void ledger_begin_from(struct ledger *ledger, struct shard *shard)
{
    MUST(ledger->count == 0);
    ledger->base = ledger->count = ledger->durable = shard_seq(shard);
    ledger_cut(ledger, shard, 2 * SHARD_BLOCK_GLOBALS);
    MUST(ledger->published.seq == ledger->base);
}

void ledger_publish(struct ledger *ledger)
{
    if (!ledger->complete || ledger->durable < ledger->cut_seq) return;
    struct ledger_snapshot *snapshot = &ledger->published;
    struct reader in = reader_of(buffer_span(&ledger->given));
    bool seen[SHARD_BLOCK_GLOBALS + 1] = {false};
    while (reader_left(&in) > 0) {
        uint64_t block = reader_varint(&in);
        bool keep = reader_byte(&in) != 0;
        struct span bytes = reader_string(&in);
        MUST(!in.failed && block <= SHARD_BLOCK_GLOBALS && !seen[block]);
        seen[block] = true;
        if (keep) {
            MUST(snapshot->seq > 0 || bytes.size == 0);
            continue;
        }
        buffer_clear(&snapshot->blocks[block]);
        buffer_append(&snapshot->blocks[block], bytes);
    }
    for (uint32_t i = 0; i <= SHARD_BLOCK_GLOBALS; i++) MUST(seen[i]);
    snapshot->seq = ledger->cut_seq;
    buffer_clear(&ledger->given);
    ledger->complete = false;
    ledger->cuts_published++;
}

void ledger_check(struct ledger *ledger, struct shard *shard)
{
    uint64_t digest = shard_digest(shard);
    for (int i = 0; i < 2; i++) {
        if (i == 0 && ledger->base > 0) continue; /* there is nothing before the snapshot */
        if (i == 1 && ledger->published.seq == 0) break;
        struct shard *recovered = ledger_recover(ledger, i == 1);
        if (shard_digest(recovered) != digest)
            must_failed("I5: digest of recovered == digest of live", __FILE__, __LINE__);
        shard_close(recovered);
        ledger->checks++;
    }
}
