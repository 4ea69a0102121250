/*
 * A small blocking HTTP/1.1 client for tests: says exactly the bytes it is given, waits at most
 * CLIENT_TIMEOUT_S for an answer. A failure to connect aborts the test.
 */
#ifndef HOLDFAST_TESTS_LIB_HTTP_CLIENT_H
#define HOLDFAST_TESTS_LIB_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT_TIMEOUT_S = 10, CLIENT_HEAD_MAX = 16384 };

/* status 0: the connection ended, or nothing came in time, before a whole answer. */
struct http_reply {
    int status;
    char head[CLIENT_HEAD_MAX]; /* as received, 0-terminated */
    char *body;                 /* 0-terminated */
    size_t body_size;
};

int client_connect(uint16_t port);
int client_connect_unix(const char *path);
void client_send(int fd, const void *bytes, size_t size);
void client_say(int fd, const char *text);
/* The next answer on the connection. */
void client_reply(int fd, struct http_reply *reply);
/* As client_reply, of a request that was HEAD: no body follows. */
void client_reply_head(int fd, struct http_reply *reply);
void reply_close(struct http_reply *reply);
/* Value of a header, by its lower-case name, into a buffer that the next call reuses; NULL: not
 * there. */
const char *reply_header(const struct http_reply *reply, const char *name);
/* True once the server has closed; waits for it. */
bool client_closed(int fd);
/* Gone for good, by a reset: one that only ends its sending may still wait for its answer. */
void client_vanish(int fd);

/* A whole exchange on a connection of its own: `headers` as "Name: value\r\n" lines. */
void client_request(uint16_t port, const char *method, const char *path, const char *headers,
                    const void *body, size_t body_size, struct http_reply *reply);

#endif
