#include "base/reader.h"

#include "base/buffer.h"

static void fail(struct reader *reader)
{
    reader->failed = true;
    reader->at = reader->end;
}

uint8_t reader_byte(struct reader *reader)
{
    if (reader->at == reader->end) {
        fail(reader);
        return 0;
    }
    return *reader->at++;
}

uint64_t reader_varint(struct reader *reader)
{
    /* Nearly all are sizes and kinds of one byte. */
    if (reader->at < reader->end && *reader->at < 0x80) return *reader->at++;
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_SIZE_MAX; i++) {
        uint8_t byte = reader_byte(reader);
        if (reader->failed) return 0;
        if (i == VARINT_SIZE_MAX - 1 && byte > 1) break;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) return value;
    }
    fail(reader);
    return 0;
}

uint64_t reader_varint_max(struct reader *reader, uint64_t max)
{
    uint64_t value = reader_varint(reader);
    if (value <= max) return value;
    fail(reader);
    return 0;
}

struct span reader_bytes(struct reader *reader, size_t size)
{
    if (size > reader_left(reader)) {
        fail(reader);
        return SPAN_EMPTY;
    }
    struct span bytes = span_of(reader->at, size);
    reader->at += size;
    return bytes;
}

struct span reader_string(struct reader *reader)
{
    uint64_t size = reader_varint_max(reader, reader_left(reader));
    return reader_bytes(reader, (size_t)size);
}

uint32_t reader_u32(struct reader *reader)
{
    struct span bytes = reader_bytes(reader, 4);
    uint32_t value = 0;
    for (size_t i = 0; i < bytes.size; i++) value |= (uint32_t)bytes.at[i] << (8 * i);
    return value;
}

uint64_t reader_u64(struct reader *reader)
{
    uint64_t low = reader_u32(reader);
    uint64_t high = reader_u32(reader);
    return reader->failed ? 0 : low | high << 32;
}
