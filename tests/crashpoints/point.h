/* A savepoint on the fake disk, and what a restore of it must give. */
#ifndef TESTS_CRASHPOINTS_POINT_H
#define TESTS_CRASHPOINTS_POINT_H

#include "base/prng.h"
#include "shard/shard.h"

#define POINT_DIRECTORY "/point"

enum { POINT_SHARDS_MAX = 3 };

struct point {
    struct shard *old[POINT_SHARDS_MAX]; /* as they are in it; not started */
    uint32_t count;
};

/* Of so many shards with messages, states, delayed messages, and parcels between them. The disk
 * that is in use gets it; all of it is durable. */
void point_make(struct point *point, uint32_t count, struct prng *prng);
void point_close(struct point *point);
/* The digest of shard `number` of `count` when it has just been restored under that lineage. */
uint64_t point_digest(const struct point *point, uint32_t number, uint32_t count, uint64_t lineage);

#endif
