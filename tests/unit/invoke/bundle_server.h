/*
 * A function that takes many addresses per request and answers as a test says, over HTTP/1.1 or
 * HTTP/2 alike. It knows calls by the ids of a fixture whose calls are numbered; the right result
 * for call N is an egress message of bundle_result_size(N) bytes, so that no mix-up goes unseen.
 */
#ifndef HOLDFAST_TESTS_INVOKE_BUNDLE_SERVER_H
#define HOLDFAST_TESTS_INVOKE_BUNDLE_SERVER_H

#include "fixture.h"
#include "wire/bundle.h"

#include <openssl/ssl.h>

enum { VISIT_RIDERS_MAX = 256, BUNDLES_KEPT = 256 };

struct bundle_server;
struct h2_peer;

/* One request. */
struct visit {
    struct bundle_server *of;
    int fd;
    int connection;
    int number; /* of its kind, from 0 */
    bool bundle;
    char path[128];
    uint32_t count;
    int calls[VISIT_RIDERS_MAX]; /* by index */
    uint32_t attempts[VISIT_RIDERS_MAX];
    bool chunked;
    bool gone; /* the connection is to end */
    /* HTTP/2 */
    struct h2_peer *peer;
    int32_t stream;
};

typedef void visit_script(struct visit *visit);

struct bundle_server {
    struct server server;
    bool h2;
    SSL_CTX *tls;         /* of HTTP/2, or NULL */
    const char *offer;    /* the accept-post header of every answer, or NULL */
    visit_script *bundle; /* NULL: all is well */
    visit_script *single;
    size_t extra; /* bytes that each result has more */
    atomic_int bundles, singles, gate;
    atomic_int riders[BUNDLES_KEPT]; /* of each bundle */
    atomic_int rode[FIXTURE_CALLS_MAX], alone[FIXTURE_CALLS_MAX];
    char path[BUNDLES_KEPT][128]; /* of each bundle */
};

bool bundle_server_open(struct bundle_server *server);
void bundle_server_close(struct bundle_server *server);

size_t bundle_result_size(const struct bundle_server *server, int call);

/* -- For scripts -- */

/* Waits until the test has opened the gate that far; a few seconds at most. */
void visit_wait(struct visit *visit, int gate);
/* Appends the outcome of the rider at that index. */
void put_result(struct buffer *out, const struct visit *visit, uint32_t index);
void put_failure(struct buffer *out, uint32_t index, uint32_t status, const char *text,
                 int64_t retry_after_ms);
void put_undone(struct buffer *out, uint32_t index);
/* All of them, in order. */
void put_results(struct buffer *out, const struct visit *visit);

/* The head of an answer of any length; `headers`: more of them, "name: value\n", or "". */
void say_head(struct visit *visit, int status, const char *type, const char *headers);
void say(struct visit *visit, const void *bytes, size_t size);
void say_buffer(struct visit *visit, struct buffer *bytes); /* and closes it */
void say_end(struct visit *visit);
/* All at once: HTTP/1.1 says the length. */
void say_whole(struct visit *visit, int status, const char *type, const char *headers,
               const void *bytes, size_t size);
/* The usual 200 with these outcomes, which are closed. */
void say_outcomes(struct visit *visit, struct buffer *outcomes);
/* All is well. */
void say_all_well(struct visit *visit);
/* The connection ends here. */
void hang_up(struct visit *visit);

/* bundle_server_h2.c */
void h2_bundle_serve(struct bundle_server *server, int fd, int connection);
void h2_say_head(struct visit *visit, int status, const char *type, const char *headers);
void h2_say(struct visit *visit, const void *bytes, size_t size, bool last);
/* HTTP/2 only: what is said between goes out in one piece; the stream ends with that error. */
void h2_hold(struct visit *visit);
void h2_release(struct visit *visit);
void h2_reset(struct visit *visit, uint32_t code);
/* GOAWAY that does not count this request in. */
void h2_goaway(struct visit *visit);

/* Reads what a request carries and answers it. */
void visit_serve(struct visit *visit, const char *type, struct span body);

#endif
