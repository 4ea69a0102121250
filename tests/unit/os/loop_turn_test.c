#include "unit/os/loop_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

TestSuite(loop_turn, .init = open_loop, .fini = close_loop, .timeout = 20);

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

Test(loop_turn, many_signals_wake_once)
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

Test(loop_turn, no_signal_of_another_thread_is_lost)
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

Test(loop_turn, turn_ends_run_once_in_a_turn_where_anything_happened)
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

Test(loop_turn, another_epoll_can_sleep_on_it)
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

Test(loop_turn, time_moves_between_turns_only)
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

Test(loop_turn, idle_means_asleep)
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
