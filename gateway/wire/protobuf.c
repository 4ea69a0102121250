/* The cursor over protobuf fields. Everything a function sends passes through here: it must be
 * total. */
#include "wire/protobuf.h"

#include "base/buffer.h"
#include "base/utf8.h"

static int broken(struct errmsg *errmsg, const char *reason)
{
    return errmsg_set(errmsg, ERROR_MALFORMED, ": %s", reason);
}

/* At most `bytes_max` bytes. False beyond that, beyond the end and over 64 bits. */
static bool read_varint(struct proto_reader *reader, unsigned bytes_max, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < bytes_max && reader->at < reader->end; i++) {
        uint8_t byte = *reader->at++;
        if (i == VARINT_SIZE_MAX - 1 && byte > 1) return false;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static int read_content(struct proto_reader *reader, uint64_t size, struct proto_field *field,
                        struct errmsg *errmsg)
{
    if (size > (size_t)(reader->end - reader->at)) return broken(errmsg, "length beyond the end");
    field->bytes = span_of(reader->at, (size_t)size);
    reader->at += size;
    return 1;
}

static int read_value(struct proto_reader *reader, struct proto_field *field, struct errmsg *errmsg)
{
    uint64_t size;
    switch (field->type) {
    case PROTO_VARINT:
        if (!read_varint(reader, VARINT_SIZE_MAX, &field->varint))
            return broken(errmsg, "broken varint");
        return 1;
    case PROTO_FIXED64: return read_content(reader, 8, field, errmsg);
    case PROTO_FIXED32: return read_content(reader, 4, field, errmsg);
    case PROTO_BYTES:
        if (!read_varint(reader, PROTO_LENGTH_BYTES_MAX, &size))
            return broken(errmsg, "broken length");
        return read_content(reader, size, field, errmsg);
    }
    return broken(errmsg, "unknown wire type (groups are not supported)");
}

/* A low field number and less than 128 bytes: nearly all that comes. */
static bool read_short(struct proto_reader *reader, struct proto_field *field)
{
    const uint8_t *at = reader->at;
    if (reader->end - at < 2 || at[0] >= 0x80 || at[0] < 8 || (at[0] & 7) != PROTO_BYTES)
        return false;
    if (at[1] >= 0x80 || at[1] > reader->end - at - 2) return false;
    field->number = at[0] >> 3;
    field->type = PROTO_BYTES;
    field->bytes = span_of(at + 2, at[1]);
    reader->at = at + 2 + at[1];
    return true;
}

int proto_next(struct proto_reader *reader, struct proto_field *field, struct errmsg *errmsg)
{
    if (reader->at == reader->end) return 0;
    if (read_short(reader, field)) return 1;
    uint64_t tag;
    if (!read_varint(reader, PROTO_TAG_BYTES_MAX, &tag) || tag > UINT32_MAX)
        return broken(errmsg, "broken field tag");
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum proto_type)(tag & 7);
    if (field->number == 0) return broken(errmsg, "field number 0");
    return read_value(reader, field, errmsg);
}

static int wrong_type(const char *name, struct errmsg *errmsg)
{
    return errmsg_set(errmsg, ERROR_MALFORMED, "%s: wrong wire type", name);
}

int proto_take_bytes(const struct proto_field *field, const char *name, struct span *bytes,
                     struct errmsg *errmsg)
{
    if (field->type != PROTO_BYTES) return wrong_type(name, errmsg);
    *bytes = field->bytes;
    return 0;
}

int proto_take_text(const struct proto_field *field, const char *name, struct span *text,
                    struct errmsg *errmsg)
{
    if (field->type != PROTO_BYTES) return wrong_type(name, errmsg);
    if (!utf8_valid(field->bytes))
        return errmsg_set(errmsg, ERROR_MALFORMED, "%s: not UTF-8", name);
    *text = field->bytes;
    return 0;
}

int proto_take_varint(const struct proto_field *field, const char *name, uint64_t *value,
                      struct errmsg *errmsg)
{
    if (field->type != PROTO_VARINT) return wrong_type(name, errmsg);
    *value = field->varint;
    return 0;
}

int proto_within(struct errmsg *errmsg, int error, const char *name, size_t index)
{
    struct errmsg inner = *errmsg;
    const char *dot = inner.text[0] == ':' ? "" : ".";
    /* Field names are short and nesting is fixed; the precision only tells the compiler so. */
    if (index == PROTO_NO_INDEX)
        return errmsg_set(errmsg, error, "%s%s%.200s", name, dot, inner.text);
    return errmsg_set(errmsg, error, "%s[%zu]%s%.200s", name, index, dot, inner.text);
}
