/*
 * Priority queue of intrusive nodes (a pairing heap): inserting allocates nothing, so a record may
 * start any number of timers. Order: smaller key first, then smaller tie.
 */
#ifndef HOLDFAST_BASE_HEAP_H
#define HOLDFAST_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    struct heap_node *child; /* first child */
    struct heap_node *next;  /* next sibling */
    struct heap_node *prev;  /* previous sibling, or parent of a first child */
    int64_t key;
    uint64_t tie;
};

struct heap {
    struct heap_node *root;
    size_t count;
};

void heap_init(struct heap *heap);
/* key and tie are set by the caller before. */
void heap_insert(struct heap *heap, struct heap_node *node);
/* The smallest, or NULL. */
struct heap_node *heap_first(const struct heap *heap);
/* Any node that is in. */
void heap_remove(struct heap *heap, struct heap_node *node);

#endif
