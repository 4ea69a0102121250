/* See bundle_fields.h. */
#include "wire/bundle_fields.h"

/* 1..5 = its bytes, 0 = its end has not come, ERROR_MALFORMED. */
static int take_varint(struct span bytes, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < bytes.size && i < PROTO_LENGTH_BYTES_MAX; i++) {
        *value |= (uint64_t)(bytes.at[i] & 0x7f) << (7 * i);
        if (bytes.at[i] < 0x80) return (int)i + 1;
    }
    return bytes.size < PROTO_LENGTH_BYTES_MAX ? 0 : ERROR_MALFORMED;
}

int bundle_element_take(struct span *bytes, struct span *content, struct errmsg *errmsg)
{
    uint64_t tag, size;
    for (;;) {
        int of_tag = take_varint(*bytes, &tag);
        if (of_tag > 0 && ((tag & 7) != PROTO_BYTES || tag >> 3 == 0))
            return errmsg_set(errmsg, ERROR_MALFORMED, "not a list of messages");
        if (of_tag < 0 || tag > UINT32_MAX)
            return errmsg_set(errmsg, ERROR_MALFORMED, "tag: too long");
        if (of_tag == 0) return 0;
        struct span rest = span_from(*bytes, (size_t)of_tag);
        int of_size = take_varint(rest, &size);
        if (of_size < 0) return errmsg_set(errmsg, ERROR_MALFORMED, "length: too long");
        if (of_size == 0 || size > rest.size - (size_t)of_size) return 0;
        *content = span_of(rest.at + of_size, (size_t)size);
        *bytes = span_from(rest, (size_t)of_size + (size_t)size);
        if (tag >> 3 == BUNDLE_ELEMENT) return 1;
    }
}
