/* Messages: send, call, the reply that came late, and taking back what is delayed. */
#include "ingress/room.h"

#include "base/name.h"
#include "base/quantity.h"
#include "base/text.h"
#include "base/utf8.h"
#include "ingress/value.h"
#include "os/random.h"

#include <stdio.h>

enum {
    REPLY_TOKEN_BYTES = 16,
    REPLY_TOKEN_SIZE = 32,
    TRACEPARENT_SIZE_MAX = 128,
    BUFFER_KEPT_MAX = 65536
};

/* -- Headers -- */

static bool refuse_header(struct http_request *request, const struct target *target,
                          const char *detail)
{
    http_problem(request, 400, "invalid-header", detail, target->subject, 0);
    return false;
}

/* -1: there is none. */
static bool duration_header(struct http_request *request, const char *name, int64_t *milliseconds)
{
    struct span text = http_header(request, name);
    *milliseconds = -1;
    return text.at == NULL || duration_parse(text, milliseconds) == 0;
}

static bool token_valid(struct span token)
{
    return token.size > 0 && token.size <= TOKEN_SIZE_MAX && utf8_valid(token);
}

bool message_headers(struct http_request *request, const struct target *target,
                     struct event_message *message)
{
    message->key = http_header(request, "idempotency-key");
    message->cancel_token = http_header(request, "holdfast-cancel-token");
    message->traceparent = http_header(request, "traceparent");
    if (message->key.at != NULL && (message->key.size == 0 || message->key.size > KEY_SIZE_MAX))
        return refuse_header(request, target, "Idempotency-Key has to have 1 to 255 bytes.");
    if (!duration_header(request, "holdfast-delay", &message->delay_ms))
        return refuse_header(request, target, "Holdfast-Delay has to be a duration such as 5s.");
    if (message->cancel_token.at != NULL && !token_valid(message->cancel_token))
        return refuse_header(request, target,
                             "Holdfast-Cancel-Token has to have 1 to 1024 bytes of UTF-8.");
    if (message->cancel_token.size > 0 && message->delay_ms < 0)
        return refuse_header(
            request, target,
            "Holdfast-Cancel-Token needs Holdfast-Delay: only what is delayed can be "
            "taken back.");
    /* As the trace context asks: one that is not valid is left out, the request goes on. */
    if (message->traceparent.size > TRACEPARENT_SIZE_MAX) message->traceparent = SPAN_EMPTY;
    return true;
}

void answer_json(struct http_request *request, int status, const struct http_header *headers,
                 size_t count, struct buffer *body)
{
    struct http_header all[4] = {{SPAN_LITERAL("content-type"), SPAN_LITERAL("application/json")}};
    for (size_t i = 0; i < count && i < 3; i++) all[1 + i] = headers[i];
    if (body->failed)
        http_problem(request, 503, "full", "The gateway is out of memory: try again.", SPAN_EMPTY,
                     1);
    else
        http_answer(request, status, all, 1 + (count < 3 ? count : 3), buffer_span(body));
    buffer_close(body);
}

/* -- Submitting -- */

/* What send and call have in common; false: answered. */
static bool prepare(struct ingress *ingress, struct http_request *request, const struct span *parts,
                    enum ingress_access access, struct target *target, struct shard_event *event)
{
    *event = (struct shard_event){.kind = EVENT_MESSAGE};
    if (refuse_new_work(ingress, request)) return false;
    if (!target_read(request, parts[0], parts[1], parts[2], target)) return false;
    if (!access_allowed(ingress, request, access, target->name_space)) return false;
    event->message.target = target->address;
    return message_headers(request, target, &event->message);
}

/* Sets the event's argument, in memory of the ingress, which the port copies; false: answered. */
static bool encode_argument(struct ingress *ingress, struct http_request *request,
                            const struct target *target, struct shard_event *event)
{
    struct value value;
    buffer_clear(&ingress->text);
    buffer_clear(&ingress->argument);
    if (!value_read(request, target->subject, &ingress->text, &value)) return false;
    typed_value_encode(&ingress->argument, value.type_name, value.bytes);
    event->message.argument = buffer_span(&ingress->argument);
    if (!ingress->argument.failed) return true;
    http_problem(request, 503, "full", "The gateway is out of memory: try again.", target->subject,
                 1);
    return false;
}

/* A large message does not keep its memory. */
static void shrink(struct ingress *ingress)
{
    if (ingress->text.capacity > BUFFER_KEPT_MAX) buffer_close(&ingress->text);
    if (ingress->argument.capacity > BUFFER_KEPT_MAX) buffer_close(&ingress->argument);
}

static void accepted(struct exchange *exchange, const struct shard_answer *answer)
{
    struct buffer body;
    struct http_header duplicate = {SPAN_LITERAL("holdfast-duplicate"), SPAN_LITERAL("true")};
    buffer_init(&body);
    text_append(&body, "{\"message\":");
    text_json_string(&body, answer->message_id);
    text_append(&body, "}\n");
    answer_json(exchange->request, 202, &duplicate, answer->kind == ANSWER_DUPLICATE ? 1 : 0,
                &body);
}

void send_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    struct target target;
    struct shard_event event;
    if (!prepare(ingress, request, parts, ACCESS_SEND, &target, &event)) return;
    if (encode_argument(ingress, request, &target, &event)) {
        struct exchange *exchange = exchange_make(ingress, request, target.subject);
        exchange->done = accepted;
        exchange_submit(exchange, &event);
    }
    shrink(ingress);
}

/* -- Calls -- */

static void replied(struct exchange *exchange, const struct shard_answer *answer)
{
    struct typed_value value = {0};
    struct http_header message = {SPAN_LITERAL("holdfast-message"), answer->message_id};
    if (answer->kind == ANSWER_PENDING) {
        http_answer(exchange->request, 204, NULL, 0, SPAN_EMPTY);
    } else if (typed_value_parse(answer->body, &value) != 0) {
        http_problem(exchange->request, 500, "malformed-reply",
                     "The function's reply is not a TypedValue.", exchange->subject, 0);
    } else {
        value_answer(exchange->request, (struct value){value.type_name, value.value}, &message,
                     answer->message_id.size > 0 ? 1 : 0);
    }
}

/* The kernel is asked for many tokens at once; none of its bytes is used twice. */
static void make_token(struct ingress *ingress, uint8_t token[REPLY_TOKEN_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[REPLY_TOKEN_BYTES];
    if (ingress->random_left < sizeof bytes) {
        random_fill(ingress->random, sizeof ingress->random);
        ingress->random_left = sizeof ingress->random;
    }
    ingress->random_left -= sizeof bytes;
    memcpy(bytes, ingress->random + ingress->random_left, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        token[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        token[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
}

static void answer_timeout(struct exchange *exchange)
{
    struct buffer members;
    struct http_header headers[] = {{SPAN_LITERAL("holdfast-message"), exchange->reply_token},
                                    {SPAN_LITERAL("holdfast-reply"), exchange->reply_token}};
    struct http_problem_document problem = {
        .status = 504,
        .code = "no-reply-yet",
        .detail =
            exchange->keyed
                ? SPAN_LITERAL(
                      "The function has not replied in time. The message stays accepted: repeat "
                      "the call with the same Idempotency-Key to wait for its reply.")
                : SPAN_LITERAL(
                      "The function has not replied in time. The message stays accepted: GET "
                      "the path in \"reply\" fetches its reply later."),
        .address = exchange->subject,
        .headers = headers,
        .header_count = 2};
    buffer_init(&members);
    text_append(&members, "\"message\":");
    text_json_string(&members, exchange->reply_token);
    text_append(&members, ",\"reply\":\"/v1/replies/");
    buffer_append(&members, exchange->reply_token);
    text_append(&members, "\"");
    problem.members = buffer_span(&members);
    http_problem_answer(exchange->request, &problem);
    buffer_close(&members);
}

static void timed_out(struct loop_timer *timer)
{
    struct exchange *exchange = CONTAINER_OF(timer, struct exchange, timer);
    exchange_detach(exchange);
    answer_timeout(exchange);
}

static bool call_timeout(struct http_request *request, const struct target *target,
                         int64_t *milliseconds)
{
    if (!duration_header(request, "holdfast-timeout", milliseconds) || *milliseconds == 0)
        return refuse_header(request, target, "Holdfast-Timeout has to be a duration such as 30s.");
    if (*milliseconds < 0) *milliseconds = CALL_TIMEOUT_MS;
    if (*milliseconds > CALL_TIMEOUT_MAX_MS) *milliseconds = CALL_TIMEOUT_MAX_MS;
    return true;
}

static void submit_call(struct ingress *ingress, struct http_request *request,
                        const struct target *target, int64_t timeout_ms, struct shard_event *event)
{
    struct exchange *exchange = exchange_make(ingress, request, target->subject);
    uint8_t *token = http_alloc(request, REPLY_TOKEN_SIZE);
    struct loop *loop = ingress->options.loop;
    make_token(ingress, token);
    exchange->done = replied;
    exchange->keyed = event->message.key.size > 0;
    exchange->reply_token = span_of(token, REPLY_TOKEN_SIZE);
    exchange->timer.expired = timed_out;
    loop_timer_set(loop, &exchange->timer, loop_now_us(loop) + timeout_ms * 1000);
    event->message.reply_token = exchange->reply_token;
    exchange_submit(exchange, event);
}

void call_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    struct target target;
    struct shard_event event;
    int64_t timeout_ms;
    if (!prepare(ingress, request, parts, ACCESS_CALL, &target, &event)) return;
    if (event.message.delay_ms >= 0) {
        refuse_header(request, &target,
                      "Holdfast-Delay is for sends: nobody waits for a delayed call.");
        return;
    }
    if (!call_timeout(request, &target, &timeout_ms)) return;
    if (encode_argument(ingress, request, &target, &event))
        submit_call(ingress, request, &target, timeout_ms, &event);
    shrink(ingress);
}

static bool is_reply_token(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        bool digit = text.at[i] >= '0' && text.at[i] <= '9';
        if (!digit && !(text.at[i] >= 'a' && text.at[i] <= 'f')) return false;
    }
    return text.size == REPLY_TOKEN_SIZE;
}

void reply_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    struct shard_event event = {.kind = EVENT_ATTACH, .reply_token = parts[0]};
    if (!access_allowed(ingress, request, ACCESS_CALL, SPAN_EMPTY)) return;
    if (!is_reply_token(parts[0])) {
        http_problem(request, 404, "not-found",
                     "The id of a reply is the 32 characters of Holdfast-Reply.", SPAN_EMPTY, 0);
        return;
    }
    struct exchange *exchange = exchange_make(ingress, request, SPAN_EMPTY);
    exchange->done = replied;
    exchange_submit(exchange, &event);
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
    if (!id_valid(parts[0]) || !token_valid(parts[1])) {
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
