/* Counters of a shard since it started, and gauges. */
#ifndef HOLDFAST_SHARD_METRICS_H
#define HOLDFAST_SHARD_METRICS_H

#include "base/span.h"

enum { METRICS_BATCH_BUCKETS = 11, METRICS_SECONDS_BUCKETS = 16 };

struct shard_metrics {
    uint64_t messages_accepted; /* from outside */
    uint64_t messages_duplicate;
    uint64_t messages_refused;
    uint64_t messages_sent; /* by functions */
    uint64_t messages_delayed;
    uint64_t messages_fired;
    uint64_t messages_cancelled;
    uint64_t messages_applied;
    uint64_t egress_records;
    uint64_t replies;
    uint64_t replies_dropped;
    uint64_t invocations; /* dispatched, with retries */
    uint64_t results[8];  /* by enum outcome; INCOMPLETE at 7 */
    uint64_t stale_responses;
    uint64_t parked; /* events of parking */
    uint64_t blocked;
    uint64_t outgrown; /* of these: not even the pioneer's result found memory */
    uint64_t evicted;
    uint64_t evicted_early; /* before the window's end, for bytes */
    uint64_t signals_sent, signals_received;
    uint64_t parcels_sent; /* to other shards, with repetitions */
    uint64_t parcels_received;
    uint64_t parcels_doubled; /* came again */
    uint64_t signals_ahead;   /* with a gap before them */
    uint64_t signals_refused; /* no room, or nonsense */
    uint64_t cuts_lost;       /* of savepoints: no memory */
    uint64_t clock_jumps;
    uint64_t records;
    uint64_t batch_size[METRICS_BATCH_BUCKETS]; /* by power of two: 1, 2, 4 … 1024 */
    uint64_t batch_messages;
    uint64_t invocation_ms[METRICS_SECONDS_BUCKETS]; /* by power of two of milliseconds: < 1, < 2, <
                                                        4 … */
    uint64_t invocation_ms_total;
    /* gauges, filled by shard_metrics() */
    uint64_t seq, durable_seq;
    uint32_t epoch;
    uint64_t lineage;
    uint64_t keys, mailbox_messages, delayed, entries, parked_now, egress_waiting, waiters;
    uint64_t parcels_waiting; /* that other shards do not have durably */
    uint64_t ready, sent, retry_wait, blocked_now, held, wait_durable;
    size_t state_bytes, mailbox_bytes, delayed_bytes, entry_bytes, egress_bytes, parcel_bytes,
        memory_bytes;
};

struct shard_endpoint_metrics {
    struct span pattern; /* valid until the next configuration */
    uint64_t results[8]; /* as above */
    uint32_t in_flight;
    bool is_open; /* its circuit */
    uint32_t failures;
    uint64_t messages; /* in mailboxes of its types */
    uint64_t keys;
    uint64_t parked;
};

struct shard_lane_metrics {
    struct span name;
    uint64_t waiting;
    size_t bytes;
};

#endif
