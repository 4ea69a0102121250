/* Requests as an embedded function or a tool may get them: parsed, written, parsed again. */
#include "wire/function.h"

#include <stdlib.h>

enum { STATES_MAX = 32, MESSAGES_MAX = 32 };

static int parse(struct span bytes, struct function_request *request, struct function_names *names)
{
    static struct function_state states[STATES_MAX];
    static struct function_message messages[MESSAGES_MAX];
    return function_request_parse(bytes, request, names, states, STATES_MAX, messages,
                                  MESSAGES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct function_request request;
    struct function_names names;
    struct buffer first, second;
    function_names_init(&names);
    buffer_init(&first);
    buffer_init(&second);
    if (parse(span_of(data, size), &request, &names) == 0) {
        function_request_encode(&first, &request);
        if (first.size != function_request_size(&request)) abort();
        if (parse(buffer_span(&first), &request, &names) != 0) abort();
        function_request_encode(&second, &request);
        if (!span_equal(buffer_span(&first), buffer_span(&second))) abort();
    }
    buffer_close(&second);
    buffer_close(&first);
    function_names_close(&names);
    return 0;
}
