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

void buffer_append(struct buffer *buffer, struct span bytes)
{
    if (bytes.size == 0 || buffer_reserve(buffer, bytes.size) != 0) return;
    memcpy(buffer->at + buffer->size, bytes.at, bytes.size);
    buffer->size += bytes.size;
}

void buffer_byte(struct buffer *buffer, uint8_t byte)
{
    buffer_append(buffer, span_of(&byte, 1));
}

void buffer_varint(struct buffer *buffer, uint64_t value)
{
    uint8_t encoded[VARINT_SIZE_MAX];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) encoded[size++] = (uint8_t)(value | 0x80);
    encoded[size++] = (uint8_t)value;
    buffer_append(buffer, span_of(encoded, size));
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
