/*
 * ToFunction, outwards: one request per invocation, so this is on the hottest path there is. The
 * size is computed first, then everything is written once, without a check per field.
 */
#include "wire/function_fields.h"

#include "base/check.h"

static size_t state_size(const struct function_state *state)
{
    size_t size = proto_text_size(state->name.size);
    if (state->present) size += proto_bytes_size(typed_value_size(state->type_name, state->value));
    return size;
}

static uint8_t *state_put(uint8_t *at, const struct function_state *state)
{
    at = proto_put_text(at, PERSISTED_VALUE_NAME, state->name);
    if (!state->present) return at;
    at =
        proto_put_head(at, PERSISTED_VALUE_VALUE, typed_value_size(state->type_name, state->value));
    return typed_value_put(at, state->type_name, state->value);
}

static bool has_caller(const struct function_message *message)
{
    /* An empty Address would look like a caller to some SDKs: outside means no field at all. */
    return message->caller.type.size != 0;
}

static size_t message_size(const struct function_message *message)
{
    size_t size = proto_bytes_size(message->argument.size);
    if (has_caller(message)) size += proto_bytes_size(address_size(&message->caller));
    return size;
}

static uint8_t *message_put(uint8_t *at, const struct function_message *message)
{
    if (has_caller(message)) {
        at = proto_put_head(at, REQUEST_CALLER, address_size(&message->caller));
        at = address_put(at, &message->caller);
    }
    return proto_put_bytes(at, REQUEST_ARGUMENT, message->argument);
}

static size_t batch_size(const struct function_request *request)
{
    size_t size = proto_bytes_size(address_size(&request->target));
    for (size_t i = 0; i < request->state_count; i++)
        size += proto_bytes_size(state_size(&request->states[i]));
    for (size_t i = 0; i < request->message_count; i++)
        size += proto_bytes_size(message_size(&request->messages[i]));
    return size;
}

static uint8_t *batch_put(uint8_t *at, const struct function_request *request)
{
    at = proto_put_head(at, BATCH_TARGET, address_size(&request->target));
    at = address_put(at, &request->target);
    for (size_t i = 0; i < request->state_count; i++) {
        at = proto_put_head(at, BATCH_STATE, state_size(&request->states[i]));
        at = state_put(at, &request->states[i]);
    }
    for (size_t i = 0; i < request->message_count; i++) {
        at = proto_put_head(at, BATCH_INVOCATIONS, message_size(&request->messages[i]));
        at = message_put(at, &request->messages[i]);
    }
    return at;
}

uint8_t *function_put_outer(uint8_t *at, unsigned number, size_t content)
{
    at = proto_put_varint(at, number << 3 | PROTO_BYTES);
    return proto_put_varint(at, content);
}

size_t function_request_size(const struct function_request *request)
{
    size_t batch = batch_size(request);
    return OUTER_TAG_SIZE + proto_varint_size(batch) + batch;
}

void function_request_encode(struct buffer *out, const struct function_request *request)
{
    size_t batch = batch_size(request);
    size_t size = OUTER_TAG_SIZE + proto_varint_size(batch) + batch;
    if (buffer_reserve(out, size) != 0) return;
    uint8_t *start = out->at + out->size;
    uint8_t *at = function_put_outer(start, TO_FUNCTION_INVOCATION, batch);
    at = batch_put(at, request);
    CHECK((size_t)(at - start) == size);
    out->size += size;
}
