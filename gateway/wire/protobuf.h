/*
 * The protobuf wire format, as far as our messages need it: a cursor over the fields of one
 * message, and writers for a space whose size has been computed before. Nothing here allocates,
 * copies or recurses; a message inside a message is a span that the caller may read with another
 * cursor.
 */
#ifndef HOLDFAST_WIRE_PROTOBUF_H
#define HOLDFAST_WIRE_PROTOBUF_H

#include "base/error.h"
#include "base/span.h"

enum proto_type { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

enum { PROTO_TAG_BYTES_MAX = 5, PROTO_LENGTH_BYTES_MAX = 5 };

struct proto_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct proto_field {
    uint32_t number;
    enum proto_type type;
    uint64_t varint;   /* of PROTO_VARINT */
    struct span bytes; /* content of the other types */
};

static inline struct proto_reader proto_reader_of(struct span bytes)
{
    /* A start that is not null keeps pointer arithmetic defined for an empty span. */
    static const uint8_t nothing[1];
    const uint8_t *at = bytes.size == 0 ? nothing : bytes.at;
    return (struct proto_reader){at, at + bytes.size};
}

/*
 * 1 = a field, 0 = the end, ERROR_MALFORMED with the reason in errmsg as ": reason" (see
 * proto_within). Refuses groups, field number 0, tags and lengths of more than 5 bytes, varints
 * over 64 bits, and what reaches beyond the end.
 */
int proto_next(struct proto_reader *reader, struct proto_field *field,
               struct errmsg *errmsg) MUST_USE;

/* The content of a field that must be of that type; else ERROR_MALFORMED naming it. Text must be
 * UTF-8. */
int proto_take_bytes(const struct proto_field *field, const char *name, struct span *bytes,
                     struct errmsg *errmsg) MUST_USE;
int proto_take_text(const struct proto_field *field, const char *name, struct span *text,
                    struct errmsg *errmsg) MUST_USE;
int proto_take_varint(const struct proto_field *field, const char *name, uint64_t *value,
                      struct errmsg *errmsg) MUST_USE;

/*
 * Errors are written from the inside out: the innermost says "id: not UTF-8", each message around
 * it puts its own field in front ("target.id: not UTF-8", "outgoing_messages[3].target.id: not
 * UTF-8"). The happy path keeps no books. Hands the error back.
 */
#define PROTO_NO_INDEX SIZE_MAX
int proto_within(struct errmsg *errmsg, int error, const char *name, size_t index);

/* ---- Writing. `at` has room; the new end comes back. Tags are the encoded bytes below 0x80. ----
 */

#define PROTO_TAG(number, type) ((uint8_t)((number) << 3 | (unsigned)(type)))

static inline size_t proto_varint_size(uint64_t value)
{
    /* 7 bits a byte, without a loop; 0 takes one byte. */
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

/* Of a field with a one-byte tag. */
static inline size_t proto_bytes_size(size_t content)
{
    return 1 + proto_varint_size(content) + content;
}

/* proto3 leaves an empty string out. */
static inline size_t proto_text_size(size_t content)
{
    return content == 0 ? 0 : proto_bytes_size(content);
}

static inline uint8_t *proto_put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* Tag and length of a field whose content follows. */
static inline uint8_t *proto_put_head(uint8_t *at, unsigned number, size_t content)
{
    *at++ = PROTO_TAG(number, PROTO_BYTES);
    return proto_put_varint(at, content);
}

static inline uint8_t *proto_put_bytes(uint8_t *at, unsigned number, struct span bytes)
{
    at = proto_put_head(at, number, bytes.size);
    if (bytes.size > 0) memcpy(at, bytes.at, bytes.size);
    return at + bytes.size;
}

static inline uint8_t *proto_put_text(uint8_t *at, unsigned number, struct span text)
{
    return text.size == 0 ? at : proto_put_bytes(at, number, text);
}

static inline uint8_t *proto_put_number(uint8_t *at, unsigned number, uint64_t value)
{
    *at++ = PROTO_TAG(number, PROTO_VARINT);
    return proto_put_varint(at, value);
}

#endif
