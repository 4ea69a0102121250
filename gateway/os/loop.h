/*
 * The event loop of one thread: readiness of descriptors (epoll, level triggered), timers, and
 * wake-ups from other threads. Time is read once per turn. Idle means asleep: without timers it
 * never wakes up.
 */
#ifndef HOLDFAST_OS_LOOP_H
#define HOLDFAST_OS_LOOP_H

#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"

#include <stdatomic.h>
#include <stdint.h>

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_ERROR = 4 };

struct loop;
struct epoll_event;

/*
 * Owned by the user; in the loop between add and remove. On an error or a hang-up `ready` gets
 * LOOP_ERROR together with everything that is wanted, so that a user who only reads or writes meets
 * it there.
 */
struct loop_watch {
    int fd;
    uint32_t wanted; /* LOOP_READ | LOOP_WRITE; 0: paused, not even errors are told */
    void (*ready)(struct loop_watch *watch, uint32_t events);
};

/* Zero it before the first use. */
struct loop_timer {
    struct heap_node node;
    bool set;
    void (*expired)(
        struct loop_timer *timer); /* the timer is no longer set; it may be set again or freed */
};

/* Woken from any thread; `woken` runs in the loop's thread, once for any number of signals. */
struct loop_signal {
    struct loop_watch watch;
    void (*woken)(struct loop_signal *signal);
    atomic_bool sent; /* private: spares the system call while a wake-up is under way */
};

/* Runs at the end of each turn in which anything happened: the place to flush. */
struct loop_turn_end {
    struct list link; /* list_remove takes it out again, also from within run */
    void (*run)(struct loop_turn_end *turn_end);
};

struct loop {
    int epoll_fd;
    int timer_fd;           /* so that another loop can sleep on epoll_fd alone */
    int64_t timer_armed_us; /* not later than the first timer, INT64_MAX when disarmed */
    struct heap timers;
    uint64_t timer_count; /* timers ever set: equal times expire in the order of setting */
    struct list turn_ends;
    int64_t mono_us; /* of this turn */
    int64_t wall_us;
    struct loop_watch timer_watch;
    struct epoll_event *events; /* private: of this turn, not yet dispatched */
    int event_count;
    bool turning; /* within loop_turn */
    bool touched; /* see loop_touch */
    bool stop;
};

int loop_init(struct loop *loop) MUST_USE;
/* Watches, timers and turn ends that are still in are forgotten. */
void loop_close(struct loop *loop);

/* `ready` is set by the caller before. ERROR_MEMORY, ERROR_FULL, ERROR_INVALID (a descriptor that
   cannot be waited for, such as a file), ERROR_EXISTS. */
int loop_add(struct loop *loop, struct loop_watch *watch, int fd, uint32_t wanted) MUST_USE;
/* No system call when nothing changes. Errors as loop_add, only on the way from 0 to something. */
int loop_want(struct loop *loop, struct loop_watch *watch, uint32_t wanted) MUST_USE;
/* The watch may be freed at once, also from within a callback; the descriptor stays the caller's,
   who closes it afterwards. */
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* Absolute, in loop_now_us time; sets or moves. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_us);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

int loop_signal_init(struct loop *loop, struct loop_signal *signal,
                     void (*woken)(struct loop_signal *)) MUST_USE;
/* No thread may send any more. */
void loop_signal_close(struct loop *loop, struct loop_signal *signal);
/* What the sender wrote before is seen by `woken`. Fit for signal handlers. */
void loop_signal_send(struct loop_signal *signal);

void loop_at_turn_end(struct loop *loop, struct loop_turn_end *turn_end);

/* Monotonic and wall time of this turn, microseconds. */
static inline int64_t loop_now_us(const struct loop *loop)
{
    return loop->mono_us;
}

/* For another event loop on the same thread, before its callbacks use this one: reads the time, and
   makes the next turn run the turn ends even when nothing else happens in it. */
void loop_touch(struct loop *loop);

/* One turn: waits up to timeout_ms (-1: until something happens), dispatches, runs the turn ends.
 * ERROR_IO. */
int loop_turn(struct loop *loop, int timeout_ms) MUST_USE;
/* Turns until loop_stop. */
int loop_run(struct loop *loop) MUST_USE;
void loop_stop(struct loop *loop);
/* The descriptor that becomes readable when a turn has work: to sleep on it from another loop. */
int loop_fd(const struct loop *loop);

#endif
