/* An HTTP/2 function server on nghttp2 whose answers the test decides, one by one. Runs as a
 * server_script. */
#ifndef HOLDFAST_TESTS_SERVER_H2_H
#define HOLDFAST_TESTS_SERVER_H2_H

#include "lib/server_script.h"

#include <openssl/ssl.h>

enum h2_action {
    H2_RESULT,       /* 200 with `body` */
    H2_CONTINUED,    /* 103 first, then as H2_RESULT, then trailers */
    H2_ERROR,        /* 500 with a text */
    H2_SILENT,       /* nothing, ever */
    H2_REFUSE,       /* RST_STREAM REFUSED_STREAM */
    H2_RESET,        /* RST_STREAM INTERNAL_ERROR */
    H2_CALM,         /* RST_STREAM ENHANCE_YOUR_CALM */
    H2_GOAWAY,       /* GOAWAY that does not count this one in, then no more reading */
    H2_GRACEFUL,     /* answers, with a GOAWAY that counts it in */
    H2_CLOSE,        /* closes the connection */
    H2_HALF,         /* half of the body, then closes */
    H2_MANY_HEADERS, /* 200 of them */
    H2_ENDLESS,      /* a body without end */
    H2_EARLY,        /* 413 at the end of the head, and never reads the body */
};

struct h2_server {
    SSL_CTX *tls;         /* NULL: prior knowledge */
    uint32_t streams_max; /* 0: not said */
    const uint8_t *body;
    size_t body_size;
    bool expects_length;
    /* For the request of that number on the connection of that number, both from 0. */
    enum h2_action (*decide)(int connection, int request);
    atomic_int requests;
    atomic_int streams_now, streams_most;
    atomic_int negotiated; /* connections on which ALPN chose h2 */
    pthread_mutex_t lock;  /* of what follows; PTHREAD_MUTEX_INITIALIZER */
    char head[4096];       /* of the last request, as lines "name: value" */
    size_t received;       /* bytes of its body */
    uint8_t request_body[4096];
};

/* server->context is an h2_server. */
void h2_script(struct server *server, int fd, int index);

#endif
