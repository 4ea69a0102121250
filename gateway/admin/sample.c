#include "admin/sample.h"

#include "shard/metrics.h"

/* The shard's last bucket holds what is larger than all bounds: so does ours. */
static void add_buckets(struct admin_histogram *histogram, const struct admin_bounds *bounds,
                        const uint64_t *buckets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        histogram->buckets[i < bounds->count ? i : bounds->count] += buckets[i];
}

static void add_counters(struct admin_sample *sample, const struct shard_metrics *metrics)
{
    sample->messages_accepted += metrics->messages_accepted;
    sample->messages_duplicate += metrics->messages_duplicate;
    sample->messages_refused += metrics->messages_refused;
    sample->messages_sent += metrics->messages_sent;
    sample->messages_delayed += metrics->messages_delayed;
    sample->messages_fired += metrics->messages_fired;
    sample->messages_cancelled += metrics->messages_cancelled;
    sample->messages_applied += metrics->messages_applied;
    sample->replies += metrics->replies;
    sample->replies_dropped += metrics->replies_dropped;
    sample->invocations += metrics->invocations;
    sample->stale_responses += metrics->stale_responses;
    sample->parked += metrics->parked;
    sample->blocked += metrics->blocked;
    sample->outgrown += metrics->outgrown;
    sample->keys_evicted += metrics->evicted_early;
    sample->clock_jumps += metrics->clock_jumps;
    sample->egress_records += metrics->egress_records;
    sample->journal_records += metrics->records;
}

static void add_calls(struct admin_sample *sample, const struct shard_metrics *metrics)
{
    for (size_t i = 0; i < SAMPLE_RESULTS; i++) sample->calls[i] += metrics->results[i];
    add_buckets(&sample->batch, &admin_bounds_batch, metrics->batch_size, METRICS_BATCH_BUCKETS);
    sample->batch.sum += metrics->batch_messages;
    add_buckets(&sample->call_millis, &admin_bounds_millis, metrics->invocation_ms,
                METRICS_SECONDS_BUCKETS);
    sample->call_millis.sum += metrics->invocation_ms_total * 1000;
}

static void add_gauges(struct admin_sample *sample, const struct shard_metrics *metrics)
{
    sample->addresses[SAMPLE_READY] += metrics->ready;
    sample->addresses[SAMPLE_WAIT_DURABLE] += metrics->wait_durable;
    sample->addresses[SAMPLE_SENT] += metrics->sent;
    sample->addresses[SAMPLE_RETRY_WAIT] += metrics->retry_wait;
    sample->addresses[SAMPLE_BLOCKED] += metrics->blocked_now;
    sample->addresses[SAMPLE_PARKED] += metrics->parked_now;
    sample->addresses[SAMPLE_HELD] += metrics->held;
    sample->mailbox_messages += metrics->mailbox_messages;
    sample->delayed_messages += metrics->delayed;
    sample->keys += metrics->keys;
    sample->idempotency_keys += metrics->entries;
    sample->egress_waiting += metrics->egress_waiting;
    sample->waiters += metrics->waiters;
    sample->memory_bytes[SAMPLE_MEMORY_STATE] += metrics->state_bytes;
    sample->memory_bytes[SAMPLE_MEMORY_MAILBOX] += metrics->mailbox_bytes;
    sample->memory_bytes[SAMPLE_MEMORY_DELAYED] += metrics->delayed_bytes;
    sample->memory_bytes[SAMPLE_MEMORY_IDEMPOTENCY] += metrics->entry_bytes;
    sample->memory_bytes[SAMPLE_MEMORY_EGRESS] += metrics->egress_bytes;
    sample->memory_used_bytes += metrics->memory_bytes;
}

void admin_sample_shard(struct admin_sample *sample, const struct shard_metrics *metrics)
{
    add_counters(sample, metrics);
    add_calls(sample, metrics);
    add_gauges(sample, metrics);
}
