#include "config/arena.h"

#include <stdlib.h>

enum { CHUNK_SIZE = 16384, ALIGNMENT = 16 };

struct arena_chunk {
    _Alignas(ALIGNMENT) struct arena_chunk *older;
    size_t capacity; /* bytes of data */
    _Alignas(ALIGNMENT) uint8_t data[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){NULL, 0, false};
}

void arena_close(struct arena *arena)
{
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->older;
        free(chunk);
    }
    arena_init(arena);
}

static struct arena_chunk *grow(struct arena *arena, size_t size)
{
    size_t capacity = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    struct arena_chunk *chunk = calloc(1, sizeof *chunk + capacity);
    if (!chunk) {
        arena->failed = true;
        return NULL;
    }
    chunk->capacity = capacity;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->used = 0;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->capacity - arena->used < size) chunk = grow(arena, size);
    if (!chunk) return NULL;
    void *block = chunk->data + arena->used;
    arena->used += size;
    return block;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / 2 / size) {
        arena->failed = true;
        return NULL;
    }
    return arena_alloc(arena, count * size);
}

struct span arena_copy(struct arena *arena, struct span bytes)
{
    uint8_t *copy = arena_alloc(arena, bytes.size + 1);
    if (!copy) return SPAN_LITERAL("");
    if (bytes.size > 0) memcpy(copy, bytes.at, bytes.size);
    return span_of(copy, bytes.size);
}
