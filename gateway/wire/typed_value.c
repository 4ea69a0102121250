/* TypedValue { typename, has_value, value }: what messages and state travel as. */
#include "wire/function_fields.h"

int typed_value_decode(struct span bytes, struct typed_value *value, struct errmsg *errmsg)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    uint64_t has_value;
    int error;
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        switch (field.number) {
        case TYPED_VALUE_TYPENAME:
            error = proto_take_text(&field, "typename", &value->type_name, errmsg);
            break;
        case TYPED_VALUE_HAS_VALUE:
            error = proto_take_varint(&field, "has_value", &has_value, errmsg);
            if (error == 0) value->has_value = has_value != 0;
            break;
        case TYPED_VALUE_VALUE:
            error = proto_take_bytes(&field, "value", &value->value, errmsg);
            break;
        default: break;
        }
        if (error < 0) return error;
    }
    return error;
}

int typed_value_parse(struct span bytes, struct typed_value *value)
{
    struct errmsg unread;
    *value = (struct typed_value){0};
    return typed_value_decode(bytes, value, &unread);
}

size_t typed_value_size(struct span type_name, struct span value)
{
    return proto_text_size(type_name.size) + 2 + proto_text_size(value.size);
}

uint8_t *typed_value_put(uint8_t *at, struct span type_name, struct span value)
{
    at = proto_put_text(at, TYPED_VALUE_TYPENAME, type_name);
    at = proto_put_number(at, TYPED_VALUE_HAS_VALUE, 1);
    return proto_put_text(at, TYPED_VALUE_VALUE, value);
}

void typed_value_encode(struct buffer *out, struct span type_name, struct span value)
{
    size_t size = typed_value_size(type_name, value);
    if (buffer_reserve(out, size) != 0) return;
    typed_value_put(out->at + out->size, type_name, value);
    out->size += size;
}

int argument_take(const struct proto_field *field, struct span *argument, struct errmsg *errmsg)
{
    struct span bytes;
    int error = proto_take_bytes(field, "argument", &bytes, errmsg);
    if (error != 0) return error;
    struct typed_value value = {0};
    error = typed_value_decode(bytes, &value, errmsg);
    if (error != 0) return proto_within(errmsg, error, "argument", PROTO_NO_INDEX);
    if (bytes.size == 0) return 0;
    if (argument->size != 0)
        return errmsg_set(errmsg, ERROR_MALFORMED, "argument: comes in two parts");
    *argument = bytes;
    return 0;
}
