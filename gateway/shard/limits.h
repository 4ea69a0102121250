/* Every limit of the shard that is not a setting. */
#ifndef HOLDFAST_SHARD_LIMITS_H
#define HOLDFAST_SHARD_LIMITS_H

#include "base/slot.h" /* SLOTS */

enum {
    NAMES_MAX = 1 << 16,         /* entries of the dictionary */
    NAMES_MAX_OUTSIDE = 1 << 15, /* … when it is clients that bring new ones */
    STATES_MAX = 256,            /* registered states of one function type */
    VALUES_MAX = 4 * STATES_MAX, /* of one cell */
    BUFFER_KEPT_MAX = 4 << 20,   /* bytes a buffer keeps from one step to the next */
    UNDURABLE_MAX = 64 << 20,    /* bytes of records not yet durable, while calls are made */
    SETTLE_MAX = 512,            /* addresses with new mail that a step looks after, twice */
    FIRE_MAX = 256,              /* timers in one FIRE record */
    FLIGHT_MESSAGES_KEPT = 64,   /* room for messages that a flight keeps for its next call */
    FLIGHTS_WARM = 1024,         /* flights that keep what a call needs for their next one */
    INVOCATION_ID_MAX = 160,     /* bytes of its text */
    BATCH_MAX = 1000,            /* messages of one invocation */
    ROWS_MAX = 1000,             /* of one page of a query */
    EXPORT_BYTES_MAX = 4 << 20,  /* of one page of an export, beyond its last slot */
    PULL_BYTES_MAX = 4 << 20,    /* of one page of a pull, beyond its first record */
    TEXT_MAX = 512,              /* bytes of a failure's text that are kept */
    HANDSHAKES_MAX =
        16, /* in a row for one address: a function whose time to live is never the same */
    CULPRIT_KILLS = 3, /* lost or timed-out calls as the only one, until the address is to blame */
    EVICT_MAX = 64,    /* idempotency entries evicted per record */
    EVICT_SKIP_MAX = 64,          /* older entries that are looked at in vain for one to evict */
    EVICT_LOT = 4,                /* calls that are over in a slot before an accept evicts them */
    PURGE_MAX = 64,               /* addresses of a slot whose values are purged at once */
    SOURCE_POSITION_MAX = 64,     /* bytes */
    SOURCE_BYTES_MAX = 16 << 20,  /* of the messages of a source that are taken at once, if many */
    SOURCE_TRACEPARENT_MAX = 128, /* bytes */
    SWEEP_SLOTS = 64,             /* slots looked at per sweep for expired entries and values */
    SWEEP_RECORDS_MAX = 64,       /* written in one sweep */
    SIGNAL_BYTES_MAX = 256 << 10, /* of the parcels in one signal, beyond its last */
    PARCEL_OVERHEAD = 320,        /* bytes that one becomes beyond its own, at most */
    SIGNAL_WINDOW = 4096,         /* parcels on their way to one shard */
    SIGNAL_DOUBLINGS_MAX = 3,
};

#define SIGNAL_RESEND_MS 1000 /* nothing was acknowledged for so long; doubled each time */
#define RETRY_FIRST_MS 10
#define RETRY_MOST_MS 10000
#define RETRY_AFTER_MOST_MS 600000 /* of a Retry-After that is honoured */
#define DELIVERED_KEEP_MS 1000     /* a reply may miss who has asked for it with its token */
#define SWEEP_EVERY_MS 1000
#define SWEEP_MORE_MS 10     /* a sweep has left something to do */
#define BLOCKED_RETRY_MS 500 /* where no room comes; doubled each time, so often at most: */
#define BLOCKED_DOUBLINGS_MAX 5
#define PIONEER_EVERY_MS 100 /* while other calls are out */
#define CLOCK_JUMP_MAX_MS 3600000

#endif
