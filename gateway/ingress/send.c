/* Messages that are sent, and taking back what is delayed. */
#include "ingress/room.h"

#include "base/text.h"

static void answer_body(struct http_request *request, int status, const struct http_header *headers,
                        size_t count, const struct buffer *body)
{
    struct http_header all[4] = {{SPAN_LITERAL("content-type"), SPAN_LITERAL("application/json")}};
    for (size_t i = 0; i < count && i < 3; i++) all[1 + i] = headers[i];
    if (body->failed)
        http_problem(request, 503, "full", "The gateway is out of memory: try again.", SPAN_EMPTY,
                     1);
    else
        http_answer(request, status, all, 1 + (count < 3 ? count : 3), buffer_span(body));
}

void answer_json(struct http_request *request, int status, const struct http_header *headers,
                 size_t count, struct buffer *body)
{
    answer_body(request, status, headers, count, body);
    buffer_close(body);
}

static void accepted(struct exchange *exchange, const struct shard_answer *answer)
{
    struct buffer *body = &exchange->ingress->text; /* no message is on its way now */
    struct http_header duplicate = {SPAN_LITERAL("holdfast-duplicate"), SPAN_LITERAL("true")};
    buffer_clear(body);
    text_append(body, "{\"message\":");
    text_json_string(body, answer->message_id);
    text_append(body, "}\n");
    answer_body(exchange->request, 202, &duplicate, answer->kind == ANSWER_DUPLICATE ? 1 : 0, body);
}

void send_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    struct target target;
    struct shard_event event;
    if (!message_prepare(ingress, request, parts, ACCESS_SEND, &target, &event)) return;
    if (message_encode(ingress, request, &target, &event)) {
        struct exchange *exchange = exchange_make(ingress, request, target.subject);
        exchange->done = accepted;
        exchange_submit(exchange, &event);
    }
    message_sent(ingress);
}

/* -- Delayed messages -- */

static void cancelled(struct exchange *exchange, const struct shard_answer *answer)
{
    struct buffer body;
    buffer_init(&body);
    text_append(&body, "{\"cancelled\":");
    text_decimal(&body, answer->number);
    text_append(&body, "}\n");
    answer_json(exchange->request, 200, NULL, 0, &body);
}

void cancel_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    struct shard_event event = {.kind = EVENT_CANCEL};
    if (refuse_new_work(ingress, request)) return;
    if (!access_allowed(ingress, request, ACCESS_SEND, SPAN_EMPTY)) return;
    if (!id_valid(parts[0]) || !cancel_token_valid(parts[1])) {
        http_problem(request, 400, "invalid-address",
                     "The id and the token have to have 1 to 1024 bytes of UTF-8.", request->path,
                     0);
        return;
    }
    event.cancel.id = parts[0];
    event.cancel.token = parts[1];
    struct exchange *exchange = exchange_make(ingress, request, parts[0]);
    exchange->done = cancelled;
    exchange_submit(exchange, &event);
}
