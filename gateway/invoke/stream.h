/* Bytes to and from a peer: a non-blocking socket, with TLS on it or not. The only file with socket
 * calls. */
#ifndef HOLDFAST_INVOKE_STREAM_H
#define HOLDFAST_INVOKE_STREAM_H

#include "base/error.h"
#include "base/span.h"
#include "invoke/resolve.h"

#include <openssl/types.h>
#include <sys/types.h>

struct stream {
    int fd;
    SSL *tls;         /* NULL: plain */
    bool wants_write; /* TLS has to write before it can go on reading, or the other way round */
    bool wants_read;
    bool refused; /* the peer refused our TLS handshake after it was over */
};

enum { STREAM_AGAIN = -1, STREAM_BROKEN = -2 };

/* A socket that begins to connect. 0: connected; STREAM_AGAIN: under way; STREAM_BROKEN: errno. */
int stream_connect(struct stream *stream, const union socket_address *address, uint16_t port);
/* `*full`: the listener's queue is full, try again soon. */
int stream_connect_local(struct stream *stream, const char *path, bool *full);
/* After the socket has become writable: 0 or an errno. */
int stream_connect_result(const struct stream *stream);

/* Begins TLS on a connected stream. ERROR_MEMORY. */
int stream_secure(struct stream *stream, SSL_CTX *context, const char *host) MUST_USE;
/* 0: done, and `*h2` says what ALPN chose. */
int stream_handshake(struct stream *stream, bool *h2);

/* Bytes read; 0: the peer ended in good order. */
ssize_t stream_read(struct stream *stream, uint8_t *at, size_t room);
ssize_t stream_write(struct stream *stream, struct span bytes);
/* Why the last operation was STREAM_BROKEN. Asked at once. */
void stream_problem(const struct stream *stream, struct errmsg *errmsg);

/* Says good-bye where the protocol has a word for it. Harmless on a closed one. */
void stream_close(struct stream *stream);

#endif
