/*
 * Threads without threads: what a program asks of pthreads, and the two clocks of os/clock.h,
 * played by coroutines in one thread of the system under a scheduler that follows a seed and a time
 * of its own. The same seed gives the same run. Nothing passes by itself: time moves only when
 * everybody waits, and then at once to the next moment at which somebody wants to go on.
 *
 * To be linked with --wrap for each pthread function (CMake: link `fake_world`). The thread that
 * began is a coroutine as well; while it runs, nobody else does, unless it calls something below,
 * waits for a lock, a condition or a thread, or uses the fake disk.
 */
#ifndef TESTS_LIB_FAKE_THREADS_H
#define TESTS_LIB_FAKE_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_threads_options {
    uint64_t seed;
    unsigned stay; /* at a switch point: goes on with stay in (stay + 1) chances; 0: any one */
    unsigned spurious_in; /* a wait for a condition wakes for nothing once in so many; 0: never */
    int64_t mono_us;      /* where the clocks begin; 0: some time that is not 0 */
    int64_t wall_us;
};

/* May be called again for the next run, when all threads of the last one have ended. */
void fake_threads_begin(const struct fake_threads_options *options);
/* Threads that have not ended, or have not been joined. */
size_t fake_threads_left(void);

int64_t fake_threads_now_us(void);
/* The wall clock jumps by so much. The other clock never does. */
void fake_threads_jump_wall(int64_t us);

/* Somebody else may run now. */
void fake_threads_switch(void);
/* Lets others run until the time has come; of those who may run then, any one is first. */
void fake_threads_sleep_us(int64_t us);
void fake_threads_sleep_until(int64_t mono_us);
/* Lets others run until all of them wait; no time passes. */
void fake_threads_settle(void);
/* The sleep of another thread ends now, if it sleeps as `reason`. */
void fake_threads_wake(const void *reason);
/* As sleep_us, but fake_threads_wake(reason) ends it. */
void fake_threads_sleep_for(const void *reason, int64_t us);

/* Each thread belongs to a process, which is a number: of who made it. The first one's is 0. */
uint32_t fake_threads_process(void);
void fake_threads_set_process(uint32_t process);

/* As SIGSTOP and SIGCONT: none of its threads runs meanwhile, and calls to the system that they are
 * in come to their end. Not one's own. */
void fake_threads_stop(uint32_t process);
void fake_threads_go_on(uint32_t process);

/* Nobody can ever go on: called when set, after it was said on stderr what each one waits for; then
 * the program ends. */
extern void (*fake_threads_deadlock)(void);
/* The same text, for other failures. */
void fake_threads_print(void);

/* Of all runs so far. */
extern uint64_t fake_threads_switches;

#endif
