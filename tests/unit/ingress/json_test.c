/* The JSON scanner by itself: what is valid, where members are, what strings mean. */
#include "ingress/json.h"
#include "ingress/typed_json.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(json, knows_what_is_valid)
{
    static const char *const good[] = {"0",        "-0",
                                       "-0.5e-10", "1E+5",
                                       "\"\"",     "\"\\u12aB\\\"\\/\"",
                                       "[]",       "[1,[2]]",
                                       "{}",       " {\"a\" : [ true , false , null ] } ",
                                       "\"é\"",    "{\"a\":1,\"a\":2}"};
    static const char *const bad[] = {
        "",           " ",        "00",    "-",      "1.",        ".5",       "1e",
        "+1",         "'a'",      "\"",    "\"\\\"", "\"\\u12\"", "\"\n\"",   "[",
        "[1 2]",      "[,]",      "[1,]",  "{",      "{a:1}",     "{\"a\"}",  "{\"a\":}",
        "{\"a\":1,}", "nul",      "nulll", "tRue",   "1 1",       "\"\xff\"", "\"\xc0\x80\"",
        "NaN",        "{\"a\":1]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert(json_valid(span_text(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(json_valid(span_text(bad[i])), "%s", bad[i]);
    cr_assert_not(json_valid(span_of("1\0", 2)));
    cr_assert_not(json_valid(SPAN_EMPTY));
}

/* Every cut of a text is looked at in memory of exactly its size. */
Test(json, reads_no_further_than_it_has)
{
    const char *text = "{\"a\":[1.5e3,\"\\u00e9\\n\",true,null,{\"b\":-0}],\"c\":\"d\"}";
    for (size_t size = 1; size <= strlen(text); size++) {
        char *copy = malloc(size);
        memcpy(copy, text, size);
        cr_assert_eq(json_valid(span_of(copy, size)), size == strlen(text), "%zu", size);
        free(copy);
    }
}

Test(json, finds_members_as_they_are_written)
{
    struct json_member members[3];
    size_t count;
    cr_assert_eq(json_read_object(span_text(" { \"a\" : 0.10 ,\"b\":{ } , \"c\":\"x\\n\"} "),
                                  members, 3, &count),
                 0);
    cr_assert_eq(count, 3);
    cr_assert(span_equal(members[0].name, SPAN_LITERAL("a")));
    cr_assert(span_equal(members[0].value, SPAN_LITERAL("0.10")));
    cr_assert_eq(members[0].kind, JSON_IS_NUMBER);
    cr_assert(span_equal(members[1].value, SPAN_LITERAL("{ }")));
    cr_assert_eq(members[2].kind, JSON_IS_STRING);
    cr_assert_eq(
        json_read_object(span_text("{\"a\":1,\"b\":2,\"c\":3,\"d\":4}"), members, 3, &count),
        ERROR_TOO_LARGE);
    cr_assert_eq(json_read_object(span_text("{}"), members, 3, &count), 0);
    cr_assert_eq(count, 0);
    cr_assert_eq(json_read_object(span_text("[]"), members, 3, &count), ERROR_MALFORMED);
    cr_assert_eq(json_read_object(SPAN_EMPTY, members, 3, &count), ERROR_MALFORMED);
}

Test(json, bounds_nesting)
{
    char text[1000];
    memset(text, '[', 500);
    memset(text + 500, ']', 500);
    cr_assert_not(json_valid(span_of(text, 1000)));
    cr_assert(json_valid(span_of(text + 400, 200)));
}

Test(json, decodes_strings)
{
    struct buffer out;
    buffer_init(&out);
    cr_assert_eq(
        json_read_string(
            SPAN_LITERAL("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\""),
            &out),
        0);
    cr_assert(span_equal(buffer_span(&out), SPAN_LITERAL("a\"\\/\b\f\n\r\tAé€😀")));
    static const char *const bad[] = {"\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"",
                                      "\"\\ud800\\u0041\"", "\"\\udc00\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(json_read_string(span_text(bad[i]), &out), ERROR_MALFORMED, "%s", bad[i]);
    buffer_close(&out);
}

static void expect_base64(const char *text, int error, struct span bytes)
{
    struct buffer out;
    buffer_init(&out);
    cr_assert_eq(base64_decode(span_text(text), &out), error, "%s", text);
    if (error == 0) cr_assert(span_equal(buffer_span(&out), bytes), "%s", text);
    buffer_close(&out);
}

Test(json, decodes_base64)
{
    expect_base64("", 0, SPAN_EMPTY);
    expect_base64("AA==", 0, SPAN_LITERAL("\0"));
    expect_base64("Zm8=", 0, SPAN_LITERAL("fo"));
    expect_base64("Zm9v", 0, SPAN_LITERAL("foo"));
    expect_base64("+/+/", 0, SPAN_LITERAL("\xfb\xff\xbf"));
    expect_base64("Zm9", ERROR_MALFORMED, SPAN_EMPTY);
    expect_base64("Z===", ERROR_MALFORMED, SPAN_EMPTY);
    expect_base64("====", ERROR_MALFORMED, SPAN_EMPTY);
    expect_base64("Zm=v", ERROR_MALFORMED, SPAN_EMPTY);
    expect_base64("Zm9v\n", ERROR_MALFORMED, SPAN_EMPTY);
}

/* What is shown as JSON is read back to the same bytes; what would not be is base64. */
Test(json, shows_typed_values_only_when_they_come_back)
{
    static const struct {
        const char *type;
        struct span bytes;
    } values[] = {
        {"io.statefun.types/double",
         {(const uint8_t *)"\x09\x55\x55\x55\x55\x55\x55\xd5\x3f", 9}},               /* 1/3 */
        {"io.statefun.types/double", {(const uint8_t *)"\x09\x01\0\0\0\0\0\0\0", 9}}, /* 5e-324 */
        {"io.statefun.types/double", {(const uint8_t *)"\x09\0\0\0\0\0\0\0\x80", 9}}, /* -0.0 */
        {"io.statefun.types/float", {(const uint8_t *)"\x0d\xff\xff\x7f\x7f", 5}},
        {"io.statefun.types/int", {(const uint8_t *)"\x0d\0\0\0\x80", 5}},
        {"io.statefun.types/long", {(const uint8_t *)"\x09\0\0\0\0\0\0\0\x80", 9}},
        {"io.statefun.types/string",
         {(const uint8_t *)"\n\x03"
                           "a\0b",
          5}},
        {"io.statefun.types/bool", {NULL, 0}},
        {"x/y", {(const uint8_t *)"{ \"a\":0.10}", 11}},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct buffer shown, bytes;
        struct json_member member;
        size_t count;
        buffer_init(&shown);
        buffer_init(&bytes);
        buffer_byte(&shown, '{');
        typed_json_append(&shown, span_text(values[i].type), values[i].bytes);
        buffer_byte(&shown, '}');
        cr_assert_eq(json_read_object(buffer_span(&shown), &member, 1, &count), 0);
        cr_assert(span_equal(member.name, SPAN_LITERAL("value")), "%zu: %.*s", i,
                  SPAN_PRINT(buffer_span(&shown)));
        cr_assert_null(typed_json_read(span_text(values[i].type), &member, &bytes));
        cr_assert(span_equal(buffer_span(&bytes), values[i].bytes), "%zu: %.*s", i,
                  SPAN_PRINT(member.value));
        buffer_close(&shown);
        buffer_close(&bytes);
    }
}
