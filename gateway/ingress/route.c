/* The table of the native API, and the way from a path to its handler. */
#include "ingress/room.h"

#include "base/check.h"

enum { PARTS_MAX = 4 };

struct route {
    const char *method;
    const char *pattern; /* each star is one segment */
    route_handler *handle;
};

static const struct route routes[] = {
    {"POST", "/v1/send/*/*/*", send_handle},
    {"POST", "/v1/call/*/*/*", call_handle},
    {"GET", "/v1/replies/*", reply_handle},
    {"POST", "/v1/batch", batch_handle},
    {"DELETE", "/v1/delayed/*/*", cancel_handle},
    {"GET", "/v1/state/*/*/*", state_get_all_handle},
    {"GET", "/v1/state/*/*/*/*", state_get_handle},
    {"PUT", "/v1/state/*/*/*/*", state_put_handle},
    {"DELETE", "/v1/state/*/*/*/*", state_delete_handle},
    {"GET", "/v1/keys/*/*", keys_handle},
    {"GET", "/v1/export", export_handle},
    {"POST", "/v1/import", import_handle},
};

enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };

/* The text up to the next '/'; takes "/text" off the front. False at the end. */
static bool take_segment(struct span *path, struct span *segment)
{
    if (path->size == 0 || path->at[0] != '/') return false;
    struct span rest = span_of(path->at + 1, path->size - 1);
    const uint8_t *end = rest.size == 0 ? NULL : memchr(rest.at, '/', rest.size);
    *segment = end == NULL ? rest : span_of(rest.at, (size_t)(end - rest.at));
    *path = span_of(rest.at + segment->size, rest.size - segment->size);
    return true;
}

static bool path_matches(const char *pattern, struct span path, struct span *parts)
{
    struct span wanted = span_text(pattern);
    struct span want;
    struct span have;
    size_t count = 0;
    while (take_segment(&wanted, &want)) {
        if (!take_segment(&path, &have)) return false;
        if (!span_equal(want, SPAN_LITERAL("*"))) {
            if (!span_equal(want, have)) return false;
            continue;
        }
        CHECK(count < PARTS_MAX);
        parts[count++] = have;
    }
    return path.size == 0;
}

/* GET serves HEAD too: the server leaves the body out. */
static bool method_matches(const struct route *route, struct span method)
{
    struct span wanted = span_text(route->method);
    return span_equal(wanted, method) ||
           (span_equal(wanted, SPAN_LITERAL("GET")) && span_equal(method, SPAN_LITERAL("HEAD")));
}

static void run(const struct route *route, struct ingress *ingress, struct http_request *request,
                struct span *parts)
{
    for (size_t i = 0; i < PARTS_MAX; i++) {
        if (parts[i].at == NULL) break;
        if (http_decode(request, parts[i], &parts[i]) == 0) continue;
        http_problem(request, 400, "malformed-path",
                     "A percent sign in the path has to be followed by two hexadecimal digits.",
                     request->path, 0);
        return;
    }
    route->handle(ingress, request, parts);
}

static void refuse_method(struct http_request *request, struct buffer *allowed)
{
    struct http_header allow = {SPAN_LITERAL("allow"), buffer_span(allowed)};
    struct http_problem_document problem = {
        .status = 405,
        .code = "method-not-allowed",
        .detail = SPAN_LITERAL("The header Allow says which methods this path has."),
        .address = request->path,
        .headers = &allow,
        .header_count = 1};
    http_problem_answer(request, &problem);
}

static void refuse_path(struct ingress *ingress, struct http_request *request)
{
    const struct ingress_options *options = &ingress->options;
    if (options->next != NULL) {
        options->next(options->next_context, request);
        return;
    }
    http_problem(request, 404, "unknown-path",
                 "There is nothing at this path; the paths are in /openapi.yaml.", request->path,
                 0);
}

void ingress_handle(void *context, struct http_request *request)
{
    struct ingress *ingress = context;
    struct buffer allowed;
    buffer_init(&allowed);
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        struct span parts[PARTS_MAX] = {{NULL, 0}};
        if (!path_matches(routes[i].pattern, request->path, parts)) continue;
        if (method_matches(&routes[i], request->method)) {
            run(&routes[i], ingress, request, parts);
            goto close;
        }
        if (allowed.size > 0) buffer_append(&allowed, SPAN_LITERAL(", "));
        buffer_append(&allowed, span_text(routes[i].method));
    }
    if (allowed.size > 0)
        refuse_method(request, &allowed);
    else
        refuse_path(ingress, request);
close:
    buffer_close(&allowed);
}

void ingress_init(struct ingress *ingress, const struct ingress_options *options)
{
    *ingress = (struct ingress){.options = *options};
}

void ingress_close(struct ingress *ingress)
{
    CHECK(ingress->waiting == 0);
    buffer_close(&ingress->text);
    buffer_close(&ingress->argument);
}
