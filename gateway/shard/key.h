/* Where an address is, and the hash of a pair of byte strings, for the tables of a slot. */
#ifndef HOLDFAST_SHARD_KEY_H
#define HOLDFAST_SHARD_KEY_H

#include "base/hash.h"
#include "shard/image.h"

static inline struct place place_of(const struct image *image, uint32_t type, struct span id)
{
    uint64_t id_hash = hash_bytes(id);
    return (struct place){&image->slots[slot_of_hash(id_hash)],
                          id_hash + type * UINT64_C(0x9e3779b97f4a7c15)};
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
