/*
 * Calls: a message whose sender waits for the reply, and the reply that came late.
 *
 * When the time of a call is over, nobody knows yet whether it has been accepted: its record may
 * not be durable, its refusal may be on the way. So the shard is asked, by a second waiter. The
 * first one goes on: what it hears before the second does is the answer.
 */
#include "ingress/room.h"

#include "base/text.h"
#include "ingress/value.h"
#include "base/slot.h"
#include "os/random.h"

enum { OUTCOME_WAIT_MS = 5000 };

struct call {
    struct exchange exchange;  /* first */
    struct port_waiter second; /* of the question whether the call is accepted */
    bool asking;
    struct span reply_token;
    struct address target;
    struct span key; /* not empty: it may have joined the call of another */
};

/* -- What the caller gets -- */

static void replied(struct exchange *exchange, const struct shard_answer *answer)
{
    struct typed_value value = {0};
    struct http_header message = {SPAN_LITERAL("holdfast-message"), answer->message_id};
    if (typed_value_parse(answer->body, &value) != 0) {
        http_problem(exchange->request, 500, "malformed-reply",
                     "The function's reply is not a TypedValue.", exchange->subject, 0);
    } else {
        value_answer(exchange->request, (struct value){value.type_name, value.value, NULL},
                     &message, answer->message_id.size > 0 ? 1 : 0);
    }
}

static void append_member(struct buffer *members, const char *name, struct span value)
{
    if (members->size > 0) text_append(members, ",");
    text_append(members, "\"");
    text_append(members, name);
    text_append(members, "\":");
    text_json_string(members, value);
}

/* 504. A caller with a key has it to ask again; the others are told their token, if there is one.
 */
static void answer_504(struct call *call, const char *code, struct span detail,
                       struct span message_id)
{
    struct http_header headers[2];
    struct http_problem_document problem = {.status = 504,
                                            .code = code,
                                            .detail = detail,
                                            .address = call->exchange.subject,
                                            .headers = headers};
    struct buffer members;
    struct buffer path;
    buffer_init(&members);
    buffer_init(&path);
    if (message_id.size > 0) {
        append_member(&members, "message", message_id);
        headers[problem.header_count++] =
            (struct http_header){SPAN_LITERAL("holdfast-message"), message_id};
    }
    if (call->key.size == 0) {
        text_append(&path, "/v1/replies/");
        buffer_append(&path, call->reply_token);
        append_member(&members, "reply", buffer_span(&path));
        headers[problem.header_count++] =
            (struct http_header){SPAN_LITERAL("holdfast-reply"), call->reply_token};
    }
    problem.members = buffer_span(&members);
    http_problem_answer(call->exchange.request, &problem);
    buffer_close(&path);
    buffer_close(&members);
}

static void answer_no_reply_yet(struct call *call, struct span message_id)
{
    answer_504(call, "no-reply-yet",
               call->key.size > 0
                   ? SPAN_LITERAL("The function has not replied in time. The message stays "
                                  "accepted: repeat the call with the same Idempotency-Key to wait "
                                  "for its reply.")
                   : SPAN_LITERAL("The function has not replied in time. The message stays "
                                  "accepted: GET the path in \"reply\" fetches its reply later."),
               message_id);
}

static void answer_unknown(struct call *call)
{
    answer_504(
        call, "outcome-unknown",
        call->key.size > 0
            ? SPAN_LITERAL("It is not known whether the message was accepted: the gateway could "
                           "not confirm it in time. To repeat the call with the same "
                           "Idempotency-Key is safe.")
            : SPAN_LITERAL("It is not known whether the message was accepted: the gateway could "
                           "not confirm it in time. GET the path in \"reply\" tells later: 404 "
                           "when it was not. Only calls with an Idempotency-Key are safe to "
                           "repeat."),
        SPAN_EMPTY);
}

/* -- When the time is over -- */

/* As the exchange's `close`: it has ended, whatever the reason. */
static void call_close(void *context)
{
    struct call *call = context;
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter_of(&call->second)};
    if (call->asking) port_submit(call->exchange.ingress->options.port, &event);
    call->asking = false;
}

static void done(struct exchange *exchange, const struct shard_answer *answer)
{
    call_close(exchange->context);
    replied(exchange, answer);
}

static void told(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct call *call = CONTAINER_OF(waiter, struct call, second);
    call->asking = false;
    exchange_detach(&call->exchange);
    switch (answer->kind) {
    case ANSWER_PENDING: answer_no_reply_yet(call, answer->message_id); return;
    case ANSWER_NOT_FOUND:
        http_problem(call->exchange.request, 503, "not-accepted",
                     "The call was not accepted: try again.", call->exchange.subject, 1);
        return;
    case ANSWER_FULL: answer_unknown(call); return; /* no room for the question, that is */
    default: exchange_answer(&call->exchange, answer);
    }
}

static void gave_up(struct loop_timer *timer)
{
    struct call *call = CONTAINER_OF(timer, struct call, exchange.timer);
    exchange_detach(&call->exchange);
    answer_unknown(call);
}

static void timed_out(struct loop_timer *timer)
{
    struct call *call = CONTAINER_OF(timer, struct call, exchange.timer);
    struct loop *loop = call->exchange.ingress->options.loop;
    struct shard_event event = {.kind = EVENT_ATTACH,
                                .waiter = waiter_of(&call->second),
                                .reply_token = call->reply_token,
                                .call_target = call->target,
                                .call_key = call->key};
    call->exchange.timer.expired = gave_up;
    loop_timer_set(loop, &call->exchange.timer, loop_now_us(loop) + OUTCOME_WAIT_MS * 1000);
    call->second.answer = told;
    call->asking = true;
    port_submit(call->exchange.ingress->options.port, &event);
}

/* -- Requests -- */

/* The kernel is asked for many tokens at once; none of its bytes is used twice. */
static void make_token(struct ingress *ingress, struct span target_id, char token[REPLY_TOKEN_SIZE])
{
    uint8_t bytes[16];
    if (ingress->random_left < sizeof bytes) {
        random_fill(ingress->random, sizeof ingress->random);
        ingress->random_left = sizeof ingress->random;
    }
    ingress->random_left -= sizeof bytes;
    memcpy(bytes, ingress->random + ingress->random_left, sizeof bytes);
    reply_token_make(token, target_id, bytes);
}

static bool call_timeout(struct http_request *request, const struct target *target,
                         int64_t *milliseconds)
{
    if (!duration_header(request, "holdfast-timeout", milliseconds) || *milliseconds == 0)
        return header_refused(request, target,
                              "Holdfast-Timeout has to be a duration such as 30s.");
    if (*milliseconds < 0) *milliseconds = CALL_TIMEOUT_MS;
    if (*milliseconds > CALL_TIMEOUT_MAX_MS) *milliseconds = CALL_TIMEOUT_MAX_MS;
    return true;
}

static void submit_call(struct ingress *ingress, struct http_request *request,
                        const struct target *target, int64_t timeout_ms, struct shard_event *event)
{
    struct call *call = http_alloc(request, sizeof *call);
    char *token = http_alloc(request, REPLY_TOKEN_SIZE);
    struct loop *loop = ingress->options.loop;
    make_token(ingress, target->address.id, token);
    *call = (struct call){.reply_token = span_of(token, REPLY_TOKEN_SIZE),
                          .target = target->address,
                          .key = event->message.key};
    exchange_init(&call->exchange, ingress, request, target->subject);
    call->exchange.done = done;
    call->exchange.close = call_close;
    call->exchange.context = call;
    call->exchange.timer.expired = timed_out;
    loop_timer_set(loop, &call->exchange.timer, loop_now_us(loop) + timeout_ms * 1000);
    event->message.reply_token = call->reply_token;
    exchange_submit(&call->exchange, event);
}

void call_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    struct target target;
    struct shard_event event;
    int64_t timeout_ms;
    if (!message_prepare(ingress, request, parts, ACCESS_CALL, &target, &event)) return;
    if (event.message.delay_ms >= 0) {
        header_refused(request, &target,
                       "Holdfast-Delay is for sends: nobody waits for a delayed call.");
        return;
    }
    if (!call_timeout(request, &target, &timeout_ms)) return;
    if (message_encode(ingress, request, &target, &event))
        submit_call(ingress, request, &target, timeout_ms, &event);
    message_sent(ingress);
}

/* -- Replies that came late -- */

static void fetched(struct exchange *exchange, const struct shard_answer *answer)
{
    if (answer->kind == ANSWER_PENDING)
        http_answer(exchange->request, 204, NULL, 0, SPAN_EMPTY);
    else
        replied(exchange, answer);
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
    exchange->done = fetched;
    exchange_submit(exchange, &event);
}
