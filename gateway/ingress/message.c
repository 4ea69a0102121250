/* See room.h: from a request to the event of a message, for sends and calls alike. */
#include "ingress/room.h"

#include "base/name.h"
#include "base/quantity.h"
#include "base/utf8.h"
#include "ingress/value.h"

enum { TRACEPARENT_SIZE_MAX = 128, BUFFER_KEPT_MAX = 65536 };

bool header_refused(struct http_request *request, const struct target *target, const char *detail)
{
    http_problem(request, 400, "invalid-header", detail, target->subject, 0);
    return false;
}

bool duration_header(struct http_request *request, const char *name, int64_t *milliseconds)
{
    struct span text = http_header(request, name);
    *milliseconds = -1;
    return text.at == NULL || duration_parse(text, milliseconds) == 0;
}

bool cancel_token_valid(struct span token)
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
        return header_refused(request, target, "Idempotency-Key has to have 1 to 255 bytes.");
    if (!duration_header(request, "holdfast-delay", &message->delay_ms))
        return header_refused(request, target, "Holdfast-Delay has to be a duration such as 5s.");
    if (message->cancel_token.at != NULL && !cancel_token_valid(message->cancel_token))
        return header_refused(request, target,
                              "Holdfast-Cancel-Token has to have 1 to 1024 bytes of UTF-8.");
    if (message->cancel_token.size > 0 && message->delay_ms < 0)
        return header_refused(
            request, target,
            "Holdfast-Cancel-Token needs Holdfast-Delay: only what is delayed can be "
            "taken back.");
    /* As the trace context asks: one that is not valid is left out, the request goes on. */
    if (message->traceparent.size > TRACEPARENT_SIZE_MAX) message->traceparent = SPAN_EMPTY;
    return true;
}

bool message_prepare(struct ingress *ingress, struct http_request *request,
                     const struct span *parts, enum ingress_access access, struct target *target,
                     struct shard_event *event)
{
    *event = (struct shard_event){.kind = EVENT_MESSAGE};
    if (refuse_new_work(ingress, request)) return false;
    if (!target_read(request, parts[0], parts[1], parts[2], target)) return false;
    if (!access_allowed(ingress, request, access, target->name_space)) return false;
    event->message.target = target->address;
    return message_headers(request, target, &event->message);
}

bool message_encode(struct ingress *ingress, struct http_request *request,
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

void message_sent(struct ingress *ingress)
{
    if (ingress->text.capacity > BUFFER_KEPT_MAX) buffer_close(&ingress->text);
    if (ingress->argument.capacity > BUFFER_KEPT_MAX) buffer_close(&ingress->argument);
}
