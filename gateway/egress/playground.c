#include "egress/playground.h"

#include "base/reader.h"
#include "egress/path.h"
#include "wire/playground.h"

/* A pop on its way through the shard; memory of the request. */
struct pop {
    struct port_waiter waiter;
    struct playground *playground;
    struct http_request *request;
};

static void answer_status(struct http_request *request, int status, const char *text)
{
    const struct http_header header = {SPAN_LITERAL("status"), span_text(text)};
    http_answer(request, status, &header, 1, SPAN_EMPTY);
}

static void answer_text(struct http_request *request, struct span text)
{
    const struct http_header header = {SPAN_LITERAL("content-type"),
                                       SPAN_LITERAL("text/plain; charset=utf-8")};
    http_answer(request, 200, &header, 1, text);
}

/* One row of a pull: its payload. */
static void answer_row(struct http_request *request, struct span rows)
{
    struct reader reader = reader_of(rows);
    reader_varint(&reader);
    struct span raw = reader_string(&reader);
    struct playground_record record;
    struct errmsg errmsg = {"the queue's record cannot be read"};
    struct buffer bytes;
    buffer_init(&bytes);
    int error =
        reader.failed ? ERROR_MALFORMED : playground_record_parse(raw, &bytes, &record, &errmsg);
    if (error == 0)
        answer_text(request, record.payload);
    else
        http_problem(request, 500, "unexpected", errmsg.text, SPAN_EMPTY, 0);
    buffer_close(&bytes);
}

static void popped(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct http_request *request = CONTAINER_OF(waiter, struct pop, waiter)->request;
    switch (answer->kind) {
    case ANSWER_ROWS:
        if (answer->body.size > 0)
            answer_row(request, answer->body);
        else
            answer_status(request, 404, "404");
        return;
    case ANSWER_NOT_FOUND: answer_status(request, 404, "404"); return;
    case ANSWER_UNKNOWN_EGRESS: answer_status(request, 405, "405"); return;
    default: answer_status(request, 503, "503");
    }
}

static void client_gone(struct http_request *request)
{
    struct pop *pop = request->context;
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter_of(&pop->waiter)};
    port_submit(pop->playground->port, &event);
}

static bool is_declared(const struct playground *playground, struct span topic)
{
    for (size_t i = 0; i < playground->topic_count; i++)
        if (span_equal(playground->topics[i], topic)) return true;
    return false;
}

void playground_handle(void *context, struct http_request *request)
{
    struct playground *playground = context;
    struct span topic;
    if (!span_equal(request->method, SPAN_LITERAL("GET"))) {
        egress_answer_method(request, "GET");
        return;
    }
    if (playground->allow != NULL && !playground->allow(playground->allow_context, request,
                                                        SPAN_LITERAL("io.statefun.playground")))
        return;
    if (http_decode(request, span_from(request->path, 1), &topic) != 0 ||
        !is_declared(playground, topic)) {
        answer_status(request, 405, "405");
        return;
    }
    struct pop *pop = http_alloc(request, sizeof *pop);
    *pop = (struct pop){{popped, 0}, playground, request};
    request->context = pop;
    request->gone = client_gone;
    struct shard_event event = {.kind = EVENT_PULL, .waiter = waiter_of(&pop->waiter)};
    event.pull = (struct event_pull){
        .egress = PLAYGROUND_EGRESS, .topic = topic, .max = 1, .pop = true, .wait = false};
    port_submit(playground->port, &event);
}
