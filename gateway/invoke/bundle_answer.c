/* See bundle.h: what comes back. */
#include "invoke/bundle.h"

#include "base/check.h"
#include "invoke/crowd.h"
#include "invoke/room.h"
#include "invoke/verdict.h"
#include "wire/bundle.h"

enum {
    SLOW_US = 100000, /* an outcome that took so long after the one before it made others wait */
    OUTCOME_AROUND = 512, /* bytes of an outcome that are not what it brings, and to spare */
    /* Those that tell nobody anything take time all the same: two bytes are enough for one. */
    HEARD_MAX = 8 * BUNDLE_RIDERS_MAX,
};

/* The rider is not its bundle's any more. */
static struct call *take_out(struct bundle *bundle, uint32_t index)
{
    struct call *rider = bundle->riders[index];
    if (rider == NULL) return NULL;
    bundle->riders[index] = NULL;
    bundle->left--;
    rider->carrier = NULL;
    return rider;
}

/* Nobody is left for whom it travels. */
static void give_up(struct call *carrier)
{
    switch (carrier->place) {
    case CALL_NEW: /* still boarding */
        carrier->origin->boarding = NULL;
        call_discard(carrier);
        break;
    case CALL_WAITING:
    case CALL_RETRYING:
    case CALL_SENT:
        origin_call_dropped(carrier);
        call_discard(carrier);
        break;
    default: break; /* ended: it is in line to be told */
    }
}

void bundle_leave(struct call *rider)
{
    struct call *carrier = rider->carrier;
    struct bundle *bundle = carrier->bundle;
    CHECK(take_out(bundle, rider->rider_index) == rider);
    if (bundle->left == 0) give_up(carrier);
}

/* -- Outcomes -- */

static void call_alone(struct call *rider)
{
    rider->alone = true;
    rider->place = CALL_NEW;
    list_append(&rider->invoke->fresh, &rider->link);
    invoke_soon(rider->invoke);
}

/* Outcomes to its last byte, whomever it leaves out. */
static bool is_understood(const struct call *carrier)
{
    const struct answer *answer = &carrier->answer;
    return answer_is_result(answer) && !carrier->bundle->broken && !carrier->bundle->failed &&
           carrier->body_error == 0 && answer->body.bytes.size == 0;
}

/* What is not understood is not the riders' doing. */
static void refuse(struct call *carrier)
{
    offer_broken(&carrier->origin->offer, loop_now_us(carrier->invoke->loop));
}

static void tell_outcome(struct call *carrier, const struct bundle_outcome *outcome, bool slow)
{
    struct bundle *bundle = carrier->bundle;
    struct invoke *invoke = carrier->invoke;
    struct call *rider = take_out(bundle, outcome->index);
    if (rider == NULL) return; /* its time was over, or it has been told */
    struct span id = rider->invocation->request.target.id;
    if (slow) offer_slow(&carrier->origin->offer, id, bundle->heard_us);
    if (outcome->kind == BUNDLE_UNDONE) {
        call_alone(rider);
        return;
    }
    struct shard_event event = {.kind = EVENT_RESPONSE};
    verdict_of_part(outcome, carrier->answer.body.bytes_max, &invoke->response, &invoke->text,
                    &event.response);
    call_tell(rider, &event, outcome->result.size);
}

/* The limit of an answer is that of each outcome: one whose end does not come is not kept beyond.
 */
static bool is_too_large(const struct body *body, struct span rest)
{
    return rest.size > OUTCOME_AROUND && rest.size - OUTCOME_AROUND > body->bytes_max;
}

/* False: there is more than fits into the turn. */
static bool tell_heard(struct call *carrier)
{
    struct invoke *invoke = carrier->invoke;
    struct bundle *bundle = carrier->bundle;
    struct body *body = &carrier->answer.body;
    struct span rest = body->bytes;
    struct bundle_outcome outcome;
    struct errmsg why;
    int64_t now_us = loop_now_us(invoke->loop);
    bool slow = now_us - bundle->heard_us > SLOW_US;
    int got = 1;
    while (!share_spent(invoke) && (got = bundle_outcome_take(&rest, &outcome, &why)) > 0) {
        bundle->heard_us = now_us;
        if (outcome.index >= bundle->count || ++bundle->heard > HEARD_MAX) got = ERROR_MALFORMED;
        if (got < 0) break;
        tell_outcome(carrier, &outcome, slow);
    }
    bundle->broken = got < 0 || (got == 0 && is_too_large(body, rest));
    body_drop(body, body->bytes.size - rest.size);
    if (carrier->place == CALL_SENT) crowd_grew(carrier);
    return got <= 0;
}

/* The outcome of everybody who is left. */
static void tell_failure(struct call *carrier, struct call *rider)
{
    struct shard_event event = {.kind = EVENT_RESPONSE};
    event.response.outcome = carrier->outcome;
    event.response.text = span_text(carrier->text.text);
    event.response.retry_after_ms = carrier->answer.retry_after_ms;
    call_tell(rider, &event, 0);
}

/* Those whom the answer left out, or all, when there was none that is understood: the failure is
   the origin's, which all of them meet; or they are called again. */
static bool is_everybodys(struct call *carrier)
{
    const struct answer *answer = &carrier->answer;
    if (carrier->bundle->failed) return carrier->outcome != OUTCOME_BAD_ANSWER;
    if (carrier->body_error == ERROR_MEMORY) {
        carrier->outcome = OUTCOME_OVERLOADED;
        errmsg_set(&carrier->text, 0, "out of memory while reading the answer");
        return true;
    }
    if (answer_is_result(answer)) return false;
    struct event_response outcome;
    verdict_of(answer, &carrier->invoke->response, &carrier->text, &outcome);
    carrier->outcome = outcome.outcome;
    return outcome.outcome == OUTCOME_OVERLOADED;
}

static bool tell_rest(struct call *carrier)
{
    struct bundle *bundle = carrier->bundle;
    if (bundle->left == 0) return true;
    bool everybodys = is_everybodys(carrier);
    if (!everybodys && !is_understood(carrier)) refuse(carrier);
    for (uint32_t i = 0; i < bundle->count && !share_spent(carrier->invoke); i++) {
        struct call *rider = take_out(bundle, i);
        if (rider == NULL) continue;
        if (everybodys)
            tell_failure(carrier, rider);
        else
            call_alone(rider);
    }
    return bundle->left == 0;
}

bool bundle_tell(struct call *carrier)
{
    struct bundle *bundle = carrier->bundle;
    bool understood = answer_is_result(&carrier->answer) && !bundle->broken;
    if (understood && !tell_heard(carrier)) return false;
    if (bundle->broken && carrier->place == CALL_SENT) {
        origin_call_dropped(carrier);
        call_answered_later(carrier, 0);
        return true;
    }
    return carrier->place != CALL_ENDED || tell_rest(carrier);
}

void bundle_heard(struct call *carrier)
{
    struct invoke *invoke = carrier->invoke;
    if (!list_empty(&carrier->bundle->link)) return;
    list_append(&invoke->speaking, &carrier->bundle->link);
    invoke_soon(invoke);
}

void bundles_tell(struct invoke *invoke)
{
    while (!list_empty(&invoke->speaking) && !share_spent(invoke)) {
        struct bundle *bundle = LIST_FIRST(&invoke->speaking, struct bundle, link);
        if (!bundle_tell(bundle->carrier)) return;
        list_remove(&bundle->link);
    }
}
