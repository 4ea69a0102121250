#include "egress/records.h"

#include "base/reader.h"
#include "base/text.h"
#include "base/utf8.h"
#include "wire/function.h"

#include <jansson.h>

static bool ends_with(struct span whole, struct span end)
{
    return whole.size >= end.size &&
           memcmp(whole.at + whole.size - end.size, end.at, end.size) == 0;
}

/* Types that say so, and objects and arrays of any type: most functions put JSON into types of
 * their own. */
static bool looks_like_json(const struct typed_value *value)
{
    if (ends_with(value->type_name, SPAN_LITERAL("/json")) ||
        ends_with(value->type_name, SPAN_LITERAL("+json")))
        return true;
    for (size_t i = 0; i < value->value.size; i++) {
        uint8_t byte = value->value.at[i];
        if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') continue;
        return byte == '{' || byte == '[';
    }
    return false;
}

/* Whether the bytes can stand in our JSON as they are. The parsed form is dropped: it would change
 * numbers. */
static bool is_json(struct span bytes)
{
    const size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
    if (bytes.size == 0) return false;
    json_t *json = json_loadb((const char *)bytes.at, bytes.size, flags, NULL);
    json_decref(json);
    return json != NULL;
}

static void append_base64(struct buffer *out, struct span bytes)
{
    text_json_member(out, "base64");
    buffer_byte(out, '"');
    text_base64(out, bytes);
    buffer_byte(out, '"');
}

static void append_value(struct buffer *out, const struct typed_value *value)
{
    struct span text;
    if (!value->has_value) {
        text_json_member(out, "value");
        text_append(out, "null");
    } else if (span_equal(value->type_name, TYPE_STRING) &&
               string_wrapper_parse(value->value, &text) == 0 && utf8_valid(text)) {
        text_json_member(out, "value");
        text_json_string(out, text);
    } else if (looks_like_json(value) && is_json(value->value)) {
        text_json_member(out, "value");
        buffer_append(out, value->value);
    } else {
        append_base64(out, value->value);
    }
}

static void append_cursor(struct buffer *out, const char *name, uint64_t cursor)
{
    text_json_member(out, name); /* a string: JavaScript rounds numbers above 2^53 */
    buffer_byte(out, '"');
    text_decimal(out, cursor);
    buffer_byte(out, '"');
}

static void append_record(struct buffer *out, uint64_t cursor, struct span raw)
{
    struct typed_value value;
    buffer_byte(out, '{');
    append_cursor(out, "cursor", cursor);
    text_json_member(out, "type");
    if (typed_value_parse(raw, &value) == 0) {
        text_json_string(out, value.type_name);
        append_value(out, &value);
    } else { /* somebody's bytes: shown rather than kept back for ever */
        text_append(out, "\"\"");
        append_base64(out, raw);
    }
    buffer_byte(out, '}');
}

int egress_records_json(struct buffer *out, struct span rows, uint64_t after)
{
    struct reader reader = reader_of(rows);
    text_append(out, "{\"records\":[");
    for (bool first = true; reader_left(&reader) > 0; first = false) {
        uint64_t cursor = reader_varint(&reader);
        struct span raw = reader_string(&reader);
        if (reader.failed) return ERROR_MALFORMED;
        if (!first) buffer_byte(out, ',');
        append_record(out, cursor, raw);
        after = cursor;
    }
    buffer_byte(out, ']');
    append_cursor(out, "next", after);
    buffer_byte(out, '}');
    return out->failed ? ERROR_MEMORY : 0;
}
