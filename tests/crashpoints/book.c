#include "crashpoints/book.h"

#include "base/check.h"

#include <stdlib.h>

void book_copy(struct book *into, const struct book *from)
{
    *into = *from;
    into->capacity = from->appended + 16;
    into->entries = malloc(into->capacity * sizeof *into->entries);
    CHECK(into->entries != NULL);
    if (from->appended > 0)
        memcpy(into->entries, from->entries, from->appended * sizeof *into->entries);
}

void book_close(struct book *book)
{
    free(book->entries);
    *book = (struct book){0};
}

static uint8_t pattern(uint64_t tag, size_t at)
{
    return (uint8_t)(tag >> (at & 7) * 8) ^ (uint8_t)(at * 31 >> 3);
}

static void encode(uint64_t seq, const struct book_entry *entry, struct buffer *out)
{
    buffer_u32(out, entry->size);
    buffer_u32(out, entry->epoch);
    buffer_u64(out, seq);
    buffer_u64(out, entry->tag);
    CHECK(buffer_reserve(out, entry->size) == 0);
    for (size_t i = 0; i < entry->size; i++) out->at[out->size++] = pattern(entry->tag, i);
}

void book_append(struct book *book, uint32_t epoch, uint32_t size, uint64_t tag, struct buffer *out)
{
    if (book->appended == book->capacity) {
        book->capacity = 2 * book->capacity + 16;
        book->entries = realloc(book->entries, book->capacity * sizeof *book->entries);
        CHECK(book->entries != NULL);
    }
    struct book_entry *entry = &book->entries[book->appended++];
    *entry = (struct book_entry){.tag = tag, .epoch = epoch, .size = size};
    encode(book->appended, entry, out);
}

void book_truncate(struct book *book, uint64_t through)
{
    if (book->appended > through) book->appended = through;
}

/* ---- Snapshots ---- */

void book_name_snapshot(struct book *book)
{
    CHECK(book->finishing != 0 && book->named_count < BOOK_NAMED_MAX);
    book->named[book->named_count++] = book->finishing;
}

void book_publish(struct book *book, uint64_t seq)
{
    book->published = seq;
    book->finishing = 0;
    book->named_count = 0;
}

bool book_may_be_newest(const struct book *book, uint64_t seq)
{
    bool may = seq == book->published;
    for (unsigned i = 0; i < book->named_count; i++) may |= seq == book->named[i];
    return may;
}

/* ---- Records ---- */

static uint64_t load(const uint8_t *at, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

const char *book_compare(const struct book *book, uint64_t seq, struct span *bytes)
{
    if (seq == 0 || seq > book->appended) return "a record that was never appended";
    const struct book_entry *entry = &book->entries[seq - 1];
    if (bytes->size < BOOK_RECORD_HEAD + (size_t)entry->size) return "a record that is too short";
    const uint8_t *at = bytes->at;
    if (load(at, 4) != entry->size || load(at + 4, 4) != entry->epoch || load(at + 8, 8) != seq ||
        load(at + 16, 8) != entry->tag)
        return "a record of another history, or in another place";
    for (size_t i = 0; i < entry->size; i++)
        if (at[BOOK_RECORD_HEAD + i] != pattern(entry->tag, i)) return "a record with wrong bytes";
    *bytes = span_from(*bytes, BOOK_RECORD_HEAD + (size_t)entry->size);
    return NULL;
}

/* ---- The state ---- */

uint32_t book_block_number(size_t index)
{
    return index == BOOK_BLOCKS ? SNAPSHOT_GLOBALS : (uint32_t)(index * 341);
}

size_t book_block_index(uint32_t number)
{
    for (size_t i = 0; i <= BOOK_BLOCKS; i++)
        if (book_block_number(i) == number) return i;
    return SIZE_MAX;
}

/* The last record up to seq that has to do with a block; 0: none. */
static uint64_t last_touch(const struct book *book, uint64_t seq, size_t index)
{
    for (uint64_t i = seq; i > 0; i--)
        if (book->entries[i - 1].tag % BOOK_BLOCKS == index) return i;
    return 0;
}

bool book_block_changed(const struct book *book, uint64_t after, uint64_t seq, size_t index)
{
    return index == BOOK_BLOCKS || last_touch(book, seq, index) > after;
}

static void encode_globals(const struct book *book, uint64_t seq, struct buffer *out)
{
    uint64_t chain = 0;
    for (uint64_t i = 0; i < seq; i++) chain = (chain ^ book->entries[i].tag) * 0x100000001b3u;
    buffer_u64(out, seq);
    buffer_u64(out, chain);
}

void book_block(const struct book *book, uint64_t seq, size_t index, struct buffer *out)
{
    buffer_clear(out);
    if (index == BOOK_BLOCKS) {
        encode_globals(book, seq, out);
        return;
    }
    uint64_t touch = last_touch(book, seq, index);
    if (touch == 0) return;
    uint64_t tag = book->entries[touch - 1].tag;
    if ((tag >> 40) % 5 == 0) return; /* that record emptied it */
    size_t size = 20 + (size_t)((tag >> 8) % 700);
    for (size_t i = 0; i < size; i++) buffer_byte(out, pattern(tag, i));
}
