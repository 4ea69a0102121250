/*
 * A function server that does exactly what a test says: each connection runs a script in a thread
 * of its own, with plain blocking sockets. Every wait has a time-out, and server_close leaves no
 * thread behind.
 */
#ifndef HOLDFAST_TESTS_SERVER_SCRIPT_H
#define HOLDFAST_TESTS_SERVER_SCRIPT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;

/* One accepted connection; `index` counts from 0. The descriptor is closed when the script returns.
 */
typedef void server_script(struct server *server, int fd, int index);

enum { SERVER_CONNECTIONS_MAX = 256, SERVER_WAIT_S = 10 };

struct server {
    int listen_fd;
    uint16_t port; /* 0 for a Unix socket */
    server_script *script;
    void *context; /* the test's */
    pthread_t acceptor;
    pthread_t threads[SERVER_CONNECTIONS_MAX];
    int fds[SERVER_CONNECTIONS_MAX];
    pthread_mutex_t lock;
    atomic_int accepted;
    atomic_int requests; /* read by server_request */
    atomic_bool closing;
};

struct server_request {
    char head[8192]; /* NUL-terminated, with the empty line */
    uint8_t *body;   /* of content_length bytes; freed by server_request_free */
    size_t content_length;
};

/* On 127.0.0.1, with a port of the system's choice. False: it did not work. */
bool server_open(struct server *server, server_script *script, void *context);
/* The same on ::1, or on a Unix socket. */
bool server_open_ip6(struct server *server, server_script *script, void *context);
bool server_open_local(struct server *server, const char *path, server_script *script,
                       void *context);
/* Ends all connections and waits for their threads. */
void server_close(struct server *server);
/* Accepts nobody from now on; what is open goes on. */
void server_stop_listening(struct server *server);

/* Reads one request with its body. False: the peer has gone, or nothing came in time. */
bool server_request(struct server *server, int fd, struct server_request *request);
void server_request_free(struct server_request *request);
/* The value of a header into `out`; false when it is not there. */
bool server_header(const struct server_request *request, const char *name, char *out, size_t size);

/* False: the peer has gone. */
bool server_send(int fd, const void *bytes, size_t size);
bool server_send_text(int fd, const char *text);
/* A success with this body. */
bool server_send_result(int fd, const void *body, size_t size);
/* The next close sends a reset. */
void server_reset(int fd);
void server_sleep_ms(int ms);

#endif
