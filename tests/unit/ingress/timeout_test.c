/* Calls whose time is over: the client is told that its message is accepted only when the shard has
 * said so, and what else is known when it has not. */
#include "gateway.h"

#include "wire/function.h"

#include <stdio.h>
#include <unistd.h>

#define MESSAGE_ID SPAN_LITERAL("00ff.1.0.7.0")

static struct shard_answer asked;  /* what an ATTACH is answered */
static struct shard_answer called; /* and the call's own waiter, just before that */
static waiter_t caller;
static struct buffer typed;

static struct shard_answer silent(void)
{
    return (struct shard_answer){.kind = (enum answer_kind)FAKE_SILENT};
}

/* No reply; but when the time is over, `called` and then `asked`. */
static struct shard_answer answer_late(const struct shard_event *event, uint64_t number)
{
    (void)number;
    if (event->kind == EVENT_MESSAGE) caller = event->waiter;
    if (event->kind != EVENT_ATTACH) return silent();
    if ((int)called.kind != FAKE_SILENT) {
        called.waiter = caller;
        gateway.fake.queue[gateway.fake.queued++] = called;
    }
    return asked;
}

static void start(void)
{
    gateway_start();
    gateway.fake.answer = answer_late;
    asked = called = silent();
    buffer_init(&typed);
    typed_value_encode(&typed, SPAN_LITERAL("application/json"), SPAN_LITERAL("1"));
}

static void stop(void)
{
    gateway_stop();
    buffer_close(&typed);
}

TestSuite(timeout, .init = start, .fini = stop, .timeout = 30);

static void call(const char *more_headers)
{
    char headers[128];
    snprintf(headers, sizeof headers, "Holdfast-Timeout: 20ms\r\n%s", more_headers);
    ask("POST", "/v1/call/a/b/c", headers, "x");
}

#define assert_body_lacks(text)                                                                    \
    cr_assert_null(strstr(gateway.reply.body, text), "%s in %s", text, gateway.reply.body)

Test(timeout, says_where_the_reply_of_an_accepted_call_will_be)
{
    char token[40], text[80];
    asked = (struct shard_answer){.kind = ANSWER_PENDING, .message_id = MESSAGE_ID};
    call("");
    assert_status(504);
    assert_body_has("\"code\":\"no-reply-yet\"");
    assert_body_has("stays accepted");
    assert_body_has("\"address\":\"a/b/c\"");
    assert_body_has("\"message\":\"00ff.1.0.7.0\"");
    assert_header("holdfast-message", "00ff.1.0.7.0");
    snprintf(token, sizeof token, "%s", reply_header(&gateway.reply, "holdfast-reply"));
    cr_assert_eq(strlen(token), 32);
    snprintf(text, sizeof text, "\"reply\":\"/v1/replies/%s\"", token);
    assert_body_has(text);
    snprintf(text, sizeof text, "ATTACH %s\nDETACH\n", token);
    assert_saw(text);
    answer_with((struct shard_answer){
        .kind = ANSWER_REPLY, .message_id = MESSAGE_ID, .body = buffer_span(&typed)});
    snprintf(text, sizeof text, "/v1/replies/%s", token);
    ask("GET", text, "", NULL);
    assert_status(200);
    cr_assert_str_eq(gateway.reply.body, "1");
    snprintf(text, sizeof text, "DETACH\nATTACH %s\n", token);
    assert_saw(text);
}

Test(timeout, tells_keyed_callers_to_repeat)
{
    asked = (struct shard_answer){.kind = ANSWER_PENDING, .message_id = MESSAGE_ID};
    call("Idempotency-Key: k\r\n");
    assert_status(504);
    assert_body_has("same Idempotency-Key");
    assert_body_has("\"message\":\"00ff.1.0.7.0\"");
    assert_body_lacks("\"reply\"");
    assert_body_lacks("/v1/replies/");
    cr_assert_null(reply_header(&gateway.reply, "holdfast-reply"));
    assert_saw(" a/b/c key=k\nDETACH\n");
}

Test(timeout, gives_a_reply_that_is_there_after_all)
{
    asked = (struct shard_answer){
        .kind = ANSWER_REPLY, .message_id = MESSAGE_ID, .body = buffer_span(&typed)};
    call("");
    assert_status(200);
    cr_assert_str_eq(gateway.reply.body, "1");
    assert_header("holdfast-message", "00ff.1.0.7.0");
}

Test(timeout, says_that_a_call_was_not_accepted)
{
    asked = (struct shard_answer){.kind = ANSWER_NOT_FOUND, .text = SPAN_LITERAL("no such reply")};
    call("");
    assert_status(503);
    assert_header("retry-after", "1");
    assert_body_has("\"code\":\"not-accepted\"");
    assert_body_has("try again");
    assert_body_lacks("no such reply");
    cr_assert_null(reply_header(&gateway.reply, "holdfast-reply"));
}

Test(timeout, passes_on_why_the_shard_refuses)
{
    asked = (struct shard_answer){.kind = ANSWER_PARKED, .text = SPAN_LITERAL("HTTP 500: boom")};
    call("");
    assert_status(500);
    assert_body_has("HTTP 500: boom");
}

Test(timeout, a_refusal_of_the_call_itself_comes_first)
{
    called = (struct shard_answer){.kind = ANSWER_UNKNOWN_FUNCTION};
    asked = (struct shard_answer){.kind = ANSWER_PENDING, .message_id = MESSAGE_ID};
    call("Idempotency-Key: k\r\n");
    assert_status(404);
    assert_body_has("unknown-function");
    assert_saw("key=k\nDETACH\n");
}

static void assert_unknown(void)
{
    assert_status(504);
    assert_body_has("\"code\":\"outcome-unknown\"");
    assert_body_has("not known whether");
    assert_body_has("Idempotency-Key");
    assert_body_lacks("stays accepted");
    assert_body_lacks("\"message\"");
    cr_assert_null(reply_header(&gateway.reply, "holdfast-message"));
}

Test(timeout, claims_nothing_without_an_answer)
{
    call("");
    assert_unknown();
    assert_body_has("\"reply\":\"/v1/replies/");
    assert_saw("DETACH\nDETACH\n");
    cr_assert_eq(gateway.ingress.waiting, 0);
}

Test(timeout, claims_nothing_to_keyed_callers)
{
    call("Idempotency-Key: k\r\n");
    assert_unknown();
    assert_body_lacks("\"reply\"");
    assert_saw("DETACH\nDETACH\n");
}

Test(timeout, claims_nothing_when_the_question_finds_no_room)
{
    asked = (struct shard_answer){.kind = ANSWER_FULL, .text = SPAN_LITERAL("out of memory")};
    call("");
    assert_unknown();
}

Test(timeout, detaches_both_waiters_when_the_client_goes)
{
    int fd = client_connect(gateway.thread.port);
    client_say(fd, "POST /v1/call/a/b/c HTTP/1.1\r\nHost: t\r\nHoldfast-Timeout: 1ms\r\n"
                   "Content-Length: 1\r\n\r\nx");
    assert_saw("ATTACH");
    cr_assert_null(strstr(fake_port_log(&gateway.fake), "DETACH"));
    client_vanish(fd);
    assert_saw("DETACH\nDETACH\n");
    asked = (struct shard_answer){.kind = ANSWER_PENDING, .message_id = MESSAGE_ID};
    call("");
    assert_status(504);
}
