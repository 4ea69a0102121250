#include "fixture.h"

#include "os/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void on_done(void *context, struct shard_event *event)
{
    struct fixture *fixture = context;
    const struct event_response *response = &event->response;
    cr_assert_not(fixture->in_call, "told from within invoke_call");
    cr_assert_eq(event->kind, EVENT_RESPONSE);
    cr_assert_lt(response->flight, (uint64_t)fixture->called);
    struct told *told = &fixture->told[response->flight];
    told->count++;
    told->outcome = response->outcome;
    told->retry_after_ms = response->retry_after_ms;
    snprintf(told->text, sizeof told->text, "%.*s", SPAN_PRINT(response->text));
    cr_assert_eq(response->outcome == OUTCOME_RESULT, response->response != NULL);
    if (response->response != NULL) {
        told->incomplete = response->response->incomplete;
        told->egress_count = response->response->egress_count;
        if (told->egress_count > 0) {
            struct typed_value value;
            cr_assert_eq(typed_value_parse(response->response->egress[0].argument, &value), 0);
            told->egress_bytes = value.value.size;
            for (size_t i = 0; i < value.value.size; i++)
                if (value.value.at[i] != (uint8_t)(i * 7)) cr_assert_fail("byte %zu differs", i);
        }
    }
    fixture->told_count++;
    if (fixture->configure_in_done) {
        fixture->configure_in_done = false;
        cr_assert_eq(fixture_configure(fixture), 0);
    }
    if (fixture->follow_ups > 0) {
        fixture->follow_ups--;
        fixture_call(fixture);
    }
}

void fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    cr_assert_eq(loop_init(&fixture->loop), 0);
    cr_assert_eq(invoke_open(&fixture->invoke, &fixture->loop, on_done, fixture, &fixture->errmsg),
                 0);
    fixture->endpoint = (struct invoke_endpoint){
        .pattern = SPAN_LITERAL("example/*"),
        .call_ms = 5000,
        .connect_ms = 2000,
        .idle_ms = 15000,
        .pool_max = 1024,
        .payload_bytes_max = 32u << 20,
    };
}

void fixture_close(struct fixture *fixture)
{
    invoke_close(fixture->invoke);
    loop_close(&fixture->loop);
    free(fixture->argument);
}

int fixture_configure(struct fixture *fixture)
{
    fixture->endpoint.url_template = span_text(fixture->url);
    return invoke_configure(fixture->invoke, &fixture->endpoint, 1, &fixture->errmsg);
}

void fixture_serve_url(struct fixture *fixture, const char *url)
{
    snprintf(fixture->url, sizeof fixture->url, "%s", url);
    cr_assert_eq(fixture_configure(fixture), 0, "%s", fixture->errmsg.text);
}

void fixture_serve(struct fixture *fixture, const struct server *server, const char *path)
{
    char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server->port, path);
    fixture_serve_url(fixture, url);
}

int fixture_call_named(struct fixture *fixture, const char *function_type)
{
    static const uint8_t argument[] = "\x0a\x03"
                                      "n/t\x10\x01\x1a\x02hi";
    int call = fixture->called++;
    cr_assert_lt(call, FIXTURE_CALLS_MAX);
    if (fixture->message.argument.size == 0)
        fixture->message.argument = span_of(argument, sizeof argument - 1);
    snprintf(fixture->ids[call], sizeof fixture->ids[call], "%d", call);
    struct span id = fixture->numbered ? span_text(fixture->ids[call]) : SPAN_LITERAL("id-1");
    struct span trace = SPAN_LITERAL("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    fixture->invocations[call] = (struct shard_invocation){
        .flight = (uint64_t)call,
        .attempt = fixture->attempt > 0 ? fixture->attempt : 3,
        .invocation_id = SPAN_LITERAL("0123456789abcdef"),
        .traceparent = fixture->traceparent.size > 0 ? fixture->traceparent : trace,
        .request = {.target = {span_text(function_type), id},
                    .messages = fixture->own != NULL ? fixture->own : &fixture->message,
                    .message_count = 1},
    };
    if (!fixture->same_time)
        loop_touch(&fixture->loop); /* the time of this call, not of the last turn */
    fixture->in_call = true;
    invoke_call(fixture->invoke, &fixture->invocations[call]);
    fixture->in_call = false;
    return call;
}

int fixture_call(struct fixture *fixture)
{
    return fixture_call_named(fixture, "example/greeter");
}

bool fixture_wait(struct fixture *fixture, int told, int timeout_ms)
{
    int64_t end_us = clock_mono_us() + timeout_ms * 1000LL;
    while (fixture->told_count < told && clock_mono_us() < end_us)
        cr_assert_eq(loop_turn(&fixture->loop, 20), 0);
    return fixture->told_count >= told;
}

void fixture_idle(struct fixture *fixture, int ms)
{
    int64_t end_us = clock_mono_us() + ms * 1000LL;
    while (clock_mono_us() < end_us) cr_assert_eq(loop_turn(&fixture->loop, 5), 0);
}

const struct told *fixture_one(struct fixture *fixture)
{
    int call = fixture_call(fixture);
    cr_assert(fixture_wait(fixture, fixture->told_count + 1, 10000), "nothing told");
    return &fixture->told[call];
}

void fixture_request_bytes(const struct fixture *fixture, int call, struct buffer *out)
{
    buffer_init(out);
    function_request_encode(out, &fixture->invocations[call].request);
    cr_assert_not(out->failed);
}

void answer_encode(struct buffer *out, size_t size)
{
    uint8_t *value = malloc(size + 1);
    for (size_t i = 0; i < size; i++) value[i] = (uint8_t)(i * 7);
    struct buffer argument;
    buffer_init(&argument);
    typed_value_encode(&argument, SPAN_LITERAL("n/t"), span_of(value, size));
    struct effect_egress egress = {.name_space = SPAN_LITERAL("io.test"),
                                   .type = SPAN_LITERAL("sink"),
                                   .argument = buffer_span(&argument)};
    struct function_response response;
    function_response_init(&response);
    response.egress = &egress;
    response.egress_count = 1;
    buffer_init(out);
    function_response_encode(out, &response);
    cr_assert_not(out->failed);
    buffer_close(&argument);
    free(value);
}
