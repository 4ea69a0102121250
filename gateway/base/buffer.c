#include "base/buffer.h"

#include "base/check.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

void buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){0};
}

void buffer_close(struct buffer *buffer)
{
    free(buffer->at);
    buffer_init(buffer);
}

void buffer_clear(struct buffer *buffer)
{
    buffer_truncate(buffer, 0);
}

void buffer_truncate(struct buffer *buffer, size_t size)
{
    CHECK(size <= buffer->size);
    buffer->size = size;
    buffer->failed = false;
}

int buffer_reserve(struct buffer *buffer, size_t more)
{
    if (buffer->failed) return ERROR_MEMORY;
    if (buffer->capacity - buffer->size >= more) return 0;
    size_t capacity = buffer->capacity == 0 ? FIRST_CAPACITY : buffer->capacity;
    while (capacity - buffer->size < more) {
        if (capacity > SIZE_MAX / 2) goto failed;
        capacity *= 2;
    }
    uint8_t *grown = realloc(buffer->at, capacity);
    if (grown == NULL) goto failed;
    buffer->at = grown;
    buffer->capacity = capacity;
    return 0;
failed:
    buffer->failed = true;
    return ERROR_MEMORY;
}

/* Appends are mostly a few bytes with room for them: no further call then. */
static inline bool has_room(const struct buffer *buffer, size_t more)
{
    return buffer->capacity - buffer->size >= more && !buffer->failed;
}

void buffer_append(struct buffer *buffer, struct span bytes)
{
    if (bytes.size == 0) return;
    if (!has_room(buffer, bytes.size) && buffer_reserve(buffer, bytes.size) != 0) return;
    memcpy(buffer->at + buffer->size, bytes.at, bytes.size);
    buffer->size += bytes.size;
}

void buffer_byte(struct buffer *buffer, uint8_t byte)
{
    if (!has_room(buffer, 1) && buffer_reserve(buffer, 1) != 0) return;
    buffer->at[buffer->size++] = byte;
}

void buffer_varint(struct buffer *buffer, uint64_t value)
{
    if (!has_room(buffer, VARINT_SIZE_MAX)) {
        /* What it needs, not the most that it could need: a sticky failure is at the same byte. */
        if (buffer_reserve(buffer, varint_size(value)) != 0) return;
    }
    uint8_t *at = buffer->at + buffer->size;
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    buffer->size = (size_t)(at - buffer->at);
}

void buffer_string(struct buffer *buffer, struct span bytes)
{
    buffer_varint(buffer, bytes.size);
    buffer_append(buffer, bytes);
}

void buffer_u32(struct buffer *buffer, uint32_t value)
{
    uint8_t encoded[4];
    for (int i = 0; i < 4; i++) encoded[i] = (uint8_t)(value >> (8 * i));
    buffer_append(buffer, span_of(encoded, sizeof encoded));
}

void buffer_u64(struct buffer *buffer, uint64_t value)
{
    buffer_u32(buffer, (uint32_t)value);
    buffer_u32(buffer, (uint32_t)(value >> 32));
}

size_t varint_size(uint64_t value)
{
    size_t size = 1;
    while ((value >>= 7) != 0) size++;
    return size;
}
