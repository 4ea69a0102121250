/* How a room at the edge hands events to a shard without knowing who owns it. */
#ifndef HOLDFAST_SHARD_PORT_H
#define HOLDFAST_SHARD_PORT_H

#include "shard/event.h"

/*
 * Somebody who waits. Embedded in a request; event.waiter = waiter_of(it). `answer` is called at
 * most once, never from within submit; after EVENT_DETACH it is never called. The answer's spans
 * are valid during the call.
 */
struct port_waiter {
    void (*answer)(struct port_waiter *waiter, const struct shard_answer *answer);
    uint64_t ticket; /* the port's own */
};

static inline waiter_t waiter_of(struct port_waiter *waiter)
{
    return (waiter_t)(uintptr_t)waiter;
}

/* The event's clock is filled in by the port. Everything the event points to is borrowed for the
 * call. */
struct port {
    void (*submit)(struct port *port, struct shard_event *event);
};

static inline void port_submit(struct port *port, struct shard_event *event)
{
    port->submit(port, event);
}

#endif
