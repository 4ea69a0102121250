/*
 * A YAML file as a tree of nodes that know where they stand. Reading works on libyaml's event
 * stream, so that depth and size are bounded while parsing. The subset: aliases and merge keys are
 * refused (StateFun's own parser does not follow them either), keys are scalars, a key stands once
 * in its map. Scalars are interpolated: ${NAME}, ${NAME:-default}; $${ is a literal ${.
 */
#ifndef HOLDFAST_CONFIG_TREE_H
#define HOLDFAST_CONFIG_TREE_H

#include "base/error.h"
#include "config/arena.h"
#include "config/problem.h"

enum {
    TREE_FILE_SIZE_MAX = 1 << 20, /* bytes */
    TREE_DEPTH_MAX = 64,          /* lists and maps in each other */
    TREE_NODES_MAX = 50000,       /* per file */
    TREE_MAP_KEYS_MAX = 256,
    TREE_SCALAR_SIZE_MAX = 65536, /* bytes, after interpolation */
    TREE_DIRECTIVES_MAX = 64      /* lines that begin with '%' */
};

enum node_kind {
    NODE_NULL, /* absent, ~ or null */
    NODE_SCALAR,
    NODE_LIST,
    NODE_MAP,
    NODE_BROKEN, /* a problem has been reported: whoever meets it keeps silent */
};

struct node {
    enum node_kind kind;
    struct place place;
    struct span text;      /* NODE_SCALAR: interpolated; ends with a NUL, has none inside */
    struct span written;   /* NODE_SCALAR: as in the file. What messages and listings may show */
    bool from_environment; /* a variable took part: `text` may be a secret */
    struct span key;       /* in a map */
    struct place key_place;
    struct node *next;  /* sibling */
    struct node *first; /* child */
    struct node *last;
    size_t count; /* children */
};

struct tree {
    struct node *documents; /* without the null ones; siblings */
    size_t count;
};

/* Appends problems to the list. ERROR_MALFORMED: nothing in the file can be used, and a problem
   says why. ERROR_MEMORY. 0: usable, although there may be problems with single nodes. */
int tree_read(struct tree *tree, const char *file, struct span text, struct arena *arena,
              struct problems *problems) MUST_USE;

/* The value of a key; NULL when absent or null. */
struct node *tree_find(const struct node *map, const char *key);

/* "a list", "a map", "a text", for messages. */
const char *tree_kind_text(const struct node *node);

/* Adds an entry in front, so that it hides one with the same key. */
void tree_prepend(struct node *map, struct node *value, const char *key);

/* Replaces variables. Returns false when a problem was reported. ERROR_MEMORY is arena->failed. */
bool tree_interpolate(struct node *scalar, struct arena *arena, struct problems *problems);

#endif
