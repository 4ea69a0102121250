/* The inside of one HTTP/2 connection, shared by h2.c (what we do) and h2_answer.c (what the peer
 * does). */
#ifndef HOLDFAST_INVOKE_H2_SESSION_H
#define HOLDFAST_INVOKE_H2_SESSION_H

#include "invoke/connection.h"

#include <nghttp2/nghttp2.h>

enum { H2_STREAMS_MAX = 256 }; /* on one connection, however many the peer allows */

struct h2 {
    nghttp2_session *session;
    struct connection *connection;
    struct list calls;
    size_t call_count;
    uint64_t bytes_in;
    bool settings_seen; /* the peer speaks HTTP/2 indeed */
    bool used;          /* has had a call */
    bool draining;      /* takes no more calls */
};

/* A client session whose callbacks read answers. NULL when there is no memory. */
nghttp2_session *h2_answer_session(struct h2 *h2);

/* The call is the connection's no longer; what its stream still brings is ignored. */
void h2_let_go(struct h2 *h2, struct call *call);
/* Tells the peer to stop. */
void h2_cancel(struct h2 *h2, int32_t stream);

#endif
