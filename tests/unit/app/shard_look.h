/* What a shard was configured with, apart from the rest: its inner names are those of other rooms,
 * too. */
#ifndef TESTS_UNIT_APP_SHARD_LOOK_H
#define TESTS_UNIT_APP_SHARD_LOOK_H

#include "shard/shard.h"

size_t look_endpoint_count(const struct shard *shard);
const struct shard_endpoint *look_endpoint(const struct shard *shard, size_t index);
size_t look_egress_count(const struct shard *shard);
struct shard_egress look_egress(const struct shard *shard, size_t index);
/* Only its numbers count. */
const struct shard_config *look_config(const struct shard *shard);

#endif
