/*
 * From outside to the shard: the native API of the data side (send, call, replies, batch, delayed,
 * state, keys, export, import). Each request becomes an event for the port; its answer becomes the
 * response. Nothing is acknowledged here: the shard answers when what it says is durable.
 */
#ifndef HOLDFAST_INGRESS_INGRESS_H
#define HOLDFAST_INGRESS_INGRESS_H

#include "base/buffer.h"
#include "net/server.h"
#include "shard/port.h"

enum {
    CALL_TIMEOUT_MS = 30000,        /* without Holdfast-Timeout */
    CALL_TIMEOUT_MAX_MS = 86400000, /* a longer one is cut to this */
    BATCH_LINES_MAX = 100000,
    KEYS_LIMIT = 100, /* without ?limit= */
    KEYS_LIMIT_MAX = 10000,
    EXPORT_BYTES_MAX = 33554432, /* of one answer, about */
    INGRESS_RANDOM_SIZE = 1024,
};

enum ingress_access { ACCESS_SEND, ACCESS_CALL, ACCESS_STATE };

/* Whether the request may do that in the namespace; false: it has been answered (401, 403). */
typedef bool ingress_allow(void *context, struct http_request *request, enum ingress_access access,
                           struct span name_space);

struct ingress_options {
    struct port *port;    /* borrowed */
    struct loop *loop;    /* borrowed; of the listener's thread */
    ingress_allow *allow; /* NULL: everybody */
    void *allow_context;
    http_handler *next; /* for paths that are not of here; NULL: 404 */
    void *next_context;
};

struct ingress {
    struct ingress_options options;
    uint32_t waiting; /* requests that the shard has not answered */
    /* Set by the app at any time: what would add work is refused with 503. */
    bool draining;
    bool disk_full;
    bool disk_hangs;
    /* private: memory of the message on its way to the port, kept for the next one */
    struct buffer text;
    struct buffer argument;
    /* private: random bytes in stock, for reply tokens */
    uint8_t random[INGRESS_RANDOM_SIZE];
    size_t random_left;
};

void ingress_init(struct ingress *ingress, const struct ingress_options *options);
/* After the server has closed: CHECKs that nobody waits. */
void ingress_close(struct ingress *ingress);

/* An http_handler for the data listener; the context is the struct ingress. */
void ingress_handle(void *context, struct http_request *request);

/*
 * An http_handler for a listener that stands in for the playground's ingress (module.yaml kind
 * io.statefun.playground.v1/ingress): any method on /namespace/type/id. The context is the struct
 * ingress.
 */
void ingress_playground_handle(void *context, struct http_request *request);

#endif
