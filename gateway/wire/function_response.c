/* FromFunction, inwards: the frame around effects and missing specs, and the memory of both. */
#include "wire/function_fields.h"

#include <stdlib.h>

enum { FIRST_ELEMENTS = 16 };

void function_response_init(struct function_response *response)
{
    *response = (struct function_response){0};
}

void function_response_close(struct function_response *response)
{
    function_names_close(&response->names);
    free(response->specs);
    free(response->egress);
    free(response->delayed);
    free(response->messages);
    free(response->mutations);
    function_response_init(response);
}

void *function_list_room(void *array, size_t *capacity, size_t count, size_t element_size)
{
    if (count < *capacity) return array;
    /* Counts are limited before this is asked: doubling cannot overflow. */
    size_t wanted = *capacity == 0 ? FIRST_ELEMENTS : *capacity * 2;
    void *grown = realloc(array, wanted * element_size);
    if (grown != NULL) *capacity = wanted;
    return grown;
}

static void forget(struct function_response *response)
{
    response->incomplete = false;
    response->mutation_count = 0;
    response->message_count = 0;
    response->delayed_count = 0;
    response->egress_count = 0;
    response->spec_count = 0;
}

static size_t limit_of(size_t given, size_t standard)
{
    return given == 0 ? standard : given;
}

static struct function_limits limits_of(const struct function_limits *given)
{
    const struct function_limits none = {0};
    if (given == NULL) given = &none;
    return (struct function_limits){
        .messages_max = limit_of(given->messages_max, FUNCTION_MESSAGES_MAX),
        .delayed_max = limit_of(given->delayed_max, FUNCTION_DELAYED_MAX),
        .egress_max = limit_of(given->egress_max, FUNCTION_EGRESS_MAX),
        .mutations_max = limit_of(given->mutations_max, FUNCTION_MUTATIONS_MAX),
        .specs_max = limit_of(given->specs_max, FUNCTION_SPECS_MAX),
    };
}

static int effects(struct function_response *response, const struct proto_field *field,
                   const struct function_limits *limits)
{
    static const char name[] = "invocation_result";
    struct span bytes;
    int error = proto_take_bytes(field, name, &bytes, &response->errmsg);
    if (error != 0) return error;
    if (response->incomplete) forget(response);
    error = function_effects_decode(bytes, response, limits);
    return error == 0 ? 0 : proto_within(&response->errmsg, error, name, PROTO_NO_INDEX);
}

static int specs(struct function_response *response, const struct proto_field *field,
                 const struct function_limits *limits)
{
    static const char name[] = "incomplete_invocation_context";
    struct span bytes;
    int error = proto_take_bytes(field, name, &bytes, &response->errmsg);
    if (error != 0) return error;
    if (!response->incomplete) forget(response);
    response->incomplete = true;
    error = function_specs_decode(bytes, response, limits);
    return error == 0 ? 0 : proto_within(&response->errmsg, error, name, PROTO_NO_INDEX);
}

static int members(struct function_response *response, struct span bytes,
                   const struct function_limits *limits)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, &response->errmsg)) > 0) {
        switch (field.number) {
        case FROM_FUNCTION_RESULT: error = effects(response, &field, limits); break;
        case FROM_FUNCTION_INCOMPLETE: error = specs(response, &field, limits); break;
        default: break;
        }
        if (error < 0) return error;
    }
    if (error == 0) return 0;
    return proto_within(&response->errmsg, error, "FromFunction", PROTO_NO_INDEX);
}

int function_response_parse(struct function_response *response, struct span bytes,
                            const struct function_limits *limits)
{
    struct function_limits bounds = limits_of(limits);
    forget(response);
    function_names_clear(&response->names);
    response->errmsg.text[0] = '\0';
    int error = members(response, bytes, &bounds);
    if (error != 0) forget(response);
    return error;
}
