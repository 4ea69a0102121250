/* What the files of net/ share. Nothing outside net/ may include this: it is where h2o ends. */
#ifndef HOLDFAST_NET_INTERNAL_H
#define HOLDFAST_NET_INTERNAL_H

#include "base/list.h"
#include "net/server.h"

#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>

/* Without it h2o's structs silently have another layout. */
_Static_assert(H2O_USE_LIBUV == 0, "build with -DH2O_USE_LIBUV=0");

enum { H2O_TIMEOUTS = 8, LARGE_READS = 64, SPARE_POOLS = 128 };

/* A path whose answer was large the last time. */
struct large_read {
    uint64_t hash;
    size_t size;
    int64_t at_us;
};

struct server {
    h2o_globalconf_t config;
    h2o_context_t context;
    uint64_t timeouts_ms[H2O_TIMEOUTS]; /* as configured; see server.c */
    bool timeouts_fit;                  /* are what they should be */
    h2o_evloop_t *events;
    h2o_socket_t *loop_socket; /* wakes us when the loop has work */
    struct loop *loop;
    struct server_limits limits;
    struct list listeners;
    struct list connections;
    uint32_t connection_count;
    /* What requests hold that have not come whole, see bodies.c. */
    struct list uploads; /* connections that hold something, oldest first */
    uint32_t upload_count;
    size_t body_bytes;
    size_t connection_bodies_max;
    /* What answers hold that have not gone out, see answers.c. */
    struct list answers; /* connections that hold some, oldest first */
    size_t answer_bytes;
    int64_t answers_looked_us;
    /* Whose turn it is, see turn.c. */
    struct list postponed; /* requests that wait for the next turn */
    uint64_t turn;
    int64_t handling_us; /* that handlers have taken in this turn */
    uint32_t closings;   /* connections and requests that have ended in it */
    struct list reads;   /* requests that are out, oldest first */
    uint32_t read_count;
    uint32_t reads_max; /* that may be out, by what was learned */
    int64_t large_read_us;
    int64_t read_answered_us;
    struct large_read large_reads[LARGE_READS];
    struct list unhooked;             /* connections whose reading we do not follow, for now */
    const struct connection *reading; /* h2o reads from it; NULL when it has gone meanwhile */
    int hangup_fd;                    /* an epoll of its own, see hangup.c */
    struct loop_watch hangup_watch;
    const h2o_req_t *answering; /* the request whose answer is ours, see refusal.c */
    int turn_error;             /* of a loop turn made within h2o's run */
    bool draining;
    bool closing;
    h2o_mem_pool_t spares[SPARE_POOLS]; /* see spares.c */
    uint32_t spare_count;
};

struct listener {
    struct list link;
    struct server *server;
    h2o_socket_t *socket; /* NULL once it no longer listens */
    h2o_accept_ctx_t accept;
    http_handler *handler;
    void *context;
    struct loop_timer pause; /* out of descriptors: try again then */
    uint16_t port;
    bool shared;     /* with listeners of other threads */
    char *unix_path; /* to be removed at the end, or NULL */
};

struct frames;

/* Leaks at a steady rate. */
struct bucket {
    uint64_t level;
    int64_t at_us;
};

/* One client connection; `socket->on_close.data` points to it. */
struct connection {
    struct list link;
    struct listener *listener;
    h2o_socket_t *socket;
    struct list requests; /* from the handler's call until h2o disposes of them */
    uint32_t waiting;     /* of them, not yet answered */
    bool trusted;         /* TLS, Unix socket or loopback */
    bool gone;            /* the client has, for good: nothing can be answered */
    bool cut;             /* shut down by us: whatever still comes is refused */
    /* The watchdog against slow clients: see connection.c. */
    struct loop_timer watchdog;
    int64_t progress_us;
    size_t read_total;
    size_t read_seen;
    uint64_t taken_seen;
    bool suspect;
    /* The count of what it holds: see bodies.c. */
    h2o_socket_cb read; /* h2o's, behind ours */
    struct list unhooked_link;
    struct list upload_link;
    size_t held;
    int64_t received_us;
    bool protocol_known;
    struct frames *frames; /* HTTP/2 only */
    bool ends_body;        /* with a frame of this read: it is too large */
    char *refusal;         /* being sent because there was no room: what comes is thrown away */
    /* What its answers hold: see answers.c. */
    struct list answers_link;
    size_t answers_held;
    uint64_t answers_seen; /* bytes that the client had taken then */
    int64_t answers_seen_us;
    /* Its requests in the newest turn in which it had some: see turn.c. */
    uint64_t turn;
    uint32_t turn_requests;
    /* Floods: see connection.c. */
    struct bucket resets;
    struct bucket overhead;
    size_t written_seen;
    uint32_t answered;   /* since the last look */
    uint64_t dispatched; /* requests that came whole */
    uint64_t refused_seen;
};

struct request {
    struct http_request http;      /* first */
    struct list link;              /* in connection->requests */
    struct connection *connection; /* NULL when it has ended */
    struct server *server;
    h2o_req_t *h2o;
    struct list postponed_link; /* in server->postponed */
    struct list read_link;      /* in server->reads */
    int64_t out_us;
    size_t held; /* bytes of the answer, until it is out */
    bool answered;
    /* The body is not ours; NULL: it is, or has been given back. */
    void (*lent_done)(void *context);
    void *lent_context;
};

static inline struct request *request_of(const struct http_request *http)
{
    return CONTAINER_OF(http, struct request, http);
}

/* It can be repeated without harm. */
static inline bool request_is_read(const struct request *request)
{
    return span_equal(request->http.method, SPAN_LITERAL("GET"));
}

static inline h2o_iovec_t iovec_of(struct span span)
{
    return h2o_iovec_init(span.at, span.size);
}

static inline struct span span_of_iovec(h2o_iovec_t iovec)
{
    return span_of(iovec.base, iovec.len);
}

/* listener.c */
void listener_stop(struct listener *listener);
void listener_free(struct listener *listener);

/* tls.c: ERROR_INVALID. */
int tls_context(const struct listener_options *options, SSL_CTX **tls,
                struct errmsg *errmsg) MUST_USE;

/* connection.c */
void connection_accept(struct listener *listener, h2o_socket_t *socket);
/* Something of a request went on: the client is not stuck. */
void connection_progress(struct connection *connection);
void connection_count_reset(struct connection *connection);
/* Those that have come in since the last time. */
void connection_count_frames(struct connection *connection);
/* Both directions at once; h2o notices and frees it within its next run. */
void connection_cut(struct connection *connection);
/* The same, and what has not been sent is thrown away: a client that does not read would keep it,
   and the end behind it, in the system's memory for minutes. */
void connection_abort(struct connection *connection);
/* No request, nothing of one received, and not in the middle of an answer. */
bool connection_idle(const struct connection *connection);

/* bodies.c */
void bodies_open(struct server *server);
/* Before each run of h2o's loop. */
void bodies_hook(struct server *server);
void bodies_connection_init(struct connection *connection);
void bodies_connection_close(struct connection *connection);
/* h2o is about to read from it with a callback of its own. */
void bodies_unhooked(struct connection *connection);

/* waiting.c */
/* h2o has stopped reading: a request may wait for its answer. */
void waiting_begin(struct connection *connection);
/* A request has ended: h2o goes on reading. */
void waiting_end(struct connection *connection);

/* spares.c */
/* Before each run of h2o's loop. */
void spares_turn(void);
/* h2o is about to dispose of the request. */
void spares_keep(struct server *server, h2o_req_t *req);
/* h2o is about to begin one. */
void spares_use(struct server *server);
void spares_close(struct server *server);

/* answers.c */
void answers_open(struct server *server);
void answers_connection_init(struct connection *connection);
void answers_connection_close(struct connection *connection);
/* Bytes that the client's machine has acknowledged so far. */
uint64_t answers_taken(const struct connection *connection);
/* Whether there is room for so many bytes, which is made when need be. */
bool answers_fit(const struct connection *connection, size_t size);
/* Counts an answer, for which room is made when need be. False: there is none. */
bool answers_hold(struct connection *connection, size_t size);
void answers_release(struct connection *connection, size_t size);

/* turn.c */
void turn_open(struct server *server);
/* Hands out what the last turns have left. */
void turn_begin(struct server *server);
bool turn_waits(const struct server *server);
/* To the listener's handler, now or in a turn to come. */
void turn_request(struct request *request);
/* It is answered, or gone. */
void turn_left(struct request *request);
/* A client has ended its connection. False: not in this turn; the system tells of it again. */
bool turn_may_close(const struct connection *connection);
/* An answer of that size is about to be given. */
void turn_answer(struct request *request, size_t size);

/* hangup.c: ERROR_IO. */
int hangup_open(struct server *server) MUST_USE;
void hangup_close(struct server *server);
void hangup_watch(struct connection *connection);

/* request.c */
void request_handler_register(struct server *server, h2o_pathconf_t *path);
/* The client of an HTTP/1 request has gone: tells the handler, ends the request. */
void request_abandon(struct request *request);
/* The server closes: the same, with an answer that says so. */
void request_dismiss(struct request *request);
/* A read whose answer has no room now. */
void request_refuse_large(struct request *request);

/* refusal.c */
void refusal_filter_register(struct server *server, h2o_pathconf_t *path);

/* problem.c */
struct buffer;
void problem_encode(struct buffer *out, const struct http_problem_document *problem);
const char *status_reason(int status);

#endif
