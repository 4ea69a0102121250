/* One connection to an origin, from the look-up of the name to its end. */
#ifndef HOLDFAST_INVOKE_CONNECTION_H
#define HOLDFAST_INVOKE_CONNECTION_H

#include "invoke/http1.h"
#include "invoke/resolve.h"
#include "invoke/stream.h"
#include "os/loop.h"

struct origin;
struct call;
struct h2;

enum connection_state {
    CONNECTION_RESOLVING,
    CONNECTION_CONNECTING,
    CONNECTION_SECURING,
    CONNECTION_IDLE,
    CONNECTION_BUSY,   /* HTTP/1, with a call */
    CONNECTION_SHARED, /* HTTP/2 */
};

struct connection {
    struct list link; /* in one of its origin's lists */
    struct list turn; /* among those that wait for their turn to be read, see share.c */
    struct origin *origin;
    enum connection_state state;
    struct stream stream;
    struct loop_watch watch;
    /* Until it is connected. */
    struct loop_timer timer;
    int64_t connect_until_us;
    struct resolve_waiter resolve;
    struct addresses addresses;
    size_t address_next;
    char problem[128]; /* of the last address */
    /* HTTP/1 */
    struct call *call; /* that it serves, or that it was opened for */
    bool was_idle;     /* before its present call: it may have been closed under us */
    bool write_broken; /* only an answer can still come */
    struct buffer out; /* what the socket did not take */
    size_t out_sent;
    struct http1 http1;
    int64_t idle_until_us;
    /* HTTP/2 */
    struct h2 *h2;
    struct list dirty;
};

/* Opens one, for `call` alone when not NULL. Failures are told to the origin. */
void connection_open(struct origin *origin, struct call *call);
/* Ends it. A call that it still has must have been taken away. Tells the origin. */
void connection_close(struct connection *connection);
/* Frees it and tells nobody. */
void connection_free(struct connection *connection);

/* The watch's callback; h2 or HTTP/1 as the state says. */
void connection_ready(struct loop_watch *watch, uint32_t events);
/* What its watch is told when there is something to read, once its turn has come. */
void connection_read(struct connection *connection);
/* Waits for what the stream and the unsent bytes need. */
void connection_want(struct connection *connection, bool write);
/* Sends what is left over. False: the connection takes no more. */
bool connection_flush(struct connection *connection);
/* Connected, and secure where it should be. */
void connection_established(struct connection *connection, bool h2);

/* dial.c: the steps until then. */
void dial_begin(struct connection *connection);
void dial_ready(struct connection *connection);

#endif
