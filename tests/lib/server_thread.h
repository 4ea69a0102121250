/* A server and its loop on a thread of their own, so that a test can be a plain blocking client. */
#ifndef HOLDFAST_TESTS_LIB_SERVER_THREAD_H
#define HOLDFAST_TESTS_LIB_SERVER_THREAD_H

#include "net/server.h"

#include <pthread.h>

struct server_thread {
    struct loop loop;
    struct server *server;
    struct listener *listener;
    uint16_t port;
    /* private */
    pthread_t thread;
    struct loop_signal signal;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    void (*task)(void *);
    void *argument;
    bool stop;
    uint64_t turns;
};

#define SERVER_LIMITS                                                                              \
    ((struct server_limits){.body_max = 1 << 20,                                                   \
                            .connections_max = 100,                                                \
                            .head_timeout_ms = 30000,                                              \
                            .idle_timeout_ms = 60000})

/* Listens on a free loopback port. */
void server_thread_start(struct server_thread *thread, struct server_limits limits,
                         http_handler *handler, void *context);
/* The same with all options but the handler; its address may be NULL: a free loopback port. */
void server_thread_start_with(struct server_thread *thread, struct server_limits limits,
                              struct listener_options options);
/* Runs the task on the server's thread and waits for it. */
void server_thread_run(struct server_thread *thread, void (*task)(void *), void *argument);
uint32_t server_thread_connections(struct server_thread *thread);
/* Waits until so many are open; false after five seconds. */
bool server_thread_wait_connections(struct server_thread *thread, uint32_t count);
void server_thread_stop(struct server_thread *thread);

#endif
