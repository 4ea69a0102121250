#include "compare.h"

#include <stdlib.h>

static bool same_text(struct span ours, ProtobufCBinaryData pb)
{
    return span_equal(ours, span_of(pb.data, pb.len));
}

static bool same_pair(struct span ours, ProtobufCBinaryData name_space, ProtobufCBinaryData type)
{
    if (ours.size != name_space.len + 1 + type.len) return false;
    return same_text(span_of(ours.at, name_space.len), name_space) &&
           ours.at[name_space.len] == '/' && same_text(span_from(ours, name_space.len + 1), type);
}

static bool same_address(const struct address *ours, const pb_address *pb)
{
    return pb != NULL && same_pair(ours->type, pb->namespace_, pb->type) &&
           same_text(ours->id, pb->id);
}

static struct span packed(const ProtobufCMessage *message, struct buffer *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (buffer_reserve(out, size) != 0) abort();
    protobuf_c_message_pack(message, out->at);
    out->size = size;
    return buffer_span(out);
}

/* By what protobuf-c writes for both, unknown fields included. */
static bool same_bytes(const ProtobufCMessage *one, const ProtobufCMessage *other)
{
    struct buffer a, b;
    buffer_init(&a);
    buffer_init(&b);
    bool same = span_equal(packed(one, &a), packed(other, &b));
    buffer_close(&b);
    buffer_close(&a);
    return same;
}

static bool same_argument(struct span raw, const pb_value *pb)
{
    if (raw.size == 0) return pb == NULL || protobuf_c_message_get_packed_size(&pb->base) == 0;
    struct typed_value value;
    if (pb == NULL || typed_value_parse(raw, &value) != 0) return false;
    if (!same_text(value.type_name, pb->typename_) || !same_text(value.value, pb->value))
        return false;
    if (value.has_value != (pb->has_value != 0)) return false;
    ProtobufCMessage *again = protobuf_c_message_unpack(VALUE_MESSAGE, NULL, raw.size, raw.at);
    bool same = again != NULL && same_bytes(again, &pb->base);
    if (again != NULL) protobuf_c_message_free_unpacked(again, NULL);
    return same;
}

/* ---- Responses ---- */

static bool same_mutation(const struct effect_mutation *ours, const pb_mutation *pb)
{
    if (!same_text(ours->name, pb->state_name)) return false;
    if (ours->is_delete != (pb->mutation_type == 0)) return false;
    if (ours->is_delete) return ours->type_name.size == 0 && ours->value.size == 0;
    return pb->state_value != NULL && same_text(ours->type_name, pb->state_value->typename_) &&
           same_text(ours->value, pb->state_value->value);
}

static bool same_delayed(const struct effect_delayed *ours, const pb_delayed *pb)
{
    if (!same_text(ours->token, pb->cancellation_token)) return false;
    if (ours->is_cancel != (pb->is_cancellation_request != 0)) return false;
    if (ours->is_cancel) return ours->target.type.size == 0 && ours->argument.size == 0;
    return ours->delay_ms == pb->delay_in_ms && same_address(&ours->target, pb->target) &&
           same_argument(ours->argument, pb->argument);
}

static bool same_egress(const struct effect_egress *ours, const pb_egress *pb)
{
    return same_pair(ours->name, pb->egress_namespace, pb->egress_type) &&
           same_text(ours->name_space, pb->egress_namespace) &&
           same_text(ours->type, pb->egress_type) && same_argument(ours->argument, pb->argument);
}

static bool same_effects(const struct function_response *ours, const pb_effects *pb)
{
    if (ours->mutation_count != pb->n_state_mutations) return false;
    if (ours->message_count != pb->n_outgoing_messages) return false;
    if (ours->delayed_count != pb->n_delayed_invocations) return false;
    if (ours->egress_count != pb->n_outgoing_egresses) return false;
    bool same = true;
    for (size_t i = 0; same && i < ours->mutation_count; i++)
        same = same_mutation(&ours->mutations[i], pb->state_mutations[i]);
    for (size_t i = 0; same && i < ours->message_count; i++)
        same = same_address(&ours->messages[i].target, pb->outgoing_messages[i]->target) &&
               same_argument(ours->messages[i].argument, pb->outgoing_messages[i]->argument);
    for (size_t i = 0; same && i < ours->delayed_count; i++)
        same = same_delayed(&ours->delayed[i], pb->delayed_invocations[i]);
    for (size_t i = 0; same && i < ours->egress_count; i++)
        same = same_egress(&ours->egress[i], pb->outgoing_egresses[i]);
    return same;
}

static bool same_spec(const struct state_spec *ours, const pb_spec *pb)
{
    unsigned mode = pb->expiration_spec == NULL ? 0 : (unsigned)pb->expiration_spec->mode;
    int64_t ttl_ms = mode == 0 ? 0 : pb->expiration_spec->expire_after_millis;
    return same_text(ours->name, pb->state_name) && same_text(ours->type_name, pb->type_typename) &&
           (unsigned)ours->mode == mode && ours->ttl_ms == ttl_ms;
}

static size_t effect_count(const struct function_response *ours)
{
    return ours->mutation_count + ours->message_count + ours->delayed_count + ours->egress_count;
}

bool same_response(const struct function_response *ours, const pb_response *pb)
{
    if (ours->incomplete != (pb->response_case == 101)) return false;
    if (pb->response_case == 100)
        return ours->spec_count == 0 && same_effects(ours, pb->invocation_result);
    if (effect_count(ours) != 0) return false;
    if (!ours->incomplete) return ours->spec_count == 0;
    const pb_incomplete *incomplete = pb->incomplete_invocation_context;
    bool same = ours->spec_count == incomplete->n_missing_values;
    for (size_t i = 0; same && i < ours->spec_count; i++)
        same = same_spec(&ours->specs[i], incomplete->missing_values[i]);
    return same;
}

/* ---- Requests ---- */

static bool same_state(const struct function_state *ours, const pb_state *pb)
{
    const pb_value *value = pb->state_value;
    if (!same_text(ours->name, pb->state_name)) return false;
    if (ours->present != (value != NULL && value->has_value)) return false;
    return !ours->present ||
           (same_text(ours->type_name, value->typename_) && same_text(ours->value, value->value));
}

static bool same_message(const struct function_message *ours, const pb_invocation *pb)
{
    const pb_address *caller = pb->caller;
    bool none = caller == NULL || caller->namespace_.len + caller->type.len + caller->id.len == 0;
    bool same = none ? ours->caller.type.size + ours->caller.id.size == 0
                     : same_address(&ours->caller, caller);
    return same && same_argument(ours->argument, pb->argument);
}

bool same_request(const struct function_request *ours, const pb_request *pb)
{
    if (pb->request_case != 100) return false;
    const pb_batch *batch = pb->invocation;
    bool same = same_address(&ours->target, batch->target) && ours->state_count == batch->n_state &&
                ours->message_count == batch->n_invocations;
    for (size_t i = 0; same && i < ours->state_count; i++)
        same = same_state(&ours->states[i], batch->state[i]);
    for (size_t i = 0; same && i < ours->message_count; i++)
        same = same_message(&ours->messages[i], batch->invocations[i]);
    return same;
}

/* ---- Canonical arguments ---- */

static bool canonical(struct span raw)
{
    ProtobufCMessage *value = protobuf_c_message_unpack(VALUE_MESSAGE, NULL, raw.size, raw.at);
    if (value == NULL) return false;
    struct buffer out;
    buffer_init(&out);
    bool same = span_equal(packed(value, &out), raw);
    buffer_close(&out);
    protobuf_c_message_free_unpacked(value, NULL);
    return same;
}

bool canonical_response(const struct function_response *ours)
{
    bool all = true;
    for (size_t i = 0; all && i < ours->message_count; i++)
        all = canonical(ours->messages[i].argument);
    for (size_t i = 0; all && i < ours->delayed_count; i++)
        all = canonical(ours->delayed[i].argument);
    for (size_t i = 0; all && i < ours->egress_count; i++)
        all = canonical(ours->egress[i].argument);
    return all;
}

bool canonical_request(const struct function_request *ours)
{
    bool all = true;
    for (size_t i = 0; all && i < ours->message_count; i++)
        all = canonical(ours->messages[i].argument);
    return all;
}
