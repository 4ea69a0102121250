/* Records as JSON: what is shown as text, what byte for byte, what in base64. */
#include "base/buffer.h"
#include "egress/records.h"
#include "wire/function.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void add_row(struct buffer *rows, uint64_t cursor, struct span type, struct span value)
{
    struct buffer raw;
    buffer_init(&raw);
    typed_value_encode(&raw, type, value);
    buffer_varint(rows, cursor);
    buffer_string(rows, buffer_span(&raw));
    buffer_close(&raw);
}

static void shows(struct buffer *rows, const char *expected)
{
    struct buffer json;
    buffer_init(&json);
    cr_assert_eq(egress_records_json(&json, buffer_span(rows), 7), 0);
    cr_assert(span_equal(buffer_span(&json), span_text(expected)), "%.*s",
              SPAN_PRINT(buffer_span(&json)));
    buffer_close(&json);
    buffer_close(rows);
}

static void value_shows(struct span type, struct span value, const char *type_text,
                        const char *expected)
{
    struct buffer rows;
    char json[512];
    buffer_init(&rows);
    add_row(&rows, 12, type, value);
    snprintf(json, sizeof json,
             "{\"records\":[{\"cursor\":\"12\",\"type\":\"%s\",%s}],\"next\":\"12\"}", type_text,
             expected);
    shows(&rows, json);
}

#define VALUE(type, value, expected)                                                               \
    value_shows(SPAN_LITERAL(type), SPAN_LITERAL(value), type, expected)

Test(records, none)
{
    struct buffer rows;
    buffer_init(&rows);
    shows(&rows, "{\"records\":[],\"next\":\"7\"}");
}

Test(records, in_order_and_next_is_the_last)
{
    struct buffer rows;
    buffer_init(&rows);
    add_row(&rows, 8, SPAN_LITERAL("a/json"), SPAN_LITERAL("1"));
    add_row(&rows, 18446744073709551615u, SPAN_LITERAL("a/json"), SPAN_LITERAL("2"));
    shows(&rows, "{\"records\":[{\"cursor\":\"8\",\"type\":\"a/json\",\"value\":1},"
                 "{\"cursor\":\"18446744073709551615\",\"type\":\"a/json\",\"value\":2}],"
                 "\"next\":\"18446744073709551615\"}");
}

Test(records, strings_are_unwrapped)
{
    VALUE("io.statefun.types/string",
          "\x0a\x05"
          "a\"b\nc",
          "\"value\":\"a\\\"b\\nc\"");
    VALUE("io.statefun.types/string", "", "\"value\":\"\"");
    VALUE("io.statefun.types/string", "raw text", "\"base64\":\"cmF3IHRleHQ=\"");
    VALUE("io.statefun.types/string", "\x0a\x01\xff", "\"base64\":\"CgH/\"");
}

Test(records, json_is_shown_byte_for_byte)
{
    VALUE("application/json", "{\"n\" : 0.10, \"big\":123456789012345678901234567890}",
          "\"value\":{\"n\" : 0.10, \"big\":123456789012345678901234567890}");
    VALUE("application/json", "\"text\"", "\"value\":\"text\"");
    VALUE("application/vnd.shop+json", "42", "\"value\":42");
    VALUE("shop/Order", "{\"id\":1}", "\"value\":{\"id\":1}");
    VALUE("shop/Order", " [1, 2]", "\"value\": [1, 2]");
    VALUE("shop/Order", "{\"a\":\"\\u0000\"}", "\"value\":{\"a\":\"\\u0000\"}");
}

Test(records, the_rest_is_base64)
{
    VALUE("application/json", "{\"a\":", "\"base64\":\"eyJhIjo=\"");
    VALUE("application/json", "", "\"base64\":\"\"");
    VALUE("application/json", "1 2", "\"base64\":\"MSAy\"");
    VALUE("shop/Order", "42", "\"base64\":\"NDI=\"");
    VALUE("shop/Order", "{x}", "\"base64\":\"e3h9\"");
    VALUE("io.statefun.types/int", "\x0d\x01\0\0\0", "\"base64\":\"DQEAAAA=\"");
}

/* Broken JSON must not break ours; jansson stops at 2048 levels, and so do we. */
Test(records, deep_json_is_base64)
{
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    struct buffer rows, json;
    buffer_init(&rows);
    buffer_init(&json);
    add_row(&rows, 1, SPAN_LITERAL("application/json"), span_of(deep, sizeof deep));
    cr_assert_eq(egress_records_json(&json, buffer_span(&rows), 0), 0);
    cr_assert(span_starts_with(
        buffer_span(&json),
        SPAN_LITERAL(
            "{\"records\":[{\"cursor\":\"1\",\"type\":\"application/json\",\"base64\":\"W1t")));
    buffer_close(&json);
    buffer_close(&rows);
}

Test(records, no_value_is_null)
{
    struct buffer rows;
    buffer_init(&rows);
    buffer_varint(&rows, 1);
    buffer_string(&rows, SPAN_LITERAL("\x0a\x03"
                                      "a/b"));
    shows(&rows,
          "{\"records\":[{\"cursor\":\"1\",\"type\":\"a/b\",\"value\":null}],\"next\":\"1\"}");
}

Test(records, what_is_no_typed_value_is_shown_as_it_is)
{
    struct buffer rows;
    buffer_init(&rows);
    buffer_varint(&rows, 1);
    buffer_string(&rows, SPAN_LITERAL("\x0a\xff"));
    shows(&rows,
          "{\"records\":[{\"cursor\":\"1\",\"type\":\"\",\"base64\":\"Cv8=\"}],\"next\":\"1\"}");
}

Test(records, broken_rows_are_refused)
{
    struct buffer json;
    buffer_init(&json);
    cr_assert_eq(egress_records_json(&json,
                                     SPAN_LITERAL("\x01\x05"
                                                  "ab"),
                                     0),
                 ERROR_MALFORMED);
    buffer_clear(&json);
    cr_assert_eq(egress_records_json(&json, SPAN_LITERAL("\x01"), 0), ERROR_MALFORMED);
    buffer_close(&json);
}
