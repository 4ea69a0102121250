/*
 * InvocationResponse: what a function asks for. Each element is read completely and only then
 * checked, because a later field may still change what an earlier one said.
 */
#include "wire/function_fields.h"

/* The lists of a response: nothing is added beyond their limits, see check_counts. */
struct effects {
    struct function_response *response;
    struct errmsg *errmsg;
    const struct function_limits *limits;
};

static int no_memory(struct errmsg *errmsg)
{
    return errmsg_set(errmsg, ERROR_MEMORY, ": %s", error_text(ERROR_MEMORY));
}

static int target_take(const struct proto_field *field, struct address_parts *target,
                       struct errmsg *errmsg)
{
    struct span bytes;
    int error = proto_take_bytes(field, "target", &bytes, errmsg);
    if (error != 0) return error;
    error = address_decode(bytes, target, errmsg);
    return error == 0 ? 0 : proto_within(errmsg, error, "target", PROTO_NO_INDEX);
}

static int target_finish(const struct address_parts *target, struct function_names *names,
                         struct address *address, struct errmsg *errmsg)
{
    int error = address_finish(target, names, address, errmsg);
    return error == 0 ? 0 : proto_within(errmsg, error, "target", PROTO_NO_INDEX);
}

/* ---- PersistedValueMutation ---- */

static int state_value_take(const struct proto_field *field, struct typed_value *value,
                            struct errmsg *errmsg)
{
    struct span bytes;
    int error = proto_take_bytes(field, "state_value", &bytes, errmsg);
    if (error != 0) return error;
    error = typed_value_decode(bytes, value, errmsg);
    return error == 0 ? 0 : proto_within(errmsg, error, "state_value", PROTO_NO_INDEX);
}

static int mutation_finish(struct effect_mutation *mutation, uint64_t type,
                           const struct typed_value *value, struct errmsg *errmsg)
{
    int error = state_name_check(mutation->name, "state_name", errmsg);
    if (error != 0) return error;
    mutation->is_delete = type == MUTATION_DELETE;
    if (mutation->is_delete) return 0;
    /* has_value does not matter here: StateFun stores the bytes whatever it says. */
    mutation->type_name = value->type_name;
    mutation->value = value->value;
    return type_name_check(value->type_name, "state_value.typename", errmsg);
}

static int mutation_decode(struct span bytes, struct effect_mutation *mutation,
                           struct errmsg *errmsg)
{
    struct typed_value value = {0};
    uint64_t type = MUTATION_DELETE;
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        switch (field.number) {
        case MUTATION_TYPE:
            error = proto_take_varint(&field, "mutation_type", &type, errmsg);
            break;
        case MUTATION_NAME:
            error = proto_take_text(&field, "state_name", &mutation->name, errmsg);
            break;
        case MUTATION_VALUE: error = state_value_take(&field, &value, errmsg); break;
        default: break;
        }
        if (error < 0) return error;
    }
    if (error < 0) return error;
    if (type > MUTATION_MODIFY)
        return errmsg_set(errmsg, ERROR_MALFORMED, "mutation_type: unknown value %lld",
                          (long long)type);
    return mutation_finish(mutation, type, &value, errmsg);
}

static int add_mutation(struct effects *effects, struct span bytes)
{
    struct function_response *response = effects->response;
    size_t count = response->mutation_count;
    void *room = function_list_room(response->mutations, &response->capacity[LIST_MUTATIONS], count,
                                    sizeof *response->mutations);
    if (room == NULL) return no_memory(effects->errmsg);
    response->mutations = room;
    response->mutations[count] = (struct effect_mutation){0};
    response->mutation_count++;
    return mutation_decode(bytes, &response->mutations[count], effects->errmsg);
}

/* ---- Invocation ---- */

static int message_decode(struct effects *effects, struct span bytes,
                          struct effect_message *message)
{
    struct address_parts target = {0};
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, effects->errmsg)) > 0) {
        if (field.number == MESSAGE_TARGET)
            error = target_take(&field, &target, effects->errmsg);
        else if (field.number == MESSAGE_ARGUMENT)
            error = argument_take(&field, &message->argument, effects->errmsg);
        if (error < 0) return error;
    }
    if (error < 0) return error;
    return target_finish(&target, &effects->response->names, &message->target, effects->errmsg);
}

static int add_message(struct effects *effects, struct span bytes)
{
    struct function_response *response = effects->response;
    size_t count = response->message_count;
    void *room = function_list_room(response->messages, &response->capacity[LIST_MESSAGES], count,
                                    sizeof *response->messages);
    if (room == NULL) return no_memory(effects->errmsg);
    response->messages = room;
    response->messages[count] = (struct effect_message){0};
    response->message_count++;
    return message_decode(effects, bytes, &response->messages[count]);
}

/* ---- DelayedInvocation ---- */

struct delayed_parts {
    uint64_t delay;
    uint64_t is_cancel;
    struct address_parts target;
    struct span token;
    struct span argument;
};

static int delayed_field(const struct proto_field *field, struct delayed_parts *parts,
                         struct errmsg *errmsg)
{
    switch (field->number) {
    case DELAYED_DELAY: return proto_take_varint(field, "delay_in_ms", &parts->delay, errmsg);
    case DELAYED_TARGET: return target_take(field, &parts->target, errmsg);
    case DELAYED_ARGUMENT: return argument_take(field, &parts->argument, errmsg);
    case DELAYED_IS_CANCEL:
        return proto_take_varint(field, "is_cancellation_request", &parts->is_cancel, errmsg);
    case DELAYED_TOKEN: return proto_take_text(field, "cancellation_token", &parts->token, errmsg);
    default: return 0;
    }
}

static int delayed_finish(struct effects *effects, const struct delayed_parts *parts,
                          struct effect_delayed *delayed)
{
    struct errmsg *errmsg = effects->errmsg;
    delayed->token = parts->token;
    delayed->is_cancel = parts->is_cancel != 0;
    if (delayed->is_cancel || parts->token.size != 0) {
        int error = token_check(parts->token, "cancellation_token", errmsg);
        /* Only the token of a cancellation means anything. */
        if (error != 0 || delayed->is_cancel) return error;
    }
    if (parts->delay > INT64_MAX)
        return errmsg_set(errmsg, ERROR_MALFORMED, "delay_in_ms: negative");
    if (parts->delay > FUNCTION_TIME_MS_MAX)
        return errmsg_set(errmsg, ERROR_TOO_LARGE, "delay_in_ms: more than %lld",
                          (long long)FUNCTION_TIME_MS_MAX);
    delayed->delay_ms = (int64_t)parts->delay;
    delayed->argument = parts->argument;
    return target_finish(&parts->target, &effects->response->names, &delayed->target, errmsg);
}

static int delayed_decode(struct effects *effects, struct span bytes,
                          struct effect_delayed *delayed)
{
    struct delayed_parts parts = {0};
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, effects->errmsg)) > 0) {
        error = delayed_field(&field, &parts, effects->errmsg);
        if (error < 0) return error;
    }
    return error < 0 ? error : delayed_finish(effects, &parts, delayed);
}

static int add_delayed(struct effects *effects, struct span bytes)
{
    struct function_response *response = effects->response;
    size_t count = response->delayed_count;
    void *room = function_list_room(response->delayed, &response->capacity[LIST_DELAYED], count,
                                    sizeof *response->delayed);
    if (room == NULL) return no_memory(effects->errmsg);
    response->delayed = room;
    response->delayed[count] = (struct effect_delayed){0};
    response->delayed_count++;
    return delayed_decode(effects, bytes, &response->delayed[count]);
}

/* ---- EgressMessage ---- */

static int egress_decode(struct effects *effects, struct span bytes, struct effect_egress *egress)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    struct errmsg *errmsg = effects->errmsg;
    int error;
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        switch (field.number) {
        case EGRESS_NAMESPACE:
            error = proto_take_text(&field, "egress_namespace", &egress->name_space, errmsg);
            break;
        case EGRESS_TYPE:
            error = proto_take_text(&field, "egress_type", &egress->type, errmsg);
            break;
        case EGRESS_ARGUMENT: error = argument_take(&field, &egress->argument, errmsg); break;
        default: break;
        }
        if (error < 0) return error;
    }
    if (error < 0) return error;
    return function_names_join(&effects->response->names, egress->name_space, egress->type,
                               &egress->name, errmsg);
}

static int add_egress(struct effects *effects, struct span bytes)
{
    struct function_response *response = effects->response;
    size_t count = response->egress_count;
    void *room = function_list_room(response->egress, &response->capacity[LIST_EGRESS], count,
                                    sizeof *response->egress);
    if (room == NULL) return no_memory(effects->errmsg);
    response->egress = room;
    response->egress[count] = (struct effect_egress){0};
    response->egress_count++;
    return egress_decode(effects, bytes, &response->egress[count]);
}

/* ---- InvocationResponse ---- */

static const char *const lists[] = {
    [RESULT_MUTATIONS] = "state_mutations",
    [RESULT_MESSAGES] = "outgoing_messages",
    [RESULT_DELAYED] = "delayed_invocations",
    [RESULT_EGRESSES] = "outgoing_egresses",
};

static int over_limit(struct errmsg *errmsg, const char *name, size_t count_max)
{
    int error = errmsg_set(errmsg, ERROR_TOO_LARGE, ": more than %zu", count_max);
    return proto_within(errmsg, error, name, count_max);
}

/* Before any of them is read: what is refused in the end should cost little. What is broken ends
   the count, and the reading later. */
static int check_counts(const struct effects *effects, struct span bytes)
{
    const struct function_response *response = effects->response;
    const struct function_limits *limits = effects->limits;
    size_t counts[] = {0, response->mutation_count, response->message_count,
                       response->delayed_count, response->egress_count};
    const size_t most[] = {0, limits->mutations_max, limits->messages_max, limits->delayed_max,
                           limits->egress_max};
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    while (proto_next(&reader, &field, effects->errmsg) > 0) {
        if (field.number > RESULT_EGRESSES) continue;
        if (counts[field.number]++ == most[field.number])
            return over_limit(effects->errmsg, lists[field.number], most[field.number]);
    }
    return 0;
}

static int add(struct effects *effects, const struct proto_field *field, size_t index,
               int (*add_element)(struct effects *, struct span))
{
    struct span bytes;
    const char *name = lists[field->number];
    int error = proto_take_bytes(field, name, &bytes, effects->errmsg);
    if (error != 0) return error;
    error = add_element(effects, bytes);
    return error == 0 ? 0 : proto_within(effects->errmsg, error, name, index);
}

static int effect_field(struct effects *effects, const struct proto_field *field)
{
    const struct function_response *response = effects->response;
    switch (field->number) {
    case RESULT_MUTATIONS: return add(effects, field, response->mutation_count, add_mutation);
    case RESULT_MESSAGES: return add(effects, field, response->message_count, add_message);
    case RESULT_DELAYED: return add(effects, field, response->delayed_count, add_delayed);
    case RESULT_EGRESSES: return add(effects, field, response->egress_count, add_egress);
    default: return 0;
    }
}

int function_effects_decode(struct span bytes, struct function_response *response,
                            const struct function_limits *limits)
{
    struct effects effects = {response, &response->errmsg, limits};
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error = check_counts(&effects, bytes);
    if (error != 0) return error;
    while ((error = proto_next(&reader, &field, effects.errmsg)) > 0) {
        error = effect_field(&effects, &field);
        if (error < 0) return error;
    }
    return error;
}
