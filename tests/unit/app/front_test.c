/* The data side in a thread of its own: it serves, obeys, and ends without losing an answer. */
#include "unit/app/engine_fixture.h"
#include "unit/app/fake_invoke.h"

#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <unistd.h>

static struct front *front;

/* ---- A thread that is busy in its turn until it is told to stop ---- */

static atomic_bool be_busy;
static atomic_uint busy_turns;
static struct loop_turn_end busy_end;

static void busy(struct loop_turn_end *turn_end)
{
    (void)turn_end;
    if (!atomic_load(&be_busy) || front->way.bridges[0].next_ticket == 1)
        return; /* nobody has asked */
    atomic_fetch_add(&busy_turns, 1);
    for (int64_t until_us = clock_mono_us() + WAIT_US_MAX;
         !atomic_load(&front->orders.stop) && clock_mono_us() < until_us;) {
    }
}

/* ---- */

static void begin(void)
{
    struct errmsg errmsg = {{0}};
    world_begin();
    world_open();
    world_configure(0, false);
    struct gateway *gateway = world.gateway;
    front = &gateway->fronts[0];
    gateway->front_count = 1;
    gateway->settings.gateway.listen = "127.0.0.1:0";
    gateway->limits = (struct server_limits){.body_max = 1 << 20,
                                             .connections_max = 100,
                                             .head_timeout_ms = 30000,
                                             .idle_timeout_ms = 60000};
    pthread_rwlock_init(&gateway->shared, NULL);
    cr_assert_eq(front_open_thread(front, gateway, NULL, &errmsg), 0, "%s", errmsg.text);
    busy_end = (struct loop_turn_end){.run = busy};
    loop_at_turn_end(&front->own_loop, &busy_end);
}

static void end(void)
{
    front_stop(front);
    front_close(front);
    pthread_rwlock_destroy(&world.gateway->shared);
    world_end();
}

TestSuite(front, .init = begin, .fini = end, .timeout = 60);

static int say_something(void)
{
    int fd = client_connect(listener_port(front->listeners[0]));
    client_say(fd, "POST /v1/send/a/f/x HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                   "Content-Length: 2\r\n\r\n42");
    return fd;
}

static uint64_t accepted(void)
{
    struct shard_metrics metrics;
    shard_metrics(world.engine->shard, &metrics);
    return metrics.messages_accepted;
}

static int status_of(int fd)
{
    struct http_reply reply;
    client_reply(fd, &reply);
    int status = reply.status;
    reply_close(&reply);
    return status;
}

Test(front, a_message_and_its_answer)
{
    cr_assert_eq(front_start(front), 0);
    int fd = say_something();
    UNTIL(accepted() == 1 && durable() == live_seq());
    turn();
    cr_assert_eq(status_of(fd), 202);
    close(fd);
}

/* The engine has answered, and ends before the thread has come to read it. */
Test(front, an_answer_that_came_before_the_end_is_given)
{
    cr_assert_eq(front_start(front), 0);
    atomic_store(&be_busy, true);
    int fd = say_something();
    UNTIL(accepted() == 1 && durable() == live_seq());
    turn();
    UNTIL(atomic_load(&busy_turns) == 1);
    front_stop(front);
    cr_assert_eq(status_of(fd), 202);
    close(fd);
}

Test(front, while_draining_nothing_new_comes_in)
{
    cr_assert_eq(front_start(front), 0);
    world.gateway->drain = DRAIN_WAITERS;
    front_order(front);
    int status = 0;
    for (int i = 0; i < 100 && status != 503; i++) { /* the order comes at its next turn */
        int fd = say_something();
        turn_for_ms(20);
        status = status_of(fd);
        close(fd);
    }
    cr_assert_eq(status, 503);
}

Test(front, a_thread_that_never_started)
{
    int fd = say_something(); /* the socket listens, nobody accepts */
    front_stop(front);
    cr_assert_eq(status_of(fd), 0);
    close(fd);
}
