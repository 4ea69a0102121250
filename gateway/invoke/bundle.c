/* See bundle.h: who travels together. What comes back is in bundle_answer.c. */
#include "invoke/bundle.h"

#include "base/check.h"
#include "invoke/request.h"
#include "invoke/room.h"
#include "wire/bundle.h"

/* What would be no header is no text of protobuf either, which would spoil the whole bundle. */
static struct span fit(struct span value)
{
    return request_header_fit(value) ? value : SPAN_EMPTY;
}

static struct bundle_part part_of(const struct call *rider)
{
    const struct shard_invocation *invocation = rider->invocation;
    return (struct bundle_part){.request = &invocation->request,
                                .id = fit(invocation->invocation_id),
                                .traceparent = fit(invocation->traceparent),
                                .attempt = invocation->attempt};
}

static bool has_failed_before(const struct call *call)
{
    return call->alone || call->invocation->attempt > 1;
}

static bool is_slow(const struct origin *origin, const struct call *call)
{
    int64_t now_us = loop_now_us(call->invoke->loop);
    return offer_is_slow(&origin->offer, call->invocation->request.target.id, now_us);
}

bool bundle_wanted(const struct origin *origin, const struct call *call)
{
    return origin->offer.max > 1 && !has_failed_before(call) && !is_slow(origin, call);
}

/* -- Boarding -- */

static struct call *carrier_new(struct origin *origin)
{
    struct call *carrier = call_new_carrier(origin->endpoint->invoke, origin->endpoint);
    if (carrier == NULL) return NULL;
    carrier->origin = origin;
    struct bundle *bundle = carrier->bundle;
    bundle->count = bundle->left = bundle->heard = 0;
    bundle->bytes = 0;
    bundle->failed = bundle->broken = false;
    return carrier;
}

/* One that would ride alone travels as it always did. */
static void depart(struct origin *origin)
{
    struct call *carrier = origin->boarding;
    struct bundle *bundle = carrier->bundle;
    origin->boarding = NULL;
    list_remove(&bundle->link);
    if (bundle->left > 1) {
        origin_call(origin, carrier);
        return;
    }
    struct call *rider = bundle->riders[0];
    rider->carrier = NULL;
    call_discard(carrier);
    origin_call(origin, rider);
}

void bundles_depart(struct invoke *invoke)
{
    while (!list_empty(&invoke->boarding)) {
        struct bundle *bundle = LIST_FIRST(&invoke->boarding, struct bundle, link);
        depart(bundle->riders[0]->origin);
    }
}

static bool same_target(const struct call *carrier, const struct call *call)
{
    if (!carrier->endpoint->url.path_varies) return true;
    return span_equal(request_function_name(carrier->bundle->riders[0]->invocation),
                      request_function_name(call->invocation));
}

static void take_place(struct call *carrier, struct call *rider, size_t bytes)
{
    struct bundle *bundle = carrier->bundle;
    rider->place = CALL_RIDING;
    rider->carrier = carrier;
    rider->rider_index = bundle->count;
    bundle->riders[bundle->count++] = rider;
    bundle->left++;
    bundle->bytes += bytes;
}

void bundle_board(struct origin *origin, struct call *call)
{
    struct bundle_part part = part_of(call);
    size_t bytes = bundle_part_size(&part);
    call->origin = origin;
    struct call *carrier = origin->boarding;
    if (carrier != NULL &&
        (carrier->bundle->bytes + bytes > BUNDLE_BYTES_MAX || !same_target(carrier, call))) {
        depart(origin);
        carrier = NULL;
    }
    if (carrier == NULL) {
        carrier = bytes > BUNDLE_BYTES_MAX ? NULL : carrier_new(origin);
        if (carrier == NULL) {
            origin_call(origin, call);
            return;
        }
        origin->boarding = carrier;
        list_append(&origin->endpoint->invoke->boarding, &carrier->bundle->link);
    }
    take_place(carrier, call, bytes);
    if (carrier->bundle->count >= origin->offer.max) depart(origin);
}

/* -- The request -- */

/* Those who have left make room. */
static void close_ranks(struct bundle *bundle)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < bundle->count; i++) {
        struct call *rider = bundle->riders[i];
        if (rider == NULL) continue;
        rider->rider_index = count;
        bundle->riders[count++] = rider;
    }
    bundle->count = count;
    CHECK(count == bundle->left && count > 0);
}

size_t bundle_request_size(struct call *carrier)
{
    struct bundle *bundle = carrier->bundle;
    if (bundle->left == bundle->count) return bundle->bytes;
    close_ranks(bundle);
    bundle->bytes = 0;
    for (uint32_t i = 0; i < bundle->count; i++) {
        struct bundle_part part = part_of(bundle->riders[i]);
        bundle->bytes += bundle_part_size(&part);
    }
    return bundle->bytes;
}

void bundle_request_encode(struct buffer *out, const struct call *carrier)
{
    const struct bundle *bundle = carrier->bundle;
    for (uint32_t i = 0; i < bundle->count; i++) {
        struct bundle_part part = part_of(bundle->riders[i]);
        bundle_part_encode(out, &part);
    }
}

void bundle_sent(struct call *carrier)
{
    struct invoke *invoke = carrier->invoke;
    carrier->bundle->heard_us = loop_now_us(invoke->loop);
    invoke->metrics.bundles++;
    invoke->metrics.bundled += carrier->bundle->count;
}
