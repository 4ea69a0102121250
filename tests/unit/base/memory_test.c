/* memory.h, with a malloc that can be told to fail: what was reserved must then still be there. */
#include <criterion/criterion.h>

#include "base/memory.h"
#include "base/table.h"
#include "base/prng.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

TestSuite(memory, .timeout = 30);

#ifndef HOLDFAST_MEMORY_PLAIN
/*
 * The program's own malloc stands before the C library's. While `dry`, there is no memory at all.
 * Sanitizers bring their own malloc, but there the allocator is built plain and promises nothing.
 */
extern void *__libc_malloc(size_t size);
static bool dry;

void *malloc(size_t size)
{
    return dry ? NULL : __libc_malloc(size);
}

/* Random small blocks worth `bytes` in total, from a memory that has been used at random before. */
static void draw_reserved(struct memory *memory, struct prng *prng, size_t bytes)
{
    cr_assert_eq(memory_reserve(memory, bytes), 0);
    dry = true;
    bool ok = true;
    while (bytes >= MEMORY_GRAIN && ok) {
        size_t max = bytes < MEMORY_SMALL_MAX ? bytes : MEMORY_SMALL_MAX;
        size_t size = 1 + prng_below(prng, max / MEMORY_GRAIN * MEMORY_GRAIN);
        void *block = memory_alloc(memory, size);
        ok = block != NULL;
        if (ok) memset(block, 0xab, size);
        bytes -= memory_cost(size);
    }
    dry = false;
    cr_assert(ok);
}

Test(memory, a_reservation_is_a_promise)
{
    struct prng prng = {7};
    for (int round = 0; round < 200; round++) {
        struct memory memory;
        memory_init(&memory);
        for (int i = 0; i < 10; i++) {
            draw_reserved(&memory, &prng, prng_below(&prng, 300000));
            for (uint64_t n = prng_below(&prng, 50); n > 0; n--)
                cr_assert_not_null(memory_alloc(&memory, prng_below(&prng, MEMORY_SMALL_MAX)));
        }
        memory_close(&memory);
    }
}

/* The worst case of a chunk's tail: blocks just above half the largest size leave the most behind.
 */
Test(memory, a_reservation_holds_for_the_largest_small_blocks)
{
    struct memory memory;
    memory_init(&memory);
    enum { BLOCKS = 1000 };
    cr_assert_eq(memory_reserve(&memory, BLOCKS * MEMORY_SMALL_MAX), 0);
    cr_assert_not_null(memory_alloc(&memory, 16)); /* puts all others out of step */
    cr_assert_eq(memory_reserve(&memory, BLOCKS * MEMORY_SMALL_MAX), 0);
    dry = true;
    int got = 0;
    while (got < BLOCKS && memory_alloc(&memory, MEMORY_SMALL_MAX) != NULL) got++;
    dry = false;
    cr_assert_eq(got, BLOCKS);
    memory_close(&memory);
}

Test(memory, a_large_block_is_reserved_by_its_size)
{
    struct memory memory;
    memory_init(&memory);
    cr_assert_eq(memory_reserve_block(&memory, 100000), 0);
    cr_assert_eq(memory_reserve_block(&memory, 5000), 0);
    cr_assert_eq(memory_reserve_block(&memory, 100000), 0);
    dry = true;
    void *other = memory_alloc(&memory, 70000);
    void *a = memory_alloc(&memory, 100000), *b = memory_alloc(&memory, 100000);
    void *none = memory_alloc(&memory, 100000);
    dry = false;
    cr_assert_null(other);
    cr_assert_null(none);
    cr_assert(a != NULL && b != NULL && a != b);
    memory_free(&memory, a, 100000);
    memory_free(&memory, b, 100000);
    memory_close(&memory); /* gives the one of 5000 back */
}

Test(memory, no_memory_is_told)
{
    struct memory memory;
    memory_init(&memory);
    dry = true;
    int small = memory_reserve(&memory, 1), large = memory_reserve_block(&memory, 1 << 20);
    void *block = memory_alloc(&memory, 1);
    dry = false;
    cr_assert_eq(small, ERROR_MEMORY);
    cr_assert_eq(large, ERROR_MEMORY);
    cr_assert_null(block);
    cr_assert_eq(memory.used, 0);
    cr_assert_eq(memory_reserve(&memory, 1), 0, "and it goes on afterwards");
    memory_close(&memory);
}

Test(memory, freed_blocks_are_used_again)
{
    struct memory memory;
    memory_init(&memory);
    void *first = memory_alloc(&memory, 100);
    memory_free(&memory, first, 100);
    cr_assert_eq(memory_alloc(&memory, 112), first, "same class of size");
    memory_close(&memory);
}
#endif

struct block {
    uint8_t *at;
    size_t size;
    uint8_t mark;
};

static void check_block(const struct block *block)
{
    for (size_t i = 0; i < block->size; i++)
        if (block->at[i] != block->mark)
            cr_assert_fail("a block of %zu was overwritten", block->size);
}

/* Blocks never overlap, are aligned, keep their content, and the count of bytes is exact. */
Test(memory, random_use_against_a_model)
{
    enum { BLOCKS = 300, ROUNDS = 30000 };
    static struct block blocks[BLOCKS];
    struct memory memory;
    memory_init(&memory);
    struct prng prng = {42};
    size_t used = 0, high = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct block *block = &blocks[prng_below(&prng, BLOCKS)];
        if (block->at != NULL) {
            check_block(block);
            memory_free(&memory, block->at, block->size);
            used -= memory_cost(block->size);
            *block = (struct block){0};
        } else {
            size_t size = prng_below(&prng, prng_below(&prng, 20) == 0 ? 9000 : 600);
            *block = (struct block){memory_alloc(&memory, size), size, (uint8_t)prng_next(&prng)};
            cr_assert_not_null(block->at);
            cr_assert_eq((uintptr_t)block->at % MEMORY_GRAIN, 0);
            memset(block->at, block->mark, size);
            used += memory_cost(size);
            if (used > high) high = used;
        }
        cr_assert_eq(memory.used, used);
    }
    cr_assert_eq(memory.used_high, high);
    for (int i = 0; i < BLOCKS; i++) {
        check_block(&blocks[i]);
        memory_free(&memory, blocks[i].at, blocks[i].size);
    }
    cr_assert_eq(memory.used, 0);
    memory_close(&memory);
}

Test(memory, costs)
{
    cr_assert_eq(memory_cost(0), MEMORY_GRAIN);
    cr_assert_eq(memory_cost(1), MEMORY_GRAIN);
    cr_assert_eq(memory_cost(MEMORY_GRAIN), MEMORY_GRAIN);
    cr_assert_eq(memory_cost(MEMORY_GRAIN + 1), 2 * MEMORY_GRAIN);
}

/* A table grows while fold runs on a promise: its arrays come from elsewhere. */
Test(memory, a_growing_table_leaves_a_reservation_alone)
{
    enum { NODES = 1000 };
    static struct table_node nodes[NODES];
    struct memory memory;
    struct table table;
    memory_init(&memory);
    table_init(&table);
    cr_assert_eq(memory_reserve(&memory, 4096), 0);
    size_t bump = memory.bump_left, ready = memory.ready_count;
    for (uint32_t i = 0; i < NODES; i++) table_insert(&table, &memory, &nodes[i], i * 2654435761u);
    cr_assert_gt(table.bucket_count, 0);
    cr_assert_eq(memory.bump_left, bump);
    cr_assert_eq(memory.ready_count, ready);
    table_close(&table, &memory);
    cr_assert_eq(memory.used, 0);
    memory_close(&memory);
}
