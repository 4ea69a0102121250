/*
 * Whatever a function answers: the parser must end, stay inside the bytes and, when it accepts,
 * give something that we can write and read again as the same.
 */
#include "wire/function.h"

#include <stdlib.h>

static void check_inside(struct span part, struct span whole)
{
    if (part.size == 0) return;
    if (part.at < whole.at || part.at + part.size > whole.at + whole.size) abort();
}

static void check_spans(const struct function_response *response, struct span whole)
{
    for (size_t i = 0; i < response->message_count; i++)
        check_inside(response->messages[i].argument, whole);
    for (size_t i = 0; i < response->delayed_count; i++)
        check_inside(response->delayed[i].argument, whole);
    for (size_t i = 0; i < response->egress_count; i++)
        check_inside(response->egress[i].argument, whole);
    for (size_t i = 0; i < response->mutation_count; i++)
        check_inside(response->mutations[i].value, whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct function_response response;
    struct function_limits limits = {.messages_max = 100, .specs_max = 10};
    struct buffer first, second;
    function_response_init(&response);
    buffer_init(&first);
    buffer_init(&second);
    int error = function_response_parse(&response, span_of(data, size), &limits);
    if (error != 0 && response.errmsg.text[0] == '\0') abort();
    if (error == 0) {
        check_spans(&response, span_of(data, size));
        function_response_encode(&first, &response);
        if (function_response_parse(&response, buffer_span(&first), &limits) != 0) abort();
        function_response_encode(&second, &response);
        if (!span_equal(buffer_span(&first), buffer_span(&second))) abort();
    }
    buffer_close(&second);
    buffer_close(&first);
    function_response_close(&response);
    return 0;
}
