/* See invoke.h. */
#include "invoke/invoke.h"

#include "base/check.h"
#include "invoke/bundle.h"
#include "invoke/crowd.h"
#include "invoke/h2.h"
#include "invoke/request.h"
#include "invoke/room.h"

#include <stdlib.h>

/* To begin a call, in bytes: see share.c. */
enum { BEGUN_WORK = 4096, BOARDED_WORK = 1024 };

/* -- What has been put off -- */

static void sweep(struct invoke *invoke)
{
    invoke->sweep = false;
    for (size_t i = 0; i < invoke->endpoint_count; i++) (void)endpoint_sweep(invoke->endpoints[i]);
    LIST_EACH (&invoke->retired, link) {
        struct endpoint *endpoint = CONTAINER_OF(link, struct endpoint, link);
        if (endpoint_sweep(endpoint)) endpoint_close(endpoint);
    }
}

static void begin(struct invoke *invoke, struct call *call)
{
    struct endpoint *endpoint = call->endpoint;
    struct span name = request_function_name(call->invocation);
    struct origin *origin;
    int error = endpoint_origin(endpoint, name, &origin);
    bool rides = error == 0 && bundle_wanted(origin, call);
    if (error == ERROR_INVALID)
        call_fail(call, OUTCOME_UNREACHABLE, "'%s' makes no host with the function name '%.*s'",
                  endpoint->template, SPAN_PRINT(name));
    else if (error != 0)
        call_fail(call, OUTCOME_OVERLOADED, "out of memory before the call was made");
    else if (rides)
        bundle_board(origin, call);
    else
        origin_call(origin, call);
    share_take(invoke, rides ? BOARDED_WORK : BEGUN_WORK);
}

static void begin_calls(struct invoke *invoke)
{
    while (!list_empty(&invoke->fresh) && !share_spent(invoke)) {
        struct call *call = LIST_FIRST(&invoke->fresh, struct call, link);
        list_remove(&call->link);
        begin(invoke, call);
    }
    bundles_depart(invoke);
}

static void catch_up(struct invoke *invoke)
{
    loop_timer_clear(invoke->loop, &invoke->soon);
    crowd_disperse(invoke);
    share_renew(invoke);
    calls_tell(invoke);
    share_renew(invoke);
    begin_calls(invoke);
    while (!list_empty(&invoke->dirty))
        h2_flush(LIST_FIRST(&invoke->dirty, struct connection, dirty));
    if (invoke->sweep) sweep(invoke);
}

static void turn_ends(struct loop_turn_end *turn_end)
{
    struct invoke *invoke = CONTAINER_OF(turn_end, struct invoke, turn_end);
    if (invoke->soon.set) catch_up(invoke);
    share_renew(invoke);
    share_end(invoke);
}

/* A timer for now, which the end of the turn takes back: it costs nothing but when our turn end has
 * been. */
void invoke_soon(struct invoke *invoke)
{
    if (!invoke->soon.set) loop_timer_set(invoke->loop, &invoke->soon, loop_now_us(invoke->loop));
}

/* What the last turn has left: reads now, before it is shared out anew, and the rest at the end. */
static void soon_expired(struct loop_timer *timer)
{
    struct invoke *invoke = CONTAINER_OF(timer, struct invoke, soon);
    share_go_on(invoke);
    invoke_soon(invoke);
}

/* -- Life -- */

int invoke_open(struct invoke **out, struct loop *loop, invoke_done *done, void *context,
                struct errmsg *errmsg)
{
    struct invoke *invoke = calloc(1, sizeof *invoke);
    if (invoke == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    invoke->loop = loop;
    invoke->done = done;
    invoke->context = context;
    invoke->bound = ANSWERS_BYTES_MAX;
    int error = resolver_init(&invoke->resolver, loop);
    if (error != 0) {
        free(invoke);
        return errmsg_set(errmsg, error, "the resolver of names cannot begin: %s",
                          error_text(error));
    }
    list_init(&invoke->retired);
    list_init(&invoke->free_calls);
    list_init(&invoke->free_carriers);
    list_init(&invoke->boarding);
    list_init(&invoke->speaking);
    list_init(&invoke->fresh);
    list_init(&invoke->failed);
    list_init(&invoke->answered);
    for (int i = 0; i < PACKED_LINES; i++) list_init(&invoke->packed[i]);
    list_init(&invoke->leaving);
    list_init(&invoke->waiting);
    share_renew(invoke);
    list_init(&invoke->dirty);
    buffer_init(&invoke->scratch);
    function_response_init(&invoke->response);
    invoke->soon.expired = soon_expired;
    invoke->turn_end.run = turn_ends;
    loop_at_turn_end(loop, &invoke->turn_end);
    *out = invoke;
    return 0;
}

static void endpoints_close(struct endpoint **endpoints, size_t count)
{
    for (size_t i = 0; i < count; i++) endpoint_close(endpoints[i]);
    free(endpoints);
}

int invoke_configure(struct invoke *invoke, const struct invoke_endpoint *settings, size_t count,
                     struct errmsg *errmsg)
{
    struct endpoint **endpoints = calloc(count == 0 ? 1 : count, sizeof *endpoints);
    if (endpoints == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct errmsg why;
        int error = endpoint_open(&endpoints[i], invoke, &settings[i], &why);
        if (error == 0) continue;
        endpoints_close(endpoints, i);
        return errmsg_set(errmsg, error, "endpoint of %.*s: %s", SPAN_PRINT(settings[i].pattern),
                          why.text);
    }
    for (size_t i = 0; i < invoke->endpoint_count; i++) {
        list_append(&invoke->retired, &invoke->endpoints[i]->link);
        endpoint_retire(invoke->endpoints[i]);
    }
    free(invoke->endpoints);
    invoke->endpoints = endpoints;
    invoke->endpoint_count = count;
    invoke_bound(invoke, invoke->bound);
    return 0;
}

/* A buffer grows by doubling: the largest answer may take twice its size. */
void invoke_bound(struct invoke *invoke, size_t answers_bytes_max)
{
    invoke->bound = invoke->held_max = answers_bytes_max;
    for (size_t i = 0; i < invoke->endpoint_count; i++) {
        size_t most = invoke->endpoints[i]->body_max;
        most = most > SIZE_MAX / 2 ? SIZE_MAX : 2 * most;
        if (invoke->held_max < most) invoke->held_max = most;
    }
}

static void free_calls(struct list *calls)
{
    while (!list_empty(calls)) call_free(LIST_FIRST(calls, struct call, link));
}

static void endpoint_drop(struct endpoint *endpoint)
{
    while (!list_empty(&endpoint->deadlines))
        call_free(LIST_FIRST(&endpoint->deadlines, struct call, due));
    endpoint_close(endpoint);
}

void invoke_close(struct invoke *invoke)
{
    if (invoke == NULL) return;
    free_calls(&invoke->failed);
    free_calls(&invoke->answered);
    for (int i = 0; i < PACKED_LINES; i++) free_calls(&invoke->packed[i]);
    free_calls(&invoke->leaving);
    for (size_t i = 0; i < invoke->endpoint_count; i++) endpoint_drop(invoke->endpoints[i]);
    while (!list_empty(&invoke->retired))
        endpoint_drop(LIST_FIRST(&invoke->retired, struct endpoint, link));
    free_calls(&invoke->free_calls);
    free_calls(&invoke->free_carriers);
    free(invoke->endpoints);
    resolver_close(&invoke->resolver);
    loop_timer_clear(invoke->loop, &invoke->soon);
    list_remove(&invoke->turn_end.link);
    function_response_close(&invoke->response);
    buffer_close(&invoke->scratch);
    free(invoke);
}

/* -- Calls -- */

/* Not even a call object: the outcome is owed all the same. */
static void call_starved(struct invoke *invoke, const struct shard_invocation *invocation)
{
    CHECK(invoke->starved_count < STARVED_MAX);
    invoke->starved[invoke->starved_count++] = invocation;
    invoke_soon(invoke);
}

void invoke_call(struct invoke *invoke, const struct shard_invocation *invocation)
{
    CHECK(invocation->endpoint < invoke->endpoint_count);
    struct call *call = call_new(invoke, invocation, invoke->endpoints[invocation->endpoint]);
    if (call == NULL) {
        call_starved(invoke, invocation);
        return;
    }
    list_append(&invoke->fresh, &call->link);
    invoke_soon(invoke);
}

void invoke_metrics(const struct invoke *invoke, struct invoke_metrics *metrics)
{
    *metrics = invoke->metrics;
}
