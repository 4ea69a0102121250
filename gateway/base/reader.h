/*
 * Reads what buffer.h writes, never beyond its end. Failure is sticky: after the first bad read all
 * reads give 0 or an empty span, so a decoder checks `failed` once at its end.
 */
#ifndef HOLDFAST_BASE_READER_H
#define HOLDFAST_BASE_READER_H

#include "base/span.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(struct span bytes)
{
    /* A non-null start keeps pointer arithmetic defined for an empty span. */
    static const uint8_t nothing[1];
    const uint8_t *at = bytes.size == 0 ? nothing : bytes.at;
    return (struct reader){at, at + bytes.size, false};
}

static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Read to the end without a failure. */
static inline bool reader_done(const struct reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

uint8_t reader_byte(struct reader *reader);
/* LEB128 of at most 10 bytes; over 64 bits fails. */
uint64_t reader_varint(struct reader *reader);
/* A varint not above `max`; a larger one fails. */
uint64_t reader_varint_max(struct reader *reader, uint64_t max);
struct span reader_bytes(struct reader *reader, size_t size);
/* varint size, then the bytes. */
struct span reader_string(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);

#endif
