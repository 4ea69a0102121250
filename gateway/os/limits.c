#include "os/limits.h"

#include <stdio.h>
#include <unistd.h>

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
