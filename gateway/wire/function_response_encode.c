/* FromFunction, outwards: for embedded functions, tools and tests. Canonical, as protobuf would
 * write it. */
#include "wire/function_fields.h"

#include "base/check.h"

/* ---- Sizes ---- */

static size_t number_size(uint64_t value)
{
    return value == 0 ? 0 : 1 + proto_varint_size(value);
}

static size_t mutation_size(const struct effect_mutation *mutation)
{
    size_t size = proto_text_size(mutation->name.size);
    if (mutation->is_delete) return size;
    return size + number_size(MUTATION_MODIFY) +
           proto_bytes_size(typed_value_size(mutation->type_name, mutation->value));
}

static size_t message_size(const struct effect_message *message)
{
    return proto_bytes_size(address_size(&message->target)) +
           proto_bytes_size(message->argument.size);
}

static size_t delayed_size(const struct effect_delayed *delayed)
{
    size_t size = proto_text_size(delayed->token.size);
    if (delayed->is_cancel) return size + number_size(1);
    return size + number_size((uint64_t)delayed->delay_ms) +
           proto_bytes_size(address_size(&delayed->target)) +
           proto_bytes_size(delayed->argument.size);
}

static size_t egress_size(const struct effect_egress *egress)
{
    return proto_text_size(egress->name_space.size) + proto_text_size(egress->type.size) +
           proto_bytes_size(egress->argument.size);
}

static size_t expiration_size(const struct state_spec *spec)
{
    return number_size(spec->mode) + number_size((uint64_t)spec->ttl_ms);
}

static size_t spec_size(const struct state_spec *spec)
{
    size_t size = proto_text_size(spec->name.size) + proto_text_size(spec->type_name.size);
    return spec->mode == EXPIRE_NEVER ? size : size + proto_bytes_size(expiration_size(spec));
}

static size_t effects_size(const struct function_response *response)
{
    size_t size = 0;
    for (size_t i = 0; i < response->mutation_count; i++)
        size += proto_bytes_size(mutation_size(&response->mutations[i]));
    for (size_t i = 0; i < response->message_count; i++)
        size += proto_bytes_size(message_size(&response->messages[i]));
    for (size_t i = 0; i < response->delayed_count; i++)
        size += proto_bytes_size(delayed_size(&response->delayed[i]));
    for (size_t i = 0; i < response->egress_count; i++)
        size += proto_bytes_size(egress_size(&response->egress[i]));
    return size;
}

static size_t specs_size(const struct function_response *response)
{
    size_t size = 0;
    for (size_t i = 0; i < response->spec_count; i++)
        size += proto_bytes_size(spec_size(&response->specs[i]));
    return size;
}

/* ---- Bytes ---- */

static uint8_t *number_put(uint8_t *at, unsigned number, uint64_t value)
{
    return value == 0 ? at : proto_put_number(at, number, value);
}

static uint8_t *target_put(uint8_t *at, unsigned number, const struct address *target)
{
    return address_put(proto_put_head(at, number, address_size(target)), target);
}

static uint8_t *mutation_put(uint8_t *at, const struct effect_mutation *mutation)
{
    if (mutation->is_delete) return proto_put_text(at, MUTATION_NAME, mutation->name);
    at = proto_put_number(at, MUTATION_TYPE, MUTATION_MODIFY);
    at = proto_put_text(at, MUTATION_NAME, mutation->name);
    size_t size = typed_value_size(mutation->type_name, mutation->value);
    at = proto_put_head(at, MUTATION_VALUE, size);
    return typed_value_put(at, mutation->type_name, mutation->value);
}

static uint8_t *message_put(uint8_t *at, const struct effect_message *message)
{
    at = target_put(at, MESSAGE_TARGET, &message->target);
    return proto_put_bytes(at, MESSAGE_ARGUMENT, message->argument);
}

static uint8_t *delayed_put(uint8_t *at, const struct effect_delayed *delayed)
{
    if (delayed->is_cancel) {
        at = proto_put_number(at, DELAYED_IS_CANCEL, 1);
        return proto_put_text(at, DELAYED_TOKEN, delayed->token);
    }
    at = number_put(at, DELAYED_DELAY, (uint64_t)delayed->delay_ms);
    at = target_put(at, DELAYED_TARGET, &delayed->target);
    at = proto_put_bytes(at, DELAYED_ARGUMENT, delayed->argument);
    return proto_put_text(at, DELAYED_TOKEN, delayed->token);
}

static uint8_t *egress_put(uint8_t *at, const struct effect_egress *egress)
{
    at = proto_put_text(at, EGRESS_NAMESPACE, egress->name_space);
    at = proto_put_text(at, EGRESS_TYPE, egress->type);
    return proto_put_bytes(at, EGRESS_ARGUMENT, egress->argument);
}

static uint8_t *spec_put(uint8_t *at, const struct state_spec *spec)
{
    at = proto_put_text(at, SPEC_NAME, spec->name);
    if (spec->mode != EXPIRE_NEVER) {
        at = proto_put_head(at, SPEC_EXPIRATION, expiration_size(spec));
        at = number_put(at, EXPIRATION_MODE, spec->mode);
        at = number_put(at, EXPIRATION_MILLIS, (uint64_t)spec->ttl_ms);
    }
    return proto_put_text(at, SPEC_TYPENAME, spec->type_name);
}

static uint8_t *effects_put(uint8_t *at, const struct function_response *response)
{
    for (size_t i = 0; i < response->mutation_count; i++) {
        at = proto_put_head(at, RESULT_MUTATIONS, mutation_size(&response->mutations[i]));
        at = mutation_put(at, &response->mutations[i]);
    }
    for (size_t i = 0; i < response->message_count; i++) {
        at = proto_put_head(at, RESULT_MESSAGES, message_size(&response->messages[i]));
        at = message_put(at, &response->messages[i]);
    }
    for (size_t i = 0; i < response->delayed_count; i++) {
        at = proto_put_head(at, RESULT_DELAYED, delayed_size(&response->delayed[i]));
        at = delayed_put(at, &response->delayed[i]);
    }
    for (size_t i = 0; i < response->egress_count; i++) {
        at = proto_put_head(at, RESULT_EGRESSES, egress_size(&response->egress[i]));
        at = egress_put(at, &response->egress[i]);
    }
    return at;
}

static uint8_t *specs_put(uint8_t *at, const struct function_response *response)
{
    for (size_t i = 0; i < response->spec_count; i++) {
        at = proto_put_head(at, INCOMPLETE_MISSING, spec_size(&response->specs[i]));
        at = spec_put(at, &response->specs[i]);
    }
    return at;
}

void function_response_encode(struct buffer *out, const struct function_response *response)
{
    size_t inner = response->incomplete ? specs_size(response) : effects_size(response);
    size_t size = OUTER_TAG_SIZE + proto_varint_size(inner) + inner;
    if (buffer_reserve(out, size) != 0) return;
    uint8_t *start = out->at + out->size;
    uint8_t *at;
    if (response->incomplete)
        at = specs_put(function_put_outer(start, FROM_FUNCTION_INCOMPLETE, inner), response);
    else
        at = effects_put(function_put_outer(start, FROM_FUNCTION_RESULT, inner), response);
    CHECK((size_t)(at - start) == size);
    out->size += size;
}
