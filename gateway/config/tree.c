#include "config/tree.h"

struct node *tree_find(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP) return NULL;
    struct span wanted = span_text(key);
    for (struct node *node = map->first; node; node = node->next) {
        if (span_equal(node->key, wanted)) return node->kind == NODE_NULL ? NULL : node;
    }
    return NULL;
}

const char *tree_kind_text(const struct node *node)
{
    switch (node->kind) {
    case NODE_NULL: return "nothing";
    case NODE_SCALAR: return "a text";
    case NODE_LIST: return "a list";
    case NODE_MAP: return "a map";
    default: return "broken";
    }
}

void tree_prepend(struct node *map, struct node *value, const char *key)
{
    value->key = span_text(key);
    value->next = map->first;
    map->first = value;
    if (!map->last) map->last = value;
    map->count++;
}
