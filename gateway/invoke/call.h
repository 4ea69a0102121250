/* One call: from its invocation to the one outcome that is owed for it. */
#ifndef HOLDFAST_INVOKE_CALL_H
#define HOLDFAST_INVOKE_CALL_H

#include "base/list.h"
#include "invoke/answer.h"
#include "shard/event.h"

struct bundle;
struct invoke;
struct endpoint;
struct origin;
struct connection;

enum call_place {
    CALL_FREE,
    CALL_NEW,      /* has not begun */
    CALL_WAITING,  /* for a connection, in its origin's line */
    CALL_RIDING,   /* in a bundle, as part of another call */
    CALL_RETRYING, /* for a connection of its own */
    CALL_SENT,     /* on a connection */
    CALL_ENDED,    /* the outcome is known */
};

struct call {
    struct list
        link; /* by place: free calls, the origin's line, a connection's streams, failed calls */
    struct list due; /* among its endpoint's deadlines, until it has ended */
    enum call_place place;
    struct invoke *invoke;
    struct endpoint *endpoint;
    struct origin *origin;
    struct connection *connection;             /* RETRYING, SENT */
    const struct shard_invocation *invocation; /* NULL of a carrier */
    struct bundle *bundle;                     /* of a carrier: see bundle.h */
    struct call *carrier;                      /* RIDING */
    uint32_t rider_index;                      /* RIDING */
    bool alone;                                /* it has been in a bundle that was not understood */
    int64_t deadline_us;
    bool retried;   /* its one uncounted retry is spent */
    size_t held;    /* memory of its answer so far, see crowd.h */
    int body_error; /* of an answer that could not be read to its end */
    enum outcome outcome;
    struct errmsg text;
    struct answer answer;
    /* HTTP/2 */
    int32_t stream;
    bool stream_reused;       /* its connection was idle before */
    uint64_t stream_bytes_in; /* of the connection when the call was sent */
    unsigned header_count;
    size_t header_bytes;
    bool head_read;
    struct buffer body;
    size_t body_sent;
};

/* NULL when there is no memory. */
struct call *call_new(struct invoke *invoke, const struct shard_invocation *invocation,
                      struct endpoint *endpoint);
/* One with an empty bundle in the place of an invocation. */
struct call *call_new_carrier(struct invoke *invoke, struct endpoint *endpoint);
/* Its request is about to be sent: an answer may come. */
void call_expects(struct call *call);
/* Its connection and line have let it go: the outcome will be told at the end of the turn. */
void call_fail(struct call *call, enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The request has been sent, or is about to be. */
void call_sent(struct call *call);
/* A piece of the answer's body, as body_add takes it. */
int call_heard(struct call *call, struct span piece, bool last) MUST_USE;
/*
 * The answer is complete, or its body failed with `body_error`: tells the outcome at once, unless
 * it has to be unpacked. That may run any code of the room's user: nothing of the room may be
 * touched afterwards.
 */
void call_answered(struct call *call, int body_error);
/* The same at the end of the turn. */
void call_answered_later(struct call *call, int body_error);
/* Tells this outcome, whose flight is filled here; `bytes`: the size of what it brings. The call is
   gone afterwards. As with call_answered, any code may run. */
void call_tell(struct call *call, struct shard_event *event, size_t bytes);
/* Tells what was put off, as much as fits into the turn. */
void calls_tell(struct invoke *invoke);
/* Ends one that is owed no outcome, and that its connection has let go. */
void call_discard(struct call *call);
/* Frees one of any place, without an outcome. */
void call_free(struct call *call);

#endif
