/* What the files of ingress/ share; nothing outside may include this. */
#ifndef HOLDFAST_INGRESS_ROOM_H
#define HOLDFAST_INGRESS_ROOM_H

#include "base/buffer.h"
#include "ingress/ingress.h"

/* An answer that is no success, as HTTP says it. */
struct refusal {
    int status;
    const char *code;
    struct span detail;
    int retry_after_s;
};

/* -- exchange.c: a request that waits for the shard -- */

struct exchange {
    struct port_waiter waiter; /* first */
    struct ingress *ingress;
    struct http_request *request;
    struct span subject; /* "ns/type/id" for problems, may be empty */
    /* What to do with a good answer; refusals have been dealt with. */
    void (*done)(struct exchange *exchange, const struct shard_answer *answer);
    /* How a refusal looks; NULL: as a problem document. */
    void (*refused)(struct exchange *exchange, const struct refusal *refusal);
    struct loop_timer timer; /* the handler's; cleared when it is over */
    /* What a handler keeps until then; `close` frees it when `done` will not be called (any more).
     */
    void *context;
    void (*close)(void *context);
};

/* In memory of the request, which it takes over: from here on only an answer or the client ends it.
 */
struct exchange *exchange_make(struct ingress *ingress, struct http_request *request,
                               struct span subject);
/* The same in memory of the caller, as a part of something larger. */
void exchange_init(struct exchange *exchange, struct ingress *ingress, struct http_request *request,
                   struct span subject);
/* Sets the waiter and submits. */
void exchange_submit(struct exchange *exchange, struct shard_event *event);
/* From within `done`: it is not over, another event will be submitted. */
void exchange_resume(struct exchange *exchange);
/* The client waits no longer, or we do not: the shard is told to forget it. */
void exchange_detach(struct exchange *exchange);
/* After that: answers as if the shard had given this answer to it. */
void exchange_answer(struct exchange *exchange, const struct shard_answer *answer);

/* -- refusal.c: how answers that are no success look over HTTP -- */

/* False: the answer is no refusal. */
bool refusal_of(const struct ingress *ingress, const struct shard_answer *answer,
                struct refusal *refusal);
void refusal_answer(struct http_request *request, const struct refusal *refusal,
                    struct span subject, struct span message_id);
/* 503 while draining or out of disk; true: it has been answered. */
bool refuse_new_work(struct ingress *ingress, struct http_request *request);
bool access_allowed(struct ingress *ingress, struct http_request *request,
                    enum ingress_access access, struct span name_space);

/* -- target.c: whom a request is about -- */

struct target {
    struct address address;
    struct span name_space;
    struct span subject; /* "ns/type/id"; address points into it */
};

/* Why an address is not valid, or NULL. */
const char *address_fault(struct address address);
/* Joins decoded segments. Why they are no address, or NULL; target->subject is set in any case. */
const char *target_join(struct http_request *request, struct span name_space, struct span type,
                        struct span id, struct target *target);
/* The same; false: answered with 400. */
bool target_read(struct http_request *request, struct span name_space, struct span type,
                 struct span id, struct target *target);

/* -- message.c: a message on its way from a request to the port -- */

/* Headers of a message: key, delay, tokens, trace. False: answered with 400. */
bool message_headers(struct http_request *request, const struct target *target,
                     struct event_message *message);
/* What send and call have in common; false: answered. */
bool message_prepare(struct ingress *ingress, struct http_request *request,
                     const struct span *parts, enum ingress_access access, struct target *target,
                     struct shard_event *event);
/* Sets the event's argument, in memory of the ingress, which the port copies; false: answered. */
bool message_encode(struct ingress *ingress, struct http_request *request,
                    const struct target *target, struct shard_event *event);
/* A large message does not keep its memory. */
void message_sent(struct ingress *ingress);
/* Answers with 400; always false. */
bool header_refused(struct http_request *request, const struct target *target, const char *detail);
/* -1: there is none. False: it is no duration. */
bool duration_header(struct http_request *request, const char *name, int64_t *milliseconds);
bool cancel_token_valid(struct span token);

/* -- send.c, call.c, state.c, listing.c, lines.c: the routes' handlers; `parts` are the decoded
 * wildcards -- */

typedef void route_handler(struct ingress *ingress, struct http_request *request,
                           const struct span *parts);

route_handler send_handle, call_handle, reply_handle, cancel_handle;
route_handler state_get_all_handle, state_get_handle, state_put_handle, state_delete_handle;
route_handler keys_handle, export_handle;
route_handler batch_handle, import_handle;

/* Takes a small JSON document that has been written into `body`, and closes it. */
void answer_json(struct http_request *request, int status, const struct http_header *headers,
                 size_t count, struct buffer *body);
/* The version as an ETag: quoted. */
struct span etag_of(struct http_request *request, uint64_t version);

#endif
