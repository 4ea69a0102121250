/* The server over real sockets: requests, answers, keep-alive, clients that go. */
#include "echo.h"
#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/socket.h>
#include <unistd.h>

static struct echo echo;
static struct http_reply reply;

static void setup(void)
{
    echo_start(&echo, SERVER_LIMITS);
}

static void teardown(void)
{
    reply_close(&reply);
    server_thread_stop(&echo.thread);
}

TestSuite(server, .init = setup, .fini = teardown, .timeout = 30);

static void get(const char *path)
{
    reply_close(&reply);
    client_request(echo.thread.port, "GET", path, NULL, NULL, 0, &reply);
}

Test(server, answers_with_method_path_query_and_body)
{
    client_request(echo.thread.port, "POST", "/echo/a%20b?x=1", NULL, "hello", 5, &reply);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply.body, "POST /echo/a%20b x=1 secure hello");
    cr_assert_str_eq(reply_header(&reply, "content-type"), "text/plain");
    cr_assert_not_null(reply_header(&reply, "date"));
}

Test(server, keeps_the_connection_for_the_next_request)
{
    int fd = client_connect(echo.thread.port);
    for (int i = 0; i < 5; i++) {
        client_say(fd, "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n");
        client_reply(fd, &reply);
        cr_assert_eq(reply.status, 200);
        reply_close(&reply);
    }
    close(fd);
}

Test(server, answers_pipelined_requests_in_order)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd,
               "GET /echo?1 HTTP/1.1\r\nHost: t\r\n\r\nGET /echo?2 HTTP/1.1\r\nHost: t\r\n\r\n");
    client_reply(fd, &reply);
    cr_assert_str_eq(reply.body, "GET /echo 1 secure ");
    reply_close(&reply);
    client_reply(fd, &reply);
    cr_assert_str_eq(reply.body, "GET /echo 2 secure ");
    close(fd);
}

Test(server, answers_later_and_keeps_the_connection)
{
    int fd = client_connect(echo.thread.port);
    for (int i = 1; i <= 3; i++) {
        client_say(fd, "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
        cr_assert(reaches(&echo.handled, i));
        echo_release(&echo);
        client_reply(fd, &reply);
        cr_assert_eq(reply.status, 200);
        cr_assert_str_eq(reply.body, "released");
        reply_close(&reply);
    }
    close(fd);
}

/* It has no more to say, and waits (RFC 9112, 9.6). */
Test(server, answers_a_client_that_has_only_ended_its_own_direction)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_assert(reaches(&echo.handled, 1));
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
    usleep(100000);
    cr_assert_eq(atomic_load(&echo.gone), 0);
    echo_release(&echo);
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply.body, "released");
    cr_assert(client_closed(fd));
    close(fd);
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
}

/* Nobody can tell it from the one above before something is written to it. */
Test(server, notices_by_its_answer_that_a_client_has_closed)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_assert(reaches(&echo.handled, 1));
    close(fd);
    echo_release(&echo);
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
}

Test(server, tells_the_handler_that_a_client_has_reset)
{
    struct linger hard = {.l_onoff = 1};
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_assert(reaches(&echo.handled, 1));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    cr_assert(reaches(&echo.gone, 1));
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
}

static void expect_draining(int fd)
{
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 503);
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/problem+json");
    cr_assert_str_eq(reply_header(&reply, "connection"), "close");
    cr_assert_not_null(strstr(reply.body, "\"code\":\"draining\""));
    cr_assert(client_closed(fd));
    close(fd);
}

Test(server, tells_who_waits_that_it_closes)
{
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(echo.thread.port);
        client_say(fds[i], "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
        cr_assert(reaches(&echo.handled, i + 1));
    }
    server_thread_stop(&echo.thread);
    cr_assert_eq(atomic_load(&echo.gone), 3);
    for (int i = 0; i < 3; i++) {
        expect_draining(fds[i]);
        reply_close(&reply);
    }
    setup(); /* for the teardown */
}

/* Whatever it asked for may have happened: to be told to try again would double it. */
Test(server, claims_nothing_of_what_a_handler_has)
{
    char byte;
    int fd = client_connect(echo.thread.port);
    client_say(fd, "POST /hold HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
    cr_assert(reaches(&echo.handled, 1));
    server_thread_stop(&echo.thread);
    cr_assert_eq(atomic_load(&echo.gone), 1);
    cr_assert_eq(recv(fd, &byte, 1, 0), 0, "the end, and nothing before it");
    close(fd);
    setup(); /* for the teardown */
}

Test(server, runs_turn_ends_after_requests)
{
    int before = atomic_load(&echo.turn_ends);
    get("/echo");
    cr_assert(reaches(&echo.turn_ends, before + 1));
}

Test(server, sleeps_while_nothing_happens)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n");
    client_reply(fd, &reply);
    usleep(100000);
    uint64_t before = echo.thread.turns;
    usleep(1200000);
    cr_assert_leq(echo.thread.turns - before, 1, "%zu turns in 1.2 s",
                  (size_t)(echo.thread.turns - before));
    close(fd);
}

Test(server, sends_32_mib)
{
    get("/big?size=33554432");
    cr_assert_eq(reply.status, 200);
    cr_assert_eq(reply.body_size, 33554432);
    for (size_t i = 0; i < reply.body_size; i += 4099)
        cr_assert_eq((uint8_t)reply.body[i], (uint8_t)(i * 7));
}

Test(server, decodes_percent_in_paths_and_refuses_bad_ones)
{
    get("/decode/a%2Fb%C3%A9+c");
    cr_assert_str_eq(reply.body, "a/bé+c");
    const char *bad[] = {"/decode/%", "/decode/a%2", "/decode/%zz", "/decode/%2g"};
    for (size_t i = 0; i < 4; i++) {
        get(bad[i]);
        cr_assert_eq(reply.status, 400, "%s", bad[i]);
    }
}

Test(server, finds_query_parameters)
{
    get("/header?x=1&name=x-some%2Dthing&nameless=2");
    cr_assert_str_eq(reply.body, "(none)");
    reply_close(&reply);
    client_request(echo.thread.port, "GET", "/header?name=x-some-thing", "X-Some-Thing: 42\r\n",
                   NULL, 0, &reply);
    cr_assert_str_eq(reply.body, "42");
    get("/header?name=host");
    cr_assert_str_eq(reply.body, "test");
}

Test(server, describes_problems)
{
    get("/problem");
    cr_assert_eq(reply.status, 503);
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/problem+json");
    cr_assert_str_eq(reply_header(&reply, "retry-after"), "7");
    cr_assert_str_eq(reply.body,
                     "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                     "\"code\":\"draining\",\"detail\":\"say \\\"when\\\"\"}\n");
}

Test(server, lets_no_header_end_a_header)
{
    get("/evil");
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply_header(&reply, "x-evil"), "a??set-cookie: b");
    cr_assert_null(reply_header(&reply, "set-cookie"));
}

Test(server, answers_head_without_a_body)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "HEAD /big?size=10 HTTP/1.1\r\nHost: t\r\n\r\n");
    client_reply_head(fd, &reply);
    cr_assert_str_eq(reply_header(&reply, "content-length"), "10");
    reply_close(&reply);
    client_say(fd, "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n");
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    close(fd);
}

Test(server, answers_204_and_keeps_the_connection)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n");
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 204);
    reply_close(&reply);
    client_say(fd, "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n");
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    close(fd);
}

static void drain(void *argument)
{
    server_drain(argument);
}

Test(server, drains)
{
    int idle = client_connect(echo.thread.port);
    int busy = client_connect(echo.thread.port);
    client_say(busy, "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_assert(reaches(&echo.handled, 1));
    cr_assert(server_thread_wait_connections(&echo.thread, 2));
    server_thread_run(&echo.thread, drain, echo.thread.server);
    cr_assert(client_closed(idle));
    echo_release(&echo);
    client_reply(busy, &reply);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply_header(&reply, "connection"), "close");
    cr_assert(client_closed(busy));
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
    close(idle);
    close(busy);
}
