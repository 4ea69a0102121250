/*
 * The data side in one thread: listeners, HTTP, and the edges that turn requests into events.
 * Without I/O threads there is one, in the gateway's thread; with them there is one per thread.
 */
#ifndef HOLDFAST_APP_FRONT_H
#define HOLDFAST_APP_FRONT_H

#include "app/way.h"
#include "config/settings.h"
#include "egress/egress.h"
#include "egress/playground.h"
#include "ingress/ingress.h"
#include "net/server.h"

#include <pthread.h>

enum { FRONT_LISTENERS_MAX = 8, FRONTS_MAX = 64 };

struct gateway;

/* What the gateway's thread tells an I/O thread; read at its next turn. */
struct front_orders {
    atomic_bool draining;
    atomic_bool disk_full;
    atomic_bool disk_hangs;
    atomic_bool stop;
};

struct front {
    struct gateway *gateway;
    struct port *port;
    struct loop *loop;
    struct server *server;
    struct ingress ingress;
    struct egress egress;
    struct playground playground;
    struct listener *listeners[FRONT_LISTENERS_MAX];
    size_t listener_count;
    size_t listened; /* while opening: which of the first front's listeners is next */
    struct loop_turn_end turn_end;
    struct front_orders orders;
    /* What the gateway's thread may know of its last turn. */
    atomic_uint connections;
    atomic_uint waiting; /* for an answer of an engine in another thread */
    atomic_bool reading; /* requests that have not come whole */
    atomic_bool drains;  /* the order is obeyed: nothing new is handed over */
    /* with a thread of its own */
    bool threaded;
    bool started;
    bool ended;
    pthread_t thread;
    struct loop own_loop;
    struct inbox inbox;
    struct way way;
    struct loop_signal ordered;
};

/* In the gateway's thread: `loop`, `server` and `port` are borrowed. */
int front_open(struct front *front, struct gateway *gateway, struct loop *loop,
               struct server *server, struct port *port, struct errmsg *errmsg) MUST_USE;
/* In a thread of its own, sharing the sockets of `first` (NULL: this is the first). The thread
 * starts with front_start. */
int front_open_thread(struct front *front, struct gateway *gateway, const struct front *first,
                      struct errmsg *errmsg) MUST_USE;
int front_start(struct front *front) MUST_USE;
/* The line of the log that says where to come to. */
void front_tell_listener(const char *what, const char *address, const struct listener *listener);
/* From the gateway's thread: what the gateway says of drain and disk has changed. */
void front_order(struct front *front);
/* Ends the thread, if there is one, and what it served; the engine must still live. */
void front_stop(struct front *front);
void front_close(struct front *front);

#endif
