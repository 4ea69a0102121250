/* The blocks that are held: a set of pointers in no memory of its own. */
#ifndef TESTS_SCRIPT_HELD_H
#define TESTS_SCRIPT_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HELD_MAX = 1 << 16 }; /* a power of two; half of it is used at most */

struct held {
    void *blocks[HELD_MAX]; /* open addressing */
    uint64_t count;
};

static inline size_t held_slot(const struct held *held, const void *block)
{
    size_t i = (size_t)(((uintptr_t)block >> 4) * 0x9e3779b97f4a7c15u >> 40) % HELD_MAX;
    while (held->blocks[i] != NULL && held->blocks[i] != block) i = (i + 1) % HELD_MAX;
    return i;
}

static inline bool held_has(const struct held *held, const void *block)
{
    return block != NULL && held->blocks[held_slot(held, block)] != NULL;
}

/* False: there are too many. */
static inline bool held_add(struct held *held, void *block)
{
    if (held->count >= HELD_MAX / 2) return false;
    held->blocks[held_slot(held, block)] = block;
    held->count++;
    return true;
}

/* Harmless for one that is not held. */
static inline void held_drop(struct held *held, const void *block)
{
    if (!held_has(held, block)) return;
    size_t i = held_slot(held, block);
    held->blocks[i] = NULL;
    held->count--;
    for (size_t j = (i + 1) % HELD_MAX; held->blocks[j] != NULL; j = (j + 1) % HELD_MAX) {
        void *moved = held->blocks[j];
        held->blocks[j] = NULL;
        held->blocks[held_slot(held, moved)] = moved;
    }
}

#endif
