/*
 * The overlay: what the shard knows beyond the image: flights, back-off clocks, waiters, endpoint
 * windows. Never journaled, snapshotted or digested; after recovery each non-empty, not parked
 * mailbox is READY.
 */
#ifndef HOLDFAST_SHARD_OVERLAY_H
#define HOLDFAST_SHARD_OVERLAY_H

#include "base/prng.h"
#include "shard/event.h"
#include "shard/image.h"
#include "shard/metrics.h"

/* ---- Flights: one per mailbox with mail. Each state is a list. ---- */

enum flight_state {
    FLIGHT_READY,        /* waits for its endpoint's window */
    FLIGHT_WAIT_DURABLE, /* dispatch: durable, and its messages are not yet */
    FLIGHT_SENT,         /* a call is out */
    FLIGHT_RETRY_WAIT,   /* failed, back-off runs */
    FLIGHT_BLOCKED, /* the response would exceed a budget: it was not applied, the address is called
                       again */
    FLIGHT_PARKED,  /* waits for an operator */
    FLIGHT_HELD,    /* its function is not configured now */
    FLIGHT_STATES,
};

/* What a result found no room in. */
enum shortage {
    SHORT_OF_NOTHING,
    SHORT_OF_OUTBOX,   /* a consumer has to take something first */
    SHORT_OF_CHANNELS, /* another shard has to */
    SHORT_OF_MEMORY,   /* the budget */
    SHORT_OF_HEAP,     /* the machine */
    SHORTAGES,
};

struct lack {
    enum shortage of;
    size_t bytes;
};

struct flight {
    struct list
        link; /* in a list of its state; READY: of its endpoint; BLOCKED: of what it lacks */
    enum flight_state state;
    struct heap_node wake; /* RETRY_WAIT, BLOCKED: in overlay.wakes */
    struct box *box;
    uint32_t index; /* in overlay.flights: half of the handle */
    uint32_t
        generation;     /* the other half: +1 per dispatch, so that a stale response finds nobody */
    uint32_t endpoint;  /* READY, SENT */
    uint32_t tries;     /* calls with this head message, for Holdfast-Attempt */
    uint32_t attempts;  /* address failures of this head message */
    uint32_t batch_max; /* shrinks while a batch fails */
    uint32_t kills;     /* lost or timed out as the only call */
    uint32_t blocks;    /* responses in a row that found no room */
    struct lack lack;   /* of its last result, while BLOCKED … */
    struct lack claim;  /* … and while it is called again, so that nobody else is for this room */
    bool may_lead;      /* BLOCKED for want of memory, and has not been a pioneer meanwhile */
    bool leads;         /* is one: its result may take more memory than others */
    uint32_t handshakes; /* with this head message */
    int64_t failed_ms;   /* first address failure, 0 = none */
    uint32_t sent_count; /* messages in the call that is out */
    int64_t sent_ms;     /* states were read then */
    int64_t sent_mono_ms;
    uint32_t sent_specs; /* registered states when it was sent */
    size_t state_bytes;  /* in the call that is out, about */
    bool alone;          /* no other call to the endpoint was out meanwhile */
    struct cell *cell;   /* held while SENT */
    struct shard_invocation invocation;
    struct function_state *states;
    uint32_t state_capacity;
    struct function_message *messages;
    uint32_t message_capacity;
    struct buffer id_text;
};

/* ---- Endpoints ---- */

struct endpoint {
    struct shard_endpoint config; /* the pattern is owned */
    struct list ready;            /* flights */
    uint32_t ready_count;
    uint32_t in_flight;
    uint32_t window;
    uint32_t failures;     /* in a row; > 0: half open, one call at a time */
    int64_t open_until_ms; /* shard time; no call before */
    uint64_t results[8];   /* calls by outcome; a handshake at 7 */
    struct flight *alone;  /* the only call, while it is the only one */
    struct flight *killer; /* whose call was lost since the last complete answer … */
    bool is_down;          /* … and then another one's too: it is not the message */
};

struct egress {
    struct span name; /* owned */
    enum egress_kind kind;
};

/* ---- Waiters ---- */

enum wait_place {
    WAIT_GATE,  /* has its answer, shown when `seq` is durable */
    WAIT_REPLY, /* of an entry */
    WAIT_LANE,  /* for records of a lane */
    WAIT_WRITE, /* for a state write in a mailbox */
};

struct wait {
    struct table_node node; /* in overlay.waits, by waiter */
    struct list link;
    waiter_t waiter;
    enum wait_place place;
    uint64_t seq;
    /* the answer */
    enum answer_kind kind;
    uint64_t number;
    uint64_t id_seq; /* message id, 0 = none */
    uint32_t id_index;
    uint32_t id_epoch;
    uint32_t type_name; /* dictionary number, 0 = none */
    uint32_t body_size;
    uint32_t next_size;
    uint32_t text_size;
    uint8_t *bytes;          /* body, next, text; the body of a reply is in its entry */
    struct shard_loan *loan; /* of the body, which is then not in `bytes` */
    bool gated;              /* in overlay.gates */
    struct entry *entry;     /* whose answer it is; stays while it is gated */
    bool asks;               /* with the token of a call */
    /* WAIT_LANE */
    uint64_t after;
    uint32_t max;
    bool pop;
    /* WAIT_WRITE: the message it belongs to */
    struct table_node write_node; /* in overlay.write_waits, by write_seq */
    uint64_t write_seq;
};

/* ---- Other shards ---- */

/* A RECEIVE that is not durable yet. */
struct receipt {
    uint64_t seq; /* 0: none */
    uint64_t number;
};

struct peer {
    uint64_t sent;                /* handed over, this number and all before it */
    uint64_t acked;               /* from it: durable here */
    struct receipt first, second; /* the oldest RECEIVE not durable, and the newest after it */
    int64_t resend_at_ms;         /* shard time; INT64_MAX: nothing is out */
    uint32_t resends;             /* in a row */
    bool full;                    /* what it sent last found no room … */
    size_t wants_bytes;           /* … for so much; 0: it was not bytes */
    bool tells;                   /* there is news for it besides parcels */
    bool rewinds;                 /* … that it has to send again */
};

struct overlay {
    struct endpoint *endpoints;
    uint32_t endpoint_count;
    struct egress *egresses;
    uint32_t egress_count;
    uint64_t config_version;
    struct shard_config config; /* scalars only */
    struct flight **flights;    /* by index; free ones too */
    uint32_t flight_count;
    uint32_t flight_capacity;
    struct list free_flights;
    struct list unsettled; /* boxes that fold has changed, beyond SETTLE_MAX of a step */
    struct list states[FLIGHT_STATES]; /* READY, BLOCKED are empty: see the endpoints, `blocked` */
    uint64_t state_counts[FLIGHT_STATES];
    struct heap wakes;              /* flights by shard time */
    struct list blocked[SHORTAGES]; /* flights, the oldest first */
    size_t claimed[SHORTAGES];      /* bytes, of all their claims */
    uint32_t leading;               /* pioneers that are READY or have a call out */
    int64_t led_ms;                 /* steady clock, when the last one was chosen */
    struct table waits;
    struct list gates; /* by seq */
    uint64_t gate_count;
    struct list lane_waits;
    struct table write_waits;
    uint64_t wait_count;
    struct list loans; /* values that are lent: see loan.c */
    uint64_t durable_seq;
    struct peer *peers; /* by number of the shard; ours is not used */
    uint32_t peer_count;
    /* Bytes of records that the journal holds in memory, at most: those up to `counted_seq`, and
     * those after it. */
    size_t undurable_old, undurable_new;
    uint64_t counted_seq;
    struct prng prng;
    /* time */
    int64_t now_ms;
    int64_t mono_ms;
    bool clock_started;
    bool clock_jumped; /* the wall clock is further ahead than may be followed at once */
    /* sweep of expired entries and values */
    uint32_t sweep_slot;
    int64_t sweep_at_ms; /* the next one, if nothing happens before … */
    int64_t swept_ms;    /* … since the last one, at this time … */
    uint64_t swept_seq;  /* … and this seq */
};

struct shard {
    struct image image;
    struct overlay overlay;
    struct shard_metrics metrics;
    struct buffer body;    /* of the record that decide is writing */
    struct buffer scratch; /* rows and keys */
    struct buffer numbers; /* of the names in a result */
    struct buffer id_text; /* of the message that an answer is about */
    struct cut *cut;
    bool failed; /* out of memory where nothing may fail: the owner must stop */
};

/* Empties it; a large one gives its memory back, which no budget counts. */
static inline void reuse_buffer(struct buffer *buffer)
{
    if (buffer->capacity > BUFFER_KEPT_MAX)
        buffer_close(buffer);
    else
        buffer_clear(buffer);
}

/* ---- overlay.c ---- */
int overlay_init(struct overlay *overlay) MUST_USE;
/* Addresses have mail that they are not called for yet: the next step goes on with them. */
static inline bool overlay_is_unsettled(const struct overlay *overlay)
{
    return !list_empty(&overlay->unsettled);
}
void overlay_close(struct overlay *overlay, struct image *image);
/* Reads the clocks of an event. */
void overlay_tell_time(struct shard *shard, const struct shard_clock *clock);

/* ---- endpoint.c ---- */
int endpoints_configure(struct shard *shard, const struct shard_config *config) MUST_USE;
void endpoints_close(struct overlay *overlay);
/* Index of the endpoint that serves a type, or -1. */
int32_t endpoint_of(struct shard *shard, uint32_t type);
int32_t endpoint_match(const struct overlay *overlay, struct span type);
/* A call may be made now. */
bool endpoint_has_room(const struct shard *shard, const struct endpoint *endpoint);
void endpoint_sent(struct endpoint *endpoint, struct flight *flight);
void endpoint_done(struct endpoint *endpoint, struct flight *flight);
void endpoint_succeeded(struct endpoint *endpoint);
/* A complete answer came, whatever it says. */
void endpoint_answered(struct endpoint *endpoint);
/* The flight's call was lost while it was the only one. False: others' were too, one after the
 * other, so the endpoint is down. */
bool endpoint_suspects(struct endpoint *endpoint, struct flight *flight);
void endpoint_failed(struct shard *shard, struct endpoint *endpoint, int64_t retry_after_ms);
const struct egress *egress_find(const struct overlay *overlay, struct span name);
int64_t backoff_ms(struct overlay *overlay, uint32_t failures);

/* ---- flight.c ---- */
/* The flight of a box with mail, made when missing; NULL: no memory. */
struct flight *flight_get(struct shard *shard, struct box *box);
/* Takes it off its box. */
void flight_end(struct shard *shard, struct flight *flight);
void flight_move(struct shard *shard, struct flight *flight, enum flight_state state);
/* RETRY_WAIT or BLOCKED until then. */
void flight_sleep(struct shard *shard, struct flight *flight, enum flight_state state,
                  int64_t until_ms);
/* The SENT flight of a handle; NULL: stale. */
struct flight *flight_find(struct shard *shard, uint64_t handle);
/* A new head message: nothing is known of it. */
void flight_reset(struct flight *flight);
/* Where it belongs now: READY, HELD, PARKED. */
void flight_settle(struct shard *shard, struct flight *flight);
/* The same for a BLOCKED one for which there is room now, or that is to be a pioneer (budget.h). */
void flight_claim(struct shard *shard, struct flight *flight);
void flight_lead(struct shard *shard, struct flight *flight);

/* ---- loan.c ---- */
/* Of a value in a cell, with the caller as its holder. NULL: it is to be copied. */
struct shard_loan *loan_of(struct shard *shard, struct cell *cell, struct span bytes);
/* Takes back what is still lent. */
void loans_close(struct overlay *overlay);

/* ---- wait.c ---- */
/* NULL: no memory. Waiter 0 gives a wait that nobody sees. */
struct wait *wait_new(struct shard *shard, waiter_t waiter);
/* Stays on the list until there is an answer. A wait that nobody sees is freed instead: nothing
 * could end it. */
void wait_on(struct shard *shard, struct wait *wait, enum wait_place place, struct list *list);
/* The same for the state write that the record of `seq` has put into a mailbox. */
void wait_on_write(struct shard *shard, struct wait *wait, uint64_t seq);
/* Who waits for that write; NULL: nobody. */
struct wait *wait_find_write(const struct shard *shard, uint64_t seq);
int wait_set_bytes(struct shard *shard, struct wait *wait, struct span body, struct span next,
                   struct span text) MUST_USE;
/* Answers when seq is durable; at once when it is. */
void wait_gate(struct shard *shard, struct wait *wait, uint64_t seq, struct shard_update *update);
void wait_forget(struct shard *shard, waiter_t waiter);
void wait_free(struct shard *shard, struct wait *wait);
/* Its memory alone. */
void wait_drop(struct wait *wait, struct memory *memory);
void waits_release(struct shard *shard, struct shard_update *update);
/* ERROR_MEMORY: it was not taken. */
int signal_now(struct shard_update *update, const struct shard_signal *signal) MUST_USE;
/* Answers at once, without a gate: refusals. */
void answer_now(struct shard_update *update, const struct shard_answer *answer);
void answer_text(struct shard_update *update, waiter_t waiter, enum answer_kind kind,
                 const char *text);

#endif
