/*
 * One place to connect to: its pool of connections and the line of calls that wait for one. Calls
 * wait in the order of their coming. Connections are opened for calls that wait, not for one call
 * each: the call that has waited longest takes the first connection that becomes free.
 */
#ifndef HOLDFAST_INVOKE_ORIGIN_H
#define HOLDFAST_INVOKE_ORIGIN_H

#include "base/error.h"
#include "base/list.h"
#include "base/span.h"
#include "invoke/offer.h"

struct endpoint;
struct connection;
struct call;

enum origin_protocol { PROTOCOL_UNKNOWN, PROTOCOL_HTTP1, PROTOCOL_H2 };

struct origin {
    struct list link; /* among its endpoint's */
    struct endpoint *endpoint;
    char *host; /* or path of a socket */
    char
        *fixed_head; /* the lines of a request's head that never change, up to the content-length */
    struct list idle;   /* HTTP/1 connections, the last used first: few stay warm, the others go */
    struct list shared; /* HTTP/2 connections that take calls */
    struct list others; /* connecting, busy, on their way out */
    struct list waiting;
    uint32_t waiting_count;
    uint32_t connection_count;     /* of all lists */
    uint32_t connecting;           /* for calls that wait */
    enum origin_protocol protocol; /* what the last connection turned out to speak */
    bool dialing;                  /* in origin_dial: a failure must not call it again */
    struct offer offer;
    struct call *boarding; /* the bundle that calls of this turn join, or NULL */
};

/* ERROR_MEMORY */
int origin_open(struct origin **origin, struct endpoint *endpoint, struct span host) MUST_USE;
/* Closes its connections. No call may be left, or the room closes. */
void origin_close(struct origin *origin);
void origin_retire(struct origin *origin);
bool origin_useless(const struct origin *origin);
/* Closes connections that have been idle for too long; the time of the next one, or INT64_MAX. */
int64_t origin_close_idle(struct origin *origin);

/* Takes a new call. */
void origin_call(struct origin *origin, struct call *call);
/* Its time is over, whatever it is doing. */
void origin_call_expired(struct call *call);
/* The memory for its answer, some of which has come, is needed for others. */
void origin_call_crowded(struct call *call);
/* Nobody waits for its answer any more. It is neither told nor freed here. */
void origin_call_dropped(struct call *call);
/* The call's stale connection is gone: once again, on a new one of its own. */
void origin_retry(struct origin *origin, struct call *call);

/* The call is certain not to have been taken: to the front of the line, uncounted. */
void origin_again(struct origin *origin, struct call *call);

/* What a connection tells: it is ready for its first call; free for the next one; can take more
 * streams. */
void origin_ready(struct origin *origin, struct connection *connection);
void origin_free(struct origin *origin, struct connection *connection);
void origin_roomier(struct origin *origin, struct connection *connection);
/* It could not be opened, for `why`. The connection is closed already; `call` is the one that it
 * was for, or NULL. */
void origin_unreachable(struct origin *origin, struct call *call, const char *why);
/* It was closed. */
void origin_lost(struct origin *origin);

#endif
