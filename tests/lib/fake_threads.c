#include "lib/fake_threads_state.h"

#include "base/check.h"
#include "base/prng.h"
#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
enum { STACK_SIZE = 2 << 20 };
#else
enum { STACK_SIZE = 512 << 10 };
#endif

enum { THREADS_MAX = 1024, STACKS_KEPT = 64, GUARD_SIZE = 4096, STOPPED_MAX = 64 };
enum { START_US = 1000000 };
static const int64_t START_WALL_US = 1700000000000000;

void (*fake_threads_deadlock)(void);
uint64_t fake_threads_switches;

static struct fake_thread first_thread;

static struct {
    struct fake_thread *all[THREADS_MAX];
    size_t count;
    struct fake_thread *running;
    struct prng prng;
    struct fake_threads_options options;
    int64_t now_us;
    int64_t wall_ahead_us;
    uint32_t numbers;
    void *stacks[STACKS_KEPT]; /* to be used again */
    size_t stack_count;
    uint32_t stopped[STOPPED_MAX]; /* processes */
    size_t stopped_count;
    struct fake_thread *before; /* who ran before the switch */
    const void *first_stack;    /* of the system's own thread, for the sanitizer */
    size_t first_stack_size;
} world = {.all = {&first_thread},
           .count = 1,
           .running = &first_thread,
           .now_us = START_US,
           .wall_ahead_us = 1700000000000000 - START_US};

void fake_threads_begin(const struct fake_threads_options *options)
{
    CHECK(fake_threads_left() == 0 && world.running == &first_thread);
    world.options = *options;
    world.prng.state = options->seed;
    world.now_us = options->mono_us != 0 ? options->mono_us : START_US;
    int64_t wall_us = options->wall_us != 0 ? options->wall_us : START_WALL_US;
    world.wall_ahead_us = wall_us - world.now_us;
    world.numbers = 0;
    first_thread.process = 0;
}

/* Who was detached and has ended is in nobody's way. */
static void reap_detached(void)
{
    for (size_t i = world.count; i-- > 1;) {
        struct fake_thread *thread = world.all[i];
        if (thread->state == FAKE_ENDED && thread->detached) fake_thread_free(thread);
    }
}

size_t fake_threads_left(void)
{
    reap_detached();
    return world.count - 1;
}

/* ---- Clocks ---- */

int64_t fake_threads_now_us(void)
{
    return world.now_us;
}

int64_t clock_mono_us(void)
{
    return world.now_us;
}

int64_t clock_wall_us(void)
{
    return world.now_us + world.wall_ahead_us;
}

void fake_threads_jump_wall(int64_t us)
{
    world.wall_ahead_us += us;
}

/* ---- Stacks ---- */

static void *take_stack(void)
{
    if (world.stack_count > 0) return world.stacks[--world.stack_count];
    void *stack = mmap(NULL, STACK_SIZE + GUARD_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(stack != MAP_FAILED);
    CHECK(mprotect(stack, GUARD_SIZE, PROT_NONE) == 0);
    return stack;
}

static void give_stack(void *stack)
{
    if (world.stack_count < STACKS_KEPT)
        world.stacks[world.stack_count++] = stack;
    else
        munmap(stack, STACK_SIZE + GUARD_SIZE);
}

static void *stack_start(const struct fake_thread *thread)
{
    return (char *)thread->stack + GUARD_SIZE;
}

/* ---- From one to another ---- */

/* Called first by whoever has just been switched to. */
static void arrived(void)
{
#ifdef WITH_ASAN
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(world.running->shadow, &bottom, &size);
    if (world.before == &first_thread) {
        world.first_stack = bottom;
        world.first_stack_size = size;
    }
#endif
}

static void go_to(struct fake_thread *thread)
{
    struct fake_thread *self = world.running;
    if (thread == self) return;
    fake_threads_switches++;
    world.before = self;
    world.running = thread;
#ifdef WITH_ASAN
    bool first = thread == &first_thread;
    __sanitizer_start_switch_fiber(self->state == FAKE_ENDED ? NULL : &self->shadow,
                                   first ? world.first_stack : stack_start(thread),
                                   first ? world.first_stack_size : STACK_SIZE);
#endif
    swapcontext(&self->context, &thread->context);
    arrived();
}

static bool is_stopped(uint32_t process)
{
    for (size_t i = 0; i < world.stopped_count; i++)
        if (world.stopped[i] == process) return true;
    return false;
}

/* In this state, and may run. */
static bool is_in(const struct fake_thread *thread, enum fake_thread_state state)
{
    return thread->state == state && !is_stopped(thread->process);
}

static size_t count_in(enum fake_thread_state state)
{
    size_t found = 0;
    for (size_t i = 0; i < world.count; i++) found += is_in(world.all[i], state);
    return found;
}

static struct fake_thread *pick(enum fake_thread_state state, size_t count)
{
    size_t chosen = count == 1 ? 0 : (size_t)prng_below(&world.prng, count);
    for (size_t i = 0;; i++)
        if (is_in(world.all[i], state) && chosen-- == 0) return world.all[i];
}

/* Everybody waits: time goes on to the next moment at which somebody does not. */
static bool pass_time(void)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < world.count; i++) {
        const struct fake_thread *thread = world.all[i];
        if (thread->state != FAKE_ENDED && thread->until_us < next) next = thread->until_us;
    }
    if (next == INT64_MAX) return false;
    if (next > world.now_us) world.now_us = next;
    for (size_t i = 0; i < world.count; i++) {
        struct fake_thread *thread = world.all[i];
        if (thread->state == FAKE_ENDED || thread->until_us > world.now_us) continue;
        thread->timed_out = true;
        thread->state = FAKE_READY;
        thread->until_us = INT64_MAX;
    }
    return true;
}

static const char *state_text(enum fake_thread_state state)
{
    switch (state) {
    case FAKE_READY: return "could go on";
    case FAKE_SLEEPS: return "sleeps";
    case FAKE_SETTLES: return "waits until nobody is ready";
    case FAKE_LOCKS: return "waits for mutex";
    case FAKE_WAITS: return "waits for condition";
    case FAKE_JOINS: return "waits for the end of thread";
    case FAKE_ENDED: return "has ended, not joined";
    }
    return "?";
}

void fake_threads_print(void)
{
    fprintf(stderr, "at %lld us:\n", (long long)world.now_us);
    for (size_t i = 0; i < world.count; i++) {
        const struct fake_thread *thread = world.all[i];
        fprintf(stderr, "  thread %u%s of process %u %s %p", thread->number,
                thread == world.running ? " (running)" : "", thread->process,
                state_text(thread->state), thread->on);
        if (thread->state == FAKE_LOCKS && *(struct fake_thread *const *)thread->on != NULL)
            fprintf(stderr, " held by thread %u",
                    (*(struct fake_thread *const *)thread->on)->number);
        fprintf(stderr, "\n");
    }
}

static struct fake_thread *next_thread(void)
{
    for (;;) {
        size_t ready = count_in(FAKE_READY);
        if (ready > 0) return pick(FAKE_READY, ready);
        size_t settling = count_in(FAKE_SETTLES);
        if (settling > 0) return pick(FAKE_SETTLES, settling);
        if (pass_time()) continue;
        fprintf(stderr, "deadlock: ");
        fake_threads_print();
        if (fake_threads_deadlock != NULL) fake_threads_deadlock();
        abort();
    }
}

bool fake_thread_wait(enum fake_thread_state state, const void *on, int64_t until_us)
{
    struct fake_thread *self = world.running;
    self->state = state;
    self->on = on;
    self->until_us = until_us;
    self->timed_out = false;
    go_to(next_thread());
    self->state = FAKE_READY;
    self->on = NULL;
    self->until_us = INT64_MAX;
    return self->timed_out;
}

void fake_thread_wake(enum fake_thread_state state, const void *on, bool all)
{
    size_t waiting = 0;
    for (size_t i = 0; i < world.count; i++)
        waiting += world.all[i]->state == state && world.all[i]->on == on;
    if (waiting == 0) return;
    size_t chosen = all ? 0 : (size_t)prng_below(&world.prng, waiting);
    for (size_t i = 0; i < world.count; i++) {
        struct fake_thread *thread = world.all[i];
        if (thread->state != state || thread->on != on) continue;
        if (!all && chosen-- != 0) continue;
        thread->state = FAKE_READY;
        thread->until_us = INT64_MAX;
    }
}

bool fake_thread_spurious(void)
{
    unsigned in = world.options.spurious_in;
    return in > 0 && prng_below(&world.prng, in) == 0;
}

void fake_threads_switch(void)
{
    unsigned stay = world.options.stay;
    if (world.count == 1) return;
    if (stay > 0 && prng_below(&world.prng, stay + 1) != 0) return;
    size_t ready = count_in(FAKE_READY); /* ourselves too */
    if (ready > 1) go_to(pick(FAKE_READY, ready));
}

void fake_threads_sleep_until(int64_t mono_us)
{
    (void)fake_thread_wait(FAKE_SLEEPS, NULL, mono_us);
}

void fake_threads_sleep_us(int64_t us)
{
    fake_threads_sleep_until(world.now_us + us);
}

void fake_threads_sleep_for(const void *reason, int64_t us)
{
    (void)fake_thread_wait(FAKE_SLEEPS, reason, world.now_us + us);
}

void fake_threads_wake(const void *reason)
{
    fake_thread_wake(FAKE_SLEEPS, reason, true);
}

void fake_threads_settle(void)
{
    (void)fake_thread_wait(FAKE_SETTLES, NULL, INT64_MAX);
}

uint32_t fake_threads_process(void)
{
    return world.running->process;
}

void fake_threads_set_process(uint32_t process)
{
    CHECK(!is_stopped(process));
    world.running->process = process;
}

void fake_threads_stop(uint32_t process)
{
    CHECK(world.running->process != process && world.stopped_count < STOPPED_MAX);
    if (!is_stopped(process)) world.stopped[world.stopped_count++] = process;
}

void fake_threads_go_on(uint32_t process)
{
    for (size_t i = world.stopped_count; i-- > 0;)
        if (world.stopped[i] == process) world.stopped[i] = world.stopped[--world.stopped_count];
}

/* ---- Threads ---- */

struct fake_thread *fake_thread_running(void)
{
    return world.running;
}

static void thread_main(void)
{
    arrived();
    struct fake_thread *self = world.running;
    self->result = self->run(self->argument);
    self->state = FAKE_ENDED;
    self->on = NULL;
    self->until_us = INT64_MAX;
    fake_thread_wake(FAKE_JOINS, self, true);
    go_to(next_thread());
    abort();
}

struct fake_thread *fake_thread_new(void *(*run)(void *argument), void *argument)
{
    reap_detached();
    CHECK(world.count < THREADS_MAX);
    struct fake_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) return NULL;
    thread->number = ++world.numbers;
    thread->process = world.running->process;
    thread->run = run;
    thread->argument = argument;
    thread->until_us = INT64_MAX;
    thread->stack = take_stack();
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = stack_start(thread);
    thread->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&thread->context, thread_main, 0);
    world.all[world.count++] = thread;
    return thread;
}

void fake_thread_free(struct fake_thread *thread)
{
    size_t i = 0;
    while (world.all[i] != thread) i++;
    world.all[i] = world.all[--world.count];
    give_stack(thread->stack);
    free(thread);
}
