/* How connections are kept, used again, given up and waited for. */
#include "fixture.h"

#include "os/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

TestSuite(pool, .timeout = 60);

#define RESULT_HEAD                                                                                \
    "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 0\r\n"

static int64_t since_ms(int64_t start_us)
{
    return (clock_mono_us() - start_us) / 1000;
}

static struct invoke_metrics metrics_of(const struct fixture *f)
{
    struct invoke_metrics metrics;
    invoke_metrics(f->invoke, &metrics);
    return metrics;
}

/* -- Stale connections -- */

/* Answers one request per connection, then waits for the next one and hangs up on it, or resets. */
struct hang_up {
    bool reset;
    int connections; /* that do so; later ones answer for ever */
};

static void answer_once(struct server *server, int fd, int index)
{
    const struct hang_up *given = server->context;
    struct server_request request;
    for (int i = 0; server_request(server, fd, &request); i++) {
        server_request_free(&request);
        if (i == 1 && index < given->connections) {
            if (given->reset) server_reset(fd);
            return;
        }
        if (!server_send_result(fd, "", 0)) return;
    }
}

static void check_stale(bool reset)
{
    struct fixture f;
    struct server server;
    struct hang_up given = {reset, 1};
    fixture_open(&f);
    cr_assert(server_open(&server, answer_once, &given));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(metrics_of(&f).stale_retries, 1);
    cr_expect_eq(metrics_of(&f).requests, 3);
    cr_expect_eq(atomic_load(&server.accepted), 2);
    fixture_close(&f);
    server_close(&server);
}

Test(pool, a_stale_connection_is_replaced_uncounted)
{
    check_stale(false);
    check_stale(true);
}

/* The first request of every connection is fine but for those of one call: it kills each connection
 * it meets. */
static void poisoned(struct server *server, int fd, int index)
{
    struct server_request request;
    (void)index;
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    if (atomic_load(&server->requests) > 1) return;
    server_send_result(fd, "", 0);
    if (server_request(server, fd, &request)) server_request_free(&request);
}

Test(pool, the_second_loss_counts)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, poisoned, NULL));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_assert_told(fixture_one(&f), OUTCOME_LOST, "closed before an answer");
    cr_expect_eq(metrics_of(&f).stale_retries, 1);
    cr_expect_eq(atomic_load(&server.accepted), 2);
    fixture_close(&f);
    server_close(&server);
}

static void answer_once_and_go(struct server *server, int fd, int index)
{
    struct server_request request;
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    server_send_result(fd, "", 0);
    /* Nobody listens any more when the second request is lost. */
    if (index == 0 && server_request(server, fd, &request)) server_request_free(&request);
}

Test(pool, a_retry_that_finds_nobody_is_a_loss)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, answer_once_and_go, NULL));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    server_stop_listening(&server);
    cr_assert_told(fixture_one(&f), OUTCOME_LOST, "then: 127.0.0.1");
    fixture_close(&f);
    server_close(&server);
}

static void close_after_answer(struct server *server, int fd, int index)
{
    (void)index;
    struct server_request request;
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    server_send_text(fd, server->context);
}

static void check_connections(server_script *script, void *context, int idle_ms, int connections)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, script, context));
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 3; i++) {
        cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
        fixture_idle(&f, idle_ms);
    }
    cr_expect_eq(atomic_load(&server.accepted), connections);
    cr_expect_eq(metrics_of(&f).stale_retries, 0);
    fixture_close(&f);
    server_close(&server);
}

Test(pool, connections_that_say_close_are_not_used_again)
{
    check_connections(close_after_answer, RESULT_HEAD "connection: close\r\n\r\n", 0, 3);
    check_connections(close_after_answer, RESULT_HEAD "Connection: foo, Close\r\n\r\n", 0, 3);
    check_connections(close_after_answer,
                      "HTTP/1.0 200 OK\r\ncontent-type: application/octet-stream\r\n"
                      "content-length: 0\r\n\r\n",
                      0, 3);
    /* More bytes than the answer has: whose are they? */
    check_connections(close_after_answer, RESULT_HEAD "\r\nHTTP/1.1 200", 0, 3);
    check_connections(close_after_answer, RESULT_HEAD "keep-alive: timeout=0\r\n\r\n", 0, 3);
}

Test(pool, a_close_between_calls_is_noticed)
{
    check_connections(close_after_answer, RESULT_HEAD "\r\n", 30, 3);
}

static void serve_text(struct server *server, int fd, int index)
{
    (void)index;
    struct server_request request;
    while (server_request(server, fd, &request)) {
        server_request_free(&request);
        if (!server_send_text(fd, server->context)) return;
    }
}

Test(pool, http_1_0_with_keep_alive_is_used_again)
{
    check_connections(serve_text,
                      "HTTP/1.0 200 OK\r\ncontent-type: application/octet-stream\r\n"
                      "content-length: 0\r\nConnection: Keep-Alive\r\n\r\n",
                      0, 1);
}

Test(pool, the_server_says_how_long_to_keep)
{
    check_connections(serve_text, RESULT_HEAD "Keep-Alive: timeout=1, max=100\r\n\r\n", 200, 1);
    check_connections(serve_text, RESULT_HEAD "Keep-Alive: timeout=1, max=100\r\n\r\n", 700, 3);
}

Test(pool, idle_connections_end_by_themselves)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    f.endpoint.idle_ms = 200;
    cr_assert(server_open(&server, serve_text, RESULT_HEAD "\r\n"));
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 5; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 5, 5000));
    cr_expect_eq(metrics_of(&f).connections_open, 5);
    fixture_idle(&f, 120);
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    fixture_idle(&f, 120);
    cr_expect_eq(metrics_of(&f).connections_open, 1, "the last used one stays");
    fixture_idle(&f, 200);
    cr_expect_eq(metrics_of(&f).connections_open, 0);
    fixture_close(&f);
    server_close(&server);
}

/* -- The line -- */

struct peak {
    atomic_int now, most;
    char order[64]; /* ids of the requests as they came, one at a time */
    atomic_int count;
    int delay_ms;
};

static void serve_slowly(struct server *server, int fd, int index)
{
    (void)index;
    struct peak *peak = server->context;
    struct server_request request;
    char attempt[16];
    while (server_request(server, fd, &request)) {
        int now = atomic_fetch_add(&peak->now, 1) + 1;
        if (now > atomic_load(&peak->most)) atomic_store(&peak->most, now);
        server_header(&request, "holdfast-attempt", attempt, sizeof attempt);
        int place = atomic_fetch_add(&peak->count, 1);
        if (place < 64) peak->order[place] = attempt[0];
        server_request_free(&request);
        server_sleep_ms(peak->delay_ms);
        atomic_fetch_sub(&peak->now, 1);
        if (!server_send_result(fd, "", 0)) return;
    }
}

Test(pool, no_more_connections_than_the_limit)
{
    struct fixture f;
    struct server server;
    struct peak peak = {.delay_ms = 5};
    fixture_open(&f);
    f.endpoint.pool_max = 3;
    cr_assert(server_open(&server, serve_slowly, &peak));
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 60; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 60, 10000));
    for (int i = 0; i < 60; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&server.accepted), 3);
    cr_expect_leq(atomic_load(&peak.most), 3);
    fixture_close(&f);
    server_close(&server);
}

Test(pool, who_waits_longest_comes_first)
{
    struct fixture f;
    struct server server;
    struct peak peak = {.delay_ms = 1};
    fixture_open(&f);
    f.endpoint.pool_max = 1;
    cr_assert(server_open(&server, serve_slowly, &peak));
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 9; i++) {
        fixture_call(&f);
        f.invocations[i].attempt = (uint32_t)i + 1; /* none but the first has been encoded yet */
    }
    cr_assert(fixture_wait(&f, 9, 5000));
    cr_expect_eq(strncmp(peak.order + 1, "23456789", 8), 0, "%.9s", peak.order);
    fixture_close(&f);
    server_close(&server);
}

static void never_answer(struct server *server, int fd, int index)
{
    (void)index;
    struct server_request request;
    while (server_request(server, fd, &request)) server_request_free(&request);
}

Test(pool, waiting_counts_against_the_call)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    f.endpoint.pool_max = 1;
    f.endpoint.call_ms = 150;
    cr_assert(server_open(&server, never_answer, NULL));
    fixture_serve(&f, &server, "/");
    int64_t start_us = clock_mono_us();
    fixture_call(&f);
    f.same_time = true; /* or the second one would still be sent when the first is given up */
    fixture_call(&f);
    cr_assert(fixture_wait(&f, 2, 5000));
    cr_expect_geq(since_ms(start_us), 149);
    cr_expect_lt(since_ms(start_us), 1000);
    cr_assert_told(&f.told[0], OUTCOME_TIMEOUT, "no complete answer within 150 ms");
    cr_assert_told(&f.told[1], OUTCOME_UNREACHABLE, "no connection within 150 ms");
    fixture_close(&f);
    server_close(&server);
}

/* -- Time -- */

static void answer_late(struct server *server, int fd, int index)
{
    struct server_request request;
    while (server_request(server, fd, &request)) {
        server_request_free(&request);
        if (index == 0) server_sleep_ms(200);
        if (!server_send_result(fd, "", 0)) return;
    }
}

Test(pool, a_late_answer_is_dropped_with_its_connection)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    f.endpoint.call_ms = 100;
    cr_assert(server_open(&server, answer_late, NULL));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_TIMEOUT, "");
    cr_expect_eq(metrics_of(&f).connections_open, 0);
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    fixture_idle(&f, 150);
    cr_expect_eq(f.told[0].count, 1);
    cr_expect_eq(f.told_count, 2);
    fixture_close(&f);
    server_close(&server);
}

/* One byte every 20 ms for ever: progress is no excuse. */
static void drip(struct server *server, int fd, int index)
{
    (void)index;
    struct server_request request;
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    server_send_text(fd, RESULT_HEAD);
    while (server_send_text(fd, "x")) server_sleep_ms(20);
}

Test(pool, dripping_answers_time_out)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    f.endpoint.call_ms = 200;
    cr_assert(server_open(&server, drip, NULL));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_TIMEOUT, "");
    fixture_close(&f);
    server_close(&server);
}

/* -- Answers that take memory -- */

enum { LARGE = 7000000 };

/* Most of a large answer, and then nothing. */
static void stall(struct server *server, int fd, int index)
{
    (void)index;
    struct server_request request;
    static const char zeros[LARGE];
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    server_send_text(fd, "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
                         "content-length: 8000000\r\n\r\n");
    if (server_send(fd, zeros, sizeof zeros)) server_request(server, fd, &request);
}

Test(pool, answers_together_are_bounded)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    f.endpoint.payload_bytes_max = 8000000;
    cr_assert(server_open(&server, stall, NULL));
    fixture_serve(&f, &server, "/");
    invoke_bound(f.invoke, 1000000);
    for (int i = 0; i < 4; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 1, 5000));
    for (int i = 0; i < 4; i++)
        if (f.told[i].count > 0) cr_assert_told(&f.told[i], OUTCOME_OVERLOADED, "no more room");
    fixture_idle(&f, 100);
    cr_assert_lt(f.told_count, 4, "one of the largest has room");
    fixture_close(&f);
    server_close(&server);
}

/* -- Answers that come early -- */

/* Reads only the head of a large request, refuses, and closes with the rest unread: a reset for the
 * sender. */
static void refuse_early(struct server *server, int fd, int index)
{
    (void)server;
    (void)index;
    char head[1024];
    if (recv(fd, head, sizeof head, 0) <= 0) return;
    server_send_text(fd, "HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig");
    server_sleep_ms(100);
}

Test(pool, an_answer_before_the_request_is_sent_counts)
{
    struct fixture f;
    struct server server;
    size_t size = 24u << 20;
    fixture_open(&f);
    f.argument = calloc(1, size);
    f.message.argument = span_of(f.argument, size);
    cr_assert(server_open(&server, refuse_early, NULL));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_TOO_LARGE, "HTTP 413: big");
    cr_expect_eq(metrics_of(&f).connections_open, 0);
    fixture_close(&f);
    server_close(&server);
}

/* -- New configurations -- */

Test(pool, calls_in_flight_survive_a_new_configuration)
{
    struct fixture f;
    struct server old, new;
    struct peak peak = {.delay_ms = 100};
    fixture_open(&f);
    f.endpoint.pool_max = 2;
    cr_assert(server_open(&old, serve_slowly, &peak));
    cr_assert(server_open(&new, serve_text, RESULT_HEAD "\r\n"));
    fixture_serve(&f, &old, "/");
    for (int i = 0; i < 4; i++) fixture_call(&f); /* two of them wait in line */
    fixture_idle(&f, 20);
    fixture_serve(&f, &new, "/");
    fixture_call(&f);
    cr_assert(fixture_wait(&f, 5, 5000));
    for (int i = 0; i < 5; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&old.requests), 4);
    cr_expect_eq(atomic_load(&new.requests), 1);
    fixture_idle(&f, 20);
    cr_expect_eq(metrics_of(&f).connections_open, 1, "the old ones are gone");
    fixture_close(&f);
    server_close(&old);
    server_close(&new);
}

Test(pool, a_new_configuration_may_come_from_within_done)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, serve_text, RESULT_HEAD "\r\n"));
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 3; i++) {
        f.configure_in_done = true;
        f.follow_ups = 3;
        cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
        cr_assert(fixture_wait(&f, 4 * (i + 1), 5000));
    }
    cr_expect_eq(f.told_count, 12);
    fixture_close(&f);
    server_close(&server);
}

Test(pool, closing_with_calls_in_flight_is_quiet)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    f.endpoint.pool_max = 2;
    cr_assert(server_open(&server, never_answer, NULL));
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 5; i++) fixture_call(&f);
    fixture_idle(&f, 30);
    fixture_serve(&f, &server, "/other");
    for (int i = 0; i < 5; i++) fixture_call(&f);
    fixture_idle(&f, 30);
    fixture_close(&f);
    cr_expect_eq(f.told_count, 0);
    server_close(&server);
}
