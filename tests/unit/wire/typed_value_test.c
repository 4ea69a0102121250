#include "wire/function.h"

#include <criterion/criterion.h>

static struct span text(const char *text)
{
    return span_text(text);
}

Test(typed_value, there_and_back)
{
    struct buffer out;
    struct typed_value value;
    buffer_init(&out);
    typed_value_encode(&out, text("a/b"), text("xyz"));
    cr_assert_eq(typed_value_size(text("a/b"), text("xyz")), out.size);
    cr_assert_eq(typed_value_parse(buffer_span(&out), &value), 0);
    cr_assert(span_equal(value.type_name, text("a/b")) && span_equal(value.value, text("xyz")));
    cr_assert(value.has_value);
    buffer_close(&out);
}

Test(typed_value, nothing_at_all)
{
    struct typed_value value;
    cr_assert_eq(typed_value_parse(SPAN_EMPTY, &value), 0);
    cr_assert(!value.has_value && value.type_name.size == 0 && value.value.size == 0);
}

Test(typed_value, the_last_one_wins)
{
    struct typed_value value;
    struct span bytes = SPAN_LITERAL("\x0a\x03"
                                     "a/b\x10\x01\x1a\x01x\x0a\x03"
                                     "c/d\x1a\x00\x10\x00\x7a\x01?");
    cr_assert_eq(typed_value_parse(bytes, &value), 0);
    cr_assert(span_equal(value.type_name, text("c/d")) && value.value.size == 0);
    cr_assert(!value.has_value);
}

Test(typed_value, broken)
{
    struct typed_value value;
    cr_assert_eq(typed_value_parse(SPAN_LITERAL("\x0a\x04"
                                                "a/b"),
                                   &value),
                 ERROR_MALFORMED);
    cr_assert_eq(typed_value_parse(SPAN_LITERAL("\x12\x01x"), &value), ERROR_MALFORMED);
    cr_assert_eq(typed_value_parse(SPAN_LITERAL("\x0a\x01\xff"), &value), ERROR_MALFORMED);
    cr_assert_eq(typed_value_parse(SPAN_LITERAL("\x10"), &value), ERROR_MALFORMED);
}

/* Lengths around each step of the varint: the computed size is the written one. */
Test(typed_value, sizes)
{
    static char filler[70000];
    static const size_t sizes[] = {0, 1, 127, 128, 129, 16383, 16384, 65536, sizeof filler};
    struct buffer out;
    struct typed_value value;
    struct span back;
    buffer_init(&out);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct span content = span_of(filler, sizes[i]);
        buffer_clear(&out);
        typed_value_encode(&out, text("a/b"), content);
        cr_assert_eq(typed_value_size(text("a/b"), content), out.size);
        cr_assert_eq(typed_value_parse(buffer_span(&out), &value), 0);
        cr_assert(span_equal(value.value, content));
        buffer_clear(&out);
        string_wrapper_encode(&out, content);
        cr_assert_eq(string_wrapper_parse(buffer_span(&out), &back), 0);
        cr_assert(span_equal(back, content));
    }
    buffer_close(&out);
}

Test(string_wrapper, text_only)
{
    struct span back;
    cr_assert_eq(string_wrapper_parse(SPAN_LITERAL("\x0a\x01\xff"), &back), ERROR_MALFORMED);
    cr_assert_eq(string_wrapper_parse(SPAN_LITERAL("\x0a\x05x"), &back), ERROR_MALFORMED);
    cr_assert_eq(string_wrapper_parse(SPAN_EMPTY, &back), 0);
    cr_assert_eq(back.size, 0);
    cr_assert_eq(string_wrapper_parse(SPAN_LITERAL("\x0a\x01x\x10\x05\x0a\x01y"), &back), 0);
    cr_assert(span_equal(back, text("y")));
}
