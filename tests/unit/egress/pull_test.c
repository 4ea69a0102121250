/* Pull queues over a real socket, with a fake shard behind them. */
#include "egress/egress.h"
#include "unit/egress/fake_port.h"
#include "lib/http_client.h"
#include "wire/function.h"

#include <criterion/criterion.h>
#include <unistd.h>

static struct server_thread thread;
static struct fake_port fake;
static struct egress egress;
static struct http_reply reply;
static bool allowed = true;

static bool allow(void *context, struct http_request *request, struct span name_space)
{
    cr_assert_eq(context, &allowed);
    if (allowed) return true;
    http_problem(request, 403, "not-you", "no", name_space, 0);
    return false;
}

static void set_up(void)
{
    server_thread_start(&thread, SERVER_LIMITS, egress_handle_last, &egress);
    fake_port_init(&fake, &thread.loop);
    egress_init(&egress, &fake.port, &thread.loop);
    egress.allow = allow;
    egress.allow_context = &allowed;
}

static void tear_down(void)
{
    reply_close(&reply);
    server_thread_stop(&thread);
    egress_close(&egress);
}

TestSuite(pull, .init = set_up, .fini = tear_down);

static void ask(const char *method, const char *path, const char *body)
{
    reply_close(&reply);
    client_request(thread.port, method, path, "", body, body == NULL ? 0 : strlen(body), &reply);
}

static void answers(int status, const char *body)
{
    cr_assert_eq(reply.status, status, "%d %s", reply.status, reply.body);
    cr_assert_str_eq(reply.body, body);
}

/* A problem that has these words in it. */
static void problem(int status, const char *words)
{
    cr_assert_eq(reply.status, status, "%d %s", reply.status, reply.body);
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/problem+json");
    cr_assert_not_null(strstr(reply.body, words), "%s", reply.body);
}

/* Two records, cursors 13 and 14. */
static struct shard_answer two_records(struct buffer *rows)
{
    struct buffer raw;
    buffer_init(&raw);
    buffer_init(rows);
    typed_value_encode(&raw, SPAN_LITERAL("shop/Order"), SPAN_LITERAL("{\"id\":1}"));
    for (uint64_t cursor = 13; cursor <= 14; cursor++) {
        buffer_varint(rows, cursor);
        buffer_string(rows, buffer_span(&raw));
    }
    buffer_close(&raw);
    return (struct shard_answer){.kind = ANSWER_ROWS, .body = buffer_span(rows)};
}

#define TWO_RECORDS                                                                                \
    "{\"records\":[{\"cursor\":\"13\",\"type\":\"shop/Order\",\"value\":{\"id\":1}},"              \
    "{\"cursor\":\"14\",\"type\":\"shop/Order\",\"value\":{\"id\":1}}],\"next\":\"14\"}"

Test(pull, records)
{
    struct buffer rows;
    fake_port_expect(&fake, two_records(&rows));
    ask("GET", "/v1/egress/shop/out", NULL);
    answers(200, TWO_RECORDS);
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/json");
    cr_assert_str_eq(fake.log, "PULL shop/out topic= after=0 max=100 pop=0 wait=0\n");
    buffer_close(&rows);
}

Test(pull, parameters)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    ask("GET", "/v1/egress/shop/out?max=5&after=12", NULL);
    answers(200, "{\"records\":[],\"next\":\"12\"}");
    ask("GET", "/v1/egress/shop%2eeu/o%20ut?max=100000&after=18446744073709551615&wait=1h", NULL);
    answers(200, "{\"records\":[],\"next\":\"18446744073709551615\"}");
    ask("GET", "/v1/egress/io.statefun.playground/egress?topic=gr%C3%BC%C3%9Fe&wait=0", NULL);
    answers(200, "{\"records\":[],\"next\":\"0\"}");
    cr_assert_str_eq(fake.log,
                     "PULL shop/out topic= after=12 max=5 pop=0 wait=0\n"
                     "PULL shop.eu/o ut topic= after=18446744073709551615 max=1000 pop=0 wait=1\n"
                     "PULL io.statefun.playground/egress topic=gr\xc3\xbc\xc3\x9f"
                     "e after=0 max=100 pop=0 wait=0\n");
}

Test(pull, bad_requests_reach_no_shard)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    static const char *const bad[][2] = {
        {"max=0", "max"},
        {"max=-1", "max"},
        {"max=many", "max"},
        {"max=", "max"},
        {"max=4294967296", "max"},
        {"after=x", "after"},
        {"after=18446744073709551616", "after"},
        {"wait=long", "wait"},
        {"wait=-1s", "wait"},
        {"wait=", "wait"},
    };
    char path[128];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(path, sizeof path, "/v1/egress/shop/out?%s", bad[i][0]);
        ask("GET", path, NULL);
        problem(400, bad[i][1]);
        problem(400, "shop/out");
        problem(400, "\"code\":\"invalid-parameter\"");
    }
    ask("GET", "/v1/egress/sh%2Fop/out", NULL);
    problem(400, "invalid-name");
    ask("GET", "/v1/egress//out", NULL);
    problem(400, "invalid-name");
    ask("GET", "/v1/egress/shop/o%FFut", NULL);
    problem(400, "invalid-name");
    ask("GET", "/v1/egress/shop/o%zzut", NULL);
    problem(400, "invalid-name");
    char longer[400] = "/v1/egress/shop/";
    memset(longer + strlen(longer), 'x', 300);
    ask("GET", longer, NULL);
    problem(400, "256 bytes");
    cr_assert_str_eq(fake.log, "");
}

Test(pull, methods_and_paths)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    ask("POST", "/v1/egress/shop/out", "x");
    problem(405, "method-not-allowed");
    cr_assert_str_eq(reply_header(&reply, "allow"), "GET");
    ask("GET", "/v1/egress/shop/out/ack", NULL);
    problem(405, "method-not-allowed");
    cr_assert_str_eq(reply_header(&reply, "allow"), "POST");
    static const char *const others[] = {"/",
                                         "/v1/egress",
                                         "/v1/egress/shop",
                                         "/v1/egresses/a/b",
                                         "/v1/egress/shop/out/nack",
                                         "/v1/egress/shop/out/ack/x",
                                         "/v1/send/a/b/c"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ask("GET", others[i], NULL);
        problem(404, "not-found");
    }
    cr_assert_str_eq(fake.log, "");
}

Test(pull, refusals_of_the_shard)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_UNKNOWN_EGRESS});
    ask("GET", "/v1/egress/no/such", NULL);
    problem(404, "unknown-egress");
    problem(404, "no/such");
    ask("POST", "/v1/egress/no/such/ack", "{\"cursor\":\"1\"}");
    problem(404, "unknown-egress");
    fake_port_expect(
        &fake, (struct shard_answer){.kind = ANSWER_INVALID, .text = SPAN_LITERAL("no topic")});
    ask("GET", "/v1/egress/a/b", NULL);
    problem(400, "no topic");
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_FULL});
    ask("POST", "/v1/egress/a/b/ack?cursor=1", NULL);
    problem(503, "full");
    cr_assert_str_eq(reply_header(&reply, "retry-after"), "1");
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_REPLY});
    ask("GET", "/v1/egress/a/b", NULL);
    problem(500, "unexpected");
    fake_port_expect(&fake,
                     (struct shard_answer){.kind = ANSWER_ROWS, .body = SPAN_LITERAL("\x01\x07")});
    ask("GET", "/v1/egress/a/b", NULL);
    problem(500, "unexpected");
}

Test(pull, a_wait_ends_with_an_empty_list)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    fake.hold = true;
    ask("GET", "/v1/egress/shop/out?wait=30ms&after=9", NULL);
    answers(200, "{\"records\":[],\"next\":\"9\"}");
    cr_assert_str_eq(fake.log, "PULL shop/out topic= after=9 max=100 pop=0 wait=1\nDETACH\n");
    cr_assert_null(fake.waiter);
}

static int start_wait(void)
{
    int fd = client_connect(thread.port);
    client_say(fd, "GET /v1/egress/shop/out?wait=60s HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 500 && strstr(fake.log, "PULL") == NULL; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_assert_not_null(strstr(fake.log, "wait=1"));
    return fd;
}

Test(pull, a_wait_ends_with_a_record)
{
    struct buffer rows;
    fake_port_expect(&fake, two_records(&rows));
    fake.hold = true;
    int fd = start_wait();
    server_thread_run(&thread, fake_port_release, &fake);
    client_reply(fd, &reply);
    answers(200, TWO_RECORDS);
    cr_assert_null(strstr(fake.log, "DETACH"));
    close(fd);
    buffer_close(&rows);
}

Test(pull, a_client_that_goes_is_forgotten)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    fake.hold = true;
    client_vanish(start_wait());
    cr_assert(fake_port_wait_detached(&fake, 1));
    cr_assert_null(fake.waiter);
}

static void drain(void *context)
{
    (void)context;
    egress_drain(&egress);
}

Test(pull, draining_ends_every_wait)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    fake.hold = true;
    int fd = start_wait();
    server_thread_run(&thread, drain, NULL);
    client_reply(fd, &reply);
    answers(200, "{\"records\":[],\"next\":\"0\"}");
    close(fd);
    fake.hold = false;
    fake.log[0] = '\0';
    ask("GET", "/v1/egress/shop/out?wait=60s", NULL);
    answers(200, "{\"records\":[],\"next\":\"0\"}");
    cr_assert_str_eq(fake.log, "PULL shop/out topic= after=0 max=100 pop=0 wait=0\n");
}

Test(pull, acknowledge)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_DONE, .number = 2});
    ask("POST", "/v1/egress/shop/out/ack", "{\"cursor\":\"14\"}");
    answers(200, "{\"taken\":2}");
    ask("POST", "/v1/egress/shop/out/ack", "{ \"cursor\": 15, \"more\": null }");
    answers(200, "{\"taken\":2}");
    ask("POST", "/v1/egress/shop/out/ack?cursor=16&topic=t", NULL);
    answers(200, "{\"taken\":2}");
    ask("POST", "/v1/egress/shop/out/ack", "{\"cursor\":\"18446744073709551615\"}");
    answers(200, "{\"taken\":2}");
    cr_assert_str_eq(fake.log, "ACK shop/out topic= after=14\nACK shop/out topic= after=15\n"
                               "ACK shop/out topic=t after=16\n"
                               "ACK shop/out topic= after=18446744073709551615\n");
}

Test(pull, bad_acknowledgements_reach_no_shard)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_DONE});
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "14",
                                      "{\"cursor\":\"x\"}",
                                      "{\"cursor\":-1}",
                                      "{\"cursor\":1.5}",
                                      "{\"cursor\":null}",
                                      "{\"other\":1}",
                                      "{\"cursor\":\"\"}",
                                      "{\"cursor\":\"1\",\"cursor\":\"2\"}",
                                      "{\"cursor\":\"18446744073709551616\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ask("POST", "/v1/egress/shop/out/ack", bad[i]);
        problem(400, "invalid-cursor");
    }
    ask("POST", "/v1/egress/shop/out/ack?cursor=", "{\"cursor\":\"1\"}");
    problem(400, "invalid-cursor");
    cr_assert_str_eq(fake.log, "");
}

Test(pull, who_is_not_allowed)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    allowed = false;
    ask("GET", "/v1/egress/shop/out", NULL);
    problem(403, "\"address\":\"shop\"");
    ask("POST", "/v1/egress/shop/out/ack?cursor=1", NULL);
    problem(403, "not-you");
    cr_assert_str_eq(fake.log, "");
}
