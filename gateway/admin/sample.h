/*
 * What the gateway measures of itself at one moment: plain numbers that the app gathers from all
 * rooms. The table in metrics_table.c turns them into /metrics. Nothing here grows with keys: rows
 * are as many as there are function targets, egresses and shards, or as this program has kinds.
 */
#ifndef HOLDFAST_ADMIN_SAMPLE_H
#define HOLDFAST_ADMIN_SAMPLE_H

#include "admin/histogram.h"
#include "base/span.h"

/* How a call to a function ended: the order of enum outcome (shard/event.h), then handshake. */
enum { SAMPLE_HANDSHAKE = 7, SAMPLE_RESULTS = 8 };

/* What an address with messages waits for. */
enum sample_address {
    SAMPLE_READY,        /* for its endpoint's window */
    SAMPLE_WAIT_DURABLE, /* for the journal, by dispatch: durable */
    SAMPLE_SENT,         /* for its function */
    SAMPLE_RETRY_WAIT,   /* for the end of a back-off */
    SAMPLE_BLOCKED,      /* for room: its response was over a budget */
    SAMPLE_PARKED,       /* for an operator */
    SAMPLE_HELD,         /* for its function to be configured again */
    SAMPLE_ADDRESSES
};

enum sample_memory {
    SAMPLE_MEMORY_STATE,
    SAMPLE_MEMORY_MAILBOX,
    SAMPLE_MEMORY_DELAYED,
    SAMPLE_MEMORY_IDEMPOTENCY,
    SAMPLE_MEMORY_EGRESS,
    SAMPLE_MEMORIES
};

enum sample_peer { SAMPLE_CLIENT, SAMPLE_FUNCTION, SAMPLE_PEERS };

enum sample_circuit { CIRCUIT_CLOSED = 0, CIRCUIT_PROBING = 1, CIRCUIT_OPEN = 2 };

/* One function target of module.yaml: a name, or a namespace and a star with all that it serves. */
struct sample_function {
    struct span target;
    uint64_t calls[SAMPLE_RESULTS];
    struct admin_histogram call_us; /* admin_bounds_micros */
    uint64_t in_flight;             /* calls now */
    uint64_t mailbox_messages;
    uint64_t parked_addresses;
    uint64_t keys;    /* addresses with state */
    uint64_t circuit; /* enum sample_circuit */
};

/* One shard; its place in the array is its number. */
struct sample_shard {
    uint64_t records; /* of its journal, ever */
    uint64_t durable_records;
    uint64_t keys;
    uint64_t mailbox_messages;
    uint64_t memory_used_bytes;
    uint64_t parcels_sent;
    uint64_t parcels_received;
    uint64_t parcels_waiting;
};

/* One lane: an egress of module.yaml, or a topic of the playground's. */
struct sample_egress {
    struct span name;
    uint64_t waiting_records;
    uint64_t waiting_bytes;
};

struct sample_process {
    uint64_t cpu_us;
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t open_files;
    uint64_t open_files_max;
    uint64_t start_us; /* since 1970 */
};

/* "Ever" is since the process started. */
struct admin_sample {
    uint64_t ready; /* 1: recovered and accepting */

    /* ---- of the shard: admin_sample_shard ---- */
    uint64_t messages_accepted;  /* from outside */
    uint64_t messages_duplicate; /* a key seen before */
    uint64_t messages_refused;
    uint64_t messages_sent;    /* by functions to functions */
    uint64_t messages_delayed; /* put off, by functions and from outside */
    uint64_t messages_fired;   /* their time came */
    uint64_t messages_cancelled;
    uint64_t messages_applied; /* taken out of a mailbox by a response */
    uint64_t replies;
    uint64_t replies_dropped; /* nobody had called, or it was the second one */
    uint64_t invocations;     /* batches given to functions, retries included */
    uint64_t calls[SAMPLE_RESULTS];
    uint64_t stale_responses;
    uint64_t invocation_requests;       /* HTTP requests to functions */
    uint64_t invocations_bundled;       /* invocations that shared one */
    struct admin_histogram call_millis; /* admin_bounds_millis; the sum too in microseconds */
    struct admin_histogram batch;       /* admin_bounds_batch */
    uint64_t parked;                    /* ever */
    uint64_t blocked;                   /* ever */
    uint64_t outgrown;                  /* of these, with half as much again as the budget */
    uint64_t keys_evicted;              /* idempotency entries, before their time */
    uint64_t clock_jumps;
    uint64_t egress_records;
    uint64_t journal_records;

    uint64_t addresses[SAMPLE_ADDRESSES];
    uint64_t mailbox_messages;
    uint64_t delayed_messages;
    uint64_t keys;
    uint64_t idempotency_keys;
    uint64_t egress_waiting;
    uint64_t waiters; /* requests that wait for an answer of the shard */
    uint64_t memory_bytes[SAMPLE_MEMORIES];
    uint64_t memory_used_bytes; /* by the image and the overlay together */

    /* ---- of everybody else ---- */
    uint64_t memory_max_bytes; /* --memory */

    const struct sample_function *functions; /* valid until the next sample */
    size_t function_count;
    const struct sample_egress *egresses; /* valid until the next sample */
    size_t egress_count;
    const struct sample_shard *shards; /* the same */
    size_t shard_count;

    uint64_t journal_bytes;                /* on disk, not yet trimmed */
    uint64_t journal_written_bytes;        /* ever */
    struct admin_histogram commit_us;      /* admin_bounds_micros */
    struct admin_histogram commit_records; /* admin_bounds_counts */

    uint64_t snapshots_published;
    uint64_t snapshots_failed;
    uint64_t snapshot_us; /* the last one took */
    uint64_t snapshot_bytes;
    int64_t snapshot_age_us; /* -1: there is none yet */
    uint64_t recovery_us;
    uint64_t recovery_records;

    uint64_t connections[SAMPLE_PEERS];

    struct sample_process process; /* admin_process_sample */
};

struct shard_metrics;

/* Adds what a shard counts: called once for each shard. */
void admin_sample_shard(struct admin_sample *sample, const struct shard_metrics *metrics);

#endif
