/*
 * The records of a shard: what decide writes, fold reads and the journal keeps. One record is
 *     varint size of the rest, byte kind, varint milliseconds since the previous record, body
 * Names are numbers of the shard's dictionary (DEFINE). Writers append to a buffer (sticky
 * failure), readers take from a reader (sticky failure); each pair stands together and is the
 * definition of the bytes.
 */
#ifndef HOLDFAST_WIRE_RECORD_H
#define HOLDFAST_WIRE_RECORD_H

#include "base/buffer.h"
#include "base/reader.h"
#include "base/span.h"

enum record_kind {
    RECORD_OPEN = 1,     /* a new owner: epoch, lineage, version */
    RECORD_DEFINE = 2,   /* the next number of the dictionary */
    RECORD_SPEC = 3,     /* state specs of a function type, added or changed */
    RECORD_ACCEPT = 4,   /* a message came in */
    RECORD_APPLY = 5,    /* what one response did */
    RECORD_FIRE = 6,     /* delayed messages that are due */
    RECORD_FAIL = 7,     /* failures of an address, perhaps parked */
    RECORD_OPERATOR = 8, /* a verb on one address */
    RECORD_CURSOR = 9,   /* egress records were taken */
    RECORD_EVICT = 10,   /* oldest idempotency entries of a slot forgotten */
    RECORD_CANCEL = 11,  /* a delayed message cancelled from outside */
    RECORD_PURGE = 12,   /* expired values of a slot forgotten */
    RECORD_RECEIVE = 13, /* parcels of another shard came in */
    RECORD_ACKED = 14,   /* another shard has ours durably */
    RECORD_CUT = 15,     /* takes part in a savepoint: its image is the one after this record */
    RECORD_SOURCE = 16,  /* messages of a source, and how far it has been taken by that */
    RECORD_OPTIONAL =
        0x80, /* kinds with this bit may be skipped by a reader that does not know them */
};

enum { RECORD_FORMAT = 2, RECORD_SIZE_MAX = 64 << 20 };

struct record {
    uint8_t kind;
    uint64_t elapsed_ms;
    struct span body;
};

void record_write(struct buffer *out, uint8_t kind, uint64_t elapsed_ms, struct span body);
/* One record off the front; the reader fails on a broken one. */
void record_read(struct reader *in, struct record *record);

struct record_open {
    uint32_t epoch;
    uint64_t lineage;
    uint32_t format; /* of the records after it */
    struct span version;
    uint32_t shard;
    uint32_t shard_count;
};
void record_open_write(struct buffer *out, const struct record_open *open);
void record_open_read(struct reader *in, struct record_open *open);

struct record_spec {
    uint32_t name;
    uint32_t type_name;
    uint8_t mode; /* enum expire_mode */
    uint64_t ttl_ms;
};
void record_spec_write(struct buffer *out, const struct record_spec *spec);
void record_spec_read(struct reader *in, struct record_spec *spec);

enum item_kind {
    ITEM_MESSAGE,
    /* To whoever holds a reply token: id = token, no type. Without id, in APPLY: to the next one
       who waits, in the order of the messages it consumes. */
    ITEM_REPLY,
    ITEM_STATE_SET, /* argument = value */
    ITEM_STATE_DELETE,
    ITEM_EGRESS, /* between shards: type = lane, no id, argument = record */
};

/* Something for an address. Which fields are there is said by a byte of flags. */
struct record_item {
    enum item_kind kind;
    uint32_t type; /* function type of the target */
    struct span id;
    struct span argument; /* raw TypedValue, or a state's value */
    bool has_caller;      /* not set inside APPLY: the caller is the address that applies */
    uint32_t caller_type;
    struct span caller_id;
    struct span reply_token; /* somebody waits for a reply */
    struct span traceparent;
    bool delayed;
    uint64_t delay_ms; /* after the record's time */
    struct span cancel_token;
    uint32_t state_name;
    uint32_t state_type;
    bool if_match;
    uint64_t version;
};
void record_item_write(struct buffer *out, const struct record_item *item);
void record_item_read(struct reader *in, struct record_item *item);

/* ACCEPT: head, then one item. */
struct record_accept {
    struct span key; /* idempotency key, empty = none */
    uint64_t body_hash;
};
void record_accept_write(struct buffer *out, const struct record_accept *accept);
void record_accept_read(struct reader *in, struct record_accept *accept);

/* RECEIVE: head, then so many items, each with its caller. */
struct record_receive {
    uint32_t from;  /* shard */
    uint64_t first; /* number of the first parcel */
    uint64_t count;
};
void record_receive_write(struct buffer *out, const struct record_receive *receive);
void record_receive_read(struct reader *in, struct record_receive *receive);

struct record_acked {
    uint32_t peer;
    uint64_t through; /* number of a parcel to it */
};
void record_acked_write(struct buffer *out, const struct record_acked *acked);
void record_acked_read(struct reader *in, struct record_acked *acked);

/* SOURCE: head, then so many items, each a message without a caller. */
struct record_source {
    uint32_t name;        /* of the source */
    struct span position; /* of the last, as the source counts */
    uint64_t count;
};
void record_source_write(struct buffer *out, const struct record_source *source);
void record_source_read(struct reader *in, struct record_source *source);

/* APPLY: head; count and items; count and delayed; count and egress; count and mutations. */
struct record_apply {
    uint32_t type;
    struct span id;
    uint32_t consumed;
    uint32_t check;  /* of the first message's id */
    uint64_t age_ms; /* between dispatch and this record: states were read then */
};
void record_apply_write(struct buffer *out, const struct record_apply *apply);
void record_apply_read(struct reader *in, struct record_apply *apply);

/* Delayed sends and cancels share one list, since their order matters: a cancel is a lone token. */
void record_delayed_write(struct buffer *out, const struct record_item *item);
void record_cancel_write(struct buffer *out, struct span token);
/* True: a cancel, item->cancel_token says of what. */
bool record_delayed_read(struct reader *in, struct record_item *item);

struct record_egress {
    uint32_t lane; /* dictionary: "ns/name", for the playground "ns/name/topic" */
    struct span argument;
};
void record_egress_write(struct buffer *out, const struct record_egress *egress);
void record_egress_read(struct reader *in, struct record_egress *egress);

struct record_mutation {
    uint32_t name;
    bool is_delete;
    uint32_t type_name;
    struct span value;
};
void record_mutation_write(struct buffer *out, const struct record_mutation *mutation);
void record_mutation_read(struct reader *in, struct record_mutation *mutation);

struct record_fail {
    uint32_t type;
    struct span id;
    uint32_t attempts;
    bool parked;
    uint64_t since_ms; /* first failure, before this record */
    struct span text;
};
void record_fail_write(struct buffer *out, const struct record_fail *fail);
void record_fail_read(struct reader *in, struct record_fail *fail);

enum record_verb {
    RECORD_VERB_RETRY,
    RECORD_VERB_SKIP,
    RECORD_VERB_DEAD_LETTER, /* argument = lane, then the letter */
    RECORD_VERB_WRITE, /* takes the state write at the head; `applied` says whether it matched */
    RECORD_VERB_PURGE,
};

struct record_operator {
    uint32_t type;
    struct span id;
    enum record_verb verb;
    bool applied;
    struct span who;
    uint32_t lane;
    struct span letter;
};
void record_operator_write(struct buffer *out, const struct record_operator *operate);
void record_operator_read(struct reader *in, struct record_operator *operate);

#endif
