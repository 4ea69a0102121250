/* One call: from its invocation to the one outcome that is owed for it. */
#ifndef HOLDFAST_INVOKE_CALL_H
#define HOLDFAST_INVOKE_CALL_H

#include "base/list.h"
#include "invoke/answer.h"
#include "shard/event.h"

struct invoke;
struct endpoint;
struct origin;
struct connection;

enum call_place {
    CALL_FREE,
    CALL_NEW,      /* has not begun */
    CALL_WAITING,  /* for a connection, in its origin's line */
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
    struct connection *connection; /* RETRYING, SENT */
    const struct shard_invocation *invocation;
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
/* Its connection and line have let it go: the outcome will be told at the end of the turn. */
void call_fail(struct call *call, enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * The answer is complete, or its body failed with `body_error`: tells the outcome at once, unless
 * it has to be unpacked. That may run any code of the room's user: nothing of the room may be
 * touched afterwards.
 */
void call_answered(struct call *call, int body_error);
/* The same at the end of the turn. */
void call_answered_later(struct call *call, int body_error);
/* Tells what was put off, as much as fits into the turn. */
void calls_tell(struct invoke *invoke);
/* Frees one of any place, without an outcome. */
void call_free(struct call *call);

#endif
