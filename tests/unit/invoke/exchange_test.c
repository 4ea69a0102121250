/* Calls over HTTP/1.1: what is sent, what is taken for an answer, and how connections are used
 * again. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(exchange, .timeout = 30);

/* Answers every request with one egress message of 100 bytes. */
static void serve_results(struct server *server, int fd, int index)
{
    (void)index;
    struct buffer body;
    struct server_request request;
    answer_encode(&body, 100);
    while (server_request(server, fd, &request)) {
        server_request_free(&request);
        if (!server_send_result(fd, body.at, body.size)) break;
    }
    buffer_close(&body);
}

Test(exchange, a_call_gives_its_result)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, serve_results, NULL));
    fixture_serve(&f, &server, "/statefun");
    const struct told *told = fixture_one(&f);
    cr_assert_told(told, OUTCOME_RESULT, "");
    cr_expect_eq(told->egress_count, 1);
    cr_expect_eq(told->egress_bytes, 100);
    cr_expect_eq(told->retry_after_ms, -1);
    fixture_close(&f);
    server_close(&server);
}

static void keep_request(struct server *server, int fd, int index)
{
    (void)index;
    if (!server_request(server, fd, server->context)) return;
    server_send_result(fd, "", 0);
    server_sleep_ms(50);
}

static void expect_header(const struct server_request *request, const char *name, const char *value)
{
    char got[256] = "(none)";
    server_header(request, name, got, sizeof got);
    cr_expect_str_eq(got, value, "%s: %s", name, got);
}

Test(exchange, the_request_is_what_every_sdk_accepts)
{
    struct fixture f;
    struct server server;
    struct server_request request;
    char host[64], length[32];
    fixture_open(&f);
    cr_assert(server_open(&server, keep_request, &request));
    fixture_serve(&f, &server, "/fn/{function.name}?x=1");
    int call = fixture_call_named(&f, "example/greet er");
    cr_assert(fixture_wait(&f, 1, 5000));
    cr_assert_told(&f.told[0], OUTCOME_RESULT, "");
    struct buffer bytes;
    fixture_request_bytes(&f, call, &bytes);
    snprintf(host, sizeof host, "127.0.0.1:%u", server.port);
    snprintf(length, sizeof length, "%zu", bytes.size);
    cr_expect_eq(strncmp(request.head, "POST /fn/greet%20er?x=1 HTTP/1.1\r\n", 34), 0, "%s",
                 request.head);
    expect_header(&request, "host", host);
    expect_header(&request, "content-type", "application/octet-stream");
    expect_header(&request, "accept", "application/octet-stream");
    expect_header(&request, "accept-encoding", "gzip,deflate");
    expect_header(&request, "connection", "keep-alive");
    expect_header(&request, "user-agent", "holdfast/" HOLDFAST_VERSION);
    expect_header(&request, "content-length", length);
    expect_header(&request, "holdfast-invocation-id", "0123456789abcdef");
    expect_header(&request, "holdfast-attempt", "3");
    expect_header(&request, "traceparent",
                  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    cr_expect_eq(request.content_length, bytes.size);
    cr_expect_arr_eq(request.body, bytes.at, bytes.size);
    buffer_close(&bytes);
    fixture_close(&f);
    server_close(&server);
    server_request_free(&request);
}

Test(exchange, connections_are_used_again)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, serve_results, NULL));
    fixture_serve(&f, &server, "");
    for (int i = 0; i < 20; i++) cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&server.accepted), 1);
    struct invoke_metrics metrics;
    invoke_metrics(f.invoke, &metrics);
    cr_expect_eq(metrics.requests, 20);
    cr_expect_eq(metrics.connections_opened, 1);
    cr_expect_eq(metrics.connections_open, 1);
    fixture_close(&f);
    server_close(&server);
}

Test(exchange, calls_from_within_done_go_on)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, serve_results, NULL));
    fixture_serve(&f, &server, "/");
    f.follow_ups = 500;
    for (int i = 0; i < 8; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 508, 20000));
    for (int i = 0; i < 508; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    cr_expect_leq(atomic_load(&server.accepted), 8);
    fixture_close(&f);
    server_close(&server);
}

Test(exchange, large_requests_and_answers_pass)
{
    struct fixture f;
    struct server server;
    size_t size = 8u << 20;
    fixture_open(&f);
    f.argument = calloc(1, size);
    f.message.argument = span_of(f.argument, size);
    cr_assert(server_open(&server, serve_results, NULL));
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 3; i++) cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&server.accepted), 1);
    struct invoke_metrics metrics;
    invoke_metrics(f.invoke, &metrics);
    cr_expect_gt(metrics.bytes_out, 3 * size);
    fixture_close(&f);
    server_close(&server);
}
