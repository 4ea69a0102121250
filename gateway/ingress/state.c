/* State of an address, read and written from outside. Writes go through the address's mailbox
 * order. */
#include "ingress/room.h"

#include "base/name.h"
#include "base/utf8.h"
#include "ingress/state_json.h"
#include "ingress/value.h"

#include <stdio.h>

struct span etag_of(struct http_request *request, uint64_t version)
{
    char *text = http_alloc(request, 24);
    int size = snprintf(text, 24, "\"%llu\"", (unsigned long long)version);
    return span_of(text, (size_t)size);
}

/* The target and, for one value, its name; false: answered. */
static bool prepare(struct ingress *ingress, struct http_request *request, const struct span *parts,
                    bool named, struct target *target)
{
    if (!target_read(request, parts[0], parts[1], parts[2], target)) return false;
    if (!access_allowed(ingress, request, ACCESS_STATE, target->name_space)) return false;
    if (!named || (parts[3].size > 0 && parts[3].size <= NAME_SIZE_MAX && utf8_valid(parts[3])))
        return true;
    http_problem(request, 400, "invalid-name",
                 "The name of a state has to have 1 to 256 bytes of UTF-8.", target->subject, 0);
    return false;
}

/* -- Reading -- */

static void answer_values(struct exchange *exchange, const struct shard_answer *answer)
{
    struct buffer body;
    buffer_init(&body);
    if (state_json(&body, answer->body) != 0) {
        buffer_close(&body);
        http_problem(exchange->request, 500, "internal", "The values could not be read.",
                     exchange->subject, 0);
        return;
    }
    answer_json(exchange->request, 200, NULL, 0, &body);
}

void state_get_all_handle(struct ingress *ingress, struct http_request *request,
                          const struct span *parts)
{
    struct target target;
    struct shard_event event = {.kind = EVENT_QUERY, .query = {.kind = QUERY_STATES}};
    if (!prepare(ingress, request, parts, false, &target)) return;
    struct exchange *exchange = exchange_make(ingress, request, target.subject);
    exchange->done = answer_values;
    event.query.address = target.address;
    exchange_submit(exchange, &event);
}

static void answer_value(struct exchange *exchange, const struct shard_answer *answer)
{
    struct http_header etag = {SPAN_LITERAL("etag"), etag_of(exchange->request, answer->number)};
    struct value value = {answer->type_name, answer->body, answer->loan};
    value_answer(exchange->request, value, &etag, 1);
}

void state_get_handle(struct ingress *ingress, struct http_request *request,
                      const struct span *parts)
{
    struct target target;
    struct shard_event event = {.kind = EVENT_QUERY,
                                .query = {.kind = QUERY_STATE, .name = parts[3]}};
    if (!prepare(ingress, request, parts, true, &target)) return;
    struct exchange *exchange = exchange_make(ingress, request, target.subject);
    exchange->done = answer_value;
    event.query.address = target.address;
    event.query.lend_to = waiter_of(&exchange->waiter);
    exchange_submit(exchange, &event);
}

/* -- Writing -- */

/* "12" in quotes, as our ETags are. */
static bool version_parse(struct span text, uint64_t *version)
{
    if (text.size < 3 || text.at[0] != '"' || text.at[text.size - 1] != '"') return false;
    *version = 0;
    for (size_t i = 1; i + 1 < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || i > 19) return false;
        *version = *version * 10 + (uint64_t)(text.at[i] - '0');
    }
    return true;
}

/* If-None-Match: * writes only what is not there yet, which the shard knows as version 0. */
static bool condition(struct http_request *request, const struct target *target,
                      struct event_state *state)
{
    struct span match = http_header(request, "if-match");
    struct span none_match = http_header(request, "if-none-match");
    state->if_match = match.at != NULL || none_match.at != NULL;
    if (match.at != NULL ? version_parse(match, &state->version)
                         : none_match.at == NULL || span_equal(none_match, SPAN_LITERAL("*")))
        return true;
    http_problem(request, 400, "invalid-header",
                 "If-Match has to be one ETag of this value, and If-None-Match can only be *.",
                 target->subject, 0);
    return false;
}

static void written(struct exchange *exchange, const struct shard_answer *answer)
{
    struct http_header etag = {SPAN_LITERAL("etag"), etag_of(exchange->request, answer->number)};
    http_answer(exchange->request, 204, &etag, 1, SPAN_EMPTY);
}

static void deleted(struct exchange *exchange, const struct shard_answer *answer)
{
    (void)answer;
    http_answer(exchange->request, 204, NULL, 0, SPAN_EMPTY);
}

static void submit_write(struct ingress *ingress, struct http_request *request,
                         const struct target *target, struct event_state *state)
{
    struct shard_event event = {.kind = EVENT_STATE};
    struct exchange *exchange = exchange_make(ingress, request, target->subject);
    exchange->done = state->is_delete ? deleted : written;
    state->address = target->address;
    event.state = *state;
    exchange_submit(exchange, &event);
}

void state_put_handle(struct ingress *ingress, struct http_request *request,
                      const struct span *parts)
{
    struct target target;
    struct buffer scratch;
    struct value value;
    struct event_state state = {.name = parts[3]};
    if (refuse_new_work(ingress, request)) return;
    if (!prepare(ingress, request, parts, true, &target)) return;
    if (!condition(request, &target, &state)) return;
    buffer_init(&scratch);
    if (value_read(request, target.subject, &scratch, &value)) {
        state.type_name = value.type_name;
        state.value = value.bytes;
        submit_write(ingress, request, &target, &state);
    }
    buffer_close(&scratch);
}

void state_delete_handle(struct ingress *ingress, struct http_request *request,
                         const struct span *parts)
{
    struct target target;
    struct event_state state = {.name = parts[3], .is_delete = true};
    if (refuse_new_work(ingress, request)) return;
    if (!prepare(ingress, request, parts, true, &target)) return;
    if (condition(request, &target, &state)) submit_write(ingress, request, &target, &state);
}
