/*
 * Durable pull queues over HTTP, on the data side:
 *
 *   GET /v1/egress/{ns}/{name}?max=100&wait=30s&after=12
 *     200 {"records":[{"cursor":"13","type":"ns/name","value":…},…],"next":"13"}
 *     Records with a cursor above `after` (default: all not yet acknowledged), at most `max`, in
 *     order. `wait`: when there is none, answer as soon as there is one, or with an empty list
 *     after that time. `next` is what to acknowledge: the last cursor, or `after` without records.
 *
 *   POST /v1/egress/{ns}/{name}/ack   with {"cursor":"13"}, or ?cursor=13
 *     200 {"taken":1}
 *     Everything up to the cursor is never shown again. Doing it twice is harmless.
 *
 * A record has "value": the text of io.statefun.types/string as a JSON string, other values that
 * are JSON byte for byte as they are; or "base64" for everything else; or "value":null when there
 * was no value. For the playground's queue, ?topic= says which.
 */
#ifndef HOLDFAST_EGRESS_EGRESS_H
#define HOLDFAST_EGRESS_EGRESS_H

#include "base/list.h"
#include "egress/allow.h"
#include "os/loop.h"
#include "shard/port.h"

enum {
    EGRESS_MAX_DEFAULT = 100, /* records of a pull */
    EGRESS_MAX_MAX = 1000,
    EGRESS_WAIT_MAX_MS = 300000, /* a longer wait is cut to this */
};

/* Serves on the thread of `loop`. */
struct egress {
    struct port *port;   /* borrowed */
    struct loop *loop;   /* borrowed */
    egress_allow *allow; /* NULL: everybody */
    void *allow_context;
    struct list polls; /* pulls that wait for a record */
    bool draining;
};

void egress_init(struct egress *egress, struct port *port, struct loop *loop);
/* False: the path is not of here and the request is untouched. True: it is answered now or later.
 */
bool egress_handle(struct egress *egress, struct http_request *request);
/* The same as an http_handler, the last of a chain: 404 for every other path. */
void egress_handle_last(void *egress, struct http_request *request);
/* Before the server drains: answers every waiting pull with an empty list, and none waits from now
 * on. */
void egress_drain(struct egress *egress);
/* After the server has closed: CHECKs that nobody waits. */
void egress_close(struct egress *egress);

#endif
