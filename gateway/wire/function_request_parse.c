/* ToFunction, inwards: for embedded functions, tools and tests, which play the function's side. */
#include "wire/function_fields.h"

/* A request that is being filled; the arrays are the caller's. */
struct filling {
    struct function_request *request;
    struct function_names *names;
    struct address_parts target;
    struct function_state *states;
    size_t states_max;
    struct function_message *messages;
    size_t messages_max;
    struct errmsg errmsg;
};

static int state_decode(struct span bytes, struct function_state *state, struct errmsg *errmsg)
{
    struct typed_value value = {0};
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        struct span inner;
        if (field.number == PERSISTED_VALUE_NAME) {
            error = proto_take_text(&field, "state_name", &state->name, errmsg);
        } else if (field.number == PERSISTED_VALUE_VALUE) {
            error = proto_take_bytes(&field, "state_value", &inner, errmsg);
            if (error == 0) error = typed_value_decode(inner, &value, errmsg);
        }
        if (error < 0) return error;
    }
    if (error < 0) return error;
    state->type_name = value.type_name;
    state->value = value.value;
    state->present = value.has_value;
    return state_name_check(state->name, "state_name", errmsg);
}

static int message_decode(struct filling *filling, struct span bytes,
                          struct function_message *message)
{
    struct address_parts caller = {0};
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, &filling->errmsg)) > 0) {
        struct span inner;
        if (field.number == REQUEST_CALLER) {
            error = proto_take_bytes(&field, "caller", &inner, &filling->errmsg);
            if (error == 0) error = address_decode(inner, &caller, &filling->errmsg);
        } else if (field.number == REQUEST_ARGUMENT) {
            error = argument_take(&field, &message->argument, &filling->errmsg);
        }
        if (error < 0) return error;
    }
    if (error < 0) return error;
    if (caller.name_space.size + caller.type.size + caller.id.size == 0) return 0;
    return address_finish(&caller, filling->names, &message->caller, &filling->errmsg);
}

static int add_state(struct filling *filling, const struct proto_field *field)
{
    struct span bytes;
    int error = proto_take_bytes(field, "state", &bytes, &filling->errmsg);
    if (error != 0) return error;
    if (filling->request->state_count == filling->states_max) return ERROR_TOO_LARGE;
    struct function_state *state = &filling->states[filling->request->state_count++];
    *state = (struct function_state){0};
    return state_decode(bytes, state, &filling->errmsg);
}

static int add_message(struct filling *filling, const struct proto_field *field)
{
    struct span bytes;
    int error = proto_take_bytes(field, "invocations", &bytes, &filling->errmsg);
    if (error != 0) return error;
    if (filling->request->message_count == filling->messages_max) return ERROR_TOO_LARGE;
    struct function_message *message = &filling->messages[filling->request->message_count++];
    *message = (struct function_message){0};
    return message_decode(filling, bytes, message);
}

static int add_target(struct filling *filling, const struct proto_field *field)
{
    struct span bytes;
    int error = proto_take_bytes(field, "target", &bytes, &filling->errmsg);
    return error != 0 ? error : address_decode(bytes, &filling->target, &filling->errmsg);
}

static int batch_decode(struct filling *filling, struct span bytes)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, &filling->errmsg)) > 0) {
        switch (field.number) {
        case BATCH_TARGET: error = add_target(filling, &field); break;
        case BATCH_STATE: error = add_state(filling, &field); break;
        case BATCH_INVOCATIONS: error = add_message(filling, &field); break;
        default: break;
        }
        if (error < 0) return error;
    }
    return error;
}

int function_request_parse(struct span bytes, struct function_request *request,
                           struct function_names *names, struct function_state *states,
                           size_t states_max, struct function_message *messages,
                           size_t messages_max)
{
    struct filling filling = {.request = request,
                              .names = names,
                              .states = states,
                              .states_max = states_max,
                              .messages = messages,
                              .messages_max = messages_max};
    *request = (struct function_request){.states = states, .messages = messages};
    function_names_clear(names);
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, &filling.errmsg)) > 0) {
        struct span batch;
        if (field.number != TO_FUNCTION_INVOCATION) continue;
        error = proto_take_bytes(&field, "invocation", &batch, &filling.errmsg);
        if (error == 0) error = batch_decode(&filling, batch);
        if (error < 0) return error;
    }
    if (error < 0) return error;
    /* Without an invocation there is no target either, and nothing to do. */
    return address_finish(&filling.target, names, &request->target, &filling.errmsg);
}
