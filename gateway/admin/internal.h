/* Between the files of this room. */
#ifndef HOLDFAST_ADMIN_INTERNAL_H
#define HOLDFAST_ADMIN_INTERNAL_H

#include "admin/admin.h"
#include "base/buffer.h"
#include "base/list.h"

/* Takes "/segment" off the front of a path; false when nothing is left. */
bool admin_path_take(struct span *path, struct span *segment);

/* Buffers whose allocation failed become a 503. */
void admin_answer_json(struct http_request *request, struct buffer *json);
void admin_answer_text(struct http_request *request, int status, const char *content_type,
                       struct span text);
/* 405 with Allow. */
void admin_answer_method(struct http_request *request, const char *allowed);
void admin_answer_no_memory(struct http_request *request);

/* One handler for each route; each answers now or later. */
void admin_livez(struct admin *admin, struct http_request *request);
void admin_readyz(struct admin *admin, struct http_request *request);
void admin_version(struct admin *admin, struct http_request *request);
void admin_metrics(struct admin *admin, struct http_request *request);
void admin_page(struct admin *admin, struct http_request *request);
void admin_functions(struct admin *admin, struct http_request *request);
void admin_shards(struct admin *admin, struct http_request *request);
void admin_egress(struct admin *admin, struct http_request *request);
void admin_config(struct admin *admin, struct http_request *request);
void admin_snapshot_list(struct admin *admin, struct http_request *request);
void admin_snapshot_now(struct admin *admin, struct http_request *request);
void admin_savepoint(struct admin *admin, struct http_request *request);
/* /v1/parked and below: `rest` is what follows it. They look at method and token themselves. */
void admin_parked(struct admin *admin, struct http_request *request, struct span rest);

/* A question to the shard on its way; memory of the request. */
struct ask {
    struct port_waiter waiter;
    struct admin *admin;
    struct http_request *request;
    const char *noun;       /* of the array, for rows */
    struct address address; /* for problems; may be empty */
};

/* The ask answers the request when the shard answers it. */
struct ask *admin_ask(struct admin *admin, struct http_request *request,
                      void (*answer)(struct port_waiter *, const struct shard_answer *));
/* The event's waiter is filled in. */
void admin_ask_submit(struct ask *ask, struct shard_event *event);
/* ROWS → {"noun":[…],"next":…}. */
void admin_answer_rows(struct port_waiter *waiter, const struct shard_answer *answer);
/* ROWS → the first row as it is. */
void admin_answer_row(struct port_waiter *waiter, const struct shard_answer *answer);
/* DONE → {"touched":number}. */
void admin_answer_touched(struct port_waiter *waiter, const struct shard_answer *answer);

#endif
