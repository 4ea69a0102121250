/*
 * How long is a turn of the gateway's loops? Preloaded into it, this counts the processor's time of
 * a thread from one wait for events to the next, which does not depend on what else the machine
 * does. A turn of a millisecond or more is written to the file that TURNS_LOG names: when it ended
 * and how long it was, in microseconds. See turns.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { TOLD_US = 1000, EVENTS_MIN = 64 /* who takes fewer at a time is no loop */ };

typedef int wait_function(int fd, struct epoll_event *events, int count, int timeout_ms);

static wait_function *real;
static int log_fd = -1;
/* A loop may run within another one: the one that takes more events at a time is the outer. */
static __thread int outer;
static __thread int64_t begin_us;

static int64_t now_us(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * INT64_C(1000000) + time.tv_nsec / 1000;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("TURNS_LOG");
    real = (wait_function *)dlsym(RTLD_NEXT, "epoll_wait");
    if (path != NULL) log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void turn_ended(void)
{
    char line[64];
    int64_t took_us = now_us(CLOCK_THREAD_CPUTIME_ID) - begin_us;
    if (took_us < TOLD_US) return;
    int size = snprintf(line, sizeof line, "%lld %lld\n", (long long)now_us(CLOCK_MONOTONIC),
                        (long long)took_us);
    if (write(log_fd, line, (size_t)size) < 0) log_fd = -1;
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
    if (count > outer) outer = count;
    if (log_fd < 0 || count < EVENTS_MIN || count < outer)
        return real(fd, events, count, timeout_ms);
    if (begin_us != 0) turn_ended();
    int ready = real(fd, events, count, timeout_ms);
    begin_us = now_us(CLOCK_THREAD_CPUTIME_ID);
    return ready;
}
