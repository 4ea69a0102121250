#include "base/table.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

enum { CHAIN_MAX = 4, FIRST_BUCKETS = 8, BUCKETS_MAX = 1 << 28 };

void table_init(struct table *table)
{
    *table = (struct table){0};
}

/* Buckets that the array has room for: the next power of two. */
static uint32_t capacity_of(uint32_t bucket_count)
{
    return bucket_count <= 1 ? bucket_count : 2u << (31 - __builtin_clz(bucket_count - 1));
}

static size_t array_size(const struct table *table)
{
    return capacity_of(table->bucket_count) * sizeof(struct table_node *);
}

void table_close(struct table *table, struct memory *memory)
{
    if (table->bucket_count > 0) memory_free_apart(memory, table->buckets, array_size(table));
    table_init(table);
}

/* Of those beyond bucket_count, which have not been split off yet, the nodes are in the bucket that
 * they will come from. */
static uint32_t bucket_number(const struct table *table, uint32_t hash)
{
    uint32_t mask = capacity_of(table->bucket_count) - 1;
    uint32_t number = hash & mask;
    return number < table->bucket_count ? number : number & mask >> 1;
}

static struct table_node **bucket_of(const struct table *table, uint32_t hash)
{
    if (table->bucket_count == 0) return (struct table_node **)&table->chain;
    return &table->buckets[bucket_number(table, hash)];
}

static void link_node(struct table *table, struct table_node *node)
{
    struct table_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void link_again(struct table *table, struct table_node *chain)
{
    while (chain != NULL) {
        struct table_node *next = chain->next;
        link_node(table, chain);
        chain = next;
    }
}

static void leave_chain(struct table *table, struct memory *memory)
{
    size_t size = FIRST_BUCKETS * sizeof(struct table_node *);
    struct table_node **buckets = memory_alloc_apart(memory, size);
    if (buckets == NULL) return;
    memset(buckets, 0, size);
    struct table_node *chain = table->chain;
    table->buckets = buckets;
    table->bucket_count = FIRST_BUCKETS;
    link_again(table, chain);
}

static bool has_room_for_bucket(struct table *table, struct memory *memory)
{
    if (table->bucket_count < capacity_of(table->bucket_count)) return true;
    if (table->bucket_count >= BUCKETS_MAX) return false;
    size_t size = array_size(table);
    void *buckets = memory_realloc_apart(memory, table->buckets, size, 2 * size);
    if (buckets == NULL) return false;
    table->buckets = buckets;
    return true;
}

/* One bucket more, with what it gets from the one that it is split off. */
static void split(struct table *table, struct memory *memory)
{
    if (!has_room_for_bucket(table, memory)) return;
    uint32_t fresh = table->bucket_count++;
    struct table_node **from = &table->buckets[fresh & (capacity_of(fresh + 1) / 2 - 1)];
    struct table_node *chain = *from;
    *from = table->buckets[fresh] = NULL;
    link_again(table, chain);
}

void table_insert(struct table *table, struct memory *memory, struct table_node *node,
                  uint64_t hash)
{
    node->hash = (uint32_t)(hash ^ hash >> 32);
    if (table->bucket_count == 0 && table->count >= CHAIN_MAX) leave_chain(table, memory);
    if (table->bucket_count > 0 && table->count >= table->bucket_count) split(table, memory);
    link_node(table, node);
    table->count++;
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_node **at = bucket_of(table, node->hash);
    while (*at != node) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->count--;
}

struct table_node *table_chain(const struct table *table, uint64_t hash)
{
    return *bucket_of(table, (uint32_t)(hash ^ hash >> 32));
}

void table_prefetch(const struct table *table, uint64_t hash)
{
    __builtin_prefetch(bucket_of(table, (uint32_t)(hash ^ hash >> 32)), 1);
}

struct table_node *table_next(const struct table *table, const struct table_node *node)
{
    if (node != NULL && node->next != NULL) return node->next;
    if (table->bucket_count == 0) return node == NULL ? table->chain : NULL;
    uint32_t i = node == NULL ? 0 : bucket_number(table, node->hash) + 1;
    for (; i < table->bucket_count; i++)
        if (table->buckets[i] != NULL) return table->buckets[i];
    return NULL;
}
