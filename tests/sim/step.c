/* What one step may do, as far as it shows from outside: budgets are kept, and nobody is blamed for
 * what others did. */
#include "world.h"

static bool exceeds_outbox(const struct host *host, const struct shard_metrics *before,
                           const struct event_response *answer)
{
    const struct function_response *response = answer->response;
    size_t bytes = 0;
    if (host->outbox_max == 0 || answer->outcome != OUTCOME_RESULT) return false;
    for (size_t i = 0; i < response->egress_count; i++) bytes += response->egress[i].argument.size;
    return bytes > 0 && before->egress_bytes > 0 && before->egress_bytes + bytes > host->outbox_max;
}

/* Without what waits for other shards. */
static size_t bytes_of(const struct shard_metrics *metrics)
{
    return metrics->mailbox_bytes + metrics->delayed_bytes + metrics->state_bytes +
           metrics->entry_bytes + metrics->egress_bytes;
}

/* Clients stop at the budget; what is under way may go up to a half above it, to come to its end.
 */
static void check_memory(const struct world *world, const struct host *host,
                         const struct shard_event *event, const struct shard_metrics *before,
                         const struct shard_metrics *after)
{
    size_t most = host->memory_max, bytes = bytes_of(after);
    if (most == 0 || bytes <= bytes_of(before)) return;
    if (world->swarm.has[FAULT_LONG_IDS]) return; /* ids are not counted before they are there */
    if ((event->kind == EVENT_MESSAGE || event->kind == EVENT_SOURCE) &&
        after->messages_accepted != before->messages_accepted)
        HOLDS(10, bytes <= most + ACCEPT_OVERHEAD);
    if (event->kind == EVENT_RESPONSE || event->kind == EVENT_SIGNAL)
        HOLDS(10, bytes <= most + most / 2 + ACCEPT_OVERHEAD);
}

/* What one step may do, as far as it shows from outside. */
void world_check_step(struct world *world, const struct host *host, const struct shard_event *event,
                      const struct shard_metrics *before)
{
    struct shard_metrics after;
    shard_metrics(host->shard, &after);
    bool parked = after.parked != before->parked;
    check_memory(world, host, event, before, &after);
    if (event->kind != EVENT_RESPONSE) return;
    if (exceeds_outbox(host, before, &event->response))
        HOLDS(10, after.messages_applied == before->messages_applied);
    if (world->answering == NULL)
        HOLDS(6, after.records == before->records); /* it came too late */
    else
        blame_answered(world, world->answering, event->response.outcome, world->misusing,
                       after.messages_applied != before->messages_applied, parked);
}
