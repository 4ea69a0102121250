#include "unit/app/shard_look.h"

#include "base/check.h"
#include "shard/overlay.h"

size_t look_endpoint_count(const struct shard *shard)
{
    return shard->overlay.endpoint_count;
}

const struct shard_endpoint *look_endpoint(const struct shard *shard, size_t index)
{
    CHECK(index < shard->overlay.endpoint_count);
    return &shard->overlay.endpoints[index].config;
}

size_t look_egress_count(const struct shard *shard)
{
    return shard->overlay.egress_count;
}

struct shard_egress look_egress(const struct shard *shard, size_t index)
{
    CHECK(index < shard->overlay.egress_count);
    const struct egress *egress = &shard->overlay.egresses[index];
    return (struct shard_egress){egress->name, egress->kind};
}

const struct shard_config *look_config(const struct shard *shard)
{
    return &shard->overlay.config;
}
