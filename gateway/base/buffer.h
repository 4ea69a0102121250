/*
 * A growable run of bytes with the primitive encodings of our formats. Failure is sticky: once an
 * append found no memory, `failed` stays set and later appends do nothing, so an encoder checks
 * once at its end.
 */
#ifndef HOLDFAST_BASE_BUFFER_H
#define HOLDFAST_BASE_BUFFER_H

#include "base/error.h"
#include "base/span.h"

struct buffer {
    uint8_t *at;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
    bool failed;
};

#define VARINT_SIZE_MAX 10

void buffer_init(struct buffer *buffer);
void buffer_close(struct buffer *buffer);

/* Forgets the content, keeps the memory; clears `failed`. */
void buffer_clear(struct buffer *buffer);

/* Back to an earlier size; clears `failed`. The way to take an unfinished encoding back. */
void buffer_truncate(struct buffer *buffer, size_t size);

/* Room for `more` bytes beyond size. ERROR_MEMORY. */
int buffer_reserve(struct buffer *buffer, size_t more) MUST_USE;

void buffer_append(struct buffer *buffer, struct span bytes);
void buffer_byte(struct buffer *buffer, uint8_t byte);
/* LEB128, least significant group first. */
void buffer_varint(struct buffer *buffer, uint64_t value);
/* varint size, then the bytes. */
void buffer_string(struct buffer *buffer, struct span bytes);
/* Little endian. */
void buffer_u32(struct buffer *buffer, uint32_t value);
void buffer_u64(struct buffer *buffer, uint64_t value);

static inline struct span buffer_span(const struct buffer *buffer)
{
    return span_of(buffer->at, buffer->size);
}

size_t varint_size(uint64_t value);

#endif
