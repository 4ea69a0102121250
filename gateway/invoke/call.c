/* See call.h. */
#include "invoke/call.h"

#include "base/check.h"
#include "invoke/bundle.h"
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

static struct call *take_first(struct list *calls, size_t *count)
{
    struct call *call = LIST_FIRST(calls, struct call, link);
    list_remove(&call->link);
    (*count)--;
    return call;
}

static struct call *call_make(struct invoke *invoke)
{
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL) return NULL;
    call->invoke = invoke;
    list_init(&call->link);
    list_init(&call->due);
    answer_init(&call->answer);
    buffer_init(&call->body);
    return call;
}

static struct call *carrier_make(struct invoke *invoke)
{
    struct call *call = call_make(invoke);
    if (call == NULL) return NULL;
    call->bundle = calloc(1, sizeof *call->bundle);
    if (call->bundle == NULL) {
        call_free(call);
        return NULL;
    }
    call->bundle->carrier = call;
    list_init(&call->bundle->link);
    return call;
}

static void call_begin(struct call *call, const struct shard_invocation *invocation,
                       struct endpoint *endpoint)
{
    call->place = CALL_NEW;
    call->endpoint = endpoint;
    call->origin = NULL;
    call->connection = NULL;
    call->invocation = invocation;
    call->carrier = NULL;
    call->alone = false;
    call->retried = false;
    call->body_error = 0;
    call->stream = 0;
    endpoint_watch(endpoint, call);
}

struct call *call_new(struct invoke *invoke, const struct shard_invocation *invocation,
                      struct endpoint *endpoint)
{
    struct call *call = list_empty(&invoke->free_calls)
                            ? call_make(invoke)
                            : take_first(&invoke->free_calls, &invoke->free_call_count);
    if (call != NULL) call_begin(call, invocation, endpoint);
    return call;
}

struct call *call_new_carrier(struct invoke *invoke, struct endpoint *endpoint)
{
    struct call *call = list_empty(&invoke->free_carriers)
                            ? carrier_make(invoke)
                            : take_first(&invoke->free_carriers, &invoke->free_carrier_count);
    if (call != NULL) call_begin(call, NULL, endpoint);
    return call;
}

void call_expects(struct call *call)
{
    answer_begin(&call->answer, call->endpoint->body_max);
    call->answer.of_bundle = call->bundle != NULL;
}

void call_sent(struct call *call)
{
    call->invoke->metrics.requests++;
    if (call->bundle != NULL) bundle_sent(call);
}

int call_heard(struct call *call, struct span piece, bool last)
{
    int error = body_add(&call->answer.body, piece, last);
    crowd_grew(call);
    if (call->answer.body.flows && error == 0) bundle_heard(call);
    return error;
}

void call_free(struct call *call)
{
    crowd_left(call);
    list_remove(&call->link);
    list_remove(&call->due);
    answer_close(&call->answer);
    buffer_close(&call->body);
    if (call->bundle != NULL) list_remove(&call->bundle->link);
    free(call->bundle);
    free(call);
}

static void call_recycle(struct call *call)
{
    struct invoke *invoke = call->invoke;
    bool carrier = call->bundle != NULL;
    size_t *count = carrier ? &invoke->free_carrier_count : &invoke->free_call_count;
    crowd_left(call);
    if (*count >= (carrier ? CARRIERS_KEPT_MAX : CALLS_KEPT_MAX)) {
        call_free(call);
        return;
    }
    if (call->body.capacity > BODY_KEPT_MAX) buffer_close(&call->body);
    answer_begin(&call->answer, 0);
    list_prepend(carrier ? &invoke->free_carriers : &invoke->free_calls, &call->link);
    (*count)++;
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
    if (call->bundle != NULL) list_remove(&call->bundle->link);
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
    invoke_soon(call->invoke);
    if (call->bundle != NULL) { /* what has come before is told first */
        call->bundle->failed = true;
        list_append(&call->invoke->answered, &call->link);
        return;
    }
    list_append(&call->invoke->failed, &call->link);
}

void call_discard(struct call *call)
{
    call_end(call);
    call_leave(call);
}

/* Of a call that has ended. */
static void tell(struct call *call, struct shard_event *event, size_t bytes)
{
    struct invoke *invoke = call->invoke;
    share_take(invoke, TOLD_WORK + bytes);
    event->response.flight = call->invocation->flight;
    invoke->done(invoke->context, event);
    call_leave(call);
}

void call_tell(struct call *call, struct shard_event *event, size_t bytes)
{
    call_end(call);
    tell(call, event, bytes);
}

static void tell_answer(struct call *call)
{
    struct invoke *invoke = call->invoke;
    struct shard_event event = {.kind = EVENT_RESPONSE};
    if (call->body_error != 0)
        verdict_of_body_error(&call->answer, call->body_error, &invoke->text, &event.response);
    else
        verdict_of(&call->answer, &invoke->response, &invoke->text, &event.response);
    tell(call, &event, body_held(&call->answer.body));
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

/* Whatever else it says, it may offer something. */
static void take_offer(const struct call *call)
{
    uint32_t offered = call->answer.offered;
    if (offered > 0) offer_made(&call->origin->offer, offered, loop_now_us(call->invoke->loop));
}

void call_answered(struct call *call, int body_error)
{
    call->body_error = body_error;
    if (has_packed(call) || call->bundle != NULL) {
        call_answered_later(call, body_error);
        return;
    }
    take_offer(call);
    call_end(call);
    tell_answer(call);
}

void call_answered_later(struct call *call, int body_error)
{
    struct invoke *invoke = call->invoke;
    take_offer(call);
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
    struct shard_event event = {.kind = EVENT_RESPONSE};
    event.response.outcome = call->outcome;
    event.response.text = span_text(call->text.text);
    event.response.retry_after_ms = -1;
    tell(call, &event, 0);
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

static void tell_answers(struct invoke *invoke)
{
    while (!list_empty(&invoke->answered) && !share_spent(invoke)) {
        struct call *call = LIST_FIRST(&invoke->answered, struct call, link);
        if (call->bundle != NULL && !bundle_tell(call)) return;
        list_remove(&call->link);
        if (call->bundle != NULL)
            call_leave(call);
        else
            tell_answer(call);
    }
}

void calls_tell(struct invoke *invoke)
{
    for (size_t i = invoke->starved_count; i > 0; i--) tell_starved(invoke);
    tell_answers(invoke);
    /* Those have a share of their own: whole answers may come as fast as they are told. */
    share_renew(invoke);
    bundles_tell(invoke);
    /* Some of each, however many others there are. */
    tell_failures(invoke);
    unpack(invoke);
    if (!list_empty(&invoke->leaving)) shrink(invoke);
    while (has_packed_calls(invoke) && !share_spent(invoke)) unpack(invoke);
    while (!list_empty(&invoke->leaving) && !share_spent(invoke)) shrink(invoke);
}
