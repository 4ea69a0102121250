/* Savepoints on demand. */
#include "admin/internal.h"

#include <jansson.h>

/* A savepoint that a client waits for; memory of the request. */
struct wish {
    struct admin_waiter waiter;
    struct admin *admin;
    struct http_request *request;
};

static void refuse(struct http_request *request, int error, const char *why)
{
    switch (error) {
    case ERROR_INVALID: http_problem(request, 400, "invalid-directory", why, SPAN_EMPTY, 0); return;
    case ERROR_IN_USE: http_problem(request, 409, "savepoint-running", why, SPAN_EMPTY, 0); return;
    case ERROR_EXISTS:
        http_problem(request, 409, "directory-not-empty", why, SPAN_EMPTY, 0);
        return;
    case ERROR_MEMORY:
    case ERROR_FULL: http_problem(request, 503, "no-room", why, SPAN_EMPTY, 5); return;
    case ERROR_TIMEOUT: http_problem(request, 504, "savepoint-late", why, SPAN_EMPTY, 0); return;
    default: http_problem(request, 500, "savepoint-failed", why, SPAN_EMPTY, 0);
    }
}

static void done(struct admin_waiter *waiter, int error, struct span text)
{
    struct http_request *request = CONTAINER_OF(waiter, struct wish, waiter)->request;
    if (error == 0) {
        admin_answer_text(request, 200, "application/json", text);
        return;
    }
    struct errmsg why;
    errmsg_set(&why, error, "There is no savepoint: %.*s.", SPAN_PRINT(text));
    refuse(request, error, why.text);
}

static void client_gone(struct http_request *request)
{
    struct wish *wish = request->context;
    wish->admin->sources->savepoint_leave(wish->admin->sources->context, &wish->waiter);
}

static void begin(struct admin *admin, struct http_request *request, struct span directory)
{
    const struct admin_sources *sources = admin->sources;
    struct errmsg why;
    struct wish *wish = http_alloc(request, sizeof *wish);
    *wish = (struct wish){{done}, admin, request};
    int error = sources->savepoint_begin(sources->context, directory, &wish->waiter, &why);
    if (error != 0) {
        done(&wish->waiter, error, span_text(why.text));
        return;
    }
    request->context = wish;
    request->gone = client_gone;
}

void admin_savepoint(struct admin *admin, struct http_request *request)
{
    struct span body = request->body;
    json_t *json = body.size == 0
                       ? NULL
                       : json_loadb((const char *)body.at, body.size, JSON_REJECT_DUPLICATES, NULL);
    json_t *directory = json_object_get(json, "directory");
    if (json_is_string(directory))
        begin(admin, request, span_of(json_string_value(directory), json_string_length(directory)));
    else
        http_problem(request, 400, "invalid-body",
                     "Say where: {\"directory\":\"/path/on/the/gateway's/machine\"}.", SPAN_EMPTY,
                     0);
    json_decref(json);
}
