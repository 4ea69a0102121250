#include "base/table.h"

#include "base/check.h"
#include "base/memory.h"

#include <string.h>

enum { FIRST_BUCKETS = 8, BUCKETS_MAX = 1 << 28 };

void table_init(struct table *table)
{
    *table = (struct table){0};
}

static size_t array_size(const struct table *table)
{
    return table->bucket_count * sizeof(struct table_node *);
}

void table_close(struct table *table, struct memory *memory)
{
    if (table->bucket_count > 0) memory_free_apart(memory, table->buckets, array_size(table));
    table_init(table);
}

static struct table_node **bucket_of(const struct table *table, uint32_t hash)
{
    if (table->bucket_count == 0) return (struct table_node **)&table->chain;
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void link_node(struct table *table, struct table_node *node)
{
    struct table_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void grow(struct table *table, struct memory *memory)
{
    struct table old = *table;
    uint32_t count = old.bucket_count == 0 ? FIRST_BUCKETS : old.bucket_count * 2;
    if (count > BUCKETS_MAX) return;
    size_t size = count * sizeof(struct table_node *);
    struct table_node **buckets = memory_alloc_apart(memory, size);
    if (buckets == NULL) return;
    memset(buckets, 0, size);
    table->buckets = buckets;
    table->bucket_count = count;
    uint32_t old_count = old.bucket_count == 0 ? 1 : old.bucket_count;
    for (uint32_t i = 0; i < old_count; i++) {
        struct table_node *node = old.bucket_count == 0 ? old.chain : old.buckets[i];
        while (node != NULL) {
            struct table_node *next = node->next;
            link_node(table, node);
            node = next;
        }
    }
    if (old.bucket_count > 0) memory_free_apart(memory, old.buckets, array_size(&old));
}

void table_insert(struct table *table, struct memory *memory, struct table_node *node,
                  uint64_t hash)
{
    node->hash = (uint32_t)(hash ^ hash >> 32);
    uint32_t capacity = table->bucket_count == 0 ? FIRST_BUCKETS / 2 : table->bucket_count;
    if (table->count >= capacity) grow(table, memory);
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
    uint32_t i = node == NULL ? 0 : (node->hash & (table->bucket_count - 1)) + 1;
    for (; i < table->bucket_count; i++)
        if (table->buckets[i] != NULL) return table->buckets[i];
    return NULL;
}
