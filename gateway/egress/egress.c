/* Routes, checks and the life of a waiting pull. The queues themselves are the shard's. */
#include "egress/egress.h"

#include "base/check.h"
#include "base/quantity.h"
#include "base/text.h"
#include "egress/path.h"
#include "egress/records.h"

#include <jansson.h>

#define PREFIX SPAN_LITERAL("/v1/egress")

/* A pull or an acknowledgement on its way through the shard; memory of the request. */
struct ask {
    struct port_waiter waiter;
    struct loop_timer timer; /* set while a pull waits */
    struct list link;        /* in egress->polls while it waits */
    struct egress *egress;
    struct http_request *request;
    struct span name; /* "ns/name" */
    struct event_pull pull;
    int64_t wait_ms;
};

void egress_init(struct egress *egress, struct port *port, struct loop *loop)
{
    *egress = (struct egress){.port = port, .loop = loop};
    list_init(&egress->polls);
}

void egress_close(struct egress *egress)
{
    CHECK(list_empty(&egress->polls));
}

static void submit(struct ask *ask, enum shard_event_kind kind)
{
    struct shard_event event = {.kind = kind, .waiter = waiter_of(&ask->waiter)};
    if (kind != EVENT_DETACH) event.pull = ask->pull;
    port_submit(ask->egress->port, &event);
}

static void stop_waiting(struct ask *ask)
{
    loop_timer_clear(ask->egress->loop, &ask->timer);
    list_remove(&ask->link);
}

static void refuse(struct ask *ask, int status, const char *code, struct span detail)
{
    const struct http_problem_document problem = {.status = status,
                                                  .code = code,
                                                  .detail = detail,
                                                  .address = ask->name,
                                                  .retry_after_s = status == 503 ? 1 : 0};
    http_problem_answer(ask->request, &problem);
}

/* Everything but success. */
static void answer_refusal(struct ask *ask, const struct shard_answer *answer)
{
    switch (answer->kind) {
    case ANSWER_UNKNOWN_EGRESS:
    case ANSWER_NOT_FOUND:
        refuse(ask, 404, "unknown-egress",
               SPAN_LITERAL("No pull queue of this name is declared in module.yaml."));
        return;
    case ANSWER_INVALID: refuse(ask, 400, "invalid", answer->text); return;
    case ANSWER_FULL:
        refuse(ask, 503, "full", SPAN_LITERAL("The gateway has no room for this now: try again."));
        return;
    default:
        refuse(ask, 500, "unexpected",
               SPAN_LITERAL("The gateway gave an answer that does not fit."));
    }
}

static void answer_json(struct ask *ask, struct buffer *json)
{
    static const struct http_header type = {{(const uint8_t *)"content-type", 12},
                                            {(const uint8_t *)"application/json", 16}};
    if (json->failed)
        refuse(ask, 503, "out-of-memory", SPAN_LITERAL("The gateway is out of memory: try again."));
    else
        http_answer(ask->request, 200, &type, 1, buffer_span(json));
}

static void answer_records(struct ask *ask, struct span rows)
{
    struct buffer json;
    buffer_init(&json);
    int error = egress_records_json(&json, rows, ask->pull.after);
    if (error == ERROR_MALFORMED)
        refuse(ask, 500, "unexpected", SPAN_LITERAL("The queue's records cannot be read."));
    else
        answer_json(ask, &json);
    buffer_close(&json);
}

static void pulled(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct ask *ask = CONTAINER_OF(waiter, struct ask, waiter);
    stop_waiting(ask);
    if (answer->kind == ANSWER_ROWS)
        answer_records(ask, answer->body);
    else
        answer_refusal(ask, answer);
}

static void acknowledged(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct ask *ask = CONTAINER_OF(waiter, struct ask, waiter);
    if (answer->kind != ANSWER_DONE) {
        answer_refusal(ask, answer);
        return;
    }
    struct buffer json;
    buffer_init(&json);
    text_append(&json, "{\"taken\":");
    text_decimal(&json, answer->number);
    buffer_byte(&json, '}');
    answer_json(ask, &json);
    buffer_close(&json);
}

static void give_up(struct ask *ask)
{
    stop_waiting(ask);
    submit(ask, EVENT_DETACH);
    answer_records(ask, SPAN_EMPTY);
}

static void wait_over(struct loop_timer *timer)
{
    give_up(CONTAINER_OF(timer, struct ask, timer));
}

static void client_gone(struct http_request *request)
{
    struct ask *ask = request->context;
    stop_waiting(ask);
    submit(ask, EVENT_DETACH);
}

/* False: answered with a problem. */
static bool read_number(struct ask *ask, const char *parameter, uint64_t max, uint64_t *number)
{
    struct span text = http_query(ask->request, parameter);
    if (text.at == NULL || egress_number_parse(text, max, number)) return true;
    struct errmsg why;
    errmsg_set(&why, ERROR_INVALID, "The parameter %s is a whole number of at most %llu.",
               parameter, (unsigned long long)max);
    refuse(ask, 400, "invalid-parameter", span_text(why.text));
    return false;
}

static bool read_wait(struct ask *ask)
{
    struct span text = http_query(ask->request, "wait");
    if (text.at == NULL) return true;
    if (duration_parse(text, &ask->wait_ms) != 0) {
        refuse(ask, 400, "invalid-parameter",
               SPAN_LITERAL("The parameter wait is a duration such as 500ms or 30s."));
        return false;
    }
    if (ask->wait_ms > EGRESS_WAIT_MAX_MS) ask->wait_ms = EGRESS_WAIT_MAX_MS;
    return true;
}

static void start_pull(struct ask *ask)
{
    struct egress *egress = ask->egress;
    uint64_t max = EGRESS_MAX_DEFAULT;
    if (!read_number(ask, "after", UINT64_MAX, &ask->pull.after) ||
        !read_number(ask, "max", UINT32_MAX, &max) || !read_wait(ask))
        return;
    if (max == 0) {
        refuse(ask, 400, "invalid-parameter", SPAN_LITERAL("The parameter max is at least 1."));
        return;
    }
    ask->pull.max = (uint32_t)(max < EGRESS_MAX_MAX ? max : EGRESS_MAX_MAX);
    ask->pull.wait = ask->wait_ms > 0 && !egress->draining;
    ask->waiter.answer = pulled;
    if (ask->pull.wait) {
        ask->timer.expired = wait_over;
        loop_timer_set(egress->loop, &ask->timer, loop_now_us(egress->loop) + ask->wait_ms * 1000);
        list_append(&egress->polls, &ask->link);
    }
    ask->request->gone = client_gone;
    submit(ask, EVENT_PULL);
}

/* {"cursor":"13"}; a number is taken too. */
static bool cursor_of(struct span body, uint64_t *cursor)
{
    json_t *json = json_loadb((const char *)body.at, body.size, JSON_REJECT_DUPLICATES, NULL);
    json_t *member = json_object_get(json, "cursor");
    bool found = false;
    if (json_is_string(member)) {
        struct span text = span_of(json_string_value(member), json_string_length(member));
        found = egress_number_parse(text, UINT64_MAX, cursor);
    } else if (json_is_integer(member) && json_integer_value(member) >= 0) {
        *cursor = (uint64_t)json_integer_value(member);
        found = true;
    }
    json_decref(json);
    return found;
}

static void start_ack(struct ask *ask)
{
    struct span text = http_query(ask->request, "cursor");
    bool found = text.at != NULL ? egress_number_parse(text, UINT64_MAX, &ask->pull.after)
                                 : ask->request->body.size > 0 &&
                                       cursor_of(ask->request->body, &ask->pull.after);
    if (!found) {
        refuse(
            ask, 400, "invalid-cursor",
            SPAN_LITERAL("Say up to which record: a body {\"cursor\":\"13\"} or ?cursor=13, with a "
                         "cursor from a pull."));
        return;
    }
    ask->waiter.answer = acknowledged;
    ask->request->gone = client_gone;
    submit(ask, EVENT_PULL_ACK);
}

/* The rest of the path after the prefix. */
struct route {
    struct span name_space, name;
    bool is_ack;
};

static bool read_route(struct span path, struct route *route)
{
    struct span last;
    if (!egress_path_take(&path, &route->name_space) || !egress_path_take(&path, &route->name))
        return false;
    if (!egress_path_take(&path, &last)) return true;
    route->is_ack = span_equal(last, SPAN_LITERAL("ack"));
    return route->is_ack && path.size == 0;
}

/* Decodes and joins the name; false: answered. */
static bool read_name(struct ask *ask, struct route *route)
{
    struct http_request *request = ask->request;
    bool decoded = http_decode(request, route->name_space, &route->name_space) == 0 &&
                   http_decode(request, route->name, &route->name) == 0;
    size_t size = decoded ? route->name_space.size + 1 + route->name.size : 0;
    if (decoded && size <= NAME_SIZE_MAX) {
        uint8_t *name = http_alloc(request, size);
        if (route->name_space.size > 0) memcpy(name, route->name_space.at, route->name_space.size);
        name[route->name_space.size] = '/';
        if (route->name.size > 0)
            memcpy(name + route->name_space.size + 1, route->name.at, route->name.size);
        ask->name = span_of(name, size);
        if (name_valid(ask->name)) return true;
    }
    ask->name = SPAN_EMPTY;
    refuse(
        ask, 400, "invalid-name",
        SPAN_LITERAL("An egress is named /v1/egress/NAMESPACE/NAME, at most 256 bytes of UTF-8."));
    return false;
}

static void start(struct ask *ask, struct route *route)
{
    struct egress *egress = ask->egress;
    struct http_request *request = ask->request;
    const char *method = route->is_ack ? "POST" : "GET";
    if (!span_equal(request->method, span_text(method))) {
        egress_answer_method(request, method);
        return;
    }
    if (!read_name(ask, route)) return;
    if (egress->allow != NULL && !egress->allow(egress->allow_context, request, route->name_space))
        return;
    ask->pull.egress = ask->name;
    ask->pull.topic = http_query(request, "topic");
    if (route->is_ack)
        start_ack(ask);
    else
        start_pull(ask);
}

bool egress_handle(struct egress *egress, struct http_request *request)
{
    if (!span_starts_with(request->path, PREFIX)) return false;
    struct route route = {.is_ack = false};
    if (!read_route(span_from(request->path, PREFIX.size), &route)) return false;
    struct ask *ask = http_alloc(request, sizeof *ask);
    *ask = (struct ask){.egress = egress, .request = request};
    list_init(&ask->link);
    request->context = ask;
    start(ask, &route);
    return true;
}

void egress_handle_last(void *egress, struct http_request *request)
{
    if (egress_handle(egress, request)) return;
    http_problem(
        request, 404, "not-found",
        "There is nothing at this path of the data side. Health, metrics and parked addresses "
        "are on the operations side (--admin).",
        SPAN_EMPTY, 0);
}

void egress_drain(struct egress *egress)
{
    egress->draining = true;
    while (!list_empty(&egress->polls)) give_up(LIST_FIRST(&egress->polls, struct ask, link));
}
