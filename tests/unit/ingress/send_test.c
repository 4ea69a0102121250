/* send, call, replies and cancel: what the shard is given, and what the client is told. For calls
 * whose time is over see timeout_test.c. */
#include "gateway.h"

#include "base/text.h"
#include "wire/function.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(send, .init = gateway_start, .fini = gateway_stop, .timeout = 30);
TestSuite(call, .init = gateway_start, .fini = gateway_stop, .timeout = 30);

#define MESSAGE_ID SPAN_LITERAL("00ff.1.0.7.0")

Test(send, answers_202_with_the_message)
{
    ask("POST", "/v1/send/example/person/Bob", "Content-Type: application/json\r\n", "{\"a\":1}");
    assert_status(202);
    cr_assert_str_eq(gateway.reply.body, "{\"message\":\"m1\"}\n");
    assert_header("content-type", "application/json");
    assert_saw("SEND example/person/Bob type=application/json value={\"a\":1} size=7\n");
    cr_assert_null(reply_header(&gateway.reply, "holdfast-duplicate"));
}

Test(send, passes_key_delay_token_and_trace)
{
    ask("POST", "/v1/send/a.b/c/d",
        "Idempotency-Key: k-1\r\nHoldfast-Delay: 5s\r\nHoldfast-Cancel-Token: t 1\r\n"
        "traceparent: 00-1-2-01\r\nHoldfast-Type: x/y\r\n",
        "v");
    assert_status(202);
    assert_saw(
        "SEND a.b/c/d type=x/y value=v size=1 key=k-1 delay=5000 cancel=t 1 trace=00-1-2-01\n");
}

struct type_case {
    const char *headers;
    const char *body;
    const char *seen;
};

Test(send, finds_the_type_of_a_body)
{
    static const struct type_case cases[] = {
        {"Holdfast-Type: my.ns/T\r\nContent-Type: text/plain\r\n", "hi", "type=my.ns/T value=hi "},
        {"Content-Type: application/vnd.example/GreetRequest\r\n", "{}",
         "type=example/GreetRequest value={} "},
        {"Content-Type: application/vnd.example/Greet; charset=utf-8\r\n", "{}",
         "type=example/Greet value={} "},
        {"Content-Type: text/plain\r\n", "hi", "type=io.statefun.types/string value=\\x0a\\x02hi "},
        {"Content-Type: Text/Plain; Charset=UTF-8\r\n", "hi",
         "type=io.statefun.types/string value=\\x0a\\x02hi "},
        {"Content-Type: text/plain\r\n", "", "type=io.statefun.types/string size=0"},
        {"Holdfast-Type: io.statefun.types/string\r\nContent-Type: text/plain\r\n", "hi",
         "type=io.statefun.types/string value=\\x0a\\x02hi "},
        {"Holdfast-Type: io.statefun.types/string\r\n", "\n\x02hi",
         "type=io.statefun.types/string value=\\x0a\\x02hi "},
        {"Content-Type: Application/JSON; charset=utf-8\r\n", "[]",
         "type=application/json value=[] "},
        {"Content-Type: application/vnd.api+json\r\n", "[]",
         "type=application/vnd.api+json value=[] "},
        {"", "x", "type=application/octet-stream value=x "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask("POST", "/v1/send/a/b/c", cases[i].headers, cases[i].body);
        assert_status(202);
        assert_saw(cases[i].seen);
    }
}

struct refused_case {
    const char *path;
    const char *headers;
    int status;
    const char *code;
};

Test(send, refuses_what_is_malformed)
{
    static char long_id[1100] = "/v1/send/a/b/";
    static char long_key[400] = "Idempotency-Key: ";
    memset(long_id + strlen(long_id), 'x', 1025);
    memset(long_key + strlen(long_key), 'k', 256);
    strcat(long_key, "\r\n");
    static const struct refused_case cases[] = {
        {"/v1/send/a/b/%", "", 400, "malformed-path"},
        {"/v1/send/a/b/%zz", "", 400, "malformed-path"},
        {"/v1/send/a/b/%ff", "", 400, "invalid-address"},
        {"/v1/send/a/b/%c0%80", "", 400, "invalid-address"},
        {"/v1/send/a/b/x%00y", "", 400, "invalid-address"},
        {"/v1/send/a/b/", "", 400, "invalid-address"},
        {"/v1/send//b/c", "", 400, "invalid-address"},
        {"/v1/send/a%2Fx/b/c", "", 400, "invalid-address"},
        {long_id, "", 400, "invalid-address"},
        {"/v1/send/a/b/c", long_key, 400, "invalid-header"},
        {"/v1/send/a/b/c", "Idempotency-Key:\r\n", 400, "invalid-header"},
        {"/v1/send/a/b/c", "Holdfast-Delay: soon\r\n", 400, "invalid-header"},
        {"/v1/send/a/b/c", "Holdfast-Delay: -1s\r\n", 400, "invalid-header"},
        {"/v1/send/a/b/c", "Holdfast-Cancel-Token: t\r\n", 400, "invalid-header"},
        {"/v1/send/a/b/c", "Holdfast-Type: none\r\n", 400, "invalid-type"},
        {"/v1/send/a/b/c", "Content-Type: none\r\n", 415, "invalid-type"},
        {"/v1/send/a/b/c", "Content-Type: text/plain; charset=latin1\r\n", 415,
         "unsupported-charset"},
        {"/v1/send/a/b", "", 404, "unknown-path"},
        {"/v1/send/a/b/c/d", "", 404, "unknown-path"},
        {"/", "", 404, "unknown-path"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char code[64];
        snprintf(code, sizeof code, "\"code\":\"%s\"", cases[i].code);
        ask("POST", cases[i].path, cases[i].headers, "x");
        cr_assert_eq(gateway.reply.status, cases[i].status, "%s %s: %s", cases[i].path,
                     cases[i].headers, gateway.reply.body);
        assert_body_has(code);
        assert_header("content-type", "application/problem+json");
    }
    cr_assert_eq(fake_port_events(&gateway.fake), 0);
}

Test(send, refuses_text_that_is_not_utf8)
{
    ask("POST", "/v1/send/a/b/c", "Content-Type: text/plain\r\n", "\xff\xfe");
    assert_status(400);
    assert_body_has("invalid-text");
    cr_assert_eq(fake_port_events(&gateway.fake), 0);
}

Test(send, takes_ids_of_any_utf8)
{
    static char long_id[1100] = "/v1/send/a/b/";
    memset(long_id + strlen(long_id), 'x', 1024);
    ask("POST", "/v1/send/a/b/%C3%A9%2Fx%20+", "", "x");
    assert_status(202);
    assert_saw("SEND a/b/é/x + type");
    ask("POST", long_id, "", "x");
    assert_status(202);
}

Test(send, names_the_methods_that_a_path_has)
{
    ask("GET", "/v1/send/a/b/c", "", NULL);
    assert_status(405);
    assert_header("allow", "POST");
    ask("POST", "/v1/state/a/b/c/n", "", "x");
    assert_status(405);
    assert_header("allow", "GET, PUT, DELETE");
}

struct mapping {
    enum answer_kind kind;
    const char *text;
    int status;
    const char *code;
};

Test(send, says_why_the_shard_refused)
{
    static const struct mapping mappings[] = {
        {ANSWER_UNKNOWN_FUNCTION, "", 404, "unknown-function"},
        {ANSWER_INTERNAL, "", 403, "not-exposed"},
        {ANSWER_RESERVED, "", 403, "reserved-name"},
        {ANSWER_INVALID, "no good", 400, "invalid"},
        {ANSWER_NOT_FOUND, "", 404, "not-found"},
        {ANSWER_CONFLICT, "the idempotency key was used with another body", 422,
         "idempotency-key-reused"},
        {ANSWER_CONFLICT, "a delayed message with this cancel token waits already", 409,
         "cancel-token-in-use"},
        {ANSWER_MISMATCH, "", 412, "version-mismatch"},
        {ANSWER_TOO_LARGE, "", 413, "too-large"},
        {ANSWER_FULL, "", 429, "full"},
        {ANSWER_PARKED, "HTTP 500: boom", 500, "parked"},
        {ANSWER_UNKNOWN_EGRESS, "", 404, "unknown-egress"},
    };
    for (size_t i = 0; i < sizeof mappings / sizeof mappings[0]; i++) {
        char code[64];
        answer_with((struct shard_answer){
            .kind = mappings[i].kind,
            .text = span_text(mappings[i].text),
            .message_id = mappings[i].kind == ANSWER_PARKED ? MESSAGE_ID : SPAN_EMPTY});
        ask("POST", "/v1/send/a/b/c", "", "x");
        assert_status(mappings[i].status);
        snprintf(code, sizeof code, "\"code\":\"%s\"", mappings[i].code);
        assert_body_has(code);
        assert_body_has(mappings[i].text);
        assert_body_has("\"address\":\"a/b/c\"");
        if (mappings[i].kind == ANSWER_FULL) assert_header("retry-after", "1");
        if (mappings[i].kind == ANSWER_PARKED) assert_body_has("\"message\":\"00ff.1.0.7.0\"");
    }
}

Test(send, tells_a_duplicate_by_a_header)
{
    answer_with((struct shard_answer){.kind = ANSWER_DUPLICATE, .message_id = MESSAGE_ID});
    ask("POST", "/v1/send/a/b/c", "Idempotency-Key: k\r\n", "x");
    assert_status(202);
    assert_header("holdfast-duplicate", "true");
    cr_assert_str_eq(gateway.reply.body, "{\"message\":\"00ff.1.0.7.0\"}\n");
}

Test(send, is_refused_while_draining_or_without_disk)
{
    gateway.ingress.draining = true;
    ask("POST", "/v1/send/a/b/c", "", "x");
    assert_status(503);
    assert_header("retry-after", "1");
    assert_body_has("draining");
    gateway.ingress.draining = false;
    gateway.ingress.disk_full = true;
    ask("POST", "/v1/send/a/b/c", "", "x");
    assert_status(503);
    assert_body_has("disk-full");
    cr_assert_eq(fake_port_events(&gateway.fake), 0);
}

Test(send, detaches_when_the_client_goes)
{
    answer_nobody();
    int fd = client_connect(gateway.thread.port);
    client_say(fd, "POST /v1/send/a/b/c HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
    assert_saw("SEND");
    client_vanish(fd);
    assert_saw("DETACH");
}

static bool refuse_some(void *context, struct http_request *request, enum ingress_access access,
                        struct span name_space)
{
    (void)context;
    if (access == ACCESS_SEND && !span_equal(name_space, SPAN_LITERAL("secret"))) return true;
    http_problem(request, 403, "forbidden", "no", name_space, 0);
    return false;
}

Test(send, asks_for_permission)
{
    gateway.ingress.options.allow = refuse_some;
    ask("POST", "/v1/send/open/b/c", "", "x");
    assert_status(202);
    ask("POST", "/v1/send/secret/b/c", "", "x");
    assert_status(403);
    ask("POST", "/v1/call/open/b/c", "", "x");
    assert_status(403);
    ask("GET", "/v1/state/open/b/c", "", NULL);
    assert_status(403);
    ask("POST", "/v1/batch", "",
        "{\"to\":\"open/b/c\",\"value\":1}\n{\"to\":\"secret/b/c\",\"value\":1}\n");
    assert_status(403);
    cr_assert_eq(fake_port_events(&gateway.fake), 1);
}

static void other_handler(void *context, struct http_request *request)
{
    (void)context;
    http_answer(request, 200, NULL, 0, SPAN_LITERAL("other"));
}

Test(send, hands_other_paths_on)
{
    gateway.ingress.options.next = other_handler;
    ask("GET", "/v1/egress/a/b", "", NULL);
    assert_status(200);
    cr_assert_str_eq(gateway.reply.body, "other");
}

/* -- Calls -- */

static struct buffer typed;

static void reply_with(struct span type_name, struct span value)
{
    buffer_init(&typed);
    typed_value_encode(&typed, type_name, value);
    answer_with((struct shard_answer){
        .kind = ANSWER_REPLY, .message_id = MESSAGE_ID, .body = buffer_span(&typed)});
}

struct reply_case {
    const char *type;
    const char *value;
    const char *media_type;
    const char *body;
};

Test(call, answers_with_the_reply_and_its_type)
{
    static const struct reply_case cases[] = {
        {"io.statefun.types/string", "\n\x05hello", "text/plain; charset=utf-8", "hello"},
        {"io.statefun.types/string", "\x1f", "application/vnd.io.statefun.types/string", "\x1f"},
        {"application/json", "{}", "application/json", "{}"},
        {"image/png", "P", "image/png", "P"},
        {"example/Greeting", "{}", "application/vnd.example/Greeting", "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reply_with(span_text(cases[i].type), span_text(cases[i].value));
        ask("POST", "/v1/call/a/b/c", "", "x");
        assert_status(200);
        assert_header("holdfast-type", cases[i].type);
        assert_header("content-type", cases[i].media_type);
        assert_header("holdfast-message", "00ff.1.0.7.0");
        cr_assert_str_eq(gateway.reply.body, cases[i].body);
        buffer_close(&typed);
    }
    assert_saw("CALL a/b/c type=application/octet-stream value=x size=1 token=32\n");
}

Test(call, refuses_bad_timeouts_and_delays)
{
    ask("POST", "/v1/call/a/b/c", "Holdfast-Timeout: never\r\n", "x");
    assert_status(400);
    ask("POST", "/v1/call/a/b/c", "Holdfast-Timeout: 0s\r\n", "x");
    assert_status(400);
    ask("POST", "/v1/call/a/b/c", "Holdfast-Delay: 1s\r\n", "x");
    assert_status(400);
    cr_assert_eq(fake_port_events(&gateway.fake), 0);
}

Test(call, detaches_when_the_client_goes)
{
    answer_nobody();
    int fd = client_connect(gateway.thread.port);
    client_say(fd, "POST /v1/call/a/b/c HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
    assert_saw("CALL");
    client_vanish(fd);
    assert_saw("DETACH");
}

Test(call, fetches_late_replies)
{
    answer_with((struct shard_answer){.kind = ANSWER_PENDING});
    ask("GET", "/v1/replies/0123456789abcdef0123456789abcdef", "", NULL);
    assert_status(204);
    answer_with((struct shard_answer){.kind = ANSWER_NOT_FOUND});
    ask("GET", "/v1/replies/0123456789abcdef0123456789abcdef", "", NULL);
    assert_status(404);
    uint64_t events = fake_port_events(&gateway.fake);
    ask("GET", "/v1/replies/nonsense", "", NULL);
    assert_status(404);
    cr_assert_eq(fake_port_events(&gateway.fake), events);
}

Test(call, cancels_delayed_messages)
{
    ask("DELETE", "/v1/delayed/Bob%2F1/tok-1", "", NULL);
    assert_status(200);
    cr_assert_str_eq(gateway.reply.body, "{\"cancelled\":7}\n");
    assert_saw("CANCEL Bob/1 token=tok-1\n");
    ask("DELETE", "/v1/delayed/%ff/tok-1", "", NULL);
    assert_status(400);
}
