/* Questions to the shard and its answers as JSON. */
#include "admin/internal.h"

#include "base/text.h"

static void client_gone(struct http_request *request)
{
    struct ask *ask = request->context;
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter_of(&ask->waiter)};
    port_submit(ask->admin->port, &event);
}

struct ask *admin_ask(struct admin *admin, struct http_request *request,
                      void (*answer)(struct port_waiter *, const struct shard_answer *))
{
    struct ask *ask = http_alloc(request, sizeof *ask);
    *ask = (struct ask){.waiter = {.answer = answer}, .admin = admin, .request = request};
    request->context = ask;
    request->gone = client_gone;
    return ask;
}

void admin_ask_submit(struct ask *ask, struct shard_event *event)
{
    event->waiter = waiter_of(&ask->waiter);
    port_submit(ask->admin->port, event);
}

/* "ns/type/id" in memory of the request; what is missing is left out. */
static struct span address_text(struct http_request *request, const struct address *address)
{
    if (address->type.size == 0 || address->id.size == 0) return address->type;
    size_t size = address->type.size + 1 + address->id.size;
    uint8_t *text = http_alloc(request, size);
    memcpy(text, address->type.at, address->type.size);
    text[address->type.size] = '/';
    memcpy(text + address->type.size + 1, address->id.at, address->id.size);
    return span_of(text, size);
}

static void refuse(struct ask *ask, int status, const char *code, struct span detail)
{
    const struct http_problem_document problem = {.status = status,
                                                  .code = code,
                                                  .detail = detail,
                                                  .address =
                                                      address_text(ask->request, &ask->address),
                                                  .retry_after_s = status == 503 ? 1 : 0};
    http_problem_answer(ask->request, &problem);
}

/* Everything but success. */
static void answer_refusal(struct ask *ask, const struct shard_answer *answer)
{
    switch (answer->kind) {
    case ANSWER_NOT_FOUND:
        refuse(ask, 404, "not-parked",
               SPAN_LITERAL("This address is not parked: GET /v1/parked lists those that are."));
        return;
    case ANSWER_UNKNOWN_FUNCTION:
        refuse(ask, 404, "unknown-function",
               SPAN_LITERAL("No endpoint of module.yaml serves this function."));
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

/* JSON lines → comma-separated. */
static void append_lines(struct buffer *out, struct span lines)
{
    bool first = true;
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.at, '\n', lines.size);
        size_t size = end == NULL ? lines.size : (size_t)(end - lines.at);
        if (size > 0) {
            if (!first) buffer_byte(out, ',');
            buffer_append(out, span_of(lines.at, size));
            first = false;
        }
        lines = span_from(lines, size + 1);
    }
}

void admin_answer_rows(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct ask *ask = CONTAINER_OF(waiter, struct ask, waiter);
    if (answer->kind != ANSWER_ROWS) {
        answer_refusal(ask, answer);
        return;
    }
    struct buffer json;
    buffer_init(&json);
    buffer_byte(&json, '{');
    text_json_member(&json, ask->noun);
    buffer_byte(&json, '[');
    append_lines(&json, answer->body);
    buffer_byte(&json, ']');
    if (answer->next.size > 0) {
        text_json_member(&json, "next");
        text_json_string(&json, answer->next);
    }
    buffer_byte(&json, '}');
    admin_answer_json(ask->request, &json);
    buffer_close(&json);
}

void admin_answer_row(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct ask *ask = CONTAINER_OF(waiter, struct ask, waiter);
    if (answer->kind == ANSWER_ROWS && answer->body.size > 0) {
        const uint8_t *end = memchr(answer->body.at, '\n', answer->body.size);
        size_t size = end == NULL ? answer->body.size : (size_t)(end - answer->body.at);
        admin_answer_text(ask->request, 200, "application/json", span_of(answer->body.at, size));
        return;
    }
    struct shard_answer none = {.kind = ANSWER_NOT_FOUND};
    answer_refusal(ask, answer->kind == ANSWER_ROWS ? &none : answer);
}

void admin_answer_touched(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct ask *ask = CONTAINER_OF(waiter, struct ask, waiter);
    bool one = ask->address.id.size > 0;
    struct shard_answer none = {.kind = ANSWER_NOT_FOUND};
    if (answer->kind != ANSWER_DONE || (one && answer->number == 0)) {
        answer_refusal(ask, answer->kind == ANSWER_DONE ? &none : answer);
        return;
    }
    struct buffer json;
    buffer_init(&json);
    text_append(&json, "{\"touched\":");
    text_decimal(&json, answer->number);
    buffer_byte(&json, '}');
    admin_answer_json(ask->request, &json);
    buffer_close(&json);
}
