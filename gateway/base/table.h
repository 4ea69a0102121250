/*
 * Hash table of intrusive nodes in chains. Inserting cannot fail: when the bucket array cannot
 * grow, chains get longer. That is what lets fold insert without a way to fail. It grows by one
 * bucket at a time (linear hashing): to move a million nodes at once takes longer than anybody
 * should wait.
 */
#ifndef HOLDFAST_BASE_TABLE_H
#define HOLDFAST_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory;

struct table_node {
    struct table_node *next;
    uint32_t hash;
};

struct table {
    union {
        struct table_node *chain;    /* the only bucket while bucket_count is 0 */
        struct table_node **buckets; /* afterwards */
    };
    uint32_t bucket_count; /* 0: one chain is enough */
    uint32_t count;        /* nodes */
};

void table_init(struct table *table);
/* Frees the bucket array; the nodes stay their owner's. */
void table_close(struct table *table, struct memory *memory);

/* Sets node->hash and links it. The caller has made sure that no equal node is in. */
void table_insert(struct table *table, struct memory *memory, struct table_node *node,
                  uint64_t hash);
void table_remove(struct table *table, struct table_node *node);

/* First of the chain for a hash; follow ->next and compare hash and key. */
struct table_node *table_chain(const struct table *table, uint64_t hash);

/* Has the processor fetch where the chain for a hash begins: it is asked for in a moment. */
void table_prefetch(const struct table *table, uint64_t hash);

/* Visits every node in no order: start with NULL. The node given back may be removed before the
   next call only if its successor was fetched first (table_next(…, node)). */
struct table_node *table_next(const struct table *table, const struct table_node *node);

#endif
