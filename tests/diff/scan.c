#include "scan.h"

/* One continuation byte. */
static bool tail(struct span text, size_t at)
{
    return at < text.size && text.at[at] >> 6 == 2;
}

/* By decoding to code points, unlike base/utf8.c. */
static bool is_utf8(struct span text)
{
    for (size_t i = 0; i < text.size;) {
        uint8_t lead = text.at[i];
        size_t length = lead < 0x80       ? 1
                        : lead >> 5 == 6  ? 2
                        : lead >> 4 == 14 ? 3
                        : lead >> 3 == 30 ? 4
                                          : 0;
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        if (length == 0) return false;
        uint32_t point = length == 1 ? lead : lead & (0xffu >> (length + 1));
        for (size_t n = 1; n < length; n++) {
            if (!tail(text, i + n)) return false;
            point = point << 6 | (text.at[i + n] & 0x3fu);
        }
        if (point < smallest[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
            return false;
        i += length;
    }
    return true;
}

struct position {
    struct span rest;
    struct scan *scan;
};

static bool refuse(struct position *position, enum rule rule)
{
    if (position->scan->rule == RULE_NONE) position->scan->rule = rule;
    return false;
}

static bool take(struct position *position, size_t size, struct span *bytes)
{
    if (size > position->rest.size) return refuse(position, RULE_BROKEN);
    *bytes = span_of(position->rest.at, size);
    position->rest = span_from(position->rest, size);
    return true;
}

static bool take_varint(struct position *position, size_t size_max, uint64_t *value)
{
    size_t size = 0;
    struct span bytes;
    while (size < position->rest.size && position->rest.at[size] >= 0x80) size++;
    if (size + 1 > size_max) return refuse(position, RULE_WIDE);
    if (!take(position, size + 1, &bytes)) return false;
    *value = 0;
    for (size_t i = bytes.size; i-- > 0;) *value = *value << 7 | (bytes.at[i] & 0x7fu);
    if (bytes.size == 10 && bytes.at[9] > 1) return refuse(position, RULE_WIDE);
    return true;
}

static const ProtobufCFieldDescriptor *find(const ProtobufCMessageDescriptor *message, uint64_t id)
{
    for (unsigned i = 0; i < message->n_fields; i++)
        if (message->fields[i].id == id) return &message->fields[i];
    return NULL;
}

static bool fits(const ProtobufCFieldDescriptor *field, unsigned wire_type)
{
    bool prefixed = field->type == PROTOBUF_C_TYPE_BYTES || field->type == PROTOBUF_C_TYPE_MESSAGE;
    return wire_type ==
           (prefixed ? PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED : PROTOBUF_C_WIRE_TYPE_VARINT);
}

static bool scan_fields(const ProtobufCMessageDescriptor *message, struct position *position);

static bool scan_content(const ProtobufCFieldDescriptor *field, struct span bytes,
                         struct position *position)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        struct position inner = {bytes, position->scan};
        return scan_fields(field->descriptor, &inner);
    }
    /* The oracle's strings are bytes, but for the payload. */
    bool text = strcmp(field->name, "value") != 0;
    return !text || is_utf8(bytes) || refuse(position, RULE_UTF8);
}

static bool scan_value(const ProtobufCFieldDescriptor *field, unsigned wire_type,
                       struct position *position)
{
    uint64_t number;
    struct span bytes;
    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        if (!take_varint(position, 10, &number)) return false;
        if (field != NULL && field->type == PROTOBUF_C_TYPE_ENUM && number > INT32_MAX)
            position->scan->wide_enum = true;
        return true;
    case PROTOBUF_C_WIRE_TYPE_64BIT: return take(position, 8, &bytes);
    case PROTOBUF_C_WIRE_TYPE_32BIT: return take(position, 4, &bytes);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!take_varint(position, 5, &number)) return false;
        if (!take(position, number, &bytes)) return false;
        return field == NULL || scan_content(field, bytes, position);
    default: return refuse(position, RULE_BROKEN);
    }
}

static bool scan_field(const ProtobufCMessageDescriptor *message, struct position *position,
                       unsigned *seen)
{
    uint64_t tag;
    if (!take_varint(position, 5, &tag)) return false;
    if (tag > UINT32_MAX) return refuse(position, RULE_WIDE);
    if (tag >> 3 == 0) return refuse(position, RULE_FIELD_0);
    const ProtobufCFieldDescriptor *field = find(message, tag >> 3);
    if (field == NULL) return scan_value(NULL, (unsigned)(tag & 7), position);
    if (!fits(field, (unsigned)(tag & 7))) return refuse(position, RULE_BROKEN);
    bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    bool single =
        field->label != PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_MESSAGE;
    unsigned bit = oneof ? 1u : 1u << (field - message->fields);
    if (single && (*seen & bit) != 0) position->scan->repeated = true;
    *seen |= bit;
    return scan_value(field, (unsigned)(tag & 7), position);
}

static bool scan_fields(const ProtobufCMessageDescriptor *message, struct position *position)
{
    unsigned seen = 0;
    while (position->rest.size > 0) {
        if (!scan_field(message, position, &seen)) return false;
    }
    return true;
}

struct scan scan_message(const ProtobufCMessageDescriptor *message, struct span bytes)
{
    struct scan scan = {0};
    struct position position = {bytes, &scan};
    scan_fields(message, &position);
    return scan;
}
