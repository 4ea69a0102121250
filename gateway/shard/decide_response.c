/* The outcome of a call: who is to blame, and what happens next. */
#include "base/check.h"
#include "shard/decide.h"

void tell_callers(struct shard *shard, const struct box *box, const struct message *message,
                  uint64_t seq, struct shard_update *update)
{
    if (message->reply_token_size == 0) return;
    struct entry *entry = entry_find_token(&shard->image, message_reply_token(message));
    if (entry == NULL) return;
    while (!list_empty(&entry->waiters)) {
        struct wait *wait = LIST_FIRST(&entry->waiters, struct wait, link);
        wait->kind = ANSWER_PARKED;
        int error =
            wait_set_bytes(shard, wait, SPAN_EMPTY, SPAN_EMPTY, span_of(box->text, box->text_size));
        (void)error; /* then without the reason */
        wait_gate(shard, wait, seq, update);
    }
}

static bool is_power_of_two(uint32_t number)
{
    return (number & (number - 1)) == 0;
}

static void record_failure(struct shard *shard, struct flight *flight, struct span text, bool parks,
                           struct shard_update *update)
{
    struct box *box = flight->box;
    if (!parks && !is_power_of_two(flight->attempts)) return;
    struct buffer *body = emit_begin(shard);
    record_fail_write(body, &(struct record_fail){
                                .type = box->type,
                                .id = box_id(box),
                                .attempts = flight->attempts,
                                .parked = parks,
                                .since_ms = (uint64_t)(shard->overlay.now_ms - flight->failed_ms),
                                .text = text});
    if (emit(shard, update, RECORD_FAIL) != 0) return; /* counted again next time */
    if (!parks) return;
    shard->metrics.parked++;
    tell_callers(shard, box, LIST_FIRST(&box->messages, struct message, link), shard->image.seq,
                 update);
}

static struct span bounded(struct span text)
{
    return text.size > TEXT_MAX ? span_of(text.at, TEXT_MAX) : text;
}

/* A batch that fails gets smaller until the message to blame stands alone; only then is anything
 * counted. */
static void narrow(struct shard *shard, struct flight *flight)
{
    flight->batch_max = flight->sent_count / 2;
    flight_sleep(shard, flight, FLIGHT_RETRY_WAIT,
                 shard->overlay.now_ms +
                     backoff_ms(&shard->overlay, flight->tries < 5 ? 0 : flight->tries - 4));
}

/* The last try is made when the time is up, not up to ten seconds after it. */
static int64_t retry_at_ms(struct shard *shard, const struct flight *flight)
{
    int64_t at_ms = shard->overlay.now_ms + backoff_ms(&shard->overlay, flight->attempts - 1);
    if (flight->endpoint >= shard->overlay.endpoint_count) return at_ms;
    int64_t last_ms =
        flight->failed_ms + shard->overlay.endpoints[flight->endpoint].config.retry_for_ms;
    return at_ms > last_ms && last_ms > shard->overlay.now_ms ? last_ms : at_ms;
}

void fail_address(struct shard *shard, struct flight *flight, struct span text,
                  struct shard_update *update)
{
    if (flight->sent_count > 1) {
        narrow(shard, flight);
        return;
    }
    int64_t now_ms = shard->overlay.now_ms;
    if (flight->attempts++ == 0) flight->failed_ms = now_ms;
    bool parks = false;
    if (flight->endpoint < shard->overlay.endpoint_count) {
        const struct shard_endpoint *config = &shard->overlay.endpoints[flight->endpoint].config;
        parks = (config->attempts_max > 0 && flight->attempts >= config->attempts_max) ||
                now_ms - flight->failed_ms >= config->retry_for_ms;
    }
    record_failure(shard, flight, bounded(text), parks, update);
    if (flight->box->parked) {
        flight_move(shard, flight, FLIGHT_PARKED);
        return;
    }
    flight_sleep(shard, flight, FLIGHT_RETRY_WAIT, retry_at_ms(shard, flight));
}

/* Not the message's fault: back to the end of the line, nothing is counted against the address. */
static void fail_endpoint(struct shard *shard, struct flight *flight, int64_t retry_after_ms)
{
    if (flight->endpoint < shard->overlay.endpoint_count)
        endpoint_failed(shard, &shard->overlay.endpoints[flight->endpoint], retry_after_ms);
    flight_settle(shard, flight);
}

/* A call that was lost or timed out while no other was out: after a few of them the address is the
 * suspect, unless those of other addresses are lost too and none is answered. */
static void fail_lost(struct shard *shard, struct flight *flight,
                      const struct event_response *response, struct shard_update *update)
{
    struct endpoint *endpoint = flight->endpoint < shard->overlay.endpoint_count
                                    ? &shard->overlay.endpoints[flight->endpoint]
                                    : NULL;
    bool suspect = flight->alone && endpoint != NULL && endpoint_suspects(endpoint, flight);
    if (!suspect || ++flight->kills < CULPRIT_KILLS) {
        fail_endpoint(shard, flight, -1);
        return;
    }
    endpoint_failed(shard, endpoint, -1);
    fail_address(shard, flight, response->text, update);
}

static void fail_too_large(struct shard *shard, struct flight *flight,
                           const struct event_response *response, struct shard_update *update)
{
    if (flight->sent_count > 1) {
        flight->batch_max = flight->sent_count / 2;
        flight_settle(shard, flight);
        return;
    }
    fail_address(shard, flight, response->text, update);
}

static void succeed(struct shard *shard, struct flight *flight,
                    const struct event_response *response, struct shard_update *update)
{
    if (flight->endpoint < shard->overlay.endpoint_count)
        endpoint_succeeded(&shard->overlay.endpoints[flight->endpoint]);
    if (response->response->incomplete) {
        register_states(shard, flight, response->response, update);
        return;
    }
    apply_effects(shard, flight, response->response, update);
}

static void count_result(struct shard *shard, const struct flight *flight,
                         const struct event_response *response)
{
    bool handshake = response->outcome == OUTCOME_RESULT && response->response->incomplete;
    int result = handshake ? 7 : (int)response->outcome;
    shard->metrics.results[result]++;
    if (flight->endpoint < shard->overlay.endpoint_count)
        shard->overlay.endpoints[flight->endpoint].results[result]++;
}

void decide_response(struct shard *shard, const struct event_response *response,
                     struct shard_update *update)
{
    struct flight *flight = flight_find(shard, response->flight);
    if (flight == NULL) {
        shard->metrics.stale_responses++;
        return;
    }
    call_done(shard, flight);
    count_result(shard, flight, response);
    if (response->outcome <= OUTCOME_TOO_LARGE && flight->endpoint < shard->overlay.endpoint_count)
        endpoint_answered(&shard->overlay.endpoints[flight->endpoint]);
    switch (response->outcome) {
    case OUTCOME_RESULT: succeed(shard, flight, response, update); return;
    case OUTCOME_BAD_ANSWER: fail_address(shard, flight, response->text, update); return;
    case OUTCOME_TOO_LARGE: fail_too_large(shard, flight, response, update); return;
    case OUTCOME_OVERLOADED: fail_endpoint(shard, flight, response->retry_after_ms); return;
    case OUTCOME_UNREACHABLE: fail_endpoint(shard, flight, -1); return;
    case OUTCOME_LOST:
    case OUTCOME_TIMEOUT: fail_lost(shard, flight, response, update); return;
    }
    CHECK(false);
}
