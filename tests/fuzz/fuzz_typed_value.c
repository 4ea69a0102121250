/* A TypedValue alone, and its value as the StringWrapper that it often is. */
#include "wire/function.h"

#include "base/utf8.h"

#include <stdlib.h>

static void check_again(const struct typed_value *value)
{
    struct typed_value again;
    struct buffer out;
    buffer_init(&out);
    typed_value_encode(&out, value->type_name, value->value);
    if (out.size != typed_value_size(value->type_name, value->value)) abort();
    if (typed_value_parse(buffer_span(&out), &again) != 0 || !again.has_value) abort();
    if (!span_equal(again.type_name, value->type_name)) abort();
    if (!span_equal(again.value, value->value)) abort();
    buffer_close(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct typed_value value;
    struct span text;
    if (typed_value_parse(span_of(data, size), &value) != 0) return 0;
    if (!utf8_valid(value.type_name)) abort();
    if (string_wrapper_parse(value.value, &text) == 0 && !utf8_valid(text)) abort();
    check_again(&value);
    return 0;
}
