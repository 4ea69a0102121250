/*
 * The event loop of one thread: readiness of descriptors (epoll, level triggered), timers, and wake-ups from
 * other threads. Time is read once per turn. Idle means asleep: without timers it never wakes up.
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

/* Owned by the user; in the loop between add and remove. */
struct loop_watch {
    int fd;
    uint32_t wanted; /* LOOP_READ | LOOP_WRITE */
    void (*ready)(struct loop_watch *watch, uint32_t events);
    uint32_t generation; /* private: guards against events of a removed watch in the same turn */
};

struct loop_timer {
    struct heap_node node;
    bool set;
    void (*expired)(struct loop_timer *timer);
};

/* Woken from any thread; `woken` runs in the loop's thread, once for any number of signals. */
struct loop_signal {
    struct loop_watch watch;
    void (*woken)(struct loop_signal *signal);
};

/* Runs at the end of each turn in which anything happened: the place to flush. */
struct loop_turn_end {
    struct list link;
    void (*run)(struct loop_turn_end *turn_end);
};

struct loop {
    int epoll_fd;
    int timer_fd;      /* so that another loop can sleep on epoll_fd alone */
    int64_t timer_armed_us;
    struct heap timers;
    struct list turn_ends;
    int64_t mono_us;   /* of this turn */
    int64_t wall_us;
    struct loop_watch timer_watch;
    struct list removed; /* private */
    bool stop;
};

int loop_init(struct loop *loop) MUST_USE;
void loop_close(struct loop *loop);

int loop_add(struct loop *loop, struct loop_watch *watch, int fd, uint32_t wanted) MUST_USE;
/* No system call when nothing changes. */
int loop_want(struct loop *loop, struct loop_watch *watch, uint32_t wanted) MUST_USE;
/* The watch may be freed at once, also from within a callback; the descriptor stays the caller's. */
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* Absolute, in loop_now_us time; sets or moves. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t at_us);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

int loop_signal_init(struct loop *loop, struct loop_signal *signal,
                     void (*woken)(struct loop_signal *)) MUST_USE;
void loop_signal_close(struct loop *loop, struct loop_signal *signal);
void loop_signal_send(struct loop_signal *signal);

void loop_at_turn_end(struct loop *loop, struct loop_turn_end *turn_end);

/* Monotonic and wall time of this turn, microseconds. */
static inline int64_t loop_now_us(const struct loop *loop)
{
    return loop->mono_us;
}

/* One turn: waits up to timeout_ms (-1: until something happens), dispatches, runs the turn ends. ERROR_IO. */
int loop_turn(struct loop *loop, int timeout_ms) MUST_USE;
/* Turns until loop_stop. */
int loop_run(struct loop *loop) MUST_USE;
void loop_stop(struct loop *loop);
/* The descriptor that becomes readable when a turn has work: to sleep on it from another loop. */
int loop_fd(const struct loop *loop);

#endif
