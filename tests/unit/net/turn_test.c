/* Nobody takes the whole turn, and nobody's unread answers take all the memory. */
#include "echo.h"
#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASK "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n"
enum { REQUESTS = 2000, LARGE = 32 << 20, ENDING = 300 };

static struct echo echo;
static struct http_reply reply;
static int greedy, modest;

static void setup(void)
{
    struct server_limits limits = SERVER_LIMITS;
    limits.bodies_max = 40 << 20;
    limits.connections_max = 2 * ENDING;
    echo_start(&echo, limits);
}

static void teardown(void)
{
    reply_close(&reply);
    server_thread_stop(&echo.thread);
}

TestSuite(turn, .init = setup, .fini = teardown, .timeout = 30);

static int connected(void)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, ASK);
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    reply_close(&reply);
    return fd;
}

static void say_many(int fd)
{
    static char text[REQUESTS * sizeof ASK];
    size_t size = 0;
    for (int i = 0; i < REQUESTS; i++) size += (size_t)sprintf(text + size, "%s", ASK);
    client_send(fd, text, size);
}

/* On the server's thread, which therefore sees all of it at once. */
static void ask_many_and_go(void *unused)
{
    (void)unused;
    say_many(greedy);
    struct linger reset = {1, 0};
    setsockopt(greedy, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(greedy);
}

Test(turn, does_not_work_for_a_client_that_has_gone)
{
    greedy = connected();
    server_thread_run(&echo.thread, ask_many_and_go, NULL);
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
    cr_assert_lt(atomic_load(&echo.handled), REQUESTS / 2);
}

static void both_ask(void *unused)
{
    (void)unused;
    say_many(greedy);
    client_say(modest, "GET /decode/modest HTTP/1.1\r\nHost: t\r\n\r\n");
}

Test(turn, lets_others_in_between)
{
    greedy = connected();
    modest = connected();
    server_thread_run(&echo.thread, both_ask, NULL);
    client_reply(modest, &reply);
    int handled = atomic_load(&echo.decoded_at);
    cr_assert_eq(reply.status, 200);
    cr_assert_lt(handled, REQUESTS / 2, "%d came first", handled);
    for (int i = 0; i < REQUESTS; i++) {
        reply_close(&reply);
        client_reply(greedy, &reply);
        cr_assert_eq(reply.status, 200, "the answer to request %d", i);
    }
    close(greedy);
    close(modest);
}

static int ending[ENDING];

static void many_end_and_one_asks(void *unused)
{
    (void)unused;
    for (int i = 0; i < ENDING; i++) close(ending[i]);
    client_say(modest, "GET /decode/modest HTTP/1.1\r\nHost: t\r\n\r\n");
}

Test(turn, lets_others_in_while_many_end)
{
    for (int i = 0; i < ENDING; i++) ending[i] = client_connect(echo.thread.port);
    modest = connected();
    server_thread_run(&echo.thread, many_end_and_one_asks, NULL);
    client_reply(modest, &reply);
    cr_assert_eq(reply.status, 200);
    unsigned open = atomic_load(&echo.open_then);
    cr_assert_gt(open, ENDING - 50, "%u of %d were still there", open, ENDING);
    cr_assert(server_thread_wait_connections(&echo.thread, 1));
    close(modest);
}

static int ask_large(const char *method)
{
    char text[200];
    int fd = client_connect(echo.thread.port);
    snprintf(text, sizeof text, "%s /big?size=%d HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n",
             method, (int)LARGE);
    client_say(fd, text);
    return fd;
}

/* The slow one is cut when it has read nothing for a while; its machine had taken some of it. */
static bool served_at_last(void)
{
    for (int i = 0; i < 20; i++) {
        int fd = ask_large("GET");
        reply_close(&reply);
        client_reply(fd, &reply);
        close(fd);
        if (reply.status == 200) return reply.body_size == (size_t)LARGE;
        usleep(300000);
    }
    return false;
}

Test(turn, bounds_answers_that_nobody_reads)
{
    int slow = ask_large("GET");
    usleep(200000);
    int refused = ask_large("GET");
    client_reply(refused, &reply);
    cr_assert_eq(reply.status, 503);
    cr_assert_not_null(strstr(reply.body, "\"full\""), "%s", reply.body);
    reply_close(&reply);
    /* What is no read was done: who asked must not think that it was refused. */
    int lost = ask_large("POST");
    cr_assert(client_closed(lost));
    cr_assert(served_at_last());
    close(slow);
    close(refused);
    close(lost);
}
