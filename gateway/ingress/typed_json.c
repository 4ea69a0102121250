/* See typed_json.h. The wrappers are messages with one field, 1, that is left out when it is zero.
 */
#include "ingress/typed_json.h"

#include "base/text.h"
#include "base/utf8.h"
#include "wire/function.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum scalar {
    SCALAR_NONE,
    SCALAR_STRING,
    SCALAR_BOOL,
    SCALAR_INT,
    SCALAR_LONG,
    SCALAR_FLOAT,
    SCALAR_DOUBLE
};

/* Field 1 with the wire type. */
enum { TAG_VARINT = 0x08, TAG_64 = 0x09, TAG_32 = 0x0d };

static enum scalar scalar_of(struct span type_name)
{
    static const struct {
        struct span name;
        enum scalar scalar;
    } names[] = {
        {{(const uint8_t *)"io.statefun.types/string", 24}, SCALAR_STRING},
        {{(const uint8_t *)"io.statefun.types/bool", 22}, SCALAR_BOOL},
        {{(const uint8_t *)"io.statefun.types/int", 21}, SCALAR_INT},
        {{(const uint8_t *)"io.statefun.types/long", 22}, SCALAR_LONG},
        {{(const uint8_t *)"io.statefun.types/float", 23}, SCALAR_FLOAT},
        {{(const uint8_t *)"io.statefun.types/double", 24}, SCALAR_DOUBLE},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (span_equal(names[i].name, type_name)) return names[i].scalar;
    return SCALAR_NONE;
}

/* -- To JSON -- */

/* The little-endian field of `size` bytes, or 0 when it is left out. */
static bool read_fixed(struct span bytes, uint8_t tag, size_t size, uint64_t *bits)
{
    *bits = 0;
    if (bytes.size == 0) return true;
    if (bytes.size != 1 + size || bytes.at[0] != tag) return false;
    for (size_t i = size; i > 0; i--) *bits = *bits << 8 | bytes.at[i];
    return *bits != 0; /* written zero is not how it would be written back */
}

static bool append_bool(struct buffer *out, struct span bytes)
{
    bool is_true = bytes.size == 2 && bytes.at[0] == TAG_VARINT && bytes.at[1] == 1;
    if (bytes.size != 0 && !is_true) return false;
    text_append(out, is_true ? "true" : "false");
    return true;
}

static bool append_integer(struct buffer *out, struct span bytes, enum scalar scalar)
{
    uint64_t bits;
    bool is_int = scalar == SCALAR_INT;
    if (!read_fixed(bytes, is_int ? TAG_32 : TAG_64, is_int ? 4 : 8, &bits)) return false;
    text_signed(out, is_int ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits);
    return true;
}

/* The shortest decimal that reads back as the same number. */
static bool append_shortest(struct buffer *out, double number, bool is_float)
{
    char text[40];
    if (!isfinite(number)) return false;
    for (int digits = is_float ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (is_float ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number) break;
    }
    text_append(out, text);
    if (strcspn(text, ".e") == strlen(text)) text_append(out, ".0");
    return true;
}

static bool append_real(struct buffer *out, struct span bytes, enum scalar scalar)
{
    uint64_t bits;
    bool is_float = scalar == SCALAR_FLOAT;
    if (!read_fixed(bytes, is_float ? TAG_32 : TAG_64, is_float ? 4 : 8, &bits)) return false;
    uint32_t half = (uint32_t)bits;
    float single;
    double number;
    memcpy(&single, &half, sizeof single);
    memcpy(&number, &bits, sizeof number);
    return append_shortest(out, is_float ? (double)single : number, is_float);
}

static bool append_string(struct buffer *out, struct span bytes)
{
    struct span text;
    struct buffer again;
    if (string_wrapper_parse(bytes, &text) != 0 || !utf8_valid(text)) return false;
    buffer_init(&again);
    string_wrapper_encode(&again, text);
    bool same = !again.failed && span_equal(buffer_span(&again), bytes);
    buffer_close(&again);
    if (same) text_json_string(out, text);
    return same;
}

static bool ends_with(struct span text, const char *end)
{
    size_t size = strlen(end);
    return text.size >= size && memcmp(text.at + text.size - size, end, size) == 0;
}

/* Line ends would break the lines of an export, and are not worth rewriting the text for. */
static bool append_embedded(struct buffer *out, struct span type_name, struct span bytes)
{
    bool json_type = ends_with(type_name, "/json") || ends_with(type_name, "+json");
    if (!json_type && (bytes.size == 0 || (bytes.at[0] != '{' && bytes.at[0] != '['))) return false;
    if (bytes.size == 0 || memchr(bytes.at, '\n', bytes.size) != NULL) return false;
    if (strchr(" \t\r", bytes.at[0]) != NULL || strchr(" \t\r", bytes.at[bytes.size - 1]) != NULL)
        return false; /* white space around the value would be lost on the way back */
    if (!json_valid(bytes)) return false;
    buffer_append(out, bytes);
    return true;
}

static bool append_value(struct buffer *out, struct span type_name, struct span bytes)
{
    enum scalar scalar = scalar_of(type_name);
    switch (scalar) {
    case SCALAR_STRING: return append_string(out, bytes);
    case SCALAR_BOOL: return append_bool(out, bytes);
    case SCALAR_INT:
    case SCALAR_LONG: return append_integer(out, bytes, scalar);
    case SCALAR_FLOAT:
    case SCALAR_DOUBLE: return append_real(out, bytes, scalar);
    case SCALAR_NONE: break;
    }
    return append_embedded(out, type_name, bytes);
}

void typed_json_append(struct buffer *out, struct span type_name, struct span bytes)
{
    size_t start = out->size;
    text_json_member(out, "value");
    if (append_value(out, type_name, bytes) || out->failed) return;
    buffer_truncate(out, start);
    text_json_member(out, "base64");
    buffer_byte(out, '"');
    text_base64(out, bytes);
    buffer_byte(out, '"');
}

/* -- From JSON -- */

static void append_fixed(struct buffer *out, uint8_t tag, size_t size, uint64_t bits)
{
    if (bits == 0) return;
    buffer_byte(out, tag);
    for (size_t i = 0; i < size; i++) buffer_byte(out, (uint8_t)(bits >> (8 * i)));
}

/* Numbers are short; one that is not is refused. */
static bool number_text(const struct json_member *value, char text[64])
{
    if (value->kind != JSON_IS_NUMBER || value->value.size >= 64) return false;
    memcpy(text, value->value.at, value->value.size);
    text[value->value.size] = 0;
    return true;
}

static const char *read_integer(const struct json_member *value, enum scalar scalar,
                                struct buffer *out)
{
    char text[64];
    errno = 0;
    if (!number_text(value, text) || strcspn(text, ".eE") != strlen(text))
        return "the value has to be an integer";
    long long number = strtoll(text, NULL, 10);
    if (errno != 0 || (scalar == SCALAR_INT && (number < INT32_MIN || number > INT32_MAX)))
        return "the value is out of range of its type";
    if (scalar == SCALAR_INT)
        append_fixed(out, TAG_32, 4, (uint32_t)(int32_t)number);
    else
        append_fixed(out, TAG_64, 8, (uint64_t)number);
    return NULL;
}

static const char *read_real(const struct json_member *value, enum scalar scalar,
                             struct buffer *out)
{
    char text[64];
    uint32_t half;
    uint64_t bits;
    if (!number_text(value, text)) return "the value has to be a number";
    float single = strtof(text, NULL);
    double number = strtod(text, NULL);
    if (!isfinite(scalar == SCALAR_FLOAT ? (double)single : number))
        return "the value is out of range of its type";
    memcpy(&half, &single, sizeof half);
    memcpy(&bits, &number, sizeof bits);
    if (scalar == SCALAR_FLOAT)
        append_fixed(out, TAG_32, 4, half);
    else
        append_fixed(out, TAG_64, 8, bits);
    return NULL;
}

static const char *read_string(const struct json_member *value, struct buffer *out)
{
    struct buffer text;
    const char *fault = NULL;
    if (value->kind != JSON_IS_STRING) return "the value has to be a string";
    buffer_init(&text);
    if (json_read_string(value->value, &text) != 0)
        fault = "the value has half of a surrogate pair";
    else if (text.failed)
        out->failed = true;
    else
        string_wrapper_encode(out, buffer_span(&text));
    buffer_close(&text);
    return fault;
}

static const char *read_bool(const struct json_member *value, struct buffer *out)
{
    if (value->kind != JSON_IS_BOOL) return "the value has to be true or false";
    if (value->value.at[0] == 't') append_fixed(out, TAG_VARINT, 1, 1);
    return NULL;
}

const char *typed_json_read(struct span type_name, const struct json_member *value,
                            struct buffer *out)
{
    enum scalar scalar = scalar_of(type_name);
    switch (scalar) {
    case SCALAR_STRING: return read_string(value, out);
    case SCALAR_BOOL: return read_bool(value, out);
    case SCALAR_INT:
    case SCALAR_LONG: return read_integer(value, scalar, out);
    case SCALAR_FLOAT:
    case SCALAR_DOUBLE: return read_real(value, scalar, out);
    case SCALAR_NONE: break;
    }
    buffer_append(out, value->value);
    return NULL;
}

static int base64_digit(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z') return byte - 'A';
    if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9') return byte - '0' + 52;
    return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

int base64_decode(struct span text, struct buffer *out)
{
    size_t size = text.size;
    uint32_t bits = 0;
    if (size % 4 != 0) return ERROR_MALFORMED;
    for (int i = 0; i < 2 && size > 0 && text.at[size - 1] == '='; i++) size--;
    for (size_t i = 0; i < size; i++) {
        int digit = base64_digit(text.at[i]);
        if (digit < 0) return ERROR_MALFORMED;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 1) buffer_byte(out, (uint8_t)(bits >> 4));
        if (i % 4 == 2) buffer_byte(out, (uint8_t)(bits >> 2));
        if (i % 4 == 3) buffer_byte(out, (uint8_t)bits);
    }
    return size % 4 == 1 ? ERROR_MALFORMED : 0;
}
