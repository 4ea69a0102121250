/* Bodies that are not copied: each is given back once, whatever becomes of the answer. */
#include "lib/http_client.h"
#include "lib/server_thread.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LARGE = 8 << 20 };

static struct server_thread server;
static struct http_reply reply;
static uint8_t body[LARGE];
static atomic_int given_back;

static void done(void *context)
{
    cr_assert_eq(context, body);
    atomic_fetch_add(&given_back, 1);
}

static void lend(void *context, struct http_request *request)
{
    struct http_header type = {SPAN_LITERAL("content-type"), SPAN_LITERAL("text/plain")};
    (void)context;
    http_answer_lent(request, 200, &type, 1, span_of(body, sizeof body), done, body);
}

static void setup_with(size_t bodies_max)
{
    struct server_limits limits = SERVER_LIMITS;
    limits.bodies_max = bodies_max;
    memset(body, 'a', sizeof body);
    server_thread_start(&server, limits, lend, NULL);
}

static void setup(void)
{
    setup_with(40 << 20);
}

static void setup_small(void)
{
    setup_with(2 << 20);
}

static void teardown(void)
{
    reply_close(&reply);
    server_thread_stop(&server);
}

TestSuite(lent, .init = setup, .fini = teardown, .timeout = 30);
TestSuite(lent_small, .init = setup_small, .fini = teardown, .timeout = 30);

static bool was_given_back(int times)
{
    for (int i = 0; i < 500 && atomic_load(&given_back) < times; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    usleep(20000);
    return atomic_load(&given_back) == times;
}

static int ask(const char *method)
{
    char text[100];
    int fd = client_connect(server.port);
    snprintf(text, sizeof text, "%s /x HTTP/1.1\r\nHost: t\r\n\r\n", method);
    client_say(fd, text);
    return fd;
}

static void change_the_end(void *unused)
{
    (void)unused;
    body[LARGE - 1] = 'z';
}

Test(lent, goes_out_from_where_it_is)
{
    int fd = ask("GET");
    usleep(200000); /* what fits has gone out: the end has not */
    cr_assert_eq(atomic_load(&given_back), 0);
    server_thread_run(&server, change_the_end, NULL);
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    cr_assert_eq(reply.body_size, (size_t)LARGE);
    cr_assert_eq(reply.body[0], 'a');
    cr_assert_eq(reply.body[LARGE - 1], 'z', "it was copied");
    cr_assert(was_given_back(1));
    close(fd);
}

Test(lent, comes_back_from_a_client_that_has_gone)
{
    int fd = ask("GET");
    usleep(100000);
    client_vanish(fd);
    cr_assert(was_given_back(1));
}

Test(lent, comes_back_when_only_the_head_was_wanted)
{
    int fd = ask("HEAD");
    client_reply_head(fd, &reply);
    cr_assert_eq(reply.status, 200);
    cr_assert(was_given_back(1));
    close(fd);
}

Test(lent, comes_back_with_the_end_of_the_server)
{
    int fd = ask("GET");
    usleep(100000);
    server_thread_stop(&server);
    cr_assert_eq(atomic_load(&given_back), 1);
    close(fd);
    setup();
}

Test(lent_small, comes_back_when_there_is_no_room)
{
    int fd = ask("GET");
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 503);
    cr_assert_not_null(strstr(reply.body, "no room for so large an answer"), "%s", reply.body);
    cr_assert(was_given_back(1));
    close(fd);
}

/* HTTP/2: a stream whose window is zero, and its reset. */
Test(lent, comes_back_from_a_stream_that_is_reset)
{
    static const char open[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                               "\x00\x00\x06\x04\x00\x00\x00\x00\x00" /* SETTINGS … */
                               "\x00\x04\x00\x00\x00\x00"             /* … no window */
                               "\x00\x00\x06\x01\x05\x00\x00\x00\x01" /* HEADERS … */
                               "\x82\x86\x84\x41\x01t";               /* GET http / :authority t */
    static const char reset[] = "\x00\x00\x04\x03\x00\x00\x00\x00\x01"
                                "\x00\x00\x00\x08";
    int fd = client_connect(server.port);
    client_send(fd, open, sizeof open - 1);
    usleep(200000);
    cr_assert_eq(atomic_load(&given_back), 0);
    client_send(fd, reset, sizeof reset - 1);
    cr_assert(was_given_back(1));
    close(fd);
}
