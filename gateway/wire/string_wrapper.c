/* StringWrapper { value }: the bytes of a value of type io.statefun.types/string. */
#include "wire/function_fields.h"

enum { WRAPPER_VALUE = 1 };

void string_wrapper_encode(struct buffer *out, struct span text)
{
    size_t size = proto_text_size(text.size);
    if (size == 0 || buffer_reserve(out, size) != 0) return;
    proto_put_text(out->at + out->size, WRAPPER_VALUE, text);
    out->size += size;
}

int string_wrapper_parse(struct span bytes, struct span *text)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    struct errmsg unread;
    int error;
    *text = SPAN_EMPTY;
    while ((error = proto_next(&reader, &field, &unread)) > 0) {
        if (field.number != WRAPPER_VALUE) continue;
        error = proto_take_text(&field, "value", text, &unread);
        if (error != 0) return error;
    }
    return error;
}
