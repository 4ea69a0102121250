#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(struct span bytes)
{
    return hash_seeded(bytes, 0);
}

uint64_t hash_seeded(struct span bytes, uint64_t seed)
{
    return XXH64(bytes.size == 0 ? "" : (const void *)bytes.at, bytes.size, seed);
}
