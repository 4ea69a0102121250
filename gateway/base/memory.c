#include "base/memory.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct memory_chunk {
    struct memory_chunk *next;
    _Alignas(16) uint8_t bytes[];
};

struct memory_spare {
    struct memory_spare *next;
    size_t size;
};

#ifdef HOLDFAST_MEMORY_PLAIN
enum { PLAIN = 1 };
#else
enum { PLAIN = 0 };
#endif

void memory_init(struct memory *memory)
{
    *memory = (struct memory){0};
}

static void free_chunks(struct memory_chunk *chunk)
{
    while (chunk != NULL) {
        struct memory_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void memory_close(struct memory *memory)
{
    memory_unreserve(memory);
    free_chunks(memory->chunks);
    free_chunks(memory->ready);
    memory_init(memory);
}

size_t memory_cost(size_t size)
{
    if (size == 0) size = 1;
    return (size + MEMORY_GRAIN - 1) / MEMORY_GRAIN * MEMORY_GRAIN;
}

static size_t class_of(size_t cost)
{
    return cost / MEMORY_GRAIN - 1;
}

/* A chunk's tail may be too short for the next block: count only what is sure. */
static size_t sure(size_t left)
{
    return left > MEMORY_SMALL_MAX ? left - MEMORY_SMALL_MAX : 0;
}

int memory_reserve(struct memory *memory, size_t bytes)
{
    if (PLAIN) return 0;
    while (sure(memory->bump_left) + memory->ready_count * sure(MEMORY_CHUNK_SIZE) < bytes) {
        struct memory_chunk *chunk = malloc(sizeof *chunk + MEMORY_CHUNK_SIZE);
        if (chunk == NULL) return ERROR_MEMORY;
        chunk->next = memory->ready;
        memory->ready = chunk;
        memory->ready_count++;
    }
    return 0;
}

int memory_reserve_block(struct memory *memory, size_t size)
{
    size_t cost = memory_cost(size);
    if (cost <= MEMORY_SMALL_MAX) return memory_reserve(memory, cost);
    if (PLAIN) return 0;
    struct memory_spare *spare = malloc(cost);
    if (spare == NULL) return ERROR_MEMORY;
    *spare = (struct memory_spare){memory->spares, cost};
    memory->spares = spare;
    return 0;
}

void memory_unreserve(struct memory *memory)
{
    while (memory->spares != NULL) {
        struct memory_spare *spare = memory->spares;
        memory->spares = spare->next;
        free(spare);
    }
}

static void *take_spare(struct memory *memory, size_t cost)
{
    for (struct memory_spare **at = &memory->spares; *at != NULL; at = &(*at)->next) {
        struct memory_spare *spare = *at;
        if (spare->size != cost) continue;
        *at = spare->next;
        return spare;
    }
    return malloc(cost);
}

static void push_free(struct memory *memory, void *block, size_t cost)
{
    struct memory_block *free_block = block;
    free_block->next = memory->free_blocks[class_of(cost)];
    memory->free_blocks[class_of(cost)] = free_block;
}

static int next_chunk(struct memory *memory)
{
    if (memory->ready == NULL && memory_reserve(memory, sure(memory->bump_left) + 1) != 0)
        return ERROR_MEMORY;
    while (memory->bump_left >= MEMORY_GRAIN) { /* the tail serves smaller blocks */
        size_t cost = memory->bump_left < MEMORY_SMALL_MAX ? memory->bump_left : MEMORY_SMALL_MAX;
        memory->bump_left -= cost;
        push_free(memory, memory->bump + memory->bump_left, cost);
    }
    struct memory_chunk *chunk = memory->ready;
    memory->ready = chunk->next;
    memory->ready_count--;
    chunk->next = memory->chunks;
    memory->chunks = chunk;
    memory->bump = chunk->bytes;
    memory->bump_left = MEMORY_CHUNK_SIZE;
    return 0;
}

static void *alloc_small(struct memory *memory, size_t cost)
{
    struct memory_block *block = memory->free_blocks[class_of(cost)];
    if (block != NULL) {
        memory->free_blocks[class_of(cost)] = block->next;
        __builtin_prefetch(block->next, 1); /* the one that is asked for next */
        return block;
    }
    if (memory->bump_left < cost && next_chunk(memory) != 0) return NULL;
    memory->bump_left -= cost;
    void *at = memory->bump;
    memory->bump += cost;
    return at;
}

static void *counted(struct memory *memory, void *block, size_t cost)
{
    if (block == NULL) return NULL;
    memory->used += cost;
    if (memory->used > memory->used_high) memory->used_high = memory->used;
    return block;
}

void *memory_alloc_apart(struct memory *memory, size_t size)
{
    return counted(memory, malloc(size), memory_cost(size));
}

void *memory_realloc_apart(struct memory *memory, void *block, size_t size, size_t larger)
{
    block = realloc(block, larger);
    if (block != NULL) memory->used -= memory_cost(size);
    return counted(memory, block, memory_cost(larger));
}

void memory_free_apart(struct memory *memory, void *block, size_t size)
{
    if (block == NULL) return;
    CHECK(memory->used >= memory_cost(size));
    memory->used -= memory_cost(size);
    free(block);
}

void *memory_alloc(struct memory *memory, size_t size)
{
    size_t cost = memory_cost(size);
    void *block = PLAIN                      ? malloc(size == 0 ? 1 : size)
                  : cost <= MEMORY_SMALL_MAX ? alloc_small(memory, cost)
                                             : take_spare(memory, cost);
    return counted(memory, block, cost);
}

void memory_free(struct memory *memory, void *block, size_t size)
{
    if (block == NULL) return;
    size_t cost = memory_cost(size);
    CHECK(memory->used >= cost);
    memory->used -= cost;
    if (PLAIN || cost > MEMORY_SMALL_MAX)
        free(block);
    else
        push_free(memory, block, cost);
}
