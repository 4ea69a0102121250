/* Addresses that stopped: listed, shown, and moved on by an operator. */
#include "admin/guard.h"
#include "admin/internal.h"

enum { SEGMENTS_MAX = 4 };

/* /v1/parked[/ns/type/id][/verb], still encoded. */
struct parked_path {
    struct span segments[SEGMENTS_MAX];
    size_t count;
};

static bool read_path(struct span rest, struct parked_path *path)
{
    path->count = 0;
    while (rest.size > 0) {
        if (path->count == SEGMENTS_MAX || !admin_path_take(&rest, &path->segments[path->count]))
            return false;
        path->count++;
    }
    return true;
}

static bool read_verb(struct span text, enum operator_verb *verb)
{
    if (span_equal(text, SPAN_LITERAL("retry")))
        *verb = VERB_RETRY;
    else if (span_equal(text, SPAN_LITERAL("skip")))
        *verb = VERB_SKIP;
    else if (span_equal(text, SPAN_LITERAL("dead-letter")))
        *verb = VERB_DEAD_LETTER;
    else
        return false;
    return true;
}

static void refuse(struct http_request *request, int status, const char *code, const char *detail)
{
    http_problem(request, status, code, detail, SPAN_EMPTY, 0);
}

static struct span namespace_of(struct span type)
{
    const uint8_t *slash = type.size == 0 ? NULL : memchr(type.at, '/', type.size);
    return slash == NULL ? type : span_of(type.at, (size_t)(slash - type.at));
}

/* "ns/type" of two decoded segments, in memory of the request. */
static struct span join_name(struct http_request *request, struct span name_space, struct span name)
{
    size_t size = name_space.size + 1 + name.size;
    uint8_t *joined = http_alloc(request, size);
    if (name_space.size > 0) memcpy(joined, name_space.at, name_space.size);
    joined[name_space.size] = '/';
    if (name.size > 0) memcpy(joined + name_space.size + 1, name.at, name.size);
    return span_of(joined, size);
}

/* False: answered. */
static bool read_address(struct http_request *request, const struct parked_path *path,
                         struct address *address)
{
    struct span name_space, name;
    if (http_decode(request, path->segments[0], &name_space) == 0 &&
        http_decode(request, path->segments[1], &name) == 0 &&
        http_decode(request, path->segments[2], &address->id) == 0) {
        address->type = join_name(request, name_space, name);
        if (name_valid(address->type) && id_valid(address->id)) return true;
    }
    refuse(request, 400, "invalid-address",
           "An address is /v1/parked/NAMESPACE/TYPE/ID, each percent-encoded, in UTF-8.");
    return false;
}

/* ?function=ns/type, empty when absent. False: answered. */
static bool read_function(struct http_request *request, struct span *type)
{
    struct span text = http_query(request, "function");
    *type = text.at == NULL ? SPAN_EMPTY : text;
    if (text.at == NULL || name_valid(text)) return true;
    refuse(request, 400, "invalid-parameter",
           "The parameter function is a function type, ns/name.");
    return false;
}

static bool read_limit(struct http_request *request, uint32_t *limit)
{
    struct span text = http_query(request, "limit");
    *limit = ADMIN_LIMIT_DEFAULT;
    if (text.at == NULL) return true;
    uint32_t value = 0;
    bool good = text.size > 0;
    for (size_t i = 0; i < text.size && good; i++) {
        good = text.at[i] >= '0' && text.at[i] <= '9';
        if (value <= ADMIN_LIMIT_MAX) value = value * 10 + (uint32_t)(text.at[i] - '0');
    }
    *limit = value < ADMIN_LIMIT_MAX ? value : ADMIN_LIMIT_MAX;
    if (good && value > 0) return true;
    refuse(request, 400, "invalid-parameter", "The parameter limit is a whole number from 1.");
    return false;
}

static bool may(struct admin *admin, struct http_request *request, struct span type)
{
    return guard_request(admin->tokens, request, TOKEN_ADMIN, namespace_of(type));
}

static void list_parked(struct admin *admin, struct http_request *request)
{
    struct shard_event event = {.kind = EVENT_QUERY};
    event.query.kind = QUERY_PARKED;
    if (!read_function(request, &event.query.address.type)) return;
    if (!may(admin, request, event.query.address.type)) return;
    if (!read_limit(request, &event.query.limit)) return;
    event.query.after = http_query(request, "after");
    struct ask *ask = admin_ask(admin, request, admin_answer_rows);
    ask->noun = "parked";
    ask->address = event.query.address;
    admin_ask_submit(ask, &event);
}

static void show_parked(struct admin *admin, struct http_request *request,
                        const struct parked_path *path)
{
    struct shard_event event = {.kind = EVENT_QUERY};
    event.query.kind = QUERY_PARKED_ONE;
    if (!read_address(request, path, &event.query.address)) return;
    if (!may(admin, request, event.query.address.type)) return;
    struct ask *ask = admin_ask(admin, request, admin_answer_row);
    ask->address = event.query.address;
    admin_ask_submit(ask, &event);
}

static void operate(struct admin *admin, struct http_request *request, enum operator_verb verb,
                    struct address address)
{
    if (!may(admin, request, address.type) || !guard_origin(request)) return;
    struct shard_event event = {.kind = EVENT_OPERATOR};
    event.operate = (struct event_operator){verb, address, SPAN_LITERAL("admin")};
    struct ask *ask = admin_ask(admin, request, admin_answer_touched);
    ask->address = address;
    admin_ask_submit(ask, &event);
}

/* A forgotten filter must not throw every stopped message away. */
static void operate_many(struct admin *admin, struct http_request *request, enum operator_verb verb)
{
    struct address address = {SPAN_EMPTY, SPAN_EMPTY};
    if (!read_function(request, &address.type)) return;
    bool all = span_equal(http_query(request, "all"), SPAN_LITERAL("true"));
    if (address.type.size == 0 && verb != VERB_RETRY && !all) {
        refuse(request, 400, "filter-needed",
               "This verb gives messages up: say ?function=ns/type, or ?all=true for every parked "
               "address.");
        return;
    }
    operate(admin, request, verb, address);
}

/* The path names verbs: POST only. */
static void handle_verb(struct admin *admin, struct http_request *request,
                        const struct parked_path *path)
{
    enum operator_verb verb;
    if (!read_verb(path->segments[path->count - 1], &verb)) {
        refuse(request, 404, "not-found",
               "The verbs on parked addresses are retry, skip and dead-letter.");
        return;
    }
    if (!span_equal(request->method, SPAN_LITERAL("POST"))) {
        admin_answer_method(request, "POST");
        return;
    }
    struct address address;
    if (path->count == 1)
        operate_many(admin, request, verb);
    else if (read_address(request, path, &address))
        operate(admin, request, verb, address);
}

void admin_parked(struct admin *admin, struct http_request *request, struct span rest)
{
    struct parked_path path;
    if (!read_path(rest, &path) || path.count == 2) {
        refuse(request, 404, "not-found",
               "Use /v1/parked, /v1/parked/NAMESPACE/TYPE/ID, or either with a verb at the end; a "
               "'/' in an "
               "id is written %2F.");
        return;
    }
    if (path.count == 1 || path.count == SEGMENTS_MAX) {
        handle_verb(admin, request, &path);
        return;
    }
    if (!span_equal(request->method, SPAN_LITERAL("GET"))) {
        admin_answer_method(request, "GET");
        return;
    }
    if (path.count == 0)
        list_parked(admin, request);
    else
        show_parked(admin, request, &path);
}
