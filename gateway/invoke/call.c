/* See call.h. */
#include "invoke/call.h"

#include "base/check.h"
#include "invoke/crowd.h"
#include "invoke/room.h"
#include "invoke/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BODY_KEPT_MAX = 64 * 1024 };

static struct call *call_take(struct invoke *invoke)
{
    if (!list_empty(&invoke->free_calls)) {
        struct call *call = LIST_FIRST(&invoke->free_calls, struct call, link);
        list_remove(&call->link);
        invoke->free_call_count--;
        return call;
    }
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL) return NULL;
    call->invoke = invoke;
    list_init(&call->link);
    list_init(&call->due);
    answer_init(&call->answer);
    buffer_init(&call->body);
    return call;
}

struct call *call_new(struct invoke *invoke, const struct shard_invocation *invocation,
                      struct endpoint *endpoint)
{
    struct call *call = call_take(invoke);
    if (call == NULL) return NULL;
    call->place = CALL_NEW;
    call->endpoint = endpoint;
    call->origin = NULL;
    call->connection = NULL;
    call->invocation = invocation;
    call->retried = false;
    call->body_error = 0;
    call->stream = 0;
    endpoint_watch(endpoint, call);
    return call;
}

void call_free(struct call *call)
{
    crowd_left(call);
    list_remove(&call->link);
    list_remove(&call->due);
    answer_close(&call->answer);
    buffer_close(&call->body);
    free(call);
}

static void call_recycle(struct call *call)
{
    struct invoke *invoke = call->invoke;
    CHECK(call->place == CALL_ENDED);
    call->place = CALL_FREE;
    if (invoke->free_call_count >= CALLS_KEPT_MAX) {
        call_free(call);
        return;
    }
    if (call->body.capacity > BODY_KEPT_MAX) buffer_close(&call->body);
    answer_begin(&call->answer, 0);
    list_prepend(&invoke->free_calls, &call->link);
    invoke->free_call_count++;
}

static void call_end(struct call *call)
{
    CHECK(call->place != CALL_ENDED && call->place != CALL_FREE);
    list_remove(&call->link);
    call->place = CALL_ENDED;
    call->connection = NULL;
    crowd_left(call);
    endpoint_unwatch(call->endpoint, call);
}

void call_fail(struct call *call, enum outcome outcome, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->text.text, sizeof call->text.text, format, arguments);
    va_end(arguments);
    call->outcome = outcome;
    call_end(call);
    list_append(&call->invoke->failed, &call->link);
    invoke_soon(call->invoke);
}

static void tell_answer(struct call *call)
{
    struct invoke *invoke = call->invoke;
    struct shard_event event = {.kind = EVENT_RESPONSE};
    event.response.flight = call->invocation->flight;
    if (call->body_error != 0)
        verdict_of_body_error(&call->answer, call->body_error, &invoke->text, &event.response);
    else
        verdict_of(&call->answer, &invoke->response, &invoke->text, &event.response);
    invoke->done(invoke->context, &event);
    call_recycle(call);
}

void call_answered(struct call *call, int body_error)
{
    call_end(call);
    call->body_error = body_error;
    tell_answer(call);
}

void call_answered_later(struct call *call, int body_error)
{
    call_end(call);
    call->body_error = body_error;
    list_append(&call->invoke->answered, &call->link);
    invoke_soon(call->invoke);
}

static void tell_failure(struct call *call)
{
    struct invoke *invoke = call->invoke;
    struct shard_event event = {.kind = EVENT_RESPONSE};
    event.response.flight = call->invocation->flight;
    event.response.outcome = call->outcome;
    event.response.text = span_text(call->text.text);
    event.response.retry_after_ms = -1;
    invoke->done(invoke->context, &event);
    call_recycle(call);
}

static void tell_starved(struct invoke *invoke)
{
    const struct shard_invocation *invocation = invoke->starved[--invoke->starved_count];
    struct shard_event event = {.kind = EVENT_RESPONSE};
    event.response.flight = invocation->flight;
    event.response.outcome = OUTCOME_OVERLOADED;
    event.response.text = SPAN_LITERAL("out of memory before the call was made");
    event.response.retry_after_ms = -1;
    invoke->done(invoke->context, &event);
}

/* Each outcome may lead to new calls, which may fail at once: only those that are there now are
 * told. */
void calls_tell(struct invoke *invoke)
{
    struct list now;
    list_init(&now);
    for (size_t i = invoke->starved_count; i > 0; i--) tell_starved(invoke);
    while (!list_empty(&invoke->answered)) {
        struct call *call = LIST_FIRST(&invoke->answered, struct call, link);
        list_remove(&call->link);
        tell_answer(call);
    }
    while (!list_empty(&invoke->failed)) {
        struct list *link = invoke->failed.next;
        list_remove(link);
        list_append(&now, link);
    }
    while (!list_empty(&now)) {
        struct call *call = LIST_FIRST(&now, struct call, link);
        list_remove(&call->link);
        tell_failure(call);
    }
}
