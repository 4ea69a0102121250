/* Preloaded into a gateway under test: moves its wall clock by the microseconds that stand, as
 * one int64, in the file $CLOCK_SHIM. The file is mapped: a read of the clock stays cheap. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_us;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void prepare(void)
{
    const char *path = getenv("CLOCK_SHIM");
    *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) offset_us = map;
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *time)
{
    if (real_clock_gettime == NULL) prepare(); /* somebody is loaded before us */
    int result = real_clock_gettime(id, time);
    if (result != 0 || offset_us == NULL) return result;
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) return result;
    int64_t us = (int64_t)time->tv_sec * 1000000 + time->tv_nsec / 1000 + *offset_us;
    time->tv_sec = us / 1000000;
    time->tv_nsec = us % 1000000 * 1000;
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}
