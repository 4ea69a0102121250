/* IncompleteInvocationContext: the states a function declares and was not given. */
#include "wire/function_fields.h"

struct expiration {
    uint64_t mode;
    uint64_t millis;
};

static int expiration_decode(struct span bytes, struct expiration *expiration,
                             struct errmsg *errmsg)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        if (field.number == EXPIRATION_MODE)
            error = proto_take_varint(&field, "mode", &expiration->mode, errmsg);
        else if (field.number == EXPIRATION_MILLIS)
            error = proto_take_varint(&field, "expire_after_millis", &expiration->millis, errmsg);
        if (error < 0) return error;
    }
    return error;
}

static int expiration_take(const struct proto_field *field, struct expiration *expiration,
                           struct errmsg *errmsg)
{
    static const char name[] = "expiration_spec";
    struct span bytes;
    int error = proto_take_bytes(field, name, &bytes, errmsg);
    if (error != 0) return error;
    error = expiration_decode(bytes, expiration, errmsg);
    return error == 0 ? 0 : proto_within(errmsg, error, name, PROTO_NO_INDEX);
}

static int expiration_finish(const struct expiration *expiration, struct state_spec *spec,
                             struct errmsg *errmsg)
{
    if (expiration->mode > EXPIRE_AFTER_INVOKE)
        return errmsg_set(errmsg, ERROR_MALFORMED, "expiration_spec.mode: unknown value %lld",
                          (long long)expiration->mode);
    spec->mode = (enum expire_mode)expiration->mode;
    if (spec->mode == EXPIRE_NEVER) return 0;
    if (expiration->millis == 0 || expiration->millis > INT64_MAX)
        return errmsg_set(errmsg, ERROR_MALFORMED,
                          "expiration_spec.expire_after_millis: must be above 0");
    if (expiration->millis > FUNCTION_TIME_MS_MAX)
        return errmsg_set(errmsg, ERROR_TOO_LARGE,
                          "expiration_spec.expire_after_millis: more than %lld",
                          (long long)FUNCTION_TIME_MS_MAX);
    spec->ttl_ms = (int64_t)expiration->millis;
    return 0;
}

static int spec_decode(struct span bytes, struct state_spec *spec, struct errmsg *errmsg)
{
    struct expiration expiration = {0};
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        switch (field.number) {
        case SPEC_NAME: error = proto_take_text(&field, "state_name", &spec->name, errmsg); break;
        case SPEC_EXPIRATION: error = expiration_take(&field, &expiration, errmsg); break;
        case SPEC_TYPENAME:
            error = proto_take_text(&field, "type_typename", &spec->type_name, errmsg);
            break;
        default: break;
        }
        if (error < 0) return error;
    }
    if (error == 0) error = state_name_check(spec->name, "state_name", errmsg);
    if (error == 0) error = type_name_check(spec->type_name, "type_typename", errmsg);
    if (error == 0) error = expiration_finish(&expiration, spec, errmsg);
    return error;
}

static int add_spec(struct span bytes, struct function_response *response,
                    const struct function_limits *limits)
{
    size_t count = response->spec_count;
    struct errmsg *errmsg = &response->errmsg;
    if (count == limits->specs_max)
        return errmsg_set(errmsg, ERROR_TOO_LARGE, ": more than %zu", count);
    void *room = function_list_room(response->specs, &response->capacity[LIST_SPECS], count,
                                    sizeof *response->specs);
    if (room == NULL) return errmsg_set(errmsg, ERROR_MEMORY, ": %s", error_text(ERROR_MEMORY));
    response->specs = room;
    response->specs[count] = (struct state_spec){0};
    response->spec_count++;
    return spec_decode(bytes, &response->specs[count], errmsg);
}

int function_specs_decode(struct span bytes, struct function_response *response,
                          const struct function_limits *limits)
{
    static const char name[] = "missing_values";
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, &response->errmsg)) > 0) {
        if (field.number != INCOMPLETE_MISSING) continue;
        struct span inner;
        error = proto_take_bytes(&field, name, &inner, &response->errmsg);
        if (error < 0) return error;
        size_t index = response->spec_count;
        error = add_spec(inner, response, limits);
        if (error < 0) return proto_within(&response->errmsg, error, name, index);
    }
    return error;
}
