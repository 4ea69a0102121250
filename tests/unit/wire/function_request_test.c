/* Requests built from structs, and the parser that plays the function's side. */
#include "golden.h"

#include "wire/function.h"

#include <criterion/criterion.h>

static struct buffer out;
static struct function_names names;

static void setup(void)
{
    buffer_init(&out);
    function_names_init(&names);
}

static void teardown(void)
{
    function_names_close(&names);
    buffer_close(&out);
}

TestSuite(function_request, .init = setup, .fini = teardown);

static const struct address person = {SPAN_LITERAL("example/person"), SPAN_LITERAL("Bob")};

static struct span greet_request(struct buffer *argument)
{
    typed_value_encode(argument, span_text("example/GreetRequest"),
                       span_text("{\"name\":\"Bob\"}"));
    return buffer_span(argument);
}

static void check(const struct function_request *request, const char *name)
{
    struct golden golden;
    golden_load(&golden, name);
    buffer_clear(&out);
    buffer_byte(&out, 'x'); /* appended to what is there */
    function_request_encode(&out, request);
    cr_assert(!out.failed);
    cr_assert_eq(function_request_size(request), golden.size);
    cr_assert(span_equal(span_from(buffer_span(&out), 1), golden_bytes(&golden)), "%s", name);
}

/* V1 to V3, built by hand: bytes as protobuf writes them. */
Test(function_request, golden_bytes)
{
    struct buffer argument;
    buffer_init(&argument);
    struct function_message message = {.argument = greet_request(&argument)};
    struct function_state state = {.name = SPAN_LITERAL("visits")};
    struct function_request request = {person, NULL, 0, &message, 1};
    check(&request, "request-no-state");

    request.states = &state;
    request.state_count = 1;
    message.caller = (struct address){SPAN_LITERAL("example/greeter"), SPAN_LITERAL("x")};
    check(&request, "request-unset-state");

    message.caller = (struct address){SPAN_EMPTY, SPAN_EMPTY};
    state = (struct function_state){SPAN_LITERAL("visits"), SPAN_LITERAL("io.statefun.types/int"),
                                    span_of("\x0d\x01\0\0\0", 5), true};
    check(&request, "request-state");
    buffer_close(&argument);
}

/* A present value of no bytes and an unset one stay different on the wire. */
Test(function_request, empty_is_not_unset)
{
    struct function_state states[2] = {
        {SPAN_LITERAL("zero"), SPAN_LITERAL("io.statefun.types/long"), SPAN_EMPTY, true},
        {.name = SPAN_LITERAL("unset")}};
    struct function_message message = {.argument = SPAN_EMPTY};
    struct function_request request = {person, states, 2, &message, 1}, back;
    struct function_state states_back[2];
    struct function_message message_back;
    function_request_encode(&out, &request);
    cr_assert_eq(
        function_request_parse(buffer_span(&out), &back, &names, states_back, 2, &message_back, 1),
        0);
    cr_assert(states_back[0].present && states_back[0].value.size == 0);
    cr_assert(!states_back[1].present);
    cr_assert(back.messages[0].caller.type.size == 0 && back.messages[0].argument.size == 0);
}

Test(function_request, arrays_too_small)
{
    struct golden golden;
    struct function_request request;
    struct function_state state;
    struct function_message message;
    golden_load(&golden, "request-state");
    struct span bytes = golden_bytes(&golden);
    cr_assert_eq(function_request_parse(bytes, &request, &names, &state, 0, &message, 1),
                 ERROR_TOO_LARGE);
    cr_assert_eq(function_request_parse(bytes, &request, &names, &state, 1, &message, 0),
                 ERROR_TOO_LARGE);
    cr_assert_eq(function_request_parse(bytes, &request, &names, &state, 1, &message, 1), 0);
}

Test(function_request, broken)
{
    struct golden golden;
    struct function_request request;
    struct function_state state;
    struct function_message message;
    golden_load(&golden, "request-unset-state");
    for (size_t size = 0; size < golden.size; size++) {
        uint8_t *exact = malloc(size == 0 ? 1 : size);
        memcpy(exact, golden.bytes, size);
        cr_assert_eq(
            function_request_parse(span_of(exact, size), &request, &names, &state, 1, &message, 1),
            ERROR_MALFORMED, "%zu bytes", size);
        free(exact);
    }
}

/* An empty Address as caller, which some writers send for "none". */
Test(function_request, empty_caller_is_none)
{
    static const uint8_t bytes[] = "\xa2\x06\x12\x0a\x09\x0a\x01"
                                   "a\x12\x01"
                                   "b\x1a\x01"
                                   "c\x1a\x05\x0a\x00\x12\x01\x28";
    static const uint8_t good[] = "\xa2\x06\x11\x0a\x09\x0a\x01"
                                  "a\x12\x01"
                                  "b\x1a\x01"
                                  "c\x1a\x04\x0a\x00\x12\x00";
    struct function_request request;
    struct function_message message;
    cr_assert_eq(function_request_parse(span_of(good, sizeof good - 1), &request, &names, NULL, 0,
                                        &message, 1),
                 0);
    cr_assert(message.caller.type.size == 0 && message.caller.id.size == 0);
    /* The same with an argument that is no TypedValue. */
    cr_assert_eq(function_request_parse(span_of(bytes, sizeof bytes - 1), &request, &names, NULL, 0,
                                        &message, 1),
                 ERROR_MALFORMED);
}
