/* The insides of the fake threads: fake_threads.c (the scheduler) and fake_pthread.c (the calls).
 */
#ifndef TESTS_LIB_FAKE_THREADS_STATE_H
#define TESTS_LIB_FAKE_THREADS_STATE_H

#include "lib/fake_threads.h"

#include <ucontext.h>

enum fake_thread_state {
    FAKE_READY,
    FAKE_SLEEPS,
    FAKE_SETTLES, /* until nobody is ready */
    FAKE_LOCKS,   /* waits for the mutex `on` */
    FAKE_WAITS,   /* for the condition `on` */
    FAKE_JOINS,   /* waits for the end of the thread `on` */
    FAKE_ENDED
};

struct fake_thread {
    enum fake_thread_state state;
    const void *on;
    int64_t until_us; /* INT64_MAX: for ever */
    bool timed_out;
    bool detached;
    bool joined;
    uint32_t number;
    uint32_t process;
    void *(*run)(void *argument);
    void *argument;
    void *result;
    ucontext_t context;
    void *stack;
    void *shadow; /* of the address sanitizer */
};

struct fake_thread *fake_thread_new(void *(*run)(void *argument), void *argument);
struct fake_thread *fake_thread_running(void);
void fake_thread_free(struct fake_thread *thread);
/* The running thread waits; true: until its time was over. */
bool fake_thread_wait(enum fake_thread_state state, const void *on, int64_t until_us);
/* Those that wait so for `on` go on: one of them, or all. */
void fake_thread_wake(enum fake_thread_state state, const void *on, bool all);
/* A wait that shall end for nothing now and then. */
bool fake_thread_spurious(void);

#endif
