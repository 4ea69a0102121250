/*
 * The HTTP server behind a narrow door: HTTP/1.1, HTTP/2 (h2c and ALPN), TLS. Bodies are whole and
 * bounded when a handler sees them. Today h2o 2.2; nothing outside net/ may include its headers.
 */
#ifndef HOLDFAST_NET_SERVER_H
#define HOLDFAST_NET_SERVER_H

#include "base/error.h"
#include "base/span.h"
#include "os/loop.h"

struct server;
struct listener;

/* One request, alive from the handler's call until it has been answered or has gone. */
struct http_request {
    struct span method;
    struct span path;  /* still percent-encoded, without the query */
    struct span query; /* without '?', may be empty */
    struct span body;
    bool secure; /* TLS, a Unix socket or loopback peer */
    /* Set by the handler when it will answer later; called when the client has gone before that. */
    void (*gone)(struct http_request *request);
    void *context; /* the handler's */
};

typedef void http_handler(void *context, struct http_request *request);

struct http_header {
    struct span name; /* lower case */
    struct span value;
};

struct server_limits {
    size_t body_max;          /* bytes: 33554432 */
    uint32_t connections_max; /* per server: 10000 */
    int64_t head_timeout_ms;  /* whole head and body of a request: 30000 */
    int64_t idle_timeout_ms;  /* between requests: 60000 */
    /* Bytes that all requests together may hold before they are whole; 0: 268435456. At least one
       body of the largest size is always let in. */
    size_t bodies_max;
};

struct listener_options {
    const char *address; /* "127.0.0.1:7400", "[::1]:0", "unix:/path" */
    http_handler *handler;
    void *context;
    /* NULL, or a listener of another server: accept from its socket too, in this server's thread.
       Not while the other may be stopping. */
    const struct listener *share;
    const char *tls_cert, *tls_key, *tls_client_ca; /* NULL: no TLS */
};

/* The server shares the thread of `loop`: server_turn drives both. Makes the
   process ignore SIGPIPE: a client that has gone is no reason to die. ERROR_MEMORY, ERROR_IO. */
int server_open(struct server **server, struct loop *loop, const struct server_limits *limits,
                struct errmsg *errmsg) MUST_USE;
/* ERROR_IN_USE (port), ERROR_PERMISSION, ERROR_INVALID (address, certificate). */
int server_listen(struct server *server, const struct listener_options *options,
                  struct listener **listener, struct errmsg *errmsg) MUST_USE;
/* The port that was bound, for ":0". */
uint16_t listener_port(const struct listener *listener);
/* Sleeps until a socket or the loop has work, and does it. The only thing the engine's thread waits
 * in. */
int server_turn(struct server *server) MUST_USE;
/* No new connections; open ones are told to close after their request. */
void server_drain(struct server *server);
uint32_t server_connections(const struct server *server);
/* Held now by requests that have not come whole. In the server's thread. */
size_t server_body_bytes(const struct server *server);
void server_close(struct server *server);

/* First header of that (lower case) name; empty with NULL `at` when there is none. */
struct span http_header(const struct http_request *request, const char *name);
/* Value of a query parameter, percent-decoded into memory of the request; NULL `at` when absent. */
struct span http_query(struct http_request *request, const char *name);
/* Percent-decodes a path segment into memory of the request. ERROR_MALFORMED. */
int http_decode(struct http_request *request, struct span encoded, struct span *decoded) MUST_USE;
/* Memory that lives as long as the request. */
void *http_alloc(struct http_request *request, size_t size);

/* Answers, once; everything is copied. content-length and date are added. The request is gone
 * afterwards. */
void http_answer(struct http_request *request, int status, const struct http_header *headers,
                 size_t count, struct span body);
/* The same without a copy of the body, for large ones: it stays as it is until `done` is called,
   once, when it has gone out or nobody wants it any more. That may be within this call. */
void http_answer_lent(struct http_request *request, int status, const struct http_header *headers,
                      size_t count, struct span body, void (*done)(void *context), void *context);
/* application/problem+json (RFC 9457):
   {"type":"about:blank","title":…,"status":…,"code":code,"detail":detail,…}. `address` may be
   empty; retry_after_s 0: no header. */
void http_problem(struct http_request *request, int status, const char *code, const char *detail,
                  struct span address, int retry_after_s);

/* The same with everything that a problem may carry; what is left out is not there. */
struct http_problem_document {
    int status;
    const char *code;
    struct span detail;
    struct span address;
    int retry_after_s;
    struct span members;               /* more of them, as JSON: "a":"b","c":1 */
    const struct http_header *headers; /* more of them */
    size_t header_count;               /* at most HTTP_PROBLEM_HEADERS_MAX */
};

enum { HTTP_PROBLEM_HEADERS_MAX = 6 };

void http_problem_answer(struct http_request *request, const struct http_problem_document *problem);

#endif
