/* Requests as an embedded function or a tool may get them: parsed, written, parsed again. */
#include "fuzz.h"
#include "wire/function.h"

enum { STATES_MAX = 32, MESSAGES_MAX = 32 };

static int parse(struct span bytes, struct function_request *request, struct function_names *names)
{
    static struct function_state states[STATES_MAX];
    static struct function_message messages[MESSAGES_MAX];
    return function_request_parse(bytes, request, names, states, STATES_MAX, messages,
                                  MESSAGES_MAX);
}

void fuzz_one(struct span input)
{
    struct function_request request;
    struct function_names names;
    struct buffer first, second;
    function_names_init(&names);
    buffer_init(&first);
    buffer_init(&second);
    if (parse(input, &request, &names) == 0) {
        function_request_encode(&first, &request);
        FUZZ_CHECK(first.size == function_request_size(&request));
        FUZZ_CHECK(parse(buffer_span(&first), &request, &names) == 0);
        function_request_encode(&second, &request);
        FUZZ_CHECK(span_equal(buffer_span(&first), buffer_span(&second)));
    }
    buffer_close(&second);
    buffer_close(&first);
    function_names_close(&names);
}
