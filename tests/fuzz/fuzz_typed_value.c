/* A TypedValue alone, and its value as the StringWrapper that it often is. */
#include "fuzz.h"
#include "wire/function.h"

#include "base/utf8.h"

static void check_again(const struct typed_value *value)
{
    struct typed_value again;
    struct buffer out;
    buffer_init(&out);
    typed_value_encode(&out, value->type_name, value->value);
    FUZZ_CHECK(out.size == typed_value_size(value->type_name, value->value));
    FUZZ_CHECK(typed_value_parse(buffer_span(&out), &again) == 0 && again.has_value);
    FUZZ_CHECK(span_equal(again.type_name, value->type_name));
    FUZZ_CHECK(span_equal(again.value, value->value));
    buffer_close(&out);
}

void fuzz_one(struct span input)
{
    struct typed_value value;
    struct span text;
    if (typed_value_parse(input, &value) != 0) return;
    FUZZ_CHECK(utf8_valid(value.type_name));
    if (string_wrapper_parse(value.value, &text) == 0) FUZZ_CHECK(utf8_valid(text));
    check_again(&value);
}
