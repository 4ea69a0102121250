/* Every file of proto/golden, by the rule that its name states. */
#include "golden.h"

#include "wire/function.h"

#include <criterion/criterion.h>

static void cr_same(struct span got, struct span want, const char *what)
{
    cr_assert(span_equal(got, want), "%s: %zu bytes instead of %zu, or others", what, got.size,
              want.size);
}

static void check_request(const struct golden *golden)
{
    struct function_request request;
    struct function_names names;
    struct function_state states[4];
    struct function_message messages[4];
    struct buffer out;
    buffer_init(&out);
    function_names_init(&names);
    cr_assert_eq(
        function_request_parse(golden_bytes(golden), &request, &names, states, 4, messages, 4), 0,
        "%s", golden->name);
    cr_assert_eq(function_request_size(&request), golden->size, "%s", golden->name);
    function_request_encode(&out, &request);
    cr_same(buffer_span(&out), golden_canonical(golden), golden->name);
    function_names_close(&names);
    buffer_close(&out);
}

Test(function_golden, requests)
{
    cr_assert_geq(golden_each("request-", check_request), 3);
}

static void check_response(const struct golden *golden)
{
    struct function_response response;
    struct buffer out;
    buffer_init(&out);
    function_response_init(&response);
    int error = function_response_parse(&response, golden_bytes(golden), NULL);
    cr_assert_eq(error, 0, "%s: %s", golden->name, response.errmsg.text);
    function_response_encode(&out, &response);
    cr_same(buffer_span(&out), golden_canonical(golden), golden->name);
    function_response_close(&response);
    buffer_close(&out);
}

Test(function_golden, responses)
{
    cr_assert_geq(golden_each("response-", check_response), 30);
}

static void check_refused(const struct golden *golden)
{
    struct function_response response;
    function_response_init(&response);
    int error = function_response_parse(&response, golden_bytes(golden), NULL);
    cr_assert(error == ERROR_MALFORMED || error == ERROR_TOO_LARGE, "%s", golden->name);
    cr_assert_str_eq(response.errmsg.text, golden->error, "%s", golden->name);
    cr_assert_eq(response.message_count + response.mutation_count + response.delayed_count +
                     response.egress_count + response.spec_count,
                 0, "%s: something is left", golden->name);
    function_response_close(&response);
}

Test(function_golden, refused)
{
    cr_assert_geq(golden_each("refused-", check_refused), 30);
}

/* Each prefix of each message: refused, or a shorter message; never read beyond its end (the copy
   is exactly as large as the prefix, so that AddressSanitizer sees a step too far). */
static void check_prefixes(const struct golden *golden)
{
    struct function_response response;
    function_response_init(&response);
    for (size_t size = 0; size <= golden->size; size++) {
        uint8_t *exact = malloc(size == 0 ? 1 : size);
        memcpy(exact, golden->bytes, size);
        int error = function_response_parse(&response, span_of(exact, size), NULL);
        cr_assert(error == 0 || response.errmsg.text[0] != '\0', "%s: no reason", golden->name);
        free(exact);
    }
    function_response_close(&response);
}

Test(function_golden, prefixes)
{
    cr_assert_geq(golden_each("", check_prefixes), 60);
}

Test(function_golden, values)
{
    struct golden golden;
    struct buffer out;
    struct span text;
    buffer_init(&out);
    golden_load(&golden, "value-string-hi");
    string_wrapper_encode(&out, span_text("Hi"));
    cr_same(buffer_span(&out), golden_bytes(&golden), golden.name);
    cr_assert_eq(string_wrapper_parse(golden_bytes(&golden), &text), 0);
    cr_same(text, span_text("Hi"), golden.name);
    golden_load(&golden, "value-int-minus-5");
    cr_assert_eq(string_wrapper_parse(golden_bytes(&golden), &text), ERROR_MALFORMED);
    buffer_close(&out);
}
