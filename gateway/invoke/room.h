/* The whole room: what invoke_open makes. Only for files of this room. */
#ifndef HOLDFAST_INVOKE_ROOM_H
#define HOLDFAST_INVOKE_ROOM_H

#include "invoke/call.h"
#include "invoke/connection.h"
#include "invoke/endpoint.h"
#include "invoke/invoke.h"
#include "invoke/origin.h"
#include "invoke/resolve.h"

enum {
    ANSWERS_BYTES_MAX = 64 << 20,   /* see invoke_bound */
    INPUT_SIZE = 64 * 1024,         /* one read */
    H2_INPUT_SIZE = 16 * 1024,      /* the same of HTTP/2, where a few bytes can make much work */
    SCRATCH_KEPT_MAX = 1024 * 1024, /* a larger request buffer is given back */
    CALLS_KEPT_MAX = 1024,          /* call objects kept for the next calls */
    CARRIERS_KEPT_MAX = 64,
    STARVED_MAX = 256, /* calls that found no memory, until the end of the turn */
};
enum { LINE_SMALL, LINE_LARGE, PACKED_LINES }; /* compressed answers that wait: see call.c */

struct invoke {
    struct loop *loop;
    invoke_done *done;
    void *context;
    struct resolver resolver;
    struct endpoint **endpoints;
    size_t endpoint_count;
    struct list retired; /* endpoints of earlier configurations, until their last call */
    struct list free_calls;
    struct list free_carriers;
    size_t free_call_count;
    size_t free_carrier_count;
    size_t held;                      /* memory of answers that are coming in, see crowd.h */
    size_t bound;                     /* of it, as we were told */
    size_t held_max;                  /* and with room for the largest one */
    struct list fresh;                /* calls that have not begun */
    struct list failed;               /* calls whose outcome is known and not yet told */
    struct list answered;             /* calls with a complete answer, not yet told */
    struct list boarding;             /* bundles that are not full, see bundle.h */
    struct list speaking;             /* bundles with outcomes that are not yet told */
    struct list packed[PACKED_LINES]; /* the same, to be decompressed before: see call.c */
    struct list leaving;              /* told, with much memory to give back */
    /* What there is to do in one turn is bounded, whatever comes: see share.c. */
    size_t work;         /* bytes that may still be looked at in this turn */
    struct list waiting; /* connections with something to read, for the next turn */
    struct list dirty;   /* h2 connections with something to send */
    const struct shard_invocation *starved[STARVED_MAX];
    size_t starved_count;
    bool sweep;                    /* some endpoint or origin may have become useless */
    struct loop_turn_end turn_end; /* does what has been put off */
    struct loop_timer soon;        /* the same, when it was put off after our turn end */
    struct invoke_metrics metrics;
    struct function_response response;
    struct errmsg text;
    struct buffer scratch; /* a request on its way out */
    uint8_t input[INPUT_SIZE];
};

/* share.c: what of a turn is ours. */
/* So many bytes have been read, or something that takes as long has been done. */
void share_take(struct invoke *invoke, size_t bytes);
bool share_spent(const struct invoke *invoke);
/* The connection has something to read. False: its turn comes later, it has been put in line. */
bool share_may_read(struct invoke *invoke, struct connection *connection);
/* Reads from those that wait, until the share is spent. */
void share_go_on(struct invoke *invoke);
/* Another kind of work begins, or another turn: what comes first leaves something to what follows.
 */
void share_renew(struct invoke *invoke);
/* At the end of a turn: what is left goes on in the next one. */
void share_end(struct invoke *invoke);

static inline bool has_packed_calls(const struct invoke *invoke)
{
    return !list_empty(&invoke->packed[LINE_SMALL]) || !list_empty(&invoke->packed[LINE_LARGE]);
}

/* Something was put off: do it at the end of this turn, or in the next one. */
void invoke_soon(struct invoke *invoke);

#endif
