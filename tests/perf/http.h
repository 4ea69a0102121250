/* The little of HTTP/1.1 that a benchmark needs, on both sides: heads with a content-length, kept
 * alive. */
#ifndef HOLDFAST_PERF_HTTP_H
#define HOLDFAST_PERF_HTTP_H

#include "base/buffer.h"

/* A connection's input and output. */
struct http_pipe {
    int fd;
    struct buffer in;
    struct buffer out;
    size_t out_sent;
};

/* One whole message at the front of the input; size 0: not yet, SIZE_MAX: not HTTP as we know it.
 */
struct http_message {
    struct span head;
    struct span body;
    size_t size;
};

void http_pipe_init(struct http_pipe *pipe, int fd);
void http_pipe_close(struct http_pipe *pipe);
/* Reads what is there. False: closed or broken. */
bool http_pipe_read(struct http_pipe *pipe);
/* Sends what it can. False: broken. */
bool http_pipe_write(struct http_pipe *pipe);
struct http_message http_pipe_message(const struct http_pipe *pipe);
/* Drops a message from the front. */
void http_pipe_drop(struct http_pipe *pipe, size_t size);
/* A TCP socket on loopback, non-blocking, TCP_NODELAY; -1. */
int http_connect(uint16_t port);
int http_listen(uint16_t *port);
/* A Unix socket at a path that must not exist; -1. */
int http_listen_at(const char *path);
int http_accept(int listener);
/* Monotonic microseconds. */
int64_t now_us(void);

#endif
