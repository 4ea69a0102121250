/*
 * Names to addresses without stopping the loop: literal addresses and localhost at once, others by
 * getaddrinfo in a thread of its own, remembered for a few seconds. A lookup that hangs holds up
 * nobody but those who wait for the same name, and never the end of the program.
 */
#ifndef HOLDFAST_INVOKE_RESOLVE_H
#define HOLDFAST_INVOKE_RESOLVE_H

#include "base/list.h"
#include "base/span.h"
#include "os/loop.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { ADDRESSES_MAX = 8, RESOLVE_KEEP_US = 5000000, RESOLVE_NAMES_MAX = 64 };

union socket_address {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
};

struct addresses {
    union socket_address at[ADDRESSES_MAX]; /* port 0 */
    size_t count;
};

/* Somebody who waits for a name. Embedded; resolve_cancel takes it out. */
struct resolve_waiter {
    struct list link;
    /* `addresses` is NULL on failure, then `problem` says why. Never called from within
     * resolve_start. */
    void (*resolved)(struct resolve_waiter *waiter, const struct addresses *addresses,
                     const char *problem);
};

struct resolve_shared;

struct resolver {
    struct loop *loop;
    struct loop_signal finished;
    struct list names; /* being looked up, or remembered */
    size_t name_count;
    struct resolve_shared *shared; /* with the threads */
};

/* ERROR_MEMORY, ERROR_FULL. */
int resolver_init(struct resolver *resolver, struct loop *loop) MUST_USE;
/* Waiters are forgotten; lookups under way end by themselves. */
void resolver_close(struct resolver *resolver);

/* A literal address, localhost, or a name that is remembered: no waiting. */
bool resolve_now(struct resolver *resolver, struct span host, struct addresses *addresses);
/* Starts or joins a lookup. ERROR_MEMORY, ERROR_FULL (no thread, or too many lookups under way). */
int resolve_start(struct resolver *resolver, struct span host,
                  struct resolve_waiter *waiter) MUST_USE;
void resolve_cancel(struct resolve_waiter *waiter);

#endif
