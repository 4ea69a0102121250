/* Snapshots on demand. */
#include "admin/internal.h"

#include "base/text.h"

/* A snapshot that a client waits for; memory of the request. */
struct wish {
    struct admin_waiter waiter;
    struct admin *admin;
    struct http_request *request;
};

void admin_snapshot_list(struct admin *admin, struct http_request *request)
{
    struct buffer json;
    buffer_init(&json);
    text_append(&json, "{\"snapshots\":");
    admin->sources->snapshot_list(admin->sources->context, &json);
    buffer_byte(&json, '}');
    admin_answer_json(request, &json);
    buffer_close(&json);
}

static void snapshot_done(struct admin_waiter *waiter, int error, struct span text)
{
    struct http_request *request = CONTAINER_OF(waiter, struct wish, waiter)->request;
    if (error == 0) {
        admin_answer_text(request, 200, "application/json", text);
        return;
    }
    struct errmsg why;
    errmsg_set(&why, error, "No snapshot was published: %.*s", SPAN_PRINT(text));
    bool later = error == ERROR_FULL || error == ERROR_MEMORY || error == ERROR_CLOSED;
    http_problem(request, later ? 503 : 500, "snapshot-failed", why.text, SPAN_EMPTY,
                 later ? 5 : 0);
}

static void client_gone(struct http_request *request)
{
    struct wish *wish = request->context;
    wish->admin->sources->snapshot_leave(wish->admin->sources->context, &wish->waiter);
}

void admin_snapshot_now(struct admin *admin, struct http_request *request)
{
    struct wish *wish = http_alloc(request, sizeof *wish);
    *wish = (struct wish){{snapshot_done}, admin, request};
    request->context = wish;
    request->gone = client_gone;
    admin->sources->snapshot_now(admin->sources->context, &wish->waiter);
}
