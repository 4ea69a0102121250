/* Batches: order, bad lines among good ones, and values that keep their bytes. */
#include "gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(batch, .init = gateway_start, .fini = gateway_stop, .timeout = 60);

/* Two ids are refused, "dup" was there before. */
static struct shard_answer by_id(const struct shard_event *event, uint64_t number)
{
    struct shard_answer answer = {.kind = ANSWER_ACCEPTED, .message_id = SPAN_LITERAL("m")};
    (void)number;
    if (span_equal(event->message.target.id, SPAN_LITERAL("none")))
        answer.kind = ANSWER_UNKNOWN_FUNCTION;
    if (span_equal(event->message.target.id, SPAN_LITERAL("full"))) answer.kind = ANSWER_FULL;
    if (span_equal(event->message.target.id, SPAN_LITERAL("dup"))) answer.kind = ANSWER_DUPLICATE;
    if (answer.kind == ANSWER_UNKNOWN_FUNCTION || answer.kind == ANSWER_FULL)
        answer.message_id = SPAN_EMPTY;
    return answer;
}

Test(batch, answers_each_line_in_order)
{
    gateway.fake.answer = by_id;
    ask("POST", "/v1/batch", "Content-Type: application/x-ndjson\r\n",
        "{\"to\":\"a/b/c\",\"value\":1}\n"
        "\n"
        "{\"to\":\"a/b/none\",\"value\":1}\r\n"
        "not json\n"
        "{\"to\":\"a/b/dup\",\"value\":1,\"key\":\"k\"}\n"
        "{\"to\":\"a/b/full\",\"value\":1}\n"
        "{\"to\":\"a/b/d/e\",\"value\":1,\"delay\":\"5s\",\"token\":\"t\"}");
    assert_status(200);
    assert_header("content-type", "application/x-ndjson");
    cr_assert_str_eq(gateway.reply.body,
                     "{\"line\":1,\"status\":202,\"message\":\"m\"}\n"
                     "{\"line\":3,\"status\":404,\"code\":\"unknown-function\",\"detail\":\"No "
                     "endpoint of module.yaml serves "
                     "this function type: check its spelling, or add an endpoint.\"}\n"
                     "{\"line\":4,\"status\":400,\"code\":\"invalid-line\",\"detail\":\"the line "
                     "is not a JSON object in UTF-8\"}\n"
                     "{\"line\":5,\"status\":202,\"message\":\"m\",\"duplicate\":true}\n"
                     "{\"line\":6,\"status\":429,\"code\":\"full\",\"detail\":\"The gateway has no "
                     "room for more work now: try "
                     "again.\"}\n"
                     "{\"line\":7,\"status\":202,\"message\":\"m\"}\n");
    assert_saw("SEND a/b/dup type=application/json value=1 size=1 key=k\n");
    assert_saw("SEND a/b/d/e type=application/json value=1 size=1 delay=5000 cancel=t\n");
}

Test(batch, keeps_the_bytes_of_values)
{
    ask("POST", "/v1/batch", "",
        "{\"to\":\"a/b/1\",\"value\": {\"n\":0.1, \"big\":12345678901234567890123, \"e\":1E400, "
        "\"t\":\"\\u00e9\"} }\n"
        "{\"value\":-0.0,\"to\":\"a/b/2\"}\n"
        "{\"to\":\"a/b/3\",\"type\":\"x/y\",\"value\":\"text\"}\n"
        "{\"to\":\"a/b/4\",\"type\":\"io.statefun.types/"
        "string\",\"value\":\"t\\u00e9\\ud83d\\ude00\\n\"}\n"
        "{\"to\":\"a/b/5\",\"type\":\"io.statefun.types/int\",\"value\":-5}\n"
        "{\"to\":\"a/b/6\",\"type\":\"io.statefun.types/long\",\"value\":9223372036854775807}\n"
        "{\"to\":\"a/b/7\",\"type\":\"io.statefun.types/double\",\"value\":1.5}\n"
        "{\"to\":\"a/b/8\",\"type\":\"io.statefun.types/bool\",\"value\":true}\n"
        "{\"to\":\"a/b/9\",\"type\":\"io.statefun.types/long\",\"value\":0}\n"
        "{\"to\":\"a/b/10\",\"base64\":\"AAEC/w==\"}\n"
        "{\"to\":\"a/b/11\",\"type\":\"io.statefun.types/float\",\"value\":1.5}\n");
    assert_status(200);
    assert_saw("SEND a/b/1 type=application/json value={\"n\":0.1, "
               "\"big\":12345678901234567890123, \"e\":1E400, "
               "\"t\":\"\\u00e9\"} size=");
    assert_saw("SEND a/b/2 type=application/json value=-0.0 size=4\n");
    assert_saw("SEND a/b/3 type=x/y value=\"text\" size=6\n");
    assert_saw("SEND a/b/4 type=io.statefun.types/string value=\\x0a\\x08té😀\\x0a size=10\n");
    assert_saw("SEND a/b/5 type=io.statefun.types/int value=\\x0d\xfb\xff\xff\xff size=5\n");
    assert_saw("SEND a/b/6 type=io.statefun.types/long "
               "value=\\x09\xff\xff\xff\xff\xff\xff\xff\\x7f size=9\n");
    assert_saw("SEND a/b/7 type=io.statefun.types/double "
               "value=\\x09\\x00\\x00\\x00\\x00\\x00\\x00\xf8? size=9\n");
    assert_saw("SEND a/b/8 type=io.statefun.types/bool value=\\x08\\x01 size=2\n");
    assert_saw("SEND a/b/9 type=io.statefun.types/long size=0\n");
    assert_saw("SEND a/b/10 type=application/octet-stream value=\\x00\\x01\\x02\xff size=4\n");
    assert_saw("SEND a/b/11 type=io.statefun.types/float value=\\x0d\\x00\\x00\xc0? size=5\n");
}

Test(batch, says_what_is_wrong_with_a_line)
{
    static const char *const lines[] = {
        "[1]",
        "{\"to\":\"a/b/c\",\"value\":1} x",
        "{\"to\":\"a/b/c\",\"value\":01}",
        "{\"to\":\"a/b/c\"}",
        "{\"value\":1}",
        "{\"to\":\"a/b\",\"value\":1}",
        "{\"to\":\"ab\",\"value\":1}",
        "{\"to\":\"a/b/\",\"value\":1}",
        "{\"to\":5,\"value\":1}",
        "{\"to\":\"a/b/c\",\"value\":1,\"base64\":\"AA==\"}",
        "{\"to\":\"a/b/c\",\"base64\":\"A\"}",
        "{\"to\":\"a/b/c\",\"base64\":\"A===\"}",
        "{\"to\":\"a/b/c\",\"base64\":\"A-==\"}",
        "{\"to\":\"a/b/c\",\"value\":1,\"valeu\":2}",
        "{\"to\":\"a/b/c\",\"value\":1,\"value\":2}",
        "{\"to\":\"a/b/c\",\"value\":1,\"delay\":\"soon\"}",
        "{\"to\":\"a/b/c\",\"value\":1,\"token\":\"t\"}",
        "{\"to\":\"a/b/c\",\"value\":1,\"key\":\"\"}",
        "{\"to\":\"a/b/c\",\"type\":\"none\",\"value\":1}",
        "{\"to\":\"a/b/c\",\"type\":\"io.statefun.types/int\",\"value\":2147483648}",
        "{\"to\":\"a/b/c\",\"type\":\"io.statefun.types/int\",\"value\":1.5}",
        "{\"to\":\"a/b/c\",\"type\":\"io.statefun.types/int\",\"value\":\"1\"}",
        "{\"to\":\"a/b/c\",\"type\":\"io.statefun.types/long\",\"value\":9223372036854775808}",
        "{\"to\":\"a/b/c\",\"type\":\"io.statefun.types/double\",\"value\":1e999}",
        "{\"to\":\"a/b/c\",\"type\":\"io.statefun.types/bool\",\"value\":1}",
        "{\"to\":\"a/b/c\",\"type\":\"io.statefun.types/string\",\"value\":1}",
        "{\"to\":\"a/b/c\",\"type\":\"io.statefun.types/string\",\"value\":\"\\ud800\"}",
        "{\"to\":\"a/b/\\udc00\",\"value\":1}",
        "{\"to\":\"a/b/\xff\",\"value\":1}",
        "{\"to\":\"a/b/\\u0000\",\"value\":1}",
        "{\"to\":\"a/b/c\",\"value\":\"\t\"}",
        "{\"to\":\"a/b/c\",\"value\":tru}",
        "{\"to\":\"a/b/c\",\"value\":\"\\x\"}",
        "{",
        "{\"to\":\"a/b/c\",\"value\":[1,]}",
        "{\"to\":\"a/b/c\",\"value\":1,}",
        "{\"to\" \"a/b/c\"}",
        "{\"to\":\"a/b/c",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ask("POST", "/v1/batch", "", lines[i]);
        assert_status(200);
        cr_assert_not_null(
            strstr(gateway.reply.body, "{\"line\":1,\"status\":400,\"code\":\"invalid-line\""),
            "%s: %s", lines[i], gateway.reply.body);
    }
    cr_assert_eq(fake_port_events(&gateway.fake), 0, "%s", fake_port_log(&gateway.fake));
}

Test(batch, bounds_nesting_and_lines)
{
    char *deep = calloc(1, 100100);
    strcpy(deep, "{\"to\":\"a/b/c\",\"value\":");
    memset(deep + strlen(deep), '[', 100000);
    ask("POST", "/v1/batch", "", deep);
    assert_body_has("nested too deep");
    free(deep);
    char *many = malloc(400001);
    for (int i = 0; i < 100001; i++) memcpy(many + 3 * i, "{}\n", 3);
    many[300003] = 0;
    ask("POST", "/v1/batch", "", many);
    assert_status(413);
    many[300000] = 0;
    ask("POST", "/v1/batch", "", many);
    assert_status(200);
    free(many);
    ask("POST", "/v1/batch", "", "\n \n");
    assert_status(400);
    assert_body_has("no-lines");
}

Test(batch, detaches_every_line_when_the_client_goes)
{
    answer_nobody();
    int fd = client_connect(gateway.thread.port);
    client_say(fd, "POST /v1/batch HTTP/1.1\r\nHost: t\r\nContent-Length: 56\r\n\r\n"
                   "{\"to\":\"a/b/c\",\"value\":1}\n{\"to\":\"a/b/d\",\"value\":1}\n\n\n\n\n\n\n");
    assert_saw("SEND a/b/d");
    client_vanish(fd);
    assert_saw("DETACH\nDETACH\n");
}

/* -- Many lines: everybody else has a turn in between -- */

enum { MANY = 10000 };

/* Caller frees. */
static char *many_lines(int count)
{
    char *body = malloc((size_t)count * 48 + 1), *at = body;
    for (int i = 0; i < count; i++) at += sprintf(at, "{\"to\":\"a/b/%d\",\"value\":1}\n", i);
    return body;
}

static struct shard_answer by_number(const struct shard_event *event, uint64_t number)
{
    static char ids[FAKE_QUEUE_MAX][16];
    char *id = ids[number % FAKE_QUEUE_MAX];
    struct span from = event->message.target.id;
    memcpy(id, from.at, from.size);
    return (struct shard_answer){.kind = ANSWER_ACCEPTED, .message_id = span_of(id, from.size)};
}

Test(batch, takes_many_lines_in_turns_and_keeps_their_order)
{
    static char line[64];
    gateway.fake.answer = by_number;
    char *body = many_lines(MANY);
    ask("POST", "/v1/batch", "", body);
    free(body);
    assert_status(200);
    const char *at = gateway.reply.body;
    for (int i = 0; i < MANY; i++) {
        size_t size = (size_t)snprintf(
            line, sizeof line, "{\"line\":%d,\"status\":202,\"message\":\"%d\"}\n", i + 1, i);
        cr_assert_eq(strncmp(at, line, size), 0, "line %d: %.60s", i + 1, at);
        at += size;
    }
    cr_assert_eq(*at, 0);
    cr_expect_leq(gateway.fake.queued_max, 500);
}

/* Slow, so that a client can go in the middle; every second line has an answer. */
static struct shard_answer half_slowly(const struct shard_event *event, uint64_t number)
{
    usleep(500);
    if (number % 2 == 0) return by_number(event, number);
    return (struct shard_answer){.kind = (enum answer_kind)FAKE_SILENT};
}

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (; (text = strstr(text, word)) != NULL; text += strlen(word)) count++;
    return count;
}

Test(batch, a_client_that_goes_midway_leaves_nothing_behind)
{
    char head[128];
    gateway.fake.answer = half_slowly;
    char *body = many_lines(MANY);
    int fd = client_connect(gateway.thread.port);
    snprintf(head, sizeof head, "POST /v1/batch HTTP/1.1\r\nHost: t\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    client_say(fd, head);
    client_say(fd, body);
    free(body);
    assert_saw("SEND a/b/0 ");
    client_vanish(fd);
    assert_saw("DETACH");
    gateway.fake.answer = by_id;
    ask("POST", "/v1/batch", "", "{\"to\":\"a/b/c\",\"value\":1}");
    assert_status(200); /* a turn later: the log is complete */
    const char *log = fake_port_log(&gateway.fake);
    int sent = occurrences(log, "SEND ") - 1;
    cr_expect_lt(sent, MANY);
    cr_expect_eq(occurrences(log, "DETACH"), sent / 2, "%d of %d", occurrences(log, "DETACH"),
                 sent);
    cr_expect_eq(gateway.ingress.waiting, 0);
}

static bool refuse_last(void *context, struct http_request *request, enum ingress_access access,
                        struct span name_space)
{
    (void)context;
    (void)access;
    if (!span_equal(name_space, SPAN_LITERAL("secret"))) return true;
    http_problem(request, 403, "forbidden", "no", name_space, 0);
    return false;
}

Test(batch, is_refused_as_a_whole_for_its_last_line)
{
    char *body = many_lines(MANY);
    char *last = strstr(body, "a/b/9999");
    gateway.ingress.options.allow = refuse_last;
    gateway.fake.answer = by_number;
    ask("POST", "/v1/batch", "", body);
    assert_status(200);
    uint64_t events = fake_port_events(&gateway.fake);
    strcpy(last - 1, "\"secret/b/1\",\"value\":1}\n");
    ask("POST", "/v1/batch", "", body);
    assert_status(403);
    cr_expect_eq(fake_port_events(&gateway.fake), events);
    cr_expect_eq(gateway.ingress.waiting, 0);
    free(body);
}

Test(batch, takes_blank_lines_in_turns_too)
{
    size_t size = 200000;
    char *body = malloc(size + 64);
    memset(body, '\n', size);
    strcpy(body + size, "{\"to\":\"a/b/c\",\"value\":1}\n");
    gateway.fake.answer = by_number;
    ask("POST", "/v1/batch", "", body);
    free(body);
    assert_status(200);
    assert_body_has("{\"line\":200001,\"status\":202,\"message\":\"c\"}\n");
}
