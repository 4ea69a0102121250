/*
 * JSON of requests. Our reader and jansson must agree on what is JSON; members lie within the text;
 * what we show as JSON of a typed value is read back as the same bytes.
 */
#include "fuzz.h"

#include "ingress/json.h"
#include "ingress/typed_json.h"
#include "wire/function.h"

#include <jansson.h>

enum { MEMBERS_MAX = 16, DEPTH_SAFE = 100 };

static size_t depth_of(struct span text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.size; i++) depth += text.at[i] == '[' || text.at[i] == '{';
    return depth;
}

/* jansson takes a NUL for the end, and refuses numbers that no double can hold: those are not
 * compared. */
static void compare(struct span text)
{
    json_error_t why;
    if (text.size == 0 || depth_of(text) > DEPTH_SAFE || memchr(text.at, 0, text.size) != NULL)
        return;
    json_t *theirs =
        json_loadb((const char *)text.at, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    bool ours = json_valid(text);
    if (theirs != NULL) FUZZ_CHECK(ours);
    enum json_error_code code = theirs == NULL ? json_error_code(&why) : json_error_unknown;
    if (theirs == NULL && code != json_error_numeric_overflow &&
        code != json_error_null_byte_in_key)
        FUZZ_CHECK(!ours || strstr(why.text, "Unicode") != NULL); /* half a surrogate pair */
    json_decref(theirs);
}

static void check_string(struct span value)
{
    struct buffer out;
    buffer_init(&out);
    if (json_read_string(value, &out) == 0) FUZZ_CHECK(out.size <= value.size);
    buffer_close(&out);
}

static void read_object(struct span text)
{
    struct json_member members[MEMBERS_MAX];
    size_t count;
    if (json_read_object(text, members, MEMBERS_MAX, &count) != 0) return;
    FUZZ_CHECK(count <= MEMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(fuzz_inside(members[i].name, text) && fuzz_inside(members[i].value, text));
        FUZZ_CHECK(members[i].value.size > 0 && json_valid(members[i].value));
        if (members[i].kind == JSON_IS_STRING) check_string(members[i].value);
    }
}

static const char *const types[] = {"io.statefun.types/string", "io.statefun.types/bool",
                                    "io.statefun.types/int",    "io.statefun.types/long",
                                    "io.statefun.types/float",  "io.statefun.types/double",
                                    "application/json",         "my/type"};

/* bytes -> JSON -> bytes */
static void show_and_read(struct span type, struct span bytes)
{
    struct buffer json, again;
    struct json_member member;
    size_t count;
    buffer_init(&json);
    buffer_init(&again);
    buffer_byte(&json, '{');
    typed_json_append(&json, type, bytes);
    buffer_byte(&json, '}');
    FUZZ_CHECK(json_read_object(buffer_span(&json), &member, 1, &count) == 0 && count == 1);
    if (span_equal(member.name, SPAN_LITERAL("base64")))
        FUZZ_CHECK(base64_decode(span_of(member.value.at + 1, member.value.size - 2), &again) == 0);
    else
        FUZZ_CHECK(typed_json_read(type, &member, &again) == NULL);
    FUZZ_CHECK(span_equal(buffer_span(&again), bytes));
    buffer_close(&json);
    buffer_close(&again);
}

void fuzz_one(struct span input)
{
    struct span type = span_text(types[fuzz_choice(&input, sizeof types / sizeof types[0])]);
    struct buffer out;
    buffer_init(&out);
    compare(input);
    read_object(input);
    (void)base64_decode(input, &out);
    show_and_read(type, input);
    buffer_close(&out);
}
