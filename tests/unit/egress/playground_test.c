/* The playground's egress port over a real socket, with a fake shard behind it. */
#include "egress/playground.h"
#include "unit/egress/fake_port.h"
#include "lib/http_client.h"
#include "wire/function.h"
#include "wire/playground.h"

#include <criterion/criterion.h>
#include <unistd.h>

static struct server_thread thread;
static struct fake_port fake;
static struct playground playground;
static struct http_reply reply;
static const struct span topics[] = {{(const uint8_t *)"greetings", 9},
                                     {(const uint8_t *)"a/b c", 5}};

static void set_up(void)
{
    server_thread_start(&thread, SERVER_LIMITS, playground_handle, &playground);
    fake_port_init(&fake, &thread.loop);
    playground = (struct playground){.port = &fake.port, .topics = topics, .topic_count = 2};
}

static void tear_down(void)
{
    reply_close(&reply);
    server_thread_stop(&thread);
}

TestSuite(playground_port, .init = set_up, .fini = tear_down);

static void ask(const char *method, const char *path)
{
    reply_close(&reply);
    client_request(thread.port, method, path, "", NULL, 0, &reply);
}

static void answers_status(int status, const char *text)
{
    cr_assert_eq(reply.status, status, "%d %s", reply.status, reply.body);
    cr_assert_str_eq(reply_header(&reply, "status"), text);
    cr_assert_str_eq(reply.body, "");
}

static struct shard_answer one_row(struct buffer *rows, struct span json)
{
    struct buffer raw;
    buffer_init(&raw);
    buffer_init(rows);
    typed_value_encode(&raw, PLAYGROUND_RECORD, json);
    buffer_varint(rows, 300);
    buffer_string(rows, buffer_span(&raw));
    buffer_close(&raw);
    return (struct shard_answer){.kind = ANSWER_ROWS, .body = buffer_span(rows)};
}

Test(playground_port, pops_the_text)
{
    struct buffer rows;
    fake_port_expect(
        &fake,
        one_row(&rows,
                SPAN_LITERAL("{\"topic\":\"greetings\",\"payload\":\"Hall\\u00f6 \\\"Bob\\\"\"}")));
    ask("GET", "/greetings");
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply.body, "Hall\xc3\xb6 \"Bob\"");
    cr_assert_str_eq(reply_header(&reply, "content-type"), "text/plain; charset=utf-8");
    cr_assert_null(reply_header(&reply, "status"));
    cr_assert_str_eq(
        fake.log,
        "PULL io.statefun.playground/egress topic=greetings after=0 max=1 pop=1 wait=0\n");
    buffer_close(&rows);
}

Test(playground_port, an_empty_payload_is_a_message)
{
    struct buffer rows;
    fake_port_expect(&fake, one_row(&rows, SPAN_LITERAL("{\"topic\":\"a/b c\",\"payload\":\"\"}")));
    ask("GET", "/a/b%20c?ignored=1");
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply.body, "");
    cr_assert_not_null(strstr(fake.log, "topic=a/b c "));
    buffer_close(&rows);
}

Test(playground_port, nothing_there)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    ask("GET", "/greetings");
    answers_status(404, "404");
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_NOT_FOUND});
    ask("GET", "/greetings");
    answers_status(404, "404");
}

Test(playground_port, no_such_topic)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    static const char *const paths[] = {"/", "/greeting", "/greetings/", "/greetings%zz",
                                        "/Greetings"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        ask("GET", paths[i]);
        answers_status(405, "405");
    }
    cr_assert_str_eq(fake.log, "");
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_UNKNOWN_EGRESS});
    ask("GET", "/greetings");
    answers_status(405, "405");
}

Test(playground_port, other_methods_take_nothing)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    ask("POST", "/greetings");
    cr_assert_eq(reply.status, 405);
    cr_assert_str_eq(reply_header(&reply, "allow"), "GET");
    cr_assert_str_eq(fake.log, "");
}

static bool nobody(void *context, struct http_request *request, struct span name_space)
{
    cr_assert_null(context);
    http_problem(request, 401, "not-you", "no", name_space, 0);
    return false;
}

Test(playground_port, who_is_not_allowed)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    playground.allow = nobody;
    ask("GET", "/greetings");
    cr_assert_eq(reply.status, 401);
    cr_assert_not_null(strstr(reply.body, "io.statefun.playground"), "%s", reply.body);
    cr_assert_str_eq(fake.log, "");
}

Test(playground_port, failures)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_FULL});
    ask("GET", "/greetings");
    answers_status(503, "503");
    fake_port_expect(&fake,
                     (struct shard_answer){.kind = ANSWER_ROWS, .body = SPAN_LITERAL("\x01\x07")});
    ask("GET", "/greetings");
    cr_assert_eq(reply.status, 500);
    struct buffer rows;
    fake_port_expect(&fake, one_row(&rows, SPAN_LITERAL("{}")));
    ask("GET", "/greetings");
    cr_assert_eq(reply.status, 500);
    cr_assert_not_null(strstr(reply.body, "EgressRecord"), "%s", reply.body);
    buffer_close(&rows);
}

Test(playground_port, a_client_that_goes_is_forgotten)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS});
    fake.hold = true;
    int fd = client_connect(thread.port);
    client_say(fd, "GET /greetings HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 500 && fake.waiter == NULL; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    client_vanish(fd);
    cr_assert(fake_port_wait_detached(&fake, 1));
    cr_assert_null(fake.waiter);
}
