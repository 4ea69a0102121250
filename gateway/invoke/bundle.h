/*
 * Many addresses per request: calls that begin in the same turn, to the same origin, travel as one,
 * where the function has offered to take that (docs/protocol.md). The request is a call of its own,
 * the carrier, which has no invocation but riders; connections see nothing else. Each rider keeps
 * its deadline and gets an outcome of its own, as soon as that has come.
 *
 * Nobody suffers from whom he rides with: what fails is told to nobody else; whoever failed before
 * or was slow is called alone; and an answer that is not understood is nobody's failure: its riders
 * are called again, each alone, and the origin gets no bundles for a while.
 */
#ifndef HOLDFAST_INVOKE_BUNDLE_H
#define HOLDFAST_INVOKE_BUNDLE_H

#include "base/buffer.h"
#include "base/list.h"

#include <stdint.h>

struct call;
struct invoke;
struct origin;

enum {
    BUNDLE_RIDERS_MAX = 128,       /* whatever the function offers */
    BUNDLE_BYTES_MAX = 256 * 1024, /* of a request; a larger call is not delayed by others' bytes */
};

struct bundle {
    struct call *carrier;
    struct list link; /* among those that board, or that have brought outcomes: never both */
    uint32_t count;   /* places given away */
    uint32_t left;    /* riders without outcome */
    uint32_t heard;   /* outcomes that have come, also such as are nobody's any more */
    size_t bytes;     /* of the request */
    int64_t heard_us; /* sent, or the last outcomes came */
    bool failed;      /* the carrier got no answer: its outcome is that of all who are left */
    bool broken;      /* its answer is not understood from some place on */
    struct call *riders[BUNDLE_RIDERS_MAX]; /* by index in the request; NULL: gone */
};

/* The call may share a request. */
bool bundle_wanted(const struct origin *origin, const struct call *call);
/* It takes its place; the bundle leaves when it is full, or with the next bundles_depart. */
void bundle_board(struct origin *origin, struct call *call);
/* Sends what has boarded. */
void bundles_depart(struct invoke *invoke);

/* The body of the carrier's request, whose size is told first. After this, the riders' places are
 * what the answer speaks of. */
size_t bundle_request_size(struct call *carrier);
void bundle_request_encode(struct buffer *out, const struct call *carrier);
/* The request is on its way. */
void bundle_sent(struct call *carrier);

/* Some bytes of the carrier's answer have come. */
void bundle_heard(struct call *carrier);
/* Tells outcomes, as many as fit into the turn. True: nothing is left to be told. */
bool bundle_tell(struct call *carrier);
/* All that have been heard from. */
void bundles_tell(struct invoke *invoke);

/* The rider's time is over before its outcome has come: it leaves its place. */
void bundle_leave(struct call *rider);

#endif
