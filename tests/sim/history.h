/*
 * What was promised to those outside, and what the functions did: all that the oracle knows. It
 * comes from answers, from calls of functions and from reads, never from inside of the gateway.
 *
 * The witness is the state "log" of each address: a function appends (message, response) for each
 * message of a batch, so the final logs say which responses were applied, in which order.
 */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDRESSES_MAX = 16, SHARDS_SIMULATED_MAX = 16, PARTITIONS = 2 };
#define NEVER_MS INT64_MIN

/* When something was seen, and which shard showed it. Order 0: never. */
struct moment {
    uint64_t order;
    uint32_t shard;
};

/* A message, by number from 1. Its argument is the number. */
struct note {
    uint32_t origin;    /* the response that sent it; 0: a client */
    uint32_t target;    /* address */
    uint32_t hops;      /* how far its consequences may go */
    uint32_t partition; /* that it is a record of, from 1; 0: none */
    bool delayed;
    int64_t delay_ms;
    int64_t due_ms;   /* not before, by the clock of the sender's shard; NEVER_MS: not known */
    uint32_t token;   /* cancel token, 0 = none */
    uint32_t carries; /* a call whose reply was handed on with it; 0: none */
    char carried_token[33];
    bool is_poison, kills;
    /* of a client */
    bool is_call, is_keyed;
    bool sent_late;      /* in the final phase, where nothing is lost */
    struct moment first; /* tried */
    struct moment last;  /* tried */
    struct moment acked; /* the promise */
    struct moment shown; /* to a function that is called for durable messages only */
    bool refused;        /* told that it was not taken, and not tried again */
    bool gone;           /* every try was after the savepoint that the world went back to */
    uint32_t tries;      /* events */
    int64_t first_ms;    /* shard time before the first of them */
    uint32_t key_of;  /* it was sent with the key of this one, which had been accepted; 0: none */
    bool waits;       /* at the end: somebody still waits for an answer */
    bool restored;    /* it may have been accepted before a savepoint that was gone back to */
    uint64_t name;    /* of the id that was shown for it; 0: none */
    uint32_t fetched; /* at the end: the response that replied; UINT32_MAX: none is there */
};

/* What a function answered, by number from 1; it may never have been applied. */
struct deed {
    uint32_t address;
    struct moment at;
    bool gone;                           /* after the savepoint that the world went back to */
    bool ghost;                          /* an answer to a call that was over */
    uint32_t first_child, child_count;   /* notes */
    uint32_t first_cancel, cancel_count; /* tokens, in cancels */
    uint32_t first_reply, reply_count;   /* in replies */
    uint32_t egress_count, topic_count;
    bool writes_tmp, deletes_tmp, writes_seen, writes_blob;
    int64_t sent_ms; /* shard time of the call */
    int64_t at_ms;   /* shard time of the step that applied it */
};

/* A state write from outside, by number from 1; its value is the number. */
struct scribble {
    uint32_t address;
    bool is_delete;
    bool must_mismatch; /* it was to replace what had been replaced before */
    bool mismatched;
    bool gone;
    struct moment first, acked;
    uint64_t version; /* when acked */
};

struct pair {
    uint32_t note, deed;
};

struct reply {
    uint32_t note;
    bool is_certain; /* by the token with which it was called: nothing else can be meant */
};

struct seen_reply {
    struct pair pair;
    struct moment at;
};

/* A read of a log that was answered. */
struct seen_log {
    uint32_t address;
    uint32_t first, count; /* in read_entries */
    struct moment at;
};

/* An egress record: what number it is of which response. */
struct seen_record {
    uint32_t deed, index;
    struct moment at;
};

/* A call as a function remembers it. */
struct called {
    uint32_t first, count; /* in called_notes */
    struct moment at;
    bool is_void; /* its id may be given again, to others */
};

/* Ids and what they mean. */
struct name {
    uint64_t key; /* 0: none */
    uint32_t meaning;
};

struct names {
    struct name *at;
    uint32_t count, room; /* room: a power of two */
};

#define GROWING(type, name)                                                                        \
    type *name;                                                                                    \
    uint32_t name##_count, name##_capacity

struct history {
    uint64_t now; /* order of the last event */
    uint32_t address_count, id_count;
    bool may_forget;   /* idempotency entries are evicted: keys are used once only */
    int64_t window_ms; /* keys mean something for so long; 0: for ever */
    GROWING(struct note, notes);
    GROWING(struct deed, deeds);
    GROWING(struct scribble, scribbles);
    GROWING(uint32_t, cancels);
    GROWING(struct reply, replies);
    GROWING(struct seen_reply, reply_seen);
    GROWING(struct seen_log, reads);
    GROWING(struct pair, read_entries);
    GROWING(struct seen_record, egress); /* by cursor */
    GROWING(struct seen_record, topic);  /* popped, in that order */
    GROWING(struct called, called);
    GROWING(uint32_t, called_notes);
    struct names invocation_ids, message_ids, handles, lineages;
    uint32_t generation; /* how often it went back to a savepoint */
    uint32_t handle_count;
    bool topic_lost; /* an answer with popped records never came */
    uint32_t skips[ADDRESSES_MAX];
    bool purged[ADDRESSES_MAX];
    uint32_t scribbled[ADDRESSES_MAX];     /* as read last; 0: absent */
    uint32_t scribble_seen[ADDRESSES_MAX]; /* the newest write of which a read has told; 0: none */
};

void *history_grow(void *array, uint32_t *count, uint32_t *capacity, size_t size);
/* A new element, zeroed. */
#define ADD(history, name)                                                                         \
    (((history)->name = history_grow((history)->name, &(history)->name##_count,                    \
                                     &(history)->name##_capacity, sizeof *(history)->name)),       \
     &(history)->name[(history)->name##_count++])

void history_open(struct history *history);
void history_close(struct history *history);
static inline struct moment moment_now(const struct history *history, uint32_t shard)
{
    return (struct moment){history->now, shard};
}
/* The newest write to an address that is known to be there for good; 0: none. */
uint32_t history_scribble_floor(const struct history *history, uint32_t address);
/* A read has shown this write, or that nothing is there (0): that is not taken back. */
void history_scribble_shown(struct history *history, uint32_t address, uint32_t number);

/* Somebody was shown a log, as it is in the state: that is not taken back. */
void history_log_shown(struct history *history, uint32_t address, const void *log, size_t size,
                       uint32_t shard);

/* identity.c: part of the oracle */
void history_called(struct history *history, uint32_t shard, const void *id, size_t size,
                    const uint32_t *notes, uint32_t count);
/* A shard is in the epoch of a former life once more, since its machine had lied: the calls of that
 * life, which were made after `since`, are void. */
void history_epoch_again(struct history *history, uint32_t shard, uint64_t since);
void history_named(struct history *history, uint32_t note, const void *id, size_t size);
void history_handed(struct history *history, uint32_t shard, uint64_t life, uint64_t handle);

/* A savepoint: when each shard took its part. */
struct cut_times {
    uint64_t begun; /* before this no shard had */
    uint32_t shard_count;
    uint64_t at[SHARDS_SIMULATED_MAX];
};
/* The world goes back to a savepoint: what was shown after it is void, what was shown before is
 * not. */
void history_go_back(struct history *history, const struct cut_times *cut);

/* oracle.c: everything has settled, and the last reads are those of all logs. */
void history_judge(struct history *history);

#endif
