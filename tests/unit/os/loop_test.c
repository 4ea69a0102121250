#include <criterion/criterion.h>

#include "os/loop.h"

#include "base/span.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TURN_MS_MAX = 2000 };

static struct loop loop;

static void open_loop(void)
{
    cr_assert_eq(loop_init(&loop), 0);
}

static void close_loop(void)
{
    loop_close(&loop);
}

TestSuite(loop, .init = open_loop, .fini = close_loop, .timeout = 20);

/* A watch on one end of a socket pair that notes what it was told. */
struct ear {
    struct loop_watch watch;
    int peer;
    int calls;
    uint32_t events;
    struct ear *removes; /* removed and freed when this one is called */
};

static void ear_close(struct ear *ear)
{
    loop_remove(&loop, &ear->watch);
    close(ear->watch.fd);
    if (ear->peer >= 0) close(ear->peer);
    free(ear);
}

static void heard(struct loop_watch *watch, uint32_t events)
{
    struct ear *ear = CONTAINER_OF(watch, struct ear, watch);
    ear->calls++;
    ear->events = events;
    if (ear->removes != NULL) ear_close(ear->removes);
    ear->removes = NULL;
}

static struct ear *ear_open(uint32_t wanted)
{
    struct ear *ear = calloc(1, sizeof *ear);
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    ear->watch.ready = heard;
    ear->peer = pair[1];
    cr_assert_eq(loop_add(&loop, &ear->watch, pair[0], wanted), 0);
    return ear;
}

static void speak(struct ear *ear)
{
    cr_assert_eq(write(ear->peer, "x", 1), 1);
}

static void turn(void)
{
    cr_assert_eq(loop_turn(&loop, TURN_MS_MAX), 0);
}

static void turn_at_once(void)
{
    cr_assert_eq(loop_turn(&loop, 0), 0);
}

Test(loop, tells_only_what_is_wanted)
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

Test(loop, is_level_triggered)
{
    struct ear *ear = ear_open(LOOP_READ);
    speak(ear);
    turn();
    turn();
    cr_assert_eq(ear->calls, 2);
    ear_close(ear);
}

Test(loop, a_hang_up_reaches_a_reader)
{
    struct ear *ear = ear_open(LOOP_READ);
    close(ear->peer);
    ear->peer = -1;
    turn();
    cr_assert_eq(ear->events, LOOP_READ | LOOP_ERROR);
    ear_close(ear);
}

Test(loop, a_paused_watch_hears_nothing_and_can_go_on)
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

Test(loop, refuses_what_cannot_be_waited_for)
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
Test(loop, a_watch_removed_in_a_callback_gets_no_late_event)
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

Test(loop, a_watch_may_remove_and_free_itself)
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

Test(loop, a_reused_descriptor_gets_no_event_of_its_predecessor)
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

Test(loop, more_ready_descriptors_than_one_turn_takes)
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

/* -- Timers -- */

struct bell {
    struct loop_timer timer;
    char name;
    int64_t again_at_us; /* set again when it expires, 0 = not */
    struct bell *clears;
};

static char rung[64];

static void ring(struct loop_timer *timer)
{
    struct bell *bell = CONTAINER_OF(timer, struct bell, timer);
    cr_assert_not(timer->set);
    size_t size = strlen(rung);
    if (size < sizeof rung - 1) rung[size] = bell->name;
    if (bell->clears != NULL) loop_timer_clear(&loop, &bell->clears->timer);
    if (bell->again_at_us != 0) loop_timer_set(&loop, timer, bell->again_at_us);
}

static struct bell bell_of(char name)
{
    return (struct bell){.timer = {.expired = ring}, .name = name};
}

static void wait_for_rings(const char *expected)
{
    int64_t give_up_us = clock_mono_us() + 5000000;
    while (strlen(rung) < strlen(expected) && clock_mono_us() < give_up_us) turn();
    cr_assert_str_eq(rung, expected);
}

Test(loop, timers_expire_in_order_of_time_then_of_setting)
{
    struct bell bells[] = {bell_of('a'), bell_of('b'), bell_of('c'), bell_of('d'), bell_of('e')};
    int64_t now = loop_now_us(&loop);
    int64_t at[] = {now + 3000, now + 1000, now + 2000, now + 1000, now - 5000};
    for (int i = 0; i < 5; i++) loop_timer_set(&loop, &bells[i].timer, at[i]);
    wait_for_rings("ebdca");
    cr_assert_geq(loop_now_us(&loop), now + 3000);
    cr_assert_null(heap_first(&loop.timers));
}

Test(loop, a_timer_is_never_early)
{
    for (int i = 0; i < 50; i++) {
        struct bell bell = bell_of('x');
        rung[0] = '\0';
        int64_t at = clock_mono_us() + 137 * i;
        loop_timer_set(&loop, &bell.timer, at);
        while (rung[0] == '\0') turn();
        cr_assert_geq(loop_now_us(&loop), at);
        memset(rung, 0, sizeof rung);
    }
}

Test(loop, moving_and_clearing_timers)
{
    struct bell a = bell_of('a'), b = bell_of('b'), c = bell_of('c');
    int64_t now = loop_now_us(&loop);
    loop_timer_set(&loop, &a.timer, now + 1000);
    loop_timer_set(&loop, &b.timer, now + 60000000);
    loop_timer_set(&loop, &c.timer, now + 2000);
    loop_timer_set(&loop, &a.timer, now + 6000); /* later */
    loop_timer_set(&loop, &b.timer, now + 4000); /* earlier */
    loop_timer_clear(&loop, &c.timer);
    loop_timer_clear(&loop, &c.timer); /* harmless */
    wait_for_rings("ba");
}

Test(loop, a_timer_may_clear_another_that_is_due)
{
    struct bell a = bell_of('a'), b = bell_of('b'), c = bell_of('c');
    a.clears = &b;
    loop_timer_set(&loop, &a.timer, 1);
    loop_timer_set(&loop, &b.timer, 2);
    loop_timer_set(&loop, &c.timer, 3);
    wait_for_rings("ac");
    cr_assert_not(b.timer.set);
}

/* One that sets itself to the past neither keeps the turn from ending nor starves others. */
Test(loop, a_timer_that_is_always_due_does_not_hold_the_loop)
{
    struct bell greedy = bell_of('g'), patient = bell_of('p');
    greedy.again_at_us = 1;
    loop_timer_set(&loop, &greedy.timer, 1);
    turn();
    loop_timer_set(&loop, &patient.timer, 2);
    turn();
    turn();
    cr_assert_not_null(strchr(rung, 'p'), "%s", rung);
    cr_assert_leq(strlen(rung), 4, "%s", rung);
    loop_timer_clear(&loop, &greedy.timer);
}

Test(loop, an_answer_with_its_time_out_in_one_turn_comes_first)
{
    struct ear *ear = ear_open(LOOP_READ);
    struct bell bell = bell_of('t');
    speak(ear);
    loop_timer_set(&loop, &bell.timer, 1);
    loop_timer_set(&loop, &bell.timer, loop_now_us(&loop));
    turn();
    cr_assert_eq(ear->calls, 1);
    ear_close(ear);
}

/* -- Signals -- */

static int woken_count;
static atomic_int jobs_sent;
static int jobs_seen;

static void woken(struct loop_signal *signal)
{
    (void)signal;
    woken_count++;
    jobs_seen = atomic_load_explicit(&jobs_sent, memory_order_relaxed);
}

Test(loop, many_signals_wake_once)
{
    struct loop_signal signal;
    cr_assert_eq(loop_signal_init(&loop, &signal, woken), 0);
    for (int i = 0; i < 10; i++) loop_signal_send(&signal);
    turn();
    turn_at_once();
    cr_assert_eq(woken_count, 1);
    loop_signal_send(&signal);
    turn();
    cr_assert_eq(woken_count, 2);
    loop_signal_close(&loop, &signal);
}

enum { JOBS = 20000 };

static void *send_jobs(void *argument)
{
    for (int i = 0; i < JOBS; i++) {
        atomic_fetch_add_explicit(&jobs_sent, 1, memory_order_relaxed);
        loop_signal_send(argument);
    }
    return NULL;
}

Test(loop, no_signal_of_another_thread_is_lost)
{
    struct loop_signal signal;
    cr_assert_eq(loop_signal_init(&loop, &signal, woken), 0);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, send_jobs, &signal), 0);
    while (jobs_seen < 2 * JOBS) {
        int before = woken_count;
        turn();
        cr_assert_gt(woken_count, before, "asleep with %d of %d jobs", jobs_seen, 2 * JOBS);
    }
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    loop_signal_close(&loop, &signal);
}

/* -- Turn ends -- */

struct flush {
    struct loop_turn_end turn_end;
    int runs;
    bool leaves;
};

static void flush(struct loop_turn_end *turn_end)
{
    struct flush *self = CONTAINER_OF(turn_end, struct flush, turn_end);
    self->runs++;
    if (self->leaves) list_remove(&turn_end->link);
}

Test(loop, turn_ends_run_once_in_a_turn_where_anything_happened)
{
    struct flush stays = {.turn_end.run = flush}, leaves = {.turn_end.run = flush, .leaves = true};
    struct ear *a = ear_open(LOOP_READ), *b = ear_open(LOOP_READ);
    loop_at_turn_end(&loop, &leaves.turn_end);
    loop_at_turn_end(&loop, &stays.turn_end);
    turn_at_once();
    cr_assert_eq(stays.runs, 0);
    speak(a);
    speak(b);
    turn();
    turn();
    cr_assert_eq(stays.runs, 2);
    cr_assert_eq(leaves.runs, 1);
    ear_close(a);
    ear_close(b);
    struct bell bell = bell_of('x');
    loop_timer_set(&loop, &bell.timer, 1);
    turn();
    cr_assert_eq(stays.runs, 3);
    turn_at_once(); /* the timer's descriptor alone is nothing */
    turn_at_once();
    cr_assert_eq(stays.runs, 3);
    loop_touch(&loop);
    turn();
    cr_assert_eq(stays.runs, 4);
}

/* -- Under another loop, and asleep -- */

static bool readable(int epoll_fd, int timeout_ms)
{
    struct epoll_event event;
    return epoll_wait(epoll_fd, &event, 1, timeout_ms) == 1;
}

Test(loop, another_epoll_can_sleep_on_it)
{
    int outer = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    cr_assert_eq(epoll_ctl(outer, EPOLL_CTL_ADD, loop_fd(&loop), &event), 0);
    cr_assert_not(readable(outer, 0));

    struct bell bell = bell_of('x');
    loop_touch(&loop); /* an outer loop's callback sets a timer between two turns */
    loop_timer_set(&loop, &bell.timer, loop_now_us(&loop) + 2000);
    cr_assert(readable(outer, TURN_MS_MAX));
    wait_for_rings("x");
    cr_assert_not(readable(outer, 0));

    struct loop_signal signal;
    cr_assert_eq(loop_signal_init(&loop, &signal, woken), 0);
    loop_signal_send(&signal);
    cr_assert(readable(outer, TURN_MS_MAX));
    turn();
    cr_assert_not(readable(outer, 0));
    loop_signal_close(&loop, &signal);
    close(outer);
}

Test(loop, time_moves_between_turns_only)
{
    int64_t mono = loop.mono_us, wall = loop.wall_us;
    usleep(3000);
    cr_assert_eq(loop_now_us(&loop), mono);
    turn_at_once();
    cr_assert_geq(loop_now_us(&loop), mono + 3000);
    cr_assert_gt(loop.wall_us, wall);
}

static atomic_int sleeper_id;
static struct loop_signal sleeper_stop;

static void stop_sleeper(struct loop_signal *signal)
{
    (void)signal;
    loop_stop(&loop);
}

static void *sleep_in_loop(void *unused)
{
    (void)unused;
    atomic_store(&sleeper_id, (int)syscall(SYS_gettid));
    cr_assert_eq(loop_run(&loop), 0);
    return NULL;
}

/* Every blocking system call is a voluntary switch: a sleeping thread's count stands still. */
static long switches(int thread)
{
    char path[64], line[128];
    snprintf(path, sizeof path, "/proc/self/task/%d/status", thread);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    long count = -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1) break;
    fclose(file);
    return count;
}

Test(loop, idle_means_asleep)
{
    struct bell far = bell_of('x'), cleared = bell_of('y');
    loop_timer_set(&loop, &far.timer, loop_now_us(&loop) + 3600000000);
    loop_timer_set(&loop, &cleared.timer, loop_now_us(&loop) + 50000);
    loop_timer_clear(&loop, &cleared.timer); /* may wake it once, not again */
    cr_assert_eq(loop_signal_init(&loop, &sleeper_stop, stop_sleeper), 0);
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, sleep_in_loop, NULL), 0);
    usleep(200000);
    long before = switches(atomic_load(&sleeper_id));
    usleep(400000);
    long after = switches(atomic_load(&sleeper_id));
    loop_signal_send(&sleeper_stop);
    pthread_join(thread, NULL);
    loop_signal_close(&loop, &sleeper_stop);
    cr_assert_gt(before, 0);
    cr_assert_eq(before, after);
    loop_timer_clear(&loop, &far.timer);
}
