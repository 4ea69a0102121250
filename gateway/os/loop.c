/*
 * See loop.h. Within one turn descriptors come first, then timers, then the turn ends: an answer
 * that arrived together with its time-out still counts.
 */
#include "os/loop.h"

#include "base/check.h"
#include "os/clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS_MAX = 128 }; /* per turn; the rest stays ready for the next one */

/* -- Watches -- */

static uint32_t epoll_bits(uint32_t wanted)
{
    return (wanted & LOOP_READ ? (uint32_t)EPOLLIN : 0) |
           (wanted & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
}

static uint32_t loop_bits(uint32_t events, uint32_t wanted)
{
    if (events & (EPOLLERR | EPOLLHUP)) return LOOP_ERROR | wanted;
    return ((events & EPOLLIN ? LOOP_READ : 0) | (events & EPOLLOUT ? LOOP_WRITE : 0)) & wanted;
}

static int control(struct loop *loop, int operation, struct loop_watch *watch)
{
    struct epoll_event event = {.events = epoll_bits(watch->wanted), .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) == 0) return 0;
    switch (errno) {
    case ENOMEM: return ERROR_MEMORY;
    case ENOSPC: return ERROR_FULL;
    case EEXIST: return ERROR_EXISTS;
    case EPERM:
    case EBADF: return ERROR_INVALID;
    default: return ERROR_IO;
    }
}

/* A callback of this turn may remove a watch that an event still waiting in this turn points to. */
static void forget_events(struct loop *loop, const struct loop_watch *watch)
{
    for (int i = 0; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch) loop->events[i].data.ptr = NULL;
}

int loop_add(struct loop *loop, struct loop_watch *watch, int fd, uint32_t wanted)
{
    CHECK(watch->ready != NULL);
    watch->fd = fd;
    watch->wanted = wanted;
    return wanted == 0 ? 0 : control(loop, EPOLL_CTL_ADD, watch);
}

/* epoll tells hang-ups even of a descriptor that wants nothing; so one that is paused is taken out.
 */
int loop_want(struct loop *loop, struct loop_watch *watch, uint32_t wanted)
{
    uint32_t before = watch->wanted;
    if (wanted == before) return 0;
    watch->wanted = wanted;
    int operation = before == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    int error = control(loop, operation, watch);
    if (error != 0) watch->wanted = before;
    return error;
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
    forget_events(loop, watch);
    if (watch->wanted == 0) return;
    watch->wanted = 0;
    CHECK(control(loop, EPOLL_CTL_DEL, watch) == 0);
}

/* -- Timers -- */

/*
 * A timer that moved later or was cleared leaves the descriptor armed: a time-out is set and
 * cleared for every call, and one needless wake-up when it comes is cheaper than a system call for
 * each.
 */
static void arm(struct loop *loop)
{
    const struct heap_node *first = heap_first(&loop->timers);
    if (first == NULL || first->key >= loop->timer_armed_us) return;
    struct itimerspec when = {
        .it_value = {.tv_sec = first->key / 1000000, .tv_nsec = first->key % 1000000 * 1000}};
    if (first->key <= 0) when.it_value = (struct timespec){.tv_nsec = 1}; /* 0 would disarm */
    CHECK(timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
    loop->timer_armed_us = first->key;
}

/* Only clears the descriptor; what has expired is for the clock to say. */
static void timer_fd_ready(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    struct loop *loop = CONTAINER_OF(watch, struct loop, timer_watch);
    uint64_t count;
    ssize_t size = read(watch->fd, &count, sizeof count);
    if (size == sizeof count) loop->timer_armed_us = INT64_MAX;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_us)
{
    CHECK(timer->expired != NULL);
    if (timer->set) heap_remove(&loop->timers, &timer->node);
    /* Not before now: one that is always due would otherwise stay in front of all others. */
    timer->node.key = at_us < loop->mono_us ? loop->mono_us : at_us;
    timer->node.tie = ++loop->timer_count;
    timer->set = true;
    heap_insert(&loop->timers, &timer->node);
    if (!loop->turning) arm(loop);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    if (!timer->set) return;
    heap_remove(&loop->timers, &timer->node);
    timer->set = false;
}

/* Those set meanwhile wait for the next turn, so that a turn ends. */
static bool expire_timers(struct loop *loop)
{
    uint64_t last = loop->timer_count;
    bool any = false;
    for (;;) {
        struct heap_node *first = heap_first(&loop->timers);
        if (first == NULL || first->key > loop->mono_us || first->tie > last) return any;
        struct loop_timer *timer = CONTAINER_OF(first, struct loop_timer, node);
        loop_timer_clear(loop, timer);
        timer->expired(timer);
        any = true;
    }
}

/* -- Signals -- */

static void signal_ready(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    struct loop_signal *signal = CONTAINER_OF(watch, struct loop_signal, watch);
    uint64_t count;
    ssize_t size = read(watch->fd, &count, sizeof count);
    (void)size; /* nothing to read: it is only a needless wake-up */
    /* Read first, then let senders write again: the other way round a write could be swallowed. */
    atomic_exchange(&signal->sent, false);
    signal->woken(signal);
}

int loop_signal_init(struct loop *loop, struct loop_signal *signal,
                     void (*woken)(struct loop_signal *))
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return errno == ENOMEM ? ERROR_MEMORY : ERROR_FULL;
    signal->watch = (struct loop_watch){.ready = signal_ready};
    signal->woken = woken;
    atomic_init(&signal->sent, false);
    int error = loop_add(loop, &signal->watch, fd, LOOP_READ);
    if (error != 0) close(fd);
    return error;
}

void loop_signal_close(struct loop *loop, struct loop_signal *signal)
{
    loop_remove(loop, &signal->watch);
    close(signal->watch.fd);
}

void loop_signal_send(struct loop_signal *signal)
{
    if (atomic_exchange(&signal->sent, true)) return;
    int saved = errno;
    uint64_t one = 1;
    ssize_t size;
    do size = write(signal->watch.fd, &one, sizeof one);
    while (size < 0 && errno == EINTR);
    CHECK(size == sizeof one);
    errno = saved;
}

/* -- Turns -- */

static void read_time(struct loop *loop)
{
    loop->mono_us = clock_mono_us();
    loop->wall_us = clock_wall_us();
}

int loop_init(struct loop *loop)
{
    *loop = (struct loop){.timer_armed_us = INT64_MAX, .timer_watch = {.ready = timer_fd_ready}};
    list_init(&loop->turn_ends);
    heap_init(&loop->timers);
    read_time(loop);
    int error = ERROR_FULL;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) return error;
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->timer_fd < 0) goto close_epoll;
    error = loop_add(loop, &loop->timer_watch, loop->timer_fd, LOOP_READ);
    if (error != 0) goto close_timer;
    return 0;
close_timer:
    close(loop->timer_fd);
close_epoll:
    close(loop->epoll_fd);
    return error;
}

void loop_close(struct loop *loop)
{
    CHECK(!loop->turning);
    close(loop->timer_fd);
    close(loop->epoll_fd);
}

/* True when anything but the timer's descriptor had something. */
static bool dispatch_events(struct loop *loop)
{
    bool any = false;
    for (; loop->event_count > 0; loop->event_count--, loop->events++) {
        struct loop_watch *watch = loop->events->data.ptr;
        if (watch == NULL) continue;
        uint32_t events = loop_bits(loop->events->events, watch->wanted);
        if (events == 0) continue; /* no longer wanted */
        any = any || watch != &loop->timer_watch;
        watch->ready(watch, events);
    }
    loop->events = NULL;
    return any;
}

static void run_turn_ends(struct loop *loop)
{
    LIST_EACH (&loop->turn_ends, link) {
        struct loop_turn_end *turn_end = CONTAINER_OF(link, struct loop_turn_end, link);
        turn_end->run(turn_end);
    }
}

int loop_turn(struct loop *loop, int timeout_ms)
{
    CHECK(!loop->turning);
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, loop->touched ? 0 : timeout_ms);
    if (count < 0 && errno != EINTR) return ERROR_IO;
    loop->turning = true;
    read_time(loop);
    loop->events = events;
    loop->event_count = count < 0 ? 0 : count;
    bool any = dispatch_events(loop);
    any = expire_timers(loop) || any || loop->touched;
    loop->touched = false;
    if (any) run_turn_ends(loop);
    loop->turning = false;
    arm(loop);
    return 0;
}

int loop_run(struct loop *loop)
{
    int error = 0;
    while (!loop->stop && error == 0) error = loop_turn(loop, -1);
    loop->stop = false; /* a stop before the start counts too */
    return error;
}

void loop_stop(struct loop *loop)
{
    loop->stop = true;
}

void loop_touch(struct loop *loop)
{
    read_time(loop);
    loop->touched = true;
}

void loop_at_turn_end(struct loop *loop, struct loop_turn_end *turn_end)
{
    list_append(&loop->turn_ends, &turn_end->link);
}

int loop_fd(const struct loop *loop)
{
    return loop->epoll_fd;
}
