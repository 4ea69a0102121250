/* See call.h. */
#include "invoke/call.h"

#include "base/check.h"
#include "invoke/crowd.h"
#include "invoke/room.h"
#include "invoke/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BODY_KEPT_MAX = 64 * 1024,
    UNPACK_STEP = 32 * 1024,  /* bytes */
    UNPACK_WORK = 4,          /* what one of them costs more than one that is read */
    PACKED_SMALL = 4096,      /* may become a megabyte: see body.c */
    SHRINK_STEP = 512 * 1024, /* bytes of memory that are given back at a time */
    SHRINK_WORK = 64 * 1024,
    TOLD_WORK = 4096, /* an outcome and the call that comes of it, in bytes: see share.c */
};

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
    crowd_left(call);
    if (invoke->free_call_count >= CALLS_KEPT_MAX) {
        call_free(call);
        return;
    }
    if (call->body.capacity > BODY_KEPT_MAX) buffer_close(&call->body);
    answer_begin(&call->answer, 0);
    list_prepend(&invoke->free_calls, &call->link);
    invoke->free_call_count++;
}

/* It has been told: what it holds is given back, a lot of it bit by bit. */
static void call_leave(struct call *call)
{
    CHECK(call->place == CALL_ENDED);
    call->place = CALL_FREE;
    if (body_held(&call->answer.body) <= SHRINK_STEP) {
        call_recycle(call);
        return;
    }
    list_append(&call->invoke->leaving, &call->link);
    invoke_soon(call->invoke);
}

static void shrink(struct invoke *invoke)
{
    struct call *call = LIST_FIRST(&invoke->leaving, struct call, link);
    share_take(invoke, SHRINK_WORK);
    if (body_shrink(&call->answer.body, SHRINK_STEP)) return;
    list_remove(&call->link);
    call_recycle(call);
}

static void call_end(struct call *call)
{
    CHECK(call->place != CALL_ENDED && call->place != CALL_FREE);
    list_remove(&call->link);
    call->place = CALL_ENDED;
    call->connection = NULL;
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
    crowd_left(call);
    list_append(&call->invoke->failed, &call->link);
    invoke_soon(call->invoke);
}

/* It is about to be handed over. */
static void count_work(struct call *call)
{
    share_take(call->invoke, TOLD_WORK + body_held(&call->answer.body));
}

static void tell_answer(struct call *call)
{
    struct invoke *invoke = call->invoke;
    count_work(call);
    struct shard_event event = {.kind = EVENT_RESPONSE};
    event.response.flight = call->invocation->flight;
    if (call->body_error != 0)
        verdict_of_body_error(&call->answer, call->body_error, &invoke->text, &event.response);
    else
        verdict_of(&call->answer, &invoke->response, &invoke->text, &event.response);
    invoke->done(invoke->context, &event);
    call_leave(call);
}

static bool has_packed(const struct call *call)
{
    return call->body_error == 0 && call->answer.body.packed.size > 0;
}

/* Two lines, each first come first served: small ones do not wait until all large ones are
   unpacked, and however many small ones come, the large ones go on. */
static void queue_packed(struct invoke *invoke, struct call *call)
{
    bool is_small = call->answer.body.packed.size <= PACKED_SMALL;
    list_append(&invoke->packed[is_small ? LINE_SMALL : LINE_LARGE], &call->link);
}

void call_answered(struct call *call, int body_error)
{
    call->body_error = body_error;
    if (has_packed(call)) {
        call_answered_later(call, body_error);
        return;
    }
    call_end(call);
    tell_answer(call);
}

void call_answered_later(struct call *call, int body_error)
{
    struct invoke *invoke = call->invoke;
    call_end(call);
    call->body_error = body_error;
    if (has_packed(call))
        queue_packed(invoke, call);
    else
        list_append(&invoke->answered, &call->link);
    invoke_soon(invoke);
}

/* One after the other: so only one of each line takes its full size at a time. */
static void unpack_first(struct invoke *invoke, const struct list *line)
{
    struct call *call = LIST_FIRST(line, struct call, link);
    bool done = false;
    call->body_error = body_unpack(&call->answer.body, UNPACK_STEP, &done);
    crowd_grew(call);
    share_take(invoke, UNPACK_STEP * UNPACK_WORK);
    if (!done && call->body_error == 0) return;
    list_remove(&call->link);
    tell_answer(call);
}

static void unpack(struct invoke *invoke)
{
    for (int i = 0; i < PACKED_LINES; i++)
        if (!list_empty(&invoke->packed[i])) unpack_first(invoke, &invoke->packed[i]);
}

static void tell_failure(struct call *call)
{
    struct invoke *invoke = call->invoke;
    share_take(invoke, TOLD_WORK);
    struct shard_event event = {.kind = EVENT_RESPONSE};
    event.response.flight = call->invocation->flight;
    event.response.outcome = call->outcome;
    event.response.text = span_text(call->text.text);
    event.response.retry_after_ms = -1;
    invoke->done(invoke->context, &event);
    call_leave(call);
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
static void tell_failures(struct invoke *invoke)
{
    const struct list *last = invoke->failed.prev;
    bool more = !list_empty(&invoke->failed);
    while (more) {
        struct call *call = LIST_FIRST(&invoke->failed, struct call, link);
        more = &call->link != last;
        list_remove(&call->link);
        tell_failure(call);
        if (share_spent(invoke)) return;
    }
}

void calls_tell(struct invoke *invoke)
{
    for (size_t i = invoke->starved_count; i > 0; i--) tell_starved(invoke);
    while (!list_empty(&invoke->answered) && !share_spent(invoke)) {
        struct call *call = LIST_FIRST(&invoke->answered, struct call, link);
        list_remove(&call->link);
        tell_answer(call);
    }
    /* Some of each, however many others there are. */
    tell_failures(invoke);
    unpack(invoke);
    if (!list_empty(&invoke->leaving)) shrink(invoke);
    while (has_packed_calls(invoke) && !share_spent(invoke)) unpack(invoke);
    while (!list_empty(&invoke->leaving) && !share_spent(invoke)) shrink(invoke);
}
