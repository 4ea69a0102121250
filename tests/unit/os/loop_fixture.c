#include "unit/os/loop_fixture.h"

#include "os/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct loop loop;
char rung[64];

void open_loop(void)
{
    cr_assert_eq(loop_init(&loop), 0);
}

void close_loop(void)
{
    loop_close(&loop);
}

void ear_close(struct ear *ear)
{
    loop_remove(&loop, &ear->watch);
    close(ear->watch.fd);
    if (ear->peer >= 0) close(ear->peer);
    free(ear);
}

void heard(struct loop_watch *watch, uint32_t events)
{
    struct ear *ear = CONTAINER_OF(watch, struct ear, watch);
    ear->calls++;
    ear->events = events;
    if (ear->removes != NULL) ear_close(ear->removes);
    ear->removes = NULL;
}

struct ear *ear_open(uint32_t wanted)
{
    struct ear *ear = calloc(1, sizeof *ear);
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    ear->watch.ready = heard;
    ear->peer = pair[1];
    cr_assert_eq(loop_add(&loop, &ear->watch, pair[0], wanted), 0);
    return ear;
}

void speak(struct ear *ear)
{
    cr_assert_eq(write(ear->peer, "x", 1), 1);
}

void turn(void)
{
    cr_assert_eq(loop_turn(&loop, TURN_MS_MAX), 0);
}

void turn_at_once(void)
{
    cr_assert_eq(loop_turn(&loop, 0), 0);
}

static void ring(struct loop_timer *timer)
{
    struct bell *bell = CONTAINER_OF(timer, struct bell, timer);
    cr_assert_not(timer->set);
    size_t size = strlen(rung);
    if (size < sizeof rung - 1) rung[size] = bell->name;
    if (bell->clears != NULL) loop_timer_clear(&loop, &bell->clears->timer);
    if (bell->again_at_us != 0) loop_timer_set(&loop, timer, bell->again_at_us);
}

struct bell bell_of(char name)
{
    return (struct bell){.timer = {.expired = ring}, .name = name};
}

void wait_for_rings(const char *expected)
{
    int64_t give_up_us = clock_mono_us() + 5000000;
    while (strlen(rung) < strlen(expected) && clock_mono_us() < give_up_us) turn();
    cr_assert_str_eq(rung, expected);
}
