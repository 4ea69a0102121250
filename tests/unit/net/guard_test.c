/* What is refused, bounded and cut: the guards in front of h2o. */
#include "echo.h"
#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct echo echo;
static struct http_reply reply;

static void setup(void)
{
    struct server_limits limits = SERVER_LIMITS;
    limits.body_max = 1000;
    limits.connections_max = 5;
    limits.head_timeout_ms = 200;
    limits.idle_timeout_ms = 600;
    echo_start(&echo, limits);
}

static void teardown(void)
{
    reply_close(&reply);
    server_thread_stop(&echo.thread);
}

TestSuite(guard, .init = setup, .fini = teardown, .timeout = 30);

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void expect_refused(const char *request, int status)
{
    int fd = client_connect(echo.thread.port);
    int handled = atomic_load(&echo.handled);
    client_say(fd, request);
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, status, "%d instead of %d for: %s", reply.status, status, request);
    cr_assert_eq(atomic_load(&echo.handled), handled, "handled: %s", request);
    cr_assert(client_closed(fd), "still open after: %s", request);
    reply_close(&reply);
    close(fd);
}

Test(guard, refuses_what_smuggles)
{
    expect_refused(
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
        400);
    expect_refused(
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\nabc", 400);
    expect_refused("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   400);
    expect_refused("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n"
                   "Content-Length: 3\r\n\r\n0\r\n\r\n",
                   400);
    expect_refused("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   400);
    expect_refused("POST /echo HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   400);
    expect_refused("GET /echo HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", 400);
    expect_refused("GET /echo HTTP/1.1\r\n\r\n", 400);
    expect_refused("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n", 400);
    expect_refused("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: +3\r\n\r\nabc", 400);
}

Test(guard, refuses_odd_request_lines)
{
    expect_refused(" /echo HTTP/1.1\r\nHost: t\r\n\r\n", 400);
    expect_refused("GET /echo x HTTP/1.1\r\nHost: t\r\n\r\n", 400);
}

/* h2o takes "0x1" for a chunk of nothing: what follows must not become a request. */
Test(guard, reads_nothing_behind_chunks)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "0x1\r\na\r\n0\r\n\r\nGET /echo HTTP/1.1\r\nHost: t\r\n\r\n");
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    cr_assert(client_closed(fd));
    cr_assert_eq(atomic_load(&echo.handled), 1);
    close(fd);
}

Test(guard, refuses_folded_headers)
{
    expect_refused("GET /echo HTTP/1.1\r\nHost: t\r\nX-A: 1\r\n Content-Length: 3\r\n\r\n", 400);
}

Test(guard, reads_chunked_bodies)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply.body, "POST /echo  secure abcde");
    close(fd);
}

Test(guard, names_the_limit_of_bodies)
{
    char *body = calloc(1, 2000);
    client_request(echo.thread.port, "POST", "/echo", NULL, body, 1000, &reply);
    cr_assert_eq(reply.status, 200);
    reply_close(&reply);
    client_request(echo.thread.port, "POST", "/echo", NULL, body, 1001, &reply);
    cr_assert_eq(reply.status, 413);
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/problem+json");
    cr_assert_not_null(strstr(reply.body, "\"code\":\"too-large\""));
    cr_assert_not_null(strstr(reply.body, "1000 bytes"));
    free(body);
    cr_assert_eq(atomic_load(&echo.handled), 1);
}

Test(guard, bounds_chunked_bodies)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[600] = "200\r\n";
    memset(chunk + 5, 'x', 512);
    strcpy(chunk + 517, "\r\n");
    for (int i = 0; i < 3; i++) client_say(fd, chunk);
    client_say(fd, "0\r\n\r\n");
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 413);
    cr_assert_eq(atomic_load(&echo.handled), 0);
    close(fd);
}

Test(guard, bounds_heads)
{
    size_t size = 70000;
    char *headers = malloc(size + 3);
    headers[0] = 'A';
    headers[1] = ':';
    memset(headers + 2, 'x', size - 2);
    strcpy(headers + size, "\r\n");
    client_request(echo.thread.port, "GET", "/echo", headers, NULL, 0, &reply);
    free(headers);
    cr_assert_eq(reply.status, 431);
    cr_assert_eq(atomic_load(&echo.handled), 0);
}

Test(guard, bounds_connections)
{
    int fds[6];
    for (int i = 0; i < 5; i++) fds[i] = client_connect(echo.thread.port);
    cr_assert(server_thread_wait_connections(&echo.thread, 5));
    fds[5] = client_connect(echo.thread.port);
    cr_assert(client_closed(fds[5]));
    cr_assert_eq(server_thread_connections(&echo.thread), 5);
    for (int i = 0; i < 6; i++) close(fds[i]);
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
    client_request(echo.thread.port, "GET", "/echo", NULL, NULL, 0, &reply);
    cr_assert_eq(reply.status, 200);
}

static int64_t time_until_cut(int fd)
{
    int64_t start_ms = now_ms();
    cr_assert(client_closed(fd), "not cut");
    close(fd);
    return now_ms() - start_ms;
}

Test(guard, cuts_a_client_that_says_nothing)
{
    int64_t took_ms = time_until_cut(client_connect(echo.thread.port));
    cr_assert(took_ms >= 500 && took_ms < 2000, "after %d ms", (int)took_ms);
}

Test(guard, cuts_a_half_said_head)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /echo HTTP/1.1\r\nHost:");
    int64_t took_ms = time_until_cut(fd);
    cr_assert(took_ms >= 200 && took_ms < 1500, "after %d ms", (int)took_ms);
}

Test(guard, cuts_a_body_that_trickles)
{
    int fd = client_connect(echo.thread.port);
    int64_t start_ms = now_ms();
    client_say(fd, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 900\r\n\r\n");
    while (server_thread_connections(&echo.thread) > 0 && now_ms() - start_ms < 5000) {
        client_say(fd, "x");
        usleep(20000);
    }
    cr_assert(now_ms() - start_ms < 2000);
    cr_assert_eq(atomic_load(&echo.handled), 0);
    close(fd);
}

Test(guard, waits_for_handlers_as_long_as_they_like)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_assert(reaches(&echo.handled, 1));
    usleep(1500000);
    echo_release(&echo);
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    close(fd);
}

Test(guard, cuts_a_client_that_does_not_read)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /big?size=30000000 HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_assert(reaches(&echo.handled, 1));
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
    close(fd);
}

/* The answer fits into what the system takes, so h2o is done with it; the client is not. An end
   that waits behind it in the system's memory would not be one. */
Test(guard, cuts_a_client_that_does_not_read_what_the_system_has)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(echo.thread.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    client_say(fd, "GET /big?size=100000 HTTP/1.1\r\nHost: t\r\n\r\n");
    struct pollfd ended = {.fd = fd, .events = POLLRDHUP};
    cr_assert_eq(poll(&ended, 1, 3000), 1);
    cr_assert_neq(ended.revents & (POLLHUP | POLLERR), 0);
    close(fd);
}
