#include "base/heap.h"

#include "base/check.h"

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key < b->key || (a->key == b->key && a->tie < b->tie);
}

/* Both are roots without siblings. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    if (a == NULL) return b;
    if (b == NULL) return a;
    if (before(b, a)) {
        struct heap_node *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL) a->child->prev = b;
    a->child = b;
    return a;
}

/* The two passes of a pairing heap, as loops: a recursion would be as deep as the list is long. */
static struct heap_node *meld_siblings(struct heap_node *first)
{
    struct heap_node *pairs = NULL; /* linked by next, last pair first */
    while (first != NULL) {
        struct heap_node *a = first;
        struct heap_node *b = a->next;
        first = b == NULL ? NULL : b->next;
        a->next = a->prev = NULL;
        if (b != NULL) b->next = b->prev = NULL;
        struct heap_node *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct heap_node *root = NULL;
    while (pairs != NULL) {
        struct heap_node *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

void heap_insert(struct heap *heap, struct heap_node *node)
{
    node->child = node->next = node->prev = NULL;
    heap->root = meld(heap->root, node);
    heap->count++;
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->root;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    CHECK(heap->count > 0);
    struct heap_node *rest = meld_siblings(node->child);
    if (node == heap->root) {
        heap->root = rest;
    } else {
        if (node->prev->child == node)
            node->prev->child = node->next;
        else
            node->prev->next = node->next;
        if (node->next != NULL) node->next->prev = node->prev;
        heap->root = meld(heap->root, rest);
    }
    node->child = node->next = node->prev = NULL;
    heap->count--;
}
