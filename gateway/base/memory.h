/*
 * The allocator of a shard's image: size classes over large chunks, no header per block, every byte
 * counted. `memory_reserve` makes a promise that the next allocations cannot fail; decide asks for
 * it, fold lives on it. Built with HOLDFAST_MEMORY_PLAIN it hands every block to malloc, so that
 * AddressSanitizer sees each one.
 */
#ifndef HOLDFAST_BASE_MEMORY_H
#define HOLDFAST_BASE_MEMORY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum {
    MEMORY_GRAIN = 16,         /* small blocks are multiples of this */
    MEMORY_SMALL_MAX = 2048,   /* bytes; larger blocks come from malloc one by one */
    MEMORY_CHUNK_SIZE = 65536, /* bytes */
    MEMORY_CLASSES = MEMORY_SMALL_MAX / MEMORY_GRAIN
};

struct memory_block {
    struct memory_block *next;
};

struct memory_chunk;
struct memory_spare;

struct memory {
    struct memory_block *free_blocks[MEMORY_CLASSES];
    struct memory_chunk *chunks; /* every chunk, for close */
    uint8_t *bump;               /* unused rest of the current chunk */
    size_t bump_left;            /* bytes */
    struct memory_chunk *ready;  /* reserved chunks not yet begun */
    size_t ready_count;
    struct memory_spare *spares; /* reserved large blocks */
    size_t used;                 /* bytes handed out, by memory_cost */
    size_t used_high;            /* the most that `used` ever was */
};

void memory_init(struct memory *memory);
/* Frees every small block at once; large blocks must have been freed before. */
void memory_close(struct memory *memory);

/* What a block of `size` bytes counts for. */
size_t memory_cost(size_t size);

/* After success, small allocations with a total cost of `bytes` succeed. ERROR_MEMORY. */
int memory_reserve(struct memory *memory, size_t bytes) MUST_USE;
/* The same for one block; of any size. Small sizes are up to memory_reserve. ERROR_MEMORY. */
int memory_reserve_block(struct memory *memory, size_t size) MUST_USE;
/* Gives reserved large blocks that nobody took back to the system. */
void memory_unreserve(struct memory *memory);

/* From the system, outside of any reservation, which it leaves alone: for arrays that may stay as
   they are when there is no memory (NULL). Counted like any other block, and freed with
   memory_free_apart. */
void *memory_alloc_apart(struct memory *memory, size_t size);
/* NULL: it is as it was. */
void *memory_realloc_apart(struct memory *memory, void *block, size_t size, size_t larger);
void memory_free_apart(struct memory *memory, void *block, size_t size);

/* NULL when there is no memory, which cannot happen within a reservation. 16-byte aligned. */
void *memory_alloc(struct memory *memory, size_t size);
/* `size` is the one asked for. NULL is fine. */
void memory_free(struct memory *memory, void *block, size_t size);

#endif
