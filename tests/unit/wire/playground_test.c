/* The playground's egress record: what is let through, and what is refused with which words. */
#include "wire/function.h"
#include "wire/playground.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct fixture {
    struct buffer input;
    struct buffer bytes;
    struct playground_record record;
    struct errmsg errmsg;
};

static struct fixture *parse(struct span type, struct span json, int *error)
{
    static struct fixture fixture;
    buffer_close(&fixture.input);
    buffer_close(&fixture.bytes);
    memset(&fixture, 0, sizeof fixture);
    buffer_init(&fixture.input);
    buffer_init(&fixture.bytes);
    typed_value_encode(&fixture.input, type, json);
    *error = playground_record_parse(buffer_span(&fixture.input), &fixture.bytes, &fixture.record,
                                     &fixture.errmsg);
    return &fixture;
}

static void accepts(struct span json, struct span topic, struct span payload)
{
    int error;
    struct fixture *fixture = parse(PLAYGROUND_RECORD, json, &error);
    cr_assert_eq(error, 0, "%.*s: %s", SPAN_PRINT(json), fixture->errmsg.text);
    cr_assert(span_equal(fixture->record.topic, topic), "topic of %.*s", SPAN_PRINT(json));
    cr_assert(span_equal(fixture->record.payload, payload), "payload of %.*s", SPAN_PRINT(json));
    cr_assert_leq(fixture->bytes.size, json.size);
}

static void refuses(struct span json, int expected, const char *words)
{
    int error;
    struct fixture *fixture = parse(PLAYGROUND_RECORD, json, &error);
    cr_assert_eq(error, expected, "%.*s: %d", SPAN_PRINT(json), error);
    cr_assert_not_null(strstr(fixture->errmsg.text, words), "%.*s: %s", SPAN_PRINT(json),
                       fixture->errmsg.text);
}

#define ACCEPTS(json, topic, payload)                                                              \
    accepts(SPAN_LITERAL(json), SPAN_LITERAL(topic), SPAN_LITERAL(payload))
#define REFUSES(json, words) refuses(SPAN_LITERAL(json), ERROR_MALFORMED, words)

Test(playground, what_the_sdks_write)
{
    ACCEPTS("{\"topic\":\"greetings\",\"payload\":\"Hello Bob\"}", "greetings", "Hello Bob");
    ACCEPTS("{\"topic\": \"receipts\", \"payload\": \"Thank you!\\nBye\"}", "receipts",
            "Thank you!\nBye");
    ACCEPTS(" {\n\t\"payload\" : \"p\" , \"topic\" : \"t\"\r\n} \n", "t", "p");
    ACCEPTS("{\"topic\":\"t\",\"payload\":\"\"}", "t", "");
    ACCEPTS("{\"topic\":\"t\",\"payload\":\"{\\\"a\\\":[1]}\"}", "t", "{\"a\":[1]}");
}

Test(playground, escapes_are_decoded)
{
    ACCEPTS("{\"topic\":\"t\",\"payload\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "t", "\"\\/\b\f\n\r\t");
    ACCEPTS("{\"topic\":\"t\",\"payload\":\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"}", "t",
            "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    ACCEPTS("{\"topic\":\"t\",\"payload\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", "t",
            "\xc3\xa9\xf0\x9f\x98\x80");
    ACCEPTS("{\"topic\":\"t\",\"payload\":\"a\\u0000b\"}", "t", "a\0b");
    ACCEPTS("{\"topic\":\"t\",\"payload\":\"\\udbff\\udfff\\uffff\"}", "t",
            "\xf4\x8f\xbf\xbf\xef\xbf\xbf");
    ACCEPTS("{\"t\\u006fpic\":\"gr\\u00fc\\u00dfe\",\"payload\":\"x\"}",
            "gr\xc3\xbc\xc3\x9f"
            "e",
            "x");
}

Test(playground, broken_json_is_refused_with_its_place)
{
    REFUSES("", "at byte 0: '{' is expected");
    REFUSES("[]", "at byte 0: '{'");
    REFUSES("{}", "at byte 1: the name of a member");
    REFUSES("{\"topic\"", "':' is expected");
    REFUSES("{\"topic\":\"t\"", "',' or '}' is expected");
    REFUSES("{\"topic\":\"t", "it ends within a string");
    REFUSES("{\"topic\":\"t\\", "it ends within a string");
    REFUSES("{\"topic\":\"t\",}", "the name of a member");
    REFUSES("{\"topic\":\"t\" \"payload\":\"p\"}", "',' or '}' is expected");
    REFUSES("{\"topic\":\"t\",\"payload\":\"p\"}x", "something follows the object");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\n\"}", "must be escaped");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\\x\"}", "unknown escape");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\\u12\"}", "four hexadecimal digits");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\\u12g4\"}", "four hexadecimal digits");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\xff\"}", "not valid UTF-8");
}

Test(playground, half_surrogates_are_refused)
{
    REFUSES("{\"topic\":\"t\",\"payload\":\"\\ud83d\"}", "surrogate");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\\ude00\"}", "surrogate");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\\ud83dx\"}", "surrogate");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\\ud83d\\u0041\"}", "surrogate");
    REFUSES("{\"topic\":\"t\",\"payload\":\"\\ud83d\\n\"}", "surrogate");
}

Test(playground, other_shapes_are_refused)
{
    REFUSES("{\"topic\":\"t\"}", "without \"payload\"");
    REFUSES("{\"payload\":\"p\"}", "without \"topic\"");
    REFUSES("{\"topic\":\"t\",\"payload\":\"p\",\"key\":\"k\"}", "only \"topic\" and \"payload\"");
    REFUSES("{\"topic\":\"t\",\"topic\":\"u\",\"payload\":\"p\"}", "given twice");
    REFUSES("{\"topic\":\"t\",\"payload\":{\"a\":1}}", "topic and payload are strings");
    REFUSES("{\"topic\":1,\"payload\":\"p\"}", "topic and payload are strings");
    REFUSES("{\"topic\":null,\"payload\":\"p\"}", "topic and payload are strings");
    REFUSES("{\"topic\":\"\",\"payload\":\"p\"}", "topic of an EgressRecord is empty");
}

Test(playground, the_topic_has_a_limit)
{
    char json[PLAYGROUND_TOPIC_SIZE_MAX + 64];
    for (int size = PLAYGROUND_TOPIC_SIZE_MAX; size <= PLAYGROUND_TOPIC_SIZE_MAX + 1; size++) {
        int length = snprintf(json, sizeof json, "{\"topic\":\"%0*d\",\"payload\":\"p\"}", size, 0);
        int error;
        parse(PLAYGROUND_RECORD, span_of(json, (size_t)length), &error);
        cr_assert_eq(error, size > PLAYGROUND_TOPIC_SIZE_MAX ? ERROR_TOO_LARGE : 0);
    }
}

Test(playground, another_type_is_refused)
{
    int error;
    struct fixture *fixture = parse(SPAN_LITERAL("example/Order"), SPAN_LITERAL("{}"), &error);
    cr_assert_eq(error, ERROR_MALFORMED);
    cr_assert_not_null(strstr(fixture->errmsg.text, "not \"example/Order\""), "%s",
                       fixture->errmsg.text);
}

Test(playground, a_value_must_be_there)
{
    /* TypedValue {typename} without has_value. */
    struct buffer input, bytes;
    struct playground_record record;
    struct errmsg errmsg;
    buffer_init(&input);
    buffer_init(&bytes);
    buffer_byte(&input, 0x0a);
    buffer_string(&input, PLAYGROUND_RECORD);
    cr_assert_eq(playground_record_parse(buffer_span(&input), &bytes, &record, &errmsg),
                 ERROR_MALFORMED);
    cr_assert_not_null(strstr(errmsg.text, "without a value"), "%s", errmsg.text);
    cr_assert_eq(playground_record_parse(SPAN_LITERAL("\x0a\xff"), &bytes, &record, &errmsg),
                 ERROR_MALFORMED);
    cr_assert_not_null(strstr(errmsg.text, "no TypedValue"), "%s", errmsg.text);
    buffer_close(&input);
    buffer_close(&bytes);
}

/* Every cut of a good record is refused and reads nothing beyond its end (AddressSanitizer
 * watches). */
Test(playground, every_cut_is_refused)
{
    const char text[] = "{\"topic\":\"t\\u00e9\",\"payload\":\"\\ud83d\\ude00\\n\"}";
    for (size_t size = 0; size < sizeof text - 1; size++) {
        int error;
        parse(PLAYGROUND_RECORD, span_of(text, size), &error);
        cr_assert_eq(error, ERROR_MALFORMED, "cut at %zu", size);
    }
}
