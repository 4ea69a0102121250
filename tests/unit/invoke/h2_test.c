/* Calls over HTTP/2: many on one connection, and what becomes of them when streams or connections
 * end. */
#include "fixture.h"
#include "lib/server_h2.h"
#include "lib/server_tls.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

TestSuite(h2, .timeout = 60);

static struct buffer body;
static struct h2_server h2;
static struct server server;
static struct fixture f;

static void setup(void)
{
    signal(SIGPIPE, SIG_IGN);
    answer_encode(&body, 1000);
    h2 = (struct h2_server){.body = body.at,
                            .body_size = body.size,
                            .expects_length = true,
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    fixture_open(&f);
    f.endpoint.h2_prior_knowledge = true;
    cr_assert(server_open(&server, h2_script, &h2));
}

static void teardown(void)
{
    fixture_close(&f);
    server_close(&server);
    buffer_close(&body);
}

static struct invoke_metrics metrics_now(void)
{
    struct invoke_metrics metrics;
    invoke_metrics(f.invoke, &metrics);
    return metrics;
}

static void expect_line(const char *line)
{
    cr_expect_not_null(strstr(h2.head, line), "%s in\n%s", line, h2.head);
}

Test(h2, the_request_has_everything, .init = setup, .fini = teardown)
{
    char authority[64], length[64];
    struct buffer bytes;
    fixture_serve(&f, &server, "/fn/{function.name}");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(f.told[0].egress_bytes, 1000);
    fixture_request_bytes(&f, 0, &bytes);
    snprintf(authority, sizeof authority, ":authority: 127.0.0.1:%u\n", server.port);
    snprintf(length, sizeof length, "content-length: %zu\n", bytes.size);
    expect_line(":method: POST\n");
    expect_line(":scheme: http\n");
    expect_line(":path: /fn/greeter\n");
    expect_line("content-type: application/octet-stream\n");
    expect_line("accept: application/octet-stream\n");
    expect_line("accept-encoding: gzip,deflate\n");
    expect_line("user-agent: holdfast/" HOLDFAST_VERSION "\n");
    expect_line("holdfast-invocation-id: 0123456789abcdef\n");
    expect_line("holdfast-attempt: 3\n");
    expect_line("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n");
    expect_line(authority);
    expect_line(length);
    cr_expect_eq(h2.received, bytes.size);
    cr_expect_arr_eq(h2.request_body, bytes.at, bytes.size);
    buffer_close(&bytes);
}

Test(h2, many_calls_share_a_connection, .init = setup, .fini = teardown)
{
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 60; i++) fixture_call(&f);
    f.follow_ups = 500;
    cr_assert(fixture_wait(&f, 560, 20000));
    for (int i = 0; i < 560; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&server.accepted), 1);
    cr_expect_eq(metrics_now().connections_open, 1);
}

Test(h2, large_bodies_pass_flow_control, .init = setup, .fini = teardown)
{
    size_t size = 4u << 20;
    buffer_close(&body);
    answer_encode(&body, size);
    h2.body = body.at;
    h2.body_size = body.size;
    f.argument = calloc(1, size);
    f.message.argument = span_of(f.argument, size);
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 5; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 5, 20000));
    for (int i = 0; i < 5; i++) {
        cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
        cr_expect_eq(f.told[i].egress_bytes, size);
    }
}

Test(h2, the_peers_limit_of_streams_is_kept, .init = setup, .fini = teardown)
{
    h2.streams_max = 4;
    f.endpoint.pool_max = 2;
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, ""); /* now the limit is known */
    for (int i = 0; i < 100; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 101, 20000));
    for (int i = 0; i < 101; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    cr_expect_leq(atomic_load(&h2.streams_most), 8);
    cr_expect_leq(atomic_load(&server.accepted), 2);
}

Test(h2, the_limit_may_be_unknown_at_first, .init = setup, .fini = teardown)
{
    h2.streams_max = 1;
    f.endpoint.pool_max = 3;
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 30; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 30, 20000));
    for (int i = 0; i < 30; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    cr_expect_eq(metrics_now().stale_retries, 0, "nothing was refused");
}

static enum h2_action action;

static enum h2_action always(int connection, int request)
{
    (void)connection;
    (void)request;
    return action;
}

static enum h2_action first_only(int connection, int request)
{
    return connection == 0 && request == 0 ? action : H2_RESULT;
}

static enum h2_action second_of_first(int connection, int request)
{
    return connection == 0 && request == 1 ? action : H2_RESULT;
}

static void check_action(enum h2_action what, enum outcome outcome, const char *text)
{
    action = what;
    h2.decide = always;
    cr_assert_told(fixture_one(&f), outcome, text);
}

Test(h2, streams_that_end_badly, .init = setup, .fini = teardown)
{
    f.endpoint.payload_bytes_max = 1u << 20;
    fixture_serve(&f, &server, "/");
    check_action(H2_CONTINUED, OUTCOME_RESULT, "");
    check_action(H2_ERROR, OUTCOME_BAD_ANSWER, "HTTP 500: it broke");
    check_action(H2_REFUSE, OUTCOME_OVERLOADED, "REFUSED_STREAM");
    check_action(H2_CALM, OUTCOME_OVERLOADED, "ENHANCE_YOUR_CALM");
    check_action(H2_RESET, OUTCOME_LOST, "INTERNAL_ERROR");
    check_action(H2_MANY_HEADERS, OUTCOME_BAD_ANSWER, "too many headers");
    check_action(H2_ENDLESS, OUTCOME_BAD_ANSWER, "more than 1048576 bytes");
    check_action(H2_RESULT, OUTCOME_RESULT, "");
    cr_expect_eq(metrics_now().connections_open, 1, "none of that hurts the connection");
    check_action(H2_HALF, OUTCOME_LOST, "connection");
}

Test(h2, a_refused_stream_is_tried_again, .init = setup, .fini = teardown)
{
    action = H2_REFUSE;
    h2.decide = first_only;
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&h2.requests), 2);
    cr_expect_eq(metrics_now().stale_retries, 1);
}

Test(h2, goaway_moves_calls_to_another_connection, .init = setup, .fini = teardown)
{
    action = H2_GOAWAY;
    h2.decide = second_of_first;
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&server.accepted), 2);
    cr_expect_eq(metrics_now().connections_open, 1);
}

Test(h2, goaway_lets_calls_finish, .init = setup, .fini = teardown)
{
    action = H2_GRACEFUL;
    h2.decide = second_of_first;
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 4; i++) cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    fixture_idle(&f, 10);
    cr_expect_eq(atomic_load(&server.accepted), 2);
    cr_expect_eq(metrics_now().stale_retries, 0);
    cr_expect_eq(metrics_now().connections_open, 1);
}

Test(h2, a_connection_that_was_idle_may_be_stale, .init = setup, .fini = teardown)
{
    action = H2_CLOSE;
    h2.decide = second_of_first;
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    fixture_idle(&f, 20);
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(metrics_now().stale_retries, 1);
    h2.decide = always;
    fixture_idle(&f, 20);
    cr_assert_told(fixture_one(&f), OUTCOME_LOST, "the connection");
    cr_expect_eq(metrics_now().stale_retries, 2);
}

Test(h2, a_time_out_ends_the_stream_only, .init = setup, .fini = teardown)
{
    action = H2_SILENT;
    h2.decide = second_of_first;
    f.endpoint.call_ms = 150;
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    int silent = fixture_call(&f);
    fixture_idle(&f, 50);
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_assert(fixture_wait(&f, 3, 3000));
    cr_assert_told(&f.told[silent], OUTCOME_TIMEOUT, "no complete answer within 150 ms");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&server.accepted), 1);
}

Test(h2, a_connection_without_a_sign_of_life_is_left, .init = setup, .fini = teardown)
{
    action = H2_SILENT;
    h2.decide = second_of_first;
    f.endpoint.call_ms = 150;
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    fixture_idle(&f, 20);
    cr_assert_told(fixture_one(&f), OUTCOME_TIMEOUT, "");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&server.accepted), 2);
}

Test(h2, an_early_answer_ends_a_large_request, .init = setup, .fini = teardown)
{
    size_t size = 2u << 20;
    action = H2_EARLY;
    h2.decide = always;
    f.argument = calloc(1, size);
    f.message.argument = span_of(f.argument, size);
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_TOO_LARGE, "HTTP 413");
}

Test(h2, idle_connections_end_by_themselves, .init = setup, .fini = teardown)
{
    f.endpoint.idle_ms = 100;
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(metrics_now().connections_open, 1);
    fixture_idle(&f, 200);
    cr_expect_eq(metrics_now().connections_open, 0);
}

Test(h2, a_new_configuration_lets_streams_finish, .init = setup, .fini = teardown)
{
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 10; i++) fixture_call(&f);
    f.configure_in_done = true;
    f.follow_ups = 10;
    cr_assert(fixture_wait(&f, 20, 5000));
    for (int i = 0; i < 20; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    fixture_idle(&f, 20);
    cr_expect_eq(metrics_now().connections_open, 1);
}

static void speak_http1(struct server *other, int fd, int index)
{
    (void)other;
    (void)index;
    char in[4096];
    if (recv(fd, in, sizeof in, 0) > 0)
        server_send_text(fd, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
}

Test(h2, a_server_that_speaks_something_else, .init = setup, .fini = teardown)
{
    struct server other;
    cr_assert(server_open(&other, speak_http1, NULL));
    fixture_serve(&f, &other, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_UNREACHABLE, "HTTP/2 did not begin");
    server_close(&other);
}

Test(h2, alpn_chooses_it, .init = setup, .fini = teardown)
{
    struct certificates certificates;
    struct server secure;
    char url[64];
    cr_assert(certificates_make(&certificates));
    h2.tls = server_tls_context(&certificates, SERVER_TLS_PLAIN, true);
    f.endpoint.h2_prior_knowledge = false;
    f.endpoint.trust_cacerts = certificates_path(&certificates, "ca.pem");
    cr_assert(server_open(&secure, h2_script, &h2));
    snprintf(url, sizeof url, "https://localhost:%u/", secure.port);
    fixture_serve_url(&f, url);
    for (int i = 0; i < 50; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 50, 10000));
    for (int i = 0; i < 50; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&h2.negotiated), 1);
    cr_expect_eq(atomic_load(&secure.accepted), 1);
    expect_line(":scheme: https\n");
    invoke_close(f.invoke);
    cr_assert_eq(invoke_open(&f.invoke, &f.loop, NULL, NULL, &f.errmsg), 0);
    server_close(&secure);
    SSL_CTX_free(h2.tls);
    certificates_remove(&certificates);
}
