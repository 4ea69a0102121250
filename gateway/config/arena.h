/* Memory that is freed all at once: everything a settings value points to lives in its arena. */
#ifndef HOLDFAST_CONFIG_ARENA_H
#define HOLDFAST_CONFIG_ARENA_H

#include "base/span.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    size_t used; /* bytes of the newest chunk */
    bool failed; /* sticky: an allocation found no memory */
};

void arena_init(struct arena *arena);
void arena_close(struct arena *arena);

/* Zeroed, 16-byte aligned; NULL when there is no memory, and `failed` is set. */
void *arena_alloc(struct arena *arena, size_t size);
/* An array; NULL also when count * size does not fit. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A copy that ends with a NUL beyond its size; empty when there is no memory. */
struct span arena_copy(struct arena *arena, struct span bytes);

#endif
