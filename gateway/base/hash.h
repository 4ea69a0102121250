/* XXH64, seed 0. The slot of an id is part of the stored format: never change it. */
#ifndef HOLDFAST_BASE_HASH_H
#define HOLDFAST_BASE_HASH_H

#include "base/span.h"

uint64_t hash_bytes(struct span bytes);
uint64_t hash_seeded(struct span bytes, uint64_t seed);

#endif
