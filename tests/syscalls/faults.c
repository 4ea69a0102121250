/*
 * A preloaded library that makes system calls fail, call site by call site. A table in a file that
 * is mapped shared (HOLDFAST_FAULTS names it) holds one entry for each call instruction of the
 * program: how often it was reached, and what shall happen to it next. The harness writes the
 * orders and reads the counts while the program runs. Calls from elsewhere, and other programs,
 * pass through.
 *
 * A wrapper takes and hands on whatever registers hold: integers and pointers, at most six. Where
 * the call came from is its return address.
 */
#include "faults.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default"), noinline, used))

enum { EPIPE_NUMBER = 32, IO_STREAM_ERROR = 0x20 /* glibc's mark in FILE */ };

static struct fault_table *table;
static struct {
    uintptr_t begin, end, base;
} modules[FAULT_MODULES];

static long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

enum {
    NUMBER_OPEN = 2,
    NUMBER_CLOSE = 3,
    NUMBER_MMAP = 9,
    NUMBER_SHUTDOWN = 48,
    NUMBER_READLINK = 89,
    NUMBER_CLOCK = 228
};

static int64_t now_ns(void)
{
    int64_t time[2] = {0, 0};
    system_call(NUMBER_CLOCK, 1 /* CLOCK_MONOTONIC */, (long)time, 0, 0, 0, 0);
    return time[0] * 1000000000 + time[1];
}

/* -- Setting up -- */

static int note_module(struct dl_phdr_info *info, size_t size, void *context)
{
    int *index = context;
    (void)size;
    int module = (*index)++ == 0 ? 0 : strstr(info->dlpi_name, "libh2o-evloop") != NULL ? 1 : -1;
    if (module < 0) return 0;
    modules[module].base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD || (info->dlpi_phdr[i].p_flags & PF_X) == 0)
            continue;
        modules[module].begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        modules[module].end = modules[module].begin + info->dlpi_phdr[i].p_memsz;
    }
    return 0;
}

static const char *value_of(char **environment, const char *name)
{
    size_t size = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=')
            return *environment + size + 1;
    return NULL;
}

static bool is_the_program(const struct fault_table *mapped)
{
    char path[FAULT_PATH_MAX] = "";
    long size =
        system_call(NUMBER_READLINK, (long)"/proc/self/exe", (long)path, sizeof path - 1, 0, 0, 0);
    return size > 0 && strcmp(path, mapped->program) == 0;
}

__attribute__((constructor)) static void set_up(int argc, char **argv, char **environment)
{
    int index = 0;
    (void)argc;
    (void)argv;
    const char *path = value_of(environment, "HOLDFAST_FAULTS");
    if (path == NULL || table != NULL) return;
    long fd = system_call(NUMBER_OPEN, (long)path, 2 /* O_RDWR */, 0, 0, 0, 0);
    if (fd < 0) return;
    long at = system_call(NUMBER_MMAP, 0, sizeof(struct fault_table), 3, 1 /* MAP_SHARED */, fd, 0);
    system_call(NUMBER_CLOSE, fd, 0, 0, 0, 0, 0);
    if (at < 0 && at > -4096) return;
    struct fault_table *mapped = (struct fault_table *)(uintptr_t)at;
    if (mapped->magic != FAULT_MAGIC || !is_the_program(mapped)) return;
    dl_iterate_phdr(note_module, &index);
    table = mapped;
}

/* -- Which site, and what shall happen -- */

static struct fault_site *find(uint32_t module, uint64_t offset)
{
    uint32_t low = 0, high = table->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct fault_site *site = &table->sites[middle];
        if (site->module < module || (site->module == module && site->offset < offset))
            low = middle + 1;
        else
            high = middle;
    }
    struct fault_site *site = &table->sites[low];
    return low < table->count && site->module == module && site->offset == offset ? site : NULL;
}

static struct fault_site *site_of(void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    for (uint32_t module = 0; table != NULL && module < FAULT_MODULES; module++) {
        if (at < modules[module].begin || at >= modules[module].end) continue;
        struct fault_site *site = find(module, at - modules[module].base);
        if (site == NULL && module == 0) __atomic_add_fetch(&table->strays, 1, __ATOMIC_RELAXED);
        return site;
    }
    return NULL;
}

static bool ends_in_it(const struct fault_site *site, const char *path)
{
    return path != NULL && strstr(path, site->path) != NULL;
}

/* Whether the call is about a file whose path holds the wanted text. */
static bool path_fits(const struct fault_site *site, int fd_at, int path_at, const long *arguments)
{
    char link[40] = "/proc/self/fd/", path[FAULT_PATH_MAX], digits[12];
    size_t count = 0, size = strlen(link);
    if (site->path[0] == 0) return true;
    if (path_at >= 0) return ends_in_it(site, (const char *)(uintptr_t)arguments[path_at]);
    if (fd_at < 0) return false;
    unsigned fd = (unsigned)arguments[fd_at];
    do digits[count++] = (char)('0' + fd % 10);
    while ((fd /= 10) > 0);
    while (count > 0) link[size++] = digits[--count];
    link[size] = 0;
    long got = system_call(NUMBER_READLINK, (long)link, (long)path, sizeof path - 1, 0, 0, 0);
    if (got <= 0) return false;
    path[got] = 0;
    return ends_in_it(site, path);
}

/* The order that counts for this call, or 0. */
static int32_t order(struct fault_site *site, int fd_at, int path_at, const long *arguments)
{
    __atomic_add_fetch(&site->hits, 1, __ATOMIC_RELAXED);
    int32_t action = __atomic_load_n(&site->action, __ATOMIC_ACQUIRE);
    if (action == 0) return 0;
    if (site->argument_at >= 0 && arguments[site->argument_at] != site->argument) return 0;
    if (!path_fits(site, fd_at, path_at, arguments)) return 0;
    uint32_t seen = __atomic_fetch_add(&site->seen, 1, __ATOMIC_RELAXED);
    if (seen < site->skip || seen - site->skip >= site->times) return 0;
    int64_t now = now_ns();
    if (__atomic_fetch_add(&site->injected, 1, __ATOMIC_ACQ_REL) == 0) site->first_ns = now;
    site->last_ns = now;
    __atomic_add_fetch(&site->total, 1, __ATOMIC_RELAXED);
    return action;
}

/* -- The wrappers -- */

typedef long call6(long, long, long, long, long, long);

extern int *__errno_location(void);

static long fail(enum fault_result result, int number, const long *arguments)
{
    *__errno_location() = number;
    switch (result) {
    case FAULT_MINUS_ONE: return -1;
    case FAULT_NULL: return 0;
    case FAULT_NUMBER: return number;
    case FAULT_RESOLVER: return -number; /* its codes are negative */
    case FAULT_STREAM_3:
    case FAULT_STREAM_4:
        *(int *)(uintptr_t)arguments[result == FAULT_STREAM_3 ? 3 : 4] |= IO_STREAM_ERROR;
        return 0;
    }
    return -1;
}

static long go(const char *name, call6 **real, void *caller, enum fault_result result, int fd_at,
               int path_at, int size_at, bool anyway, long *arguments)
{
    if (*real == NULL) *real = (call6 *)(uintptr_t)dlsym(RTLD_NEXT, name);
    struct fault_site *site = site_of(caller);
    int32_t action = site == NULL ? 0 : order(site, fd_at, path_at, arguments);
    if (action == FAULT_SHORT && size_at >= 0 && arguments[size_at] > 1)
        arguments[size_at] = (arguments[size_at] + 1) / 2;
    if (action > 0) {
        /* What close gives up is gone whatever it says. */
        if (action == EPIPE_NUMBER && name[0] == 's') /* send: then the connection is gone, too */
            system_call(NUMBER_SHUTDOWN, arguments[0], 2, 0, 0, 0, 0);
        if (anyway) (void)(*real)(arguments[0], arguments[1], arguments[2], arguments[3], 0, 0);
        return fail(result, action, arguments);
    }
    return (*real)(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                   arguments[5]);
}

#define WRAP(name, result, fd_at, path_at, size_at, anyway)                                        \
    EXPORT long fault_##name(long a, long b, long c, long d, long e, long f) __asm__(#name);       \
    EXPORT long fault_##name(long a, long b, long c, long d, long e, long f)                       \
    {                                                                                              \
        static call6 *real;                                                                        \
        long arguments[] = {a, b, c, d, e, f};                                                     \
        return go(#name, &real, __builtin_return_address(0), result, fd_at, path_at, size_at,      \
                  anyway, arguments);                                                              \
    }
#include "wrapped.h"
