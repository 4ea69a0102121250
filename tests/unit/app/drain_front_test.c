/* A drain waits for what the I/O threads have in their hands, and not for ever. */
#include "unit/app/drain_fixture.h"
#include "unit/app/fake_invoke.h"

#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <unistd.h>

static struct front *front;

static void begin(void)
{
    struct errmsg errmsg = {{0}};
    drain_world_begin();
    struct gateway *gateway = world.gateway;
    gateway->settings.gateway.listen = "127.0.0.1:0";
    gateway->limits = (struct server_limits){.body_max = 1 << 20,
                                             .connections_max = 100,
                                             .head_timeout_ms = 30000,
                                             .idle_timeout_ms = 60000};
    pthread_rwlock_init(&gateway->shared, NULL);
    front = &gateway->fronts[0];
    gateway->front_count = 1;
    cr_assert_eq(front_open_thread(front, gateway, NULL, &errmsg), 0, "%s", errmsg.text);
    drain_watch();
}

static void end(void)
{
    drain_unwatch();
    front_stop(front);
    front_close(front);
    pthread_rwlock_destroy(&world.gateway->shared);
    world_end();
}

TestSuite(drain_front, .init = begin, .fini = end, .timeout = 60);

static int say(const char *text)
{
    int fd = client_connect(listener_port(front->listeners[0]));
    client_say(fd, text);
    return fd;
}

#define CALL                                                                                       \
    "POST /v1/call/a/f/x HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"                \
    "Content-Length: 2\r\n\r\n"

/* Without a turn of the engine's loop. */
static void wait_until_handed_over(void)
{
    for (int i = 0; i < 5000 && atomic_load(&world.gateway->inbox.newest) == NULL; i++)
        usleep(1000);
    cr_assert_not_null(atomic_load(&world.gateway->inbox.newest));
}

static int status_of(int fd)
{
    struct http_reply reply;
    client_reply(fd, &reply);
    int status = reply.status;
    reply_close(&reply);
    close(fd);
    return status;
}

Test(drain_front, at_rest_it_ends_at_once)
{
    cr_assert_eq(front_start(front), 0);
    turn();
    drain();
    UNTIL(world.gateway->stop);
    cr_assert_lt(spent_ms(), 5000);
}

/* The thread has let the call in, and the engine has not seen it yet. */
Test(drain_front, a_call_on_its_way_to_the_engine_gets_its_answer)
{
    cr_assert_eq(front_start(front), 0);
    int fd = say(CALL "42");
    wait_until_handed_over();
    drain();
    drain_turn(world.gateway);
    cr_assert_eq(world.gateway->drain, DRAIN_WAITERS);
    fake_invoke.by_itself = true;
    UNTIL(world.gateway->stop);
    cr_assert_eq(status_of(fd), 200);
}

/* Until it has, it may let something in. */
Test(drain_front, a_thread_that_has_not_heard_of_it_is_waited_for)
{
    world.gateway->settings.gateway.drain_ms = 400;
    drain(); /* its thread does not run */
    UNTIL(world.gateway->drain == DRAIN_CALLS);
    cr_assert_geq(spent_ms(), 290, "three quarters of the time");
    UNTIL(world.gateway->stop);
    cr_assert_lt(spent_ms(), 5000);
}

Test(drain_front, who_is_being_read_is_told_to_try_again)
{
    cr_assert_eq(front_start(front), 0);
    int fd = say(CALL "4");
    UNTIL(atomic_load(&front->reading));
    drain();
    turn_for_ms(100);
    cr_assert_eq(world.gateway->drain, DRAIN_WAITERS);
    client_say(fd, "2");
    UNTIL(world.gateway->stop);
    cr_assert_lt(spent_ms(), 4000, "not a quarter of the time");
    cr_assert_eq(status_of(fd), 503);
}

Test(drain_front, who_never_comes_to_an_end_is_not_waited_for)
{
    world.gateway->settings.gateway.drain_ms = 4000;
    cr_assert_eq(front_start(front), 0);
    int fd = say(CALL "4");
    UNTIL(atomic_load(&front->reading));
    drain();
    UNTIL(world.gateway->stop);
    cr_assert_geq(spent_ms(), 990, "a quarter of the time");
    cr_assert_lt(spent_ms(), 2900, "and not three");
    close(fd);
}
