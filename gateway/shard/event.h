/*
 * What goes into a shard and what comes out. The shard is a pure state machine: no clock, no I/O,
 * no callback, no randomness. Time, ids and seeds come with events; what must happen outside comes
 * as data in an update. Rooms at the edge see this file and port.h, never the image.
 */
#ifndef HOLDFAST_SHARD_EVENT_H
#define HOLDFAST_SHARD_EVENT_H

#include "base/buffer.h"
#include "base/name.h"
#include "base/span.h"
#include "wire/function.h"

/* Who waits for an answer: chosen by the sender of the event, unique among live waiters, 0 =
 * nobody. */
typedef uint64_t waiter_t;

/* Wall clock and a monotonic clock, read once per loop turn. */
struct shard_clock {
    int64_t wall_ms; /* since 1970 */
    int64_t mono_ms;
};

/* ---- Configuration: replaced as a whole by EVENT_CONFIG. ---- */

struct shard_endpoint {
    struct span pattern;      /* a name, or a namespace and a star: specific wins */
    uint32_t window_max;      /* calls in flight to it at most; 0: none are made now */
    uint32_t batch_count_max; /* messages per invocation */
    size_t batch_bytes_max;   /* of a batch of several messages, with its state */
    size_t payload_bytes_max; /* of one message with its state */
    size_t state_bytes_max;   /* per address; 0 = no limit */
    uint32_t attempts_max;    /* address failures until it parks; 0 = by time only */
    int64_t retry_for_ms;     /* since its first address failure, until it parks */
    bool dispatch_durable;    /* call only for what is durable */
    bool expose;              /* false: only functions may send to it */
};

enum egress_kind {
    EGRESS_PULL,       /* durable queue, read by cursor */
    EGRESS_PLAYGROUND, /* one lane per topic, parsed by the sink room; pops */
    EGRESS_DISCARD,    /* counted and dropped */
};

struct shard_egress {
    struct span name; /* "ns/name" */
    enum egress_kind kind;
};

struct shard_config {
    const struct shard_endpoint *endpoints;
    size_t endpoint_count;
    const struct shard_egress *egresses;
    size_t egress_count;
    size_t memory_max;       /* bytes of image and overlay */
    size_t outbox_bytes_max; /* bytes of egress records waiting */
    int64_t dedup_window_ms; /* an idempotency key is remembered so long */
    size_t dedup_bytes_max;
    int64_t reply_keep_ms; /* a reply nobody fetched */
    uint64_t seed;         /* of the back-off jitter */
};

/* ---- Events ---- */

enum shard_event_kind {
    EVENT_CONFIG,
    EVENT_MESSAGE,  /* something from outside for an address */
    EVENT_ATTACH,   /* the reply to a call made earlier, or whether it is accepted */
    EVENT_DETACH,   /* the waiter is gone: forget it, answer nothing */
    EVENT_CANCEL,   /* a delayed message */
    EVENT_SOURCE,   /* the next messages of a source, or the question how far it is */
    EVENT_RESPONSE, /* the outcome of a dispatched invocation: exactly one for each */
    EVENT_DURABLE,  /* the journal has everything up to seq */
    EVENT_TICK,     /* the time named by wake_at has come */
    EVENT_QUERY,    /* a read, answered when what it shows is durable */
    EVENT_OPERATOR, /* a verb on parked addresses */
    EVENT_STATE,    /* a state write from outside, in mailbox order */
    EVENT_PULL,     /* records of a pull egress */
    EVENT_PULL_ACK, /* they have been taken */
    EVENT_SIGNAL,   /* from another shard: messages, and how far it has ours */
    EVENT_CUT,      /* a savepoint of all shards begins */
};

struct event_message {
    struct address target;
    struct span argument; /* raw TypedValue */
    struct span key;      /* idempotency key, may be empty */
    /* Not empty: a call. 32 hex characters, made by reply_token_make (base/slot.h). */
    struct span reply_token;
    struct span cancel_token; /* with a delay; may be empty */
    struct span traceparent;  /* may be empty */
    int64_t delay_ms;         /* -1: deliver now */
};

struct source_message {
    struct address target;
    struct span argument;    /* raw TypedValue */
    struct span traceparent; /* may be empty */
};

/* Positions are the source's own words, at most 64 bytes, and are compared only. */
struct event_source {
    struct span source;   /* its name, at most 256 bytes; the shard that owns its slot takes it */
    struct span previous; /* the position before, as it was answered; empty: there is none */
    struct span position; /* behind the messages, another one; empty: only the question */
    const struct source_message *messages; /* all or none are taken */
    size_t message_count;
};

enum outcome {
    OUTCOME_RESULT,      /* response holds effects or missing specs */
    OUTCOME_BAD_ANSWER,  /* a complete answer that is no success: 4xx, 5xx, wrong type, does not
                            parse */
    OUTCOME_TOO_LARGE,   /* 413 */
    OUTCOME_OVERLOADED,  /* 404, 429, 502, 503, 504: the endpoint or a proxy, not the message */
    OUTCOME_UNREACHABLE, /* DNS, connect, TLS: the request did not get there */
    OUTCOME_LOST,        /* the connection broke after the request left */
    OUTCOME_TIMEOUT,     /* no complete answer in time; the connection is closed */
};

struct event_response {
    uint64_t flight; /* of the invocation */
    enum outcome outcome;
    const struct function_response *response; /* OUTCOME_RESULT */
    struct span text;       /* why, for people: "HTTP 500: ...", "connection refused" */
    int64_t retry_after_ms; /* -1: not said */
};

enum query_kind {
    QUERY_STATE,     /* one value: address, name */
    QUERY_STATES,    /* all values of an address */
    QUERY_KEYS,      /* ids of a function type that have state; after, limit */
    QUERY_EXPORT,    /* cells of a function type (empty: all); after = opaque cursor, limit */
    QUERY_FUNCTIONS, /* each function type: counts by flight state, mailbox messages, keys, endpoint
                        circuit */
    QUERY_PARKED,    /* parked addresses; after, limit; address.type filters when not empty */
    QUERY_PARKED_ONE, /* with the head message */
    QUERY_STATUS,     /* seq, durable, epoch, lineage, counts, memory by kind */
    QUERY_EGRESS,     /* each lane: name, waiting, bytes, last, taken */
};

struct event_query {
    enum query_kind kind;
    struct address address;
    struct span name;
    struct span after;
    uint32_t limit;
    /* STATE: the event's waiter, when it can keep a large value without a copy (see shard_loan).
       Whoever passes the event on to another thread waits there itself, and is given a copy. */
    waiter_t lend_to;
};

enum operator_verb { VERB_RETRY, VERB_SKIP, VERB_DEAD_LETTER, VERB_PURGE };

struct event_operator {
    enum operator_verb verb;
    struct address address; /* empty id: every parked address of the type; empty type: every one */
    struct span who;
};

struct event_state {
    struct address address;
    struct span name;
    bool is_delete;
    struct span type_name;
    struct span value;
    bool define;   /* import: register the state when it is not (no expiry) */
    bool if_match; /* apply only if the value's version is the one given; 0 = absent */
    uint64_t version;
};

struct event_pull {
    struct span egress; /* "ns/name"; for the playground "io.statefun.playground/egress" */
    struct span topic;  /* playground only */
    uint64_t after;     /* PULL: records with a larger cursor; PULL_ACK: taken up to here */
    uint32_t max;
    bool pop;  /* take what is shown, in one step */
    bool wait; /* nothing there: answer when there is */
};

/*
 * Between two shards, in either direction. Parcels are numbered from 1 for each ordered pair of
 * shards. A signal may be lost, doubled, delayed or overtaken: then it is said again.
 */
struct shard_signal {
    uint32_t peer;  /* event: whom it is from; update: whom it is for */
    uint64_t cut;   /* the newest savepoint that the sender takes part in */
    uint64_t acked; /* parcels of the receiver that the sender holds durably: up to this number */
    uint64_t received; /* … and has taken at all. Tells when `rewind` is set where to go on */
    bool rewind;       /* there was a gap: send again from received + 1 */
    uint64_t first;    /* number of the first parcel */
    uint32_t count;
    struct span parcels; /* wire/parcel.h */
};

struct shard_event {
    enum shard_event_kind kind;
    struct shard_clock clock;
    waiter_t waiter;
    union {
        struct shard_config config;
        struct event_message message;
        struct { /* ATTACH */
            struct span reply_token;
            /* May be empty. When nothing has the token, the call to this address with this key is
               meant: a caller with a key may have joined one whose token it does not know. */
            struct address call_target;
            struct span call_key;
        };
        struct {
            struct span id, token;
        } cancel;
        struct event_source source;
        struct event_response response;
        uint64_t durable_seq;
        struct event_query query;
        struct event_operator operate;
        struct event_state state;
        struct event_pull pull;
        struct shard_signal signal;
        uint64_t cut; /* larger than any before: see shard_cut_known */
    };
};

/* ---- Answers ---- */

enum answer_kind {
    ANSWER_ACCEPTED,  /* durable; message_id */
    ANSWER_DUPLICATE, /* the same key and body before; message_id of the first */
    ANSWER_REPLY,     /* body = raw TypedValue; message_id */
    ANSWER_PENDING, /* ATTACH: accepted (durably), no reply yet; message_id. It is not waited for */
    /* The verb, write, cancel, ack or messages of a source are durable; number = how many it
       touched, or the version. SOURCE: body = position. */
    ANSWER_DONE,
    /* QUERY_STATE: body = value, type_name, number = version. SOURCE without messages: body =
       position, empty when the source is not known. */
    ANSWER_VALUE,
    ANSWER_ROWS,             /* other queries and pulls: body as described at `answer_rows` */
    ANSWER_UNKNOWN_FUNCTION, /* no endpoint of module.yaml serves the type */
    ANSWER_INTERNAL,         /* the function is not exposed */
    ANSWER_RESERVED,         /* namespace holdfast/ */
    ANSWER_INVALID,          /* text says what */
    ANSWER_NOT_FOUND,
    ANSWER_CONFLICT, /* the same key with another body; a duplicate cancel token */
    ANSWER_MISMATCH, /* If-Match. SOURCE: another position was the last one; body = that */
    ANSWER_TOO_LARGE,
    ANSWER_FULL,   /* over a budget: try later */
    ANSWER_PARKED, /* the called address has parked; text = why, message_id */
    ANSWER_UNKNOWN_EGRESS,
};

/*
 * The body of an answer that stays where it is, in the memory of the shard, while somebody holds it
 * there: of one thread, that of the shard. Who wants it beyond the call that tells the answer keeps
 * it, and returns it once. When the shard is closed the bytes go, whoever holds them.
 */
struct shard_loan {
    struct span bytes;
    uint32_t holders;
    void (*ended)(struct shard_loan *loan); /* the shard's */
};

static inline void shard_loan_keep(struct shard_loan *loan)
{
    loan->holders++;
}

static inline void shard_loan_return(struct shard_loan *loan)
{
    if (--loan->holders == 0) loan->ended(loan);
}

/*
 * Rows are JSON, one object per line, except:
 *   pulls: repeated { varint cursor, string raw TypedValue }  (base/reader.h encodings).
 *   QUERY_STATES and QUERY_EXPORT: repeated { string function type, string id, string state name,
 *     string type name, varint version, varint written_at_ms, string value }.
 * `next` is the cursor for the next page, empty at the end.
 */
struct shard_answer {
    waiter_t waiter;
    enum answer_kind kind;
    uint64_t number;
    struct span message_id;
    struct span type_name;
    struct span text;
    struct span body;
    struct span next;
    struct shard_loan *loan; /* of `body`; NULL: it is copied */
};

/* ---- Invocations ---- */

/*
 * One call to make. Everything it points to stays valid until its outcome has been given back,
 * whatever that is. Exactly one EVENT_RESPONSE is owed for each.
 */
struct shard_invocation {
    uint64_t flight;
    uint32_t endpoint; /* index in the configuration that was valid at dispatch */
    uint32_t attempt;  /* from 1 */
    struct span invocation_id;
    struct span traceparent; /* of the first message, or empty */
    struct function_request request;
};

/* ---- Update: filled by shard_step, appended to until the caller clears it. ---- */

struct shard_update {
    struct buffer records; /* encoded records, in order, to be appended to the journal */
    uint64_t first_seq;    /* of the first of them */
    uint32_t record_count;
    bool commit_wanted; /* somebody waits for the journal */
    const struct shard_invocation **invocations;
    size_t invocation_count;
    struct shard_answer *answers; /* their spans point into `bytes`; see shard_update_answer */
    size_t answer_count;
    /* To be carried to other shards: what is in them is durable here. */
    struct shard_signal *signals; /* see shard_update_signal */
    size_t signal_count;
    /* Not 0: the shard has joined this savepoint. A cut has begun in the middle of the step, in the
       place of any that was running: the caller reads it out, or ends it. */
    uint64_t cut_begun;
    /* private */
    size_t invocation_capacity;
    size_t answer_capacity;
    size_t signal_capacity;
    struct buffer bytes;
};

void shard_update_init(struct shard_update *update);
void shard_update_close(struct shard_update *update);
void shard_update_clear(struct shard_update *update);
/* Answer i with its spans resolved; valid until the next step or clear. */
struct shard_answer shard_update_answer(const struct shard_update *update, size_t i);
/* The same for signal i. */
struct shard_signal shard_update_signal(const struct shard_update *update, size_t i);

#endif
