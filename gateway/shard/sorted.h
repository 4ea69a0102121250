/* The cells of one function type in a slot, in the order of their ids' bytes. */
#ifndef HOLDFAST_SHARD_SORTED_H
#define HOLDFAST_SHARD_SORTED_H

#include "shard/image.h"

/* Pointers to those whose id comes after `after` (empty: all) into the buffer, which is cleared. */
void sorted_cells(struct buffer *cells, const struct slot *slot, uint32_t type, struct span after);
const struct cell *cell_at(const struct buffer *cells, size_t i);

#endif
