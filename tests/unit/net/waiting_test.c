/* Between a request and its answer: nothing is done, whatever the client does meanwhile. */
#include "echo.h"
#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TURNS_MAX = 20 }; /* that are some, and not a loop that does not sleep */

static const char HOLD[] = "GET /hold HTTP/1.1\r\nHost: t\r\n\r\n";

static struct echo echo;
static struct http_reply reply;
static int fd;
static atomic_int controls;

/* In the place of the C library's, for h2o too. */
int epoll_ctl(int epoll_fd, int operation, int of, struct epoll_event *event)
{
    atomic_fetch_add(&controls, 1);
    return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, of, event);
}

static void setup(void)
{
    echo_start(&echo, SERVER_LIMITS);
    fd = client_connect(echo.thread.port);
}

static void teardown(void)
{
    reply_close(&reply);
    close(fd);
    server_thread_stop(&echo.thread);
}

TestSuite(waiting, .init = setup, .fini = teardown, .timeout = 30);

static void expect_reply(const char *body)
{
    reply_close(&reply);
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply.body, body);
}

static void held_request(int number)
{
    client_say(fd, HOLD);
    cr_assert(reaches(&echo.handled, number));
    echo_release(&echo);
    expect_reply("released");
}

static void read_turns(void *turns)
{
    *(uint64_t *)turns = echo.thread.turns;
}

static uint64_t turns_in_100_ms(void)
{
    uint64_t before, after;
    server_thread_run(&echo.thread, read_turns, &before);
    usleep(100000);
    server_thread_run(&echo.thread, read_turns, &after);
    return after - before;
}

Test(waiting, costs_no_system_call_of_its_own)
{
    held_request(1);
    usleep(50000); /* the answer is out before its end is seen */
    int before = atomic_load(&controls);
    for (int i = 2; i < 12; i++) held_request(i);
    cr_assert_eq(atomic_load(&controls), before, "%d of them", atomic_load(&controls) - before);
}

Test(waiting, who_asks_more_meanwhile_is_heard_afterwards)
{
    client_say(fd, HOLD);
    cr_assert(reaches(&echo.handled, 1));
    client_say(fd, "GET /echo?2 HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_assert_leq(turns_in_100_ms(), TURNS_MAX);
    cr_assert_eq(atomic_load(&echo.handled), 1);
    echo_release(&echo);
    expect_reply("released");
    expect_reply("GET /echo 2 secure ");
    held_request(3);
}

Test(waiting, who_has_said_everything_gets_the_answer)
{
    client_say(fd, HOLD);
    cr_assert(reaches(&echo.handled, 1));
    shutdown(fd, SHUT_WR);
    cr_assert_leq(turns_in_100_ms(), TURNS_MAX);
    cr_assert_eq(atomic_load(&echo.gone), 0);
    echo_release(&echo);
    expect_reply("released");
}

Test(waiting, who_goes_is_missed_at_once)
{
    client_say(fd, HOLD);
    cr_assert(reaches(&echo.handled, 1));
    client_vanish(fd);
    cr_assert(reaches(&echo.gone, 1));
    cr_assert_leq(turns_in_100_ms(), TURNS_MAX);
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
    fd = client_connect(echo.thread.port);
}
