/* Who handles which path, and who may. */
#include "admin/admin.h"

#include "admin/guard.h"
#include "admin/internal.h"

typedef void route_handler(struct admin *admin, struct http_request *request);

struct route {
    const char *path;
    route_handler *get;  /* NULL: POST only */
    route_handler *post; /* NULL: GET only */
    bool is_open;        /* needs no token: probes have none */
};

static const struct route routes[] = {
    {"/livez", admin_livez, NULL, true},
    {"/readyz", admin_readyz, NULL, true},
    {"/metrics", admin_metrics, NULL, false},
    {"/version", admin_version, NULL, false},
    {"/v1/functions", admin_functions, NULL, false},
    {"/v1/shards", admin_shards, NULL, false},
    {"/v1/egress", admin_egress, NULL, false},
    {"/v1/config", admin_config, NULL, false},
    {"/v1/snapshot", admin_snapshot_list, admin_snapshot_now, false},
    {"/v1/savepoint", NULL, admin_savepoint, false},
    {"/", admin_page, NULL, false},
};

static bool is_method(const struct http_request *request, const char *method)
{
    return span_equal(request->method, span_text(method));
}

static void follow(const struct route *route, struct admin *admin, struct http_request *request)
{
    bool is_get = is_method(request, "GET") || is_method(request, "HEAD");
    route_handler *handler = is_get ? route->get : is_method(request, "POST") ? route->post : NULL;
    if (handler == NULL) {
        admin_answer_method(request, route->post == NULL  ? "GET, HEAD"
                                     : route->get == NULL ? "POST"
                                                          : "GET, HEAD, POST");
        return;
    }
    if (!route->is_open && !guard_request(admin->tokens, request, TOKEN_ADMIN, SPAN_EMPTY)) return;
    if (!is_get && !guard_origin(request)) return;
    handler(admin, request);
}

void admin_handle(void *context, struct http_request *request)
{
    struct admin *admin = context;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!span_equal(request->path, span_text(routes[i].path))) continue;
        follow(&routes[i], admin, request);
        return;
    }
    struct span parked = SPAN_LITERAL("/v1/parked");
    struct span rest = span_from(request->path, parked.size);
    if (span_starts_with(request->path, parked) && (rest.size == 0 || rest.at[0] == '/')) {
        admin_parked(admin, request, rest);
        return;
    }
    http_problem(
        request, 404, "not-found",
        "There is nothing at this path of the operations side. Messages and state are on the data "
        "side (--listen).",
        SPAN_EMPTY, 0);
}
