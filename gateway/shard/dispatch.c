/* Which addresses are called now, and with what. */
#include "base/check.h"
#include "base/text.h"
#include "shard/decide.h"

#include <stdlib.h>

static int grow_array(void **array, uint32_t *capacity, uint32_t needed, size_t element_size)
{
    if (needed <= *capacity) return 0;
    uint32_t larger = *capacity == 0 ? 4 : *capacity;
    while (larger < needed) larger *= 2;
    void *grown = realloc(*array, larger * element_size);
    if (grown == NULL) return ERROR_MEMORY;
    *array = grown;
    *capacity = larger;
    return 0;
}

static int fill_states(struct shard *shard, struct flight *flight, size_t *bytes)
{
    const struct function *function = image_function(&shard->image, flight->box->type);
    void *states = flight->states;
    int error =
        grow_array(&states, &flight->state_capacity, function->spec_count, sizeof *flight->states);
    flight->states = states;
    if (error != 0) return error;
    *bytes = 0;
    for (uint32_t i = 0; i < function->spec_count; i++) {
        const struct spec *spec = &function->specs[i];
        struct function_state *state = &flight->states[i];
        const struct value *value =
            flight->cell == NULL ? NULL : cell_find_value(flight->cell, spec->name);
        if (value != NULL && value_expired(function, flight->cell, value, shard->overlay.now_ms))
            value = NULL;
        *state =
            (struct function_state){.name = dictionary_name(&shard->image, spec->name),
                                    .type_name = dictionary_name(&shard->image, spec->type_name),
                                    .present = value != NULL};
        if (value != NULL) state->value = cell_value(flight->cell, value);
        *bytes += state->name.size + state->type_name.size + state->value.size + 16;
    }
    flight->sent_specs = function->spec_count;
    return 0;
}

/* The run of messages at the head that fits: at least one. With `dispatch: durable` what is durable
   goes without waiting for what came just now. */
static uint32_t batch_of(const struct shard *shard, const struct flight *flight,
                         const struct endpoint *endpoint, size_t state_bytes)
{
    uint64_t last_seq = endpoint->config.dispatch_durable ? shard->overlay.durable_seq : UINT64_MAX;
    size_t bytes = state_bytes;
    uint32_t count = 0;
    uint32_t most = flight->batch_max;
    if (endpoint->config.batch_count_max < most) most = endpoint->config.batch_count_max;
    LIST_EACH (&flight->box->messages, link) {
        const struct message *message = CONTAINER_OF(link, struct message, link);
        if (message->kind != ITEM_MESSAGE) break;
        bytes += message->argument_size + message->caller_id_size + 64u;
        bool fits =
            count < most && bytes <= endpoint->config.batch_bytes_max && message->seq <= last_seq;
        if (count > 0 && !fits) break;
        count++;
    }
    return count;
}

static struct address caller_of(const struct shard *shard, const struct message *message,
                                char text[REPLY_TOKEN_SIZE])
{
    if (message->reply_token_size > 0)
        return (struct address){NAME_REPLY, reply_token_text(text, message_reply_token(message))};
    if (message->caller_type == 0) return (struct address){SPAN_EMPTY, SPAN_EMPTY};
    return (struct address){dictionary_name(&shard->image, message->caller_type),
                            message_caller_id(message)};
}

static int fill_messages(struct shard *shard, struct flight *flight, uint32_t count)
{
    void *messages = flight->messages;
    int error = grow_array(&messages, &flight->message_capacity, count, sizeof *flight->messages);
    flight->messages = messages;
    if (error != 0) return error;
    uint32_t i = 0;
    LIST_EACH (&flight->box->messages, link) {
        if (i == count) break;
        const struct message *message = CONTAINER_OF(link, struct message, link);
        struct function_message *sent = &flight->messages[i++];
        sent->caller = caller_of(shard, message, sent->reply_token);
        sent->argument = message_argument(message);
    }
    flight->sent_count = count;
    return 0;
}

static const struct message *last_sent(const struct flight *flight)
{
    struct list *link = &flight->box->messages;
    for (uint32_t i = 0; i < flight->sent_count; i++) link = link->next;
    return CONTAINER_OF(link, struct message, link);
}

/* The first message's id, their number, and of several also which is the last: a call may be made
 * before they are durable, and a crash may leave the first alone, for others to follow it. */
static void write_id(const struct shard *shard, struct flight *flight)
{
    const struct message *first = LIST_FIRST(&flight->box->messages, struct message, link);
    struct buffer *id = &flight->id_text;
    message_id_text(id, &shard->image, first->epoch, first->seq, first->index);
    buffer_byte(id, '+');
    text_decimal(id, flight->sent_count);
    if (flight->sent_count == 1) return;
    const struct message *last = last_sent(flight);
    buffer_byte(id, '-');
    text_decimal(id, last->epoch);
    buffer_byte(id, '.');
    text_decimal(id, last->seq);
    buffer_byte(id, '.');
    text_decimal(id, last->index);
}

static void fill_invocation(struct shard *shard, struct flight *flight)
{
    const struct message *first = LIST_FIRST(&flight->box->messages, struct message, link);
    write_id(shard, flight);
    flight->invocation = (struct shard_invocation){
        .flight = (uint64_t)flight->generation << 32 | flight->index,
        .endpoint = flight->endpoint,
        .attempt = flight->tries,
        .invocation_id = buffer_span(&flight->id_text),
        .traceparent = message_traceparent(first),
        .request = {
            .target = {dictionary_name(&shard->image, flight->box->type), box_id(flight->box)},
            .states = flight->states,
            .state_count = flight->sent_specs,
            .messages = flight->messages,
            .message_count = flight->sent_count}};
}

/* For `dispatch: durable`: the last record that this call would show to the function. */
static uint64_t newest_seq(const struct flight *flight)
{
    uint64_t seq = flight->box->taken_seq; /* which may have deleted the state */
    if (flight->cell != NULL && flight->cell->seq > seq) seq = flight->cell->seq;
    uint32_t i = 0;
    LIST_EACH (&flight->box->messages, link) {
        if (i++ == flight->sent_count) break;
        const struct message *message = CONTAINER_OF(link, struct message, link);
        if (message->seq > seq) seq = message->seq;
    }
    return seq;
}

static int push_invocation(struct shard_update *update, const struct shard_invocation *invocation)
{
    if (update->invocation_count == update->invocation_capacity) {
        size_t capacity = update->invocation_capacity == 0 ? 64 : update->invocation_capacity * 2;
        void *grown = realloc((void *)update->invocations, capacity * sizeof *update->invocations);
        if (grown == NULL) return ERROR_MEMORY;
        update->invocations = grown;
        update->invocation_capacity = capacity;
    }
    update->invocations[update->invocation_count++] = invocation;
    return 0;
}

static void count_batch(struct shard *shard, uint32_t size)
{
    int bucket = 0;
    while (bucket < METRICS_BATCH_BUCKETS - 1 && 1u << bucket < size) bucket++;
    shard->metrics.batch_size[bucket]++;
    shard->metrics.batch_messages += size;
    shard->metrics.invocations++;
}

static void drop_cell(struct shard *shard, struct flight *flight)
{
    if (flight->cell != NULL) cell_unref(&shard->image, flight->cell);
    flight->cell = NULL;
}

static int prepare(struct shard *shard, struct flight *flight, const struct endpoint *endpoint)
{
    struct box *box = flight->box;
    flight->cell = cell_find(&shard->image, box->type, box_id(box));
    if (flight->cell != NULL) cell_ref(flight->cell);
    size_t state_bytes;
    buffer_clear(&flight->id_text);
    int error = buffer_reserve(&flight->id_text, INVOCATION_ID_MAX);
    if (error == 0) error = fill_states(shard, flight, &state_bytes);
    if (error != 0) return error;
    flight->state_bytes = state_bytes;
    return fill_messages(shard, flight, batch_of(shard, flight, endpoint, state_bytes));
}

/* One message and its state alone are more than a request may have: the function will never see it.
 */
static bool is_too_large(const struct flight *flight, const struct endpoint *endpoint)
{
    size_t most = endpoint->config.payload_bytes_max;
    const struct message *first = LIST_FIRST(&flight->box->messages, struct message, link);
    return most > 0 && flight->sent_count == 1 && flight->state_bytes + first->argument_size > most;
}

static void refuse_too_large(struct shard *shard, struct flight *flight,
                             const struct endpoint *endpoint, struct shard_update *update)
{
    const struct message *first = LIST_FIRST(&flight->box->messages, struct message, link);
    buffer_clear(&shard->scratch);
    text_append(&shard->scratch, "the message has ");
    text_decimal(&shard->scratch, first->argument_size);
    text_append(&shard->scratch, " bytes and the state ");
    text_decimal(&shard->scratch, flight->state_bytes);
    text_append(&shard->scratch, ", together over payload_max_bytes = ");
    text_decimal(&shard->scratch, endpoint->config.payload_bytes_max);
    drop_cell(shard, flight);
    fail_address(shard, flight, buffer_span(&shard->scratch), update);
}

static void send(struct shard *shard, struct flight *flight, struct endpoint *endpoint,
                 struct shard_update *update)
{
    if (prepare(shard, flight, endpoint) != 0) {
        shard->failed = true;
        return;
    }
    if (endpoint->config.dispatch_durable && newest_seq(flight) > shard->overlay.durable_seq) {
        drop_cell(shard, flight);
        flight_move(shard, flight, FLIGHT_WAIT_DURABLE);
        update->commit_wanted = true;
        return;
    }
    if (is_too_large(flight, endpoint)) {
        refuse_too_large(shard, flight, endpoint, update);
        return;
    }
    flight->generation++;
    flight->tries++;
    flight->sent_ms = shard->overlay.now_ms;
    flight->sent_mono_ms = shard->overlay.mono_ms;
    fill_invocation(shard, flight);
    flight_move(shard, flight, FLIGHT_SENT);
    endpoint_sent(endpoint, flight);
    count_batch(shard, flight->sent_count);
    if (push_invocation(update, &flight->invocation) != 0) shard->failed = true;
}

void dispatch(struct shard *shard, struct shard_update *update)
{
    /* A disk that hangs or is full: results would pile up in memory. The next DURABLE goes on. */
    if (undurable_bytes(shard) > UNDURABLE_MAX) {
        update->commit_wanted = true;
        return;
    }
    for (uint32_t i = 0; i < shard->overlay.endpoint_count; i++) {
        struct endpoint *endpoint = &shard->overlay.endpoints[i];
        while (!shard->failed && !list_empty(&endpoint->ready) &&
               endpoint_has_room(shard, endpoint))
            send(shard, LIST_FIRST(&endpoint->ready, struct flight, link), endpoint, update);
    }
}

void call_done(struct shard *shard, struct flight *flight)
{
    drop_cell(shard, flight);
    if (flight->endpoint < shard->overlay.endpoint_count)
        endpoint_done(&shard->overlay.endpoints[flight->endpoint], flight);
    int64_t took_ms = shard->overlay.mono_ms - flight->sent_mono_ms;
    int bucket = 0;
    while (bucket < METRICS_SECONDS_BUCKETS - 1 && took_ms >= (int64_t)1 << bucket) bucket++;
    shard->metrics.invocation_ms[bucket]++;
    shard->metrics.invocation_ms_total += (uint64_t)(took_ms < 0 ? 0 : took_ms);
}
