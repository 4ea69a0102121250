/*
 * The playground's egress port: GET /<topic> takes the oldest message of the topic and answers its
 * text. As in the playground, errors carry a header "Status" and no body (404 nothing there, 405 no
 * such topic); unlike it, the status line says the same, and what waits here is durable. A message
 * is gone once it has been taken, also when the client did not live to see it: who cannot bear that
 * pulls (egress.h).
 */
#ifndef HOLDFAST_EGRESS_PLAYGROUND_H
#define HOLDFAST_EGRESS_PLAYGROUND_H

#include "egress/allow.h"
#include "shard/port.h"

struct playground {
    struct port *port; /* borrowed */
    const struct span
        *topics; /* borrowed, of module.yaml: replaced by the app when it is reloaded */
    size_t topic_count;
    egress_allow *allow; /* NULL: everybody; asked for namespace io.statefun.playground */
    void *allow_context;
};

/* An http_handler for the playground's own listener; the context is the struct playground. */
void playground_handle(void *playground, struct http_request *request);

#endif
