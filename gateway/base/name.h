/*
 * Names: a typename "namespace/name" has exactly one '/', both parts non-empty, valid UTF-8, no
 * control characters, at most NAME_SIZE_MAX bytes. An id is 1..ID_SIZE_MAX bytes of UTF-8 without
 * NUL.
 */
#ifndef HOLDFAST_BASE_NAME_H
#define HOLDFAST_BASE_NAME_H

#include "base/span.h"

enum { NAME_SIZE_MAX = 256, ID_SIZE_MAX = 1024, KEY_SIZE_MAX = 255, TOKEN_SIZE_MAX = 1024 };

/* Everything in namespace "holdfast" is ours: refused from outside and as a send target. */
#define NAME_RESERVED SPAN_LITERAL("holdfast/")
/* The caller that a function sees when somebody waits for its reply; the id is the reply token. */
#define NAME_REPLY SPAN_LITERAL("holdfast/reply")

bool name_valid(struct span name);
bool id_valid(struct span id);

/* Who a message is for, or from. */
struct address {
    struct span type; /* function type "namespace/name" */
    struct span id;
};

#endif
