/* The rules of wire/function.h beyond protobuf, once more and from the other side: on protobuf-c's
 * structs. */
#include "compare.h"

static struct span text_of(ProtobufCBinaryData data)
{
    return span_of(data.data, data.len);
}

static bool has_control(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < 0x20 || text.at[i] == 0x7f) return true;
    }
    return false;
}

static bool has_c1_control(struct span text)
{
    for (size_t i = 1; i < text.size; i++) {
        if (text.at[i - 1] == 0xc2 && text.at[i] < 0xa0) return true;
    }
    return false;
}

static size_t slashes(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) count += text.at[i] == '/';
    return count;
}

/* One half of a name. */
static bool is_half(struct span text)
{
    return text.size > 0 && slashes(text) == 0 && !has_control(text) && !has_c1_control(text);
}

static bool is_pair(ProtobufCBinaryData name_space, ProtobufCBinaryData type)
{
    return is_half(text_of(name_space)) && is_half(text_of(type)) &&
           name_space.len + 1 + type.len <= 256;
}

static bool is_name(ProtobufCBinaryData data)
{
    struct span text = text_of(data);
    if (slashes(text) != 1 || text.size > 256) return false;
    size_t slash = (size_t)((const uint8_t *)memchr(text.at, '/', text.size) - text.at);
    return is_half(span_of(text.at, slash)) && is_half(span_from(text, slash + 1));
}

static bool has_nul(ProtobufCBinaryData data)
{
    return data.len > 0 && memchr(data.data, 0, data.len) != NULL;
}

static bool is_id(ProtobufCBinaryData data)
{
    return data.len > 0 && data.len <= 1024 && !has_nul(data);
}

static bool is_state_name(ProtobufCBinaryData data)
{
    return data.len > 0 && data.len <= 256 && !has_control(text_of(data));
}

static bool is_time(int64_t ms, int64_t min)
{
    return ms >= min && ms <= INT64_MAX / 4;
}

static enum rule strict_address(const pb_address *address)
{
    if (address == NULL || !is_pair(address->namespace_, address->type)) return RULE_NAME;
    return is_id(address->id) ? RULE_NONE : RULE_ID;
}

static enum rule strict_mutation(const pb_mutation *mutation)
{
    if ((unsigned)mutation->mutation_type > 1) return RULE_ENUM;
    if (!is_state_name(mutation->state_name)) return RULE_STATE_NAME;
    if (mutation->mutation_type == 0) return RULE_NONE;
    return mutation->state_value != NULL && is_name(mutation->state_value->typename_) ? RULE_NONE
                                                                                      : RULE_NAME;
}

static enum rule strict_delayed(const pb_delayed *delayed)
{
    bool needed = delayed->is_cancellation_request;
    if ((needed || delayed->cancellation_token.len > 0) && !is_id(delayed->cancellation_token))
        return RULE_TOKEN;
    if (needed) return RULE_NONE;
    if (!is_time(delayed->delay_in_ms, 0)) return RULE_TIME;
    return strict_address(delayed->target);
}

static enum rule strict_spec(const pb_spec *spec)
{
    if (!is_state_name(spec->state_name)) return RULE_STATE_NAME;
    if (!is_name(spec->type_typename)) return RULE_NAME;
    if (spec->expiration_spec == NULL || spec->expiration_spec->mode == 0) return RULE_NONE;
    if ((unsigned)spec->expiration_spec->mode > 2) return RULE_ENUM;
    return is_time(spec->expiration_spec->expire_after_millis, 1) ? RULE_NONE : RULE_TIME;
}

static enum rule strict_effects(const pb_effects *effects)
{
    enum rule rule = RULE_NONE;
    for (size_t i = 0; rule == RULE_NONE && i < effects->n_state_mutations; i++)
        rule = strict_mutation(effects->state_mutations[i]);
    for (size_t i = 0; rule == RULE_NONE && i < effects->n_outgoing_messages; i++)
        rule = strict_address(effects->outgoing_messages[i]->target);
    for (size_t i = 0; rule == RULE_NONE && i < effects->n_delayed_invocations; i++)
        rule = strict_delayed(effects->delayed_invocations[i]);
    for (size_t i = 0; rule == RULE_NONE && i < effects->n_outgoing_egresses; i++) {
        const pb_egress *egress = effects->outgoing_egresses[i];
        if (!is_pair(egress->egress_namespace, egress->egress_type)) rule = RULE_NAME;
    }
    return rule;
}

enum rule strict_response(const pb_response *pb)
{
    enum rule rule = RULE_NONE;
    if (pb->response_case == 100) return strict_effects(pb->invocation_result);
    if (pb->response_case != 101) return RULE_NONE;
    const pb_incomplete *incomplete = pb->incomplete_invocation_context;
    for (size_t i = 0; rule == RULE_NONE && i < incomplete->n_missing_values; i++)
        rule = strict_spec(incomplete->missing_values[i]);
    return rule;
}

static enum rule strict_caller(const pb_address *caller)
{
    bool none = caller == NULL || caller->namespace_.len + caller->type.len + caller->id.len == 0;
    return none ? RULE_NONE : strict_address(caller);
}

enum rule strict_request(const pb_request *pb)
{
    if (pb->request_case != 100) return RULE_NO_INVOCATION;
    const pb_batch *batch = pb->invocation;
    enum rule rule = strict_address(batch->target);
    for (size_t i = 0; rule == RULE_NONE && i < batch->n_state; i++) {
        if (!is_state_name(batch->state[i]->state_name)) rule = RULE_STATE_NAME;
    }
    for (size_t i = 0; rule == RULE_NONE && i < batch->n_invocations; i++)
        rule = strict_caller(batch->invocations[i]->caller);
    return rule;
}
