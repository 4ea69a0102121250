#include "unit/os/loop_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(loop_watch, .init = open_loop, .fini = close_loop, .timeout = 20);

Test(loop_watch, tells_only_what_is_wanted)
{
    struct ear *ear = ear_open(LOOP_READ);
    turn_at_once();
    cr_assert_eq(ear->calls, 0);
    speak(ear);
    turn();
    cr_assert_eq(ear->calls, 1);
    cr_assert_eq(ear->events, LOOP_READ);
    cr_assert_eq(loop_want(&loop, &ear->watch, LOOP_READ | LOOP_WRITE), 0);
    turn();
    cr_assert_eq(ear->events, LOOP_READ | LOOP_WRITE);
    cr_assert_eq(loop_want(&loop, &ear->watch, LOOP_WRITE), 0);
    turn();
    cr_assert_eq(ear->events, LOOP_WRITE);
    ear_close(ear);
}

Test(loop_watch, is_level_triggered)
{
    struct ear *ear = ear_open(LOOP_READ);
    speak(ear);
    turn();
    turn();
    cr_assert_eq(ear->calls, 2);
    ear_close(ear);
}

Test(loop_watch, a_hang_up_reaches_a_reader)
{
    struct ear *ear = ear_open(LOOP_READ);
    close(ear->peer);
    ear->peer = -1;
    turn();
    cr_assert_eq(ear->events, LOOP_READ | LOOP_ERROR);
    ear_close(ear);
}

Test(loop_watch, a_paused_watch_hears_nothing_and_can_go_on)
{
    struct ear *ear = ear_open(LOOP_READ);
    speak(ear);
    cr_assert_eq(loop_want(&loop, &ear->watch, 0), 0);
    close(ear->peer);
    ear->peer = -1;
    turn_at_once();
    cr_assert_eq(ear->calls, 0);
    cr_assert_eq(loop_want(&loop, &ear->watch, LOOP_READ), 0);
    turn();
    cr_assert_eq(ear->calls, 1);
    cr_assert_eq(loop_want(&loop, &ear->watch, 0), 0);
    ear_close(ear); /* removing a paused one is fine */
}

Test(loop_watch, refuses_what_cannot_be_waited_for)
{
    struct ear *ear = ear_open(LOOP_READ);
    struct loop_watch again = {.ready = heard};
    cr_assert_eq(loop_add(&loop, &again, ear->watch.fd, LOOP_READ), ERROR_EXISTS);
    cr_assert_eq(loop_add(&loop, &again, -1, LOOP_READ), ERROR_INVALID);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    cr_assert_eq(loop_add(&loop, &again, file, LOOP_READ), ERROR_INVALID);
    close(file);
    ear_close(ear);
}

/* epoll tells a first, which frees b while b's event is already waiting in the turn. */
Test(loop_watch, a_watch_removed_in_a_callback_gets_no_late_event)
{
    struct ear *a = ear_open(LOOP_READ), *b = ear_open(LOOP_READ);
    a->removes = b;
    speak(a);
    speak(b);
    turn();
    cr_assert_eq(a->calls, 1);
    cr_assert_null(a->removes);
    turn();
    cr_assert_eq(a->calls, 2);
    ear_close(a);
}

static struct ear *self_removing;

static void removes_itself(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    (void)watch;
    ear_close(self_removing);
    self_removing = NULL;
}

Test(loop_watch, a_watch_may_remove_and_free_itself)
{
    self_removing = ear_open(LOOP_READ);
    self_removing->watch.ready = removes_itself;
    speak(self_removing);
    turn();
    cr_assert_null(self_removing);
    turn_at_once();
}

static struct loop_watch reborn;

static void takes_the_number_over(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    struct ear *ear = CONTAINER_OF(watch, struct ear, watch);
    ear->calls++;
    struct ear *other = ear->removes;
    if (other == NULL) return;
    int fd = other->watch.fd;
    ear->removes = NULL;
    loop_remove(&loop, &other->watch);
    /* The same number, now of a descriptor that never has anything to read. */
    cr_assert_geq(dup2(loop.timer_fd, fd), 0);
    cr_assert_eq(loop_add(&loop, &reborn, fd, LOOP_READ), 0);
}

static int reborn_calls;

static void reborn_ready(struct loop_watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
    reborn_calls++;
}

Test(loop_watch, a_reused_descriptor_gets_no_event_of_its_predecessor)
{
    struct ear *a = ear_open(LOOP_READ), *b = ear_open(LOOP_READ);
    reborn.ready = reborn_ready;
    a->watch.ready = takes_the_number_over;
    a->removes = b;
    speak(a);
    speak(b);
    turn();
    cr_assert_eq(a->calls, 1);
    cr_assert_eq(b->calls, 0);
    cr_assert_eq(reborn_calls, 0);
    loop_remove(&loop, &reborn);
    ear_close(a);
    close(b->peer);
    close(b->watch.fd);
    free(b);
}

Test(loop_watch, more_ready_descriptors_than_one_turn_takes)
{
    enum { EARS = 300 };
    static struct ear *ears[EARS];
    for (int i = 0; i < EARS; i++) speak(ears[i] = ear_open(LOOP_READ));
    for (int i = 0; i < 6; i++) turn();
    for (int i = 0; i < EARS; i++) {
        cr_assert_geq(ears[i]->calls, 1, "ear %d starves", i);
        ear_close(ears[i]);
    }
}
