/* What a parsed response says, beyond the bytes that golden files compare. */
#include "golden.h"

#include "lib/sanitized.h"

#include "wire/function.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/resource.h>

static struct function_response response;
static struct golden golden;

static void setup(void)
{
    function_response_init(&response);
}

static void teardown(void)
{
    function_response_close(&response);
}

TestSuite(function_response, .init = setup, .fini = teardown);

static void parse(const char *name)
{
    golden_load(&golden, name);
    int error = function_response_parse(&response, golden_bytes(&golden), NULL);
    cr_assert_eq(error, 0, "%s: %s", name, response.errmsg.text);
}

static bool is(struct span span, const char *text)
{
    return span_equal(span, span_text(text));
}

static bool inside(struct span span)
{
    return span.at >= golden.bytes && span.at + span.size <= golden.bytes + golden.size;
}

Test(function_response, modify)
{
    parse("response-modify");
    cr_assert_eq(response.mutation_count, 1);
    const struct effect_mutation *mutation = &response.mutations[0];
    cr_assert(!response.incomplete && !mutation->is_delete);
    cr_assert(is(mutation->name, "visits") && is(mutation->type_name, "io.statefun.types/int"));
    cr_assert(span_equal(mutation->value, span_of("\x0d\x01\0\0\0", 5)));
    cr_assert(inside(mutation->name) && inside(mutation->value), "copied");
}

Test(function_response, delete_is_the_default_and_has_no_value)
{
    parse("response-delete");
    cr_assert(response.mutation_count == 1 && response.mutations[0].is_delete);
    parse("response-delete-explicit");
    cr_assert(response.mutation_count == 1 && response.mutations[0].is_delete);
    cr_assert(response.mutations[0].type_name.size == 0 && response.mutations[0].value.size == 0);
}

Test(function_response, empty_value_is_a_value)
{
    struct typed_value value;
    parse("response-empty-value");
    cr_assert_eq(response.message_count, 1);
    cr_assert_eq(typed_value_parse(response.messages[0].argument, &value), 0);
    cr_assert(value.has_value && value.value.size == 0);
    cr_assert(is(value.type_name, "io.statefun.types/long"));
    parse("response-no-value");
    cr_assert_eq(typed_value_parse(response.messages[0].argument, &value), 0);
    cr_assert(!value.has_value);
}

Test(function_response, unknown_fields_of_a_message_stay_in_it)
{
    parse("response-unknown-in-value");
    struct span argument = response.messages[0].argument;
    cr_assert(inside(argument), "copied");
    cr_assert(is(span_from(argument, argument.size - 5), "later"));
}

Test(function_response, delayed_and_cancel)
{
    parse("response-delayed");
    cr_assert_eq(response.delayed_count, 1);
    const struct effect_delayed *delayed = &response.delayed[0];
    cr_assert(!delayed->is_cancel && delayed->delay_ms == 1500 && is(delayed->token, "tok-1"));
    cr_assert(is(delayed->target.type, "example/person") && is(delayed->target.id, "Bob"));
    parse("response-cancel-with-rest");
    delayed = &response.delayed[0];
    cr_assert(delayed->is_cancel && is(delayed->token, "t") && delayed->target.type.size == 0);
}

Test(function_response, egress)
{
    parse("response-egress");
    cr_assert_eq(response.egress_count, 1);
    const struct effect_egress *egress = &response.egress[0];
    cr_assert(is(egress->name, "example/greets") && is(egress->name_space, "example"));
    cr_assert(is(egress->type, "greets") && inside(egress->argument));
}

Test(function_response, missing_states)
{
    parse("response-incomplete-after-write");
    cr_assert(response.incomplete && response.spec_count == 1);
    const struct state_spec *spec = &response.specs[0];
    cr_assert(is(spec->name, "s") && is(spec->type_name, "io.statefun.types/string"));
    cr_assert(spec->mode == EXPIRE_AFTER_WRITE && spec->ttl_ms == 60000);
    parse("response-incomplete");
    cr_assert(response.specs[0].mode == EXPIRE_NEVER && response.specs[0].ttl_ms == 0);
    parse("response-expiration-none");
    cr_assert(response.specs[0].mode == EXPIRE_NEVER && response.specs[0].ttl_ms == 0);
}

Test(function_response, oneof_forgets_the_other_member)
{
    parse("response-oneof-incomplete-last");
    cr_assert(response.incomplete && response.message_count == 0 && response.spec_count == 1);
    parse("response-oneof-back-again");
    cr_assert(!response.incomplete && response.spec_count == 0 && response.message_count == 1);
    cr_assert(is(response.messages[0].target.id, "c"));
}

/* Many types, many blocks of joined names: none may move while the response lives. */
Test(function_response, names_stay_where_they_are)
{
    enum { COUNT = 1000 };
    static struct effect_message messages[COUNT];
    static char types[COUNT][64];
    for (int i = 0; i < COUNT; i++) {
        snprintf(types[i], sizeof types[i], "a.namespace.of.some.length/type-%d", i / 2);
        messages[i].target = (struct address){span_text(types[i]), span_text("id")};
    }
    struct buffer out;
    buffer_init(&out);
    function_response_encode(
        &out, &(struct function_response){.messages = messages, .message_count = COUNT});
    for (int round = 0; round < 3; round++) {
        cr_assert_eq(function_response_parse(&response, buffer_span(&out), NULL), 0);
        cr_assert_eq(response.message_count, COUNT);
        for (int i = 0; i < COUNT; i++) cr_assert(is(response.messages[i].target.type, types[i]));
    }
    buffer_close(&out);
}

static void check_limit(const struct function_response *full, struct function_limits limits,
                        const char *why)
{
    struct buffer out;
    buffer_init(&out);
    function_response_encode(&out, full);
    cr_assert_eq(function_response_parse(&response, buffer_span(&out), NULL), 0, "%s",
                 response.errmsg.text);
    int error = function_response_parse(&response, buffer_span(&out), &limits);
    cr_assert_eq(error, ERROR_TOO_LARGE);
    cr_assert_str_eq(response.errmsg.text, why);
    buffer_close(&out);
}

Test(function_response, limits)
{
    struct address target = {SPAN_LITERAL("a/b"), SPAN_LITERAL("c")};
    struct span name = SPAN_LITERAL("s"), type = SPAN_LITERAL("a/b");
    struct effect_mutation mutations[2] = {{name, true, SPAN_EMPTY, SPAN_EMPTY},
                                           {name, true, SPAN_EMPTY, SPAN_EMPTY}};
    struct effect_message messages[2] = {{target, SPAN_EMPTY}, {target, SPAN_EMPTY}};
    struct effect_delayed delayed[2] = {{.target = target}, {.is_cancel = true, .token = name}};
    struct effect_egress egress[2] = {{.name_space = name, .type = name},
                                      {.name_space = name, .type = name}};
    struct state_spec specs[2] = {{name, type, EXPIRE_NEVER, 0}, {name, type, EXPIRE_NEVER, 0}};
    check_limit(&(struct function_response){.mutations = mutations, .mutation_count = 2},
                (struct function_limits){.mutations_max = 1},
                "invocation_result.state_mutations[1]: more than 1");
    check_limit(&(struct function_response){.messages = messages, .message_count = 2},
                (struct function_limits){.messages_max = 1},
                "invocation_result.outgoing_messages[1]: more than 1");
    check_limit(&(struct function_response){.delayed = delayed, .delayed_count = 2},
                (struct function_limits){.delayed_max = 1},
                "invocation_result.delayed_invocations[1]: more than 1");
    check_limit(&(struct function_response){.egress = egress, .egress_count = 2},
                (struct function_limits){.egress_max = 1},
                "invocation_result.outgoing_egresses[1]: more than 1");
    check_limit(&(struct function_response){.incomplete = true, .specs = specs, .spec_count = 2},
                (struct function_limits){.specs_max = 1},
                "incomplete_invocation_context.missing_values[1]: more than 1");
}

/* Ten thousand that are refused in the end should not be read first. */
Test(function_response, too_many_are_refused_before_one_is_read)
{
    struct address nobody = {SPAN_LITERAL("a/b"), SPAN_EMPTY};
    struct effect_message messages[2] = {{nobody, SPAN_EMPTY}, {nobody, SPAN_EMPTY}};
    struct function_response full = {.messages = messages, .message_count = 2};
    struct function_limits limits = {.messages_max = 1};
    struct buffer out;
    buffer_init(&out);
    function_response_encode(&out, &full);
    cr_assert_eq(function_response_parse(&response, buffer_span(&out), NULL), ERROR_MALFORMED);
    cr_assert_str_eq(response.errmsg.text,
                     "invocation_result.outgoing_messages[0].target.id: empty");
    cr_assert_eq(function_response_parse(&response, buffer_span(&out), &limits), ERROR_TOO_LARGE);
    cr_assert_str_eq(response.errmsg.text, "invocation_result.outgoing_messages[1]: more than 1");
    buffer_close(&out);
}

Test(function_response, two_members_count_together)
{
    struct address target = {SPAN_LITERAL("a/b"), SPAN_LITERAL("c")};
    struct effect_message messages[2] = {{target, SPAN_EMPTY}, {target, SPAN_EMPTY}};
    struct function_response full = {.messages = messages, .message_count = 2};
    struct function_limits limits = {.messages_max = 4};
    struct buffer out;
    buffer_init(&out);
    function_response_encode(&out, &full);
    function_response_encode(&out, &full);
    cr_assert_eq(function_response_parse(&response, buffer_span(&out), &limits), 0);
    cr_assert_eq(response.message_count, 4);
    limits.messages_max = 3;
    cr_assert_eq(function_response_parse(&response, buffer_span(&out), &limits), ERROR_TOO_LARGE);
    cr_assert_str_eq(response.errmsg.text, "invocation_result.outgoing_messages[3]: more than 3");
    buffer_close(&out);
}

static int parse_message_to(struct span type, struct span id)
{
    struct effect_message message = {{type, id}, SPAN_EMPTY};
    struct buffer out;
    buffer_init(&out);
    function_response_encode(&out,
                             &(struct function_response){.messages = &message, .message_count = 1});
    int error = function_response_parse(&response, buffer_span(&out), NULL);
    buffer_close(&out);
    return error;
}

Test(function_response, long_names)
{
    static char long_text[2048];
    memset(long_text, 'x', sizeof long_text);
    long_text[3] = '/';
    struct span id = SPAN_LITERAL("id"), type = SPAN_LITERAL("a/b");
    cr_assert_eq(parse_message_to(span_of(long_text, NAME_SIZE_MAX), id), 0);
    cr_assert_eq(parse_message_to(span_of(long_text, NAME_SIZE_MAX + 1), id), ERROR_TOO_LARGE);
    cr_assert_str_eq(response.errmsg.text,
                     "invocation_result.outgoing_messages[0].target.type with "
                     "its namespace: more than 256 bytes");
    cr_assert_eq(parse_message_to(type, span_of(long_text, ID_SIZE_MAX)), 0);
    cr_assert_eq(parse_message_to(type, span_of(long_text, ID_SIZE_MAX + 1)), ERROR_TOO_LARGE);
    cr_assert_str_eq(response.errmsg.text,
                     "invocation_result.outgoing_messages[0].target.id: more than 1024 bytes");
}

#if !SANITIZED
Test(function_response, out_of_memory)
{
    enum { COUNT = FUNCTION_MESSAGES_MAX };
    static struct effect_message messages[COUNT];
    for (int i = 0; i < COUNT; i++)
        messages[i].target = (struct address){SPAN_LITERAL("a/b"), SPAN_LITERAL("c")};
    struct function_response full = {.messages = messages, .message_count = COUNT};
    struct buffer out, more;
    buffer_init(&out);
    buffer_init(&more);
    function_response_encode(&out, &full);
    struct rlimit limit, none = {0, 0};
    getrlimit(RLIMIT_AS, &limit);
    none.rlim_max = limit.rlim_max;
    setrlimit(RLIMIT_AS, &none);
    int error = function_response_parse(&response, buffer_span(&out), NULL);
    function_response_encode(&more, &full);
    setrlimit(RLIMIT_AS, &limit);
    cr_assert_eq(error, ERROR_MEMORY);
    cr_assert_not_null(strstr(response.errmsg.text, "]: out of memory"), "%s",
                       response.errmsg.text);
    cr_assert(more.failed && more.size == 0 && response.message_count == 0);
    cr_assert_eq(function_response_parse(&response, buffer_span(&out), NULL), 0);
    cr_assert_eq(response.message_count, COUNT);
    buffer_close(&more);
    buffer_close(&out);
}
#endif
