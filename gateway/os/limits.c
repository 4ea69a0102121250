#include "os/limits.h"

#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DESCRIPTORS_RESERVED = 64 }; /* a quarter of a small limit */

int limits_raise_descriptors(uint64_t *before, uint64_t *now)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return ERROR_IO;
    *before = *now = limit.rlim_cur;
    if (limit.rlim_cur == limit.rlim_max) return 0;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return ERROR_PERMISSION;
    *now = limit.rlim_max;
    return 0;
}

/* The kernel gives the lowest number that is free: so the number tells how many are in use. */
bool limits_descriptor_is_reserved(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
    rlim_t reserved =
        limit.rlim_cur / 4 < DESCRIPTORS_RESERVED ? limit.rlim_cur / 4 : DESCRIPTORS_RESERVED;
    return (rlim_t)fd >= limit.rlim_cur - reserved;
}

/* A limit file holds a number or "max". */
static uint64_t read_limit(const char *path)
{
    unsigned long long limit = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    if (fscanf(file, "%llu", &limit) != 1) limit = 0;
    fclose(file);
    return limit;
}

uint64_t limits_memory_bytes(void)
{
    static const char *const paths[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        uint64_t limit = read_limit(paths[i]);
        if (limit > 0 && limit < bytes) bytes = limit;
    }
    return bytes;
}

unsigned limits_cores(void)
{
    cpu_set_t set;
    unsigned cores = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned long long quota = 0, period = 0;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re"); /* "max 100000" without a limit */
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &quota, &period) == 2 && quota > 0 && period > 0 &&
            (quota + period - 1) / period < cores)
            cores = (unsigned)((quota + period - 1) / period);
        fclose(file);
    }
    return cores > 0 ? cores : 1;
}
