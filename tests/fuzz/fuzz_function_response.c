/*
 * Whatever a function answers: the parser must end, stay inside the bytes and, when it accepts,
 * give something that we can write and read again as the same.
 */
#include "fuzz.h"
#include "wire/function.h"

static void check_spans(const struct function_response *response, struct span whole)
{
    for (size_t i = 0; i < response->message_count; i++)
        FUZZ_CHECK(fuzz_inside(response->messages[i].argument, whole));
    for (size_t i = 0; i < response->delayed_count; i++)
        FUZZ_CHECK(fuzz_inside(response->delayed[i].argument, whole));
    for (size_t i = 0; i < response->egress_count; i++)
        FUZZ_CHECK(fuzz_inside(response->egress[i].argument, whole));
    for (size_t i = 0; i < response->mutation_count; i++)
        FUZZ_CHECK(fuzz_inside(response->mutations[i].value, whole));
}

void fuzz_one(struct span input)
{
    struct function_response response;
    struct function_limits limits = {.messages_max = 100, .specs_max = 10};
    struct buffer first, second;
    function_response_init(&response);
    buffer_init(&first);
    buffer_init(&second);
    int error = function_response_parse(&response, input, &limits);
    FUZZ_CHECK(error == 0 || response.errmsg.text[0] != 0);
    if (error == 0) {
        check_spans(&response, input);
        function_response_encode(&first, &response);
        FUZZ_CHECK(function_response_parse(&response, buffer_span(&first), &limits) == 0);
        function_response_encode(&second, &response);
        FUZZ_CHECK(span_equal(buffer_span(&first), buffer_span(&second)));
    }
    buffer_close(&second);
    buffer_close(&first);
    function_response_close(&response);
}
