/*
 * The operations side: health, metrics, what runs and what is stuck, and the verbs of an operator.
 * It knows the shard by events only; all else comes from callbacks that the app provides.
 *
 *   GET  /livez, /readyz[?verbose]         200 "ok" or 503 and why; open to everybody
 *   GET  /metrics                          Prometheus text 0.0.4
 *   GET  /version                          {"version":…,"commit":…,"journal_format":…,…}
 *   GET  /v1/functions                     {"functions":[row,…]}
 *   GET  /v1/shards                        {"shards":[row,…]}
 *   GET  /v1/egress                        {"egress":[row,…]}
 *   GET  /v1/parked?function=&after=&limit=
 *                                          {"parked":[row,…],"next":"…"}; no next on the last page
 *   GET  /v1/parked/{ns}/{type}/{id}       row, with the head message
 *   POST /v1/parked/{ns}/{type}/{id}/VERB  {"touched":1}; VERB is retry, skip or dead-letter
 *   POST /v1/parked/VERB?function=ns/type  {"touched":n}; ?all=true instead of a function
 *   GET  /v1/snapshot                      {"snapshots":[row,…]}, newest first
 *   POST /v1/snapshot                      row of the one that was just published; of several
 *                                          shards {"shards":[row,…],"bytes":…,"blocks":…}
 *   POST /v1/savepoint                     {"directory":"/…"} → what savepoint.json says
 *   GET  /v1/config                        the settings, secrets masked
 *   GET  /                                 a page for people
 *
 * Rows are the shard's (event.h) or the app's. Errors are problems (RFC 9457) with a stable code.
 */
#ifndef HOLDFAST_ADMIN_ADMIN_H
#define HOLDFAST_ADMIN_ADMIN_H

#include "admin/metrics.h"
#include "admin/sample.h"
#include "admin/token.h"
#include "net/server.h"
#include "shard/port.h"

enum {
    ADMIN_LIMIT_DEFAULT = 100, /* rows of a page */
    ADMIN_LIMIT_MAX = 1000,
};

/* Somebody who waits for a snapshot or a savepoint. */
struct admin_waiter {
    /* Called at most once, never from within the call that began it. `error` 0: `text` is the JSON
       object of what is there now; else it says why it is not. */
    void (*done)(struct admin_waiter *waiter, int error, struct span text);
};

/* What the app provides. All are called on the admin's thread and none may block; none may be NULL.
 */
struct admin_sources {
    void *context;
    /* Starts from zeros. Arrays that it points to stay valid until the next call. */
    void (*sample)(void *context, struct admin_sample *sample);
    bool (*live)(void *context, struct errmsg *why);
    bool (*ready)(void *context, struct errmsg *why);
    /* Appends a JSON object. */
    void (*config_json)(void *context, struct buffer *out);
    /* Appends a JSON array, newest first. */
    void (*snapshot_list)(void *context, struct buffer *out);
    /* Starts one, or joins the one that is being written. */
    void (*snapshot_now)(void *context, struct admin_waiter *waiter);
    /* The waiter is gone: forget it. */
    void (*snapshot_leave)(void *context, struct admin_waiter *waiter);
    /* Takes one. ERROR_IN_USE, ERROR_INVALID, ERROR_MEMORY: it was not begun, and errmsg says why.
       Later also ERROR_EXISTS (the directory is not empty), ERROR_FULL, ERROR_TIMEOUT and others.
     */
    int (*savepoint_begin)(void *context, struct span directory, struct admin_waiter *waiter,
                           struct errmsg *errmsg);
    /* The waiter is gone: it is not told, but the savepoint is finished. */
    void (*savepoint_leave)(void *context, struct admin_waiter *waiter);
};

struct admin {
    struct port *port;                   /* borrowed */
    const struct admin_sources *sources; /* borrowed */
    struct admin_build build;
    const struct tokens *tokens; /* borrowed; NULL: this listener wants none */
};

/* An http_handler; the context is the struct admin. */
void admin_handle(void *admin, struct http_request *request);

#endif
