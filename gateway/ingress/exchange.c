/* See room.h. */
#include "ingress/room.h"

static void discard(struct exchange *exchange)
{
    if (exchange->close != NULL) exchange->close(exchange->context);
    exchange->close = NULL;
}

static void client_gone(struct http_request *request)
{
    exchange_detach(request->context);
}

static void end(struct exchange *exchange)
{
    loop_timer_clear(exchange->ingress->options.loop, &exchange->timer);
    exchange->ingress->waiting--;
    exchange->request->gone = NULL;
}

void exchange_answer(struct exchange *exchange, const struct shard_answer *answer)
{
    struct refusal refusal;
    if (!refusal_of(exchange->ingress, answer, &refusal)) {
        exchange->done(exchange, answer);
        return;
    }
    discard(exchange);
    if (exchange->refused != NULL)
        exchange->refused(exchange, &refusal);
    else
        refusal_answer(exchange->request, &refusal, exchange->subject, answer->message_id);
}

static void answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct exchange *exchange = CONTAINER_OF(waiter, struct exchange, waiter);
    end(exchange);
    exchange_answer(exchange, answer);
}

static void begin(struct exchange *exchange)
{
    exchange->request->context = exchange;
    exchange->request->gone = client_gone;
    exchange->ingress->waiting++;
}

void exchange_resume(struct exchange *exchange)
{
    begin(exchange);
}

void exchange_init(struct exchange *exchange, struct ingress *ingress, struct http_request *request,
                   struct span subject)
{
    *exchange = (struct exchange){
        .waiter = {.answer = answered}, .ingress = ingress, .request = request, .subject = subject};
    begin(exchange);
}

struct exchange *exchange_make(struct ingress *ingress, struct http_request *request,
                               struct span subject)
{
    struct exchange *exchange = http_alloc(request, sizeof *exchange);
    exchange_init(exchange, ingress, request, subject);
    return exchange;
}

void exchange_submit(struct exchange *exchange, struct shard_event *event)
{
    event->waiter = waiter_of(&exchange->waiter);
    port_submit(exchange->ingress->options.port, event);
}

void exchange_detach(struct exchange *exchange)
{
    struct shard_event event = {.kind = EVENT_DETACH};
    end(exchange);
    discard(exchange);
    exchange_submit(exchange, &event);
}
