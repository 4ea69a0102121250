/* Hash of an address or of a pair of byte strings, for the tables of a slot. */
#ifndef HOLDFAST_SHARD_KEY_H
#define HOLDFAST_SHARD_KEY_H

#include "base/hash.h"

static inline uint64_t key_hash(uint32_t type, struct span id)
{
    return hash_seeded(id, type);
}

static inline uint64_t key_pair_hash(uint64_t first, struct span second)
{
    return hash_seeded(second, first);
}

/* What a table keeps of a hash. */
static inline uint32_t key_short(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

#endif
