/*
 * Every allocation of a load fails once, libyaml's too: the answer is ERROR_MEMORY, nothing leaks,
 * nothing crashes. Sanitizers bring their own malloc: there this file is empty, and
 * AddressSanitizer runs the rest.
 */
#include "support.h"

#ifndef HOLDFAST_MEMORY_PLAIN

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

static bool counting;
static long fail_at; /* the allocation that fails; 0: none */
static long allocations;
static long live;

static bool fails(void)
{
    if (!counting) return false;
    if (++allocations == fail_at) {
        errno = ENOMEM;
        return true;
    }
    return false;
}

void *malloc(size_t size)
{
    if (fails()) return NULL;
    void *block = __libc_malloc(size);
    if (counting && block) live++;
    return block;
}

void *calloc(size_t count, size_t size)
{
    if (fails()) return NULL;
    void *block = __libc_calloc(count, size);
    if (counting && block) live++;
    return block;
}

void *realloc(void *block, size_t size)
{
    if (fails()) return NULL;
    void *moved = __libc_realloc(block, size);
    if (counting && moved && !block) live++;
    return moved;
}

void free(void *block)
{
    if (counting && block) live--;
    __libc_free(block);
}

static int load_once(const char *path, long n, struct problems *problems)
{
    struct settings settings;
    const char *const files[] = {path};
    problems_init(problems);
    allocations = live = 0;
    fail_at = n;
    counting = true;
    int error = settings_load(&settings, files, 1, NULL, problems);
    if (!error) settings_close(&settings);
    counting = false;
    return error;
}

static void exhaust(const char *name)
{
    char path[2048];
    struct problems problems;
    setenv("TEST_HOST", "functions.example", 1);
    snprintf(path, sizeof path, "%s%s.yaml", cases_folder(), name);
    cr_assert_eq(load_once(path, 0, &problems), 0, "%s", problems.items[0].message);
    cr_expect_eq(live, 0, "%s leaks %ld blocks", name, live);
    long total = allocations;
    cr_assert_gt(total, 10);
    for (long n = 1; n <= total; n++) {
        int error = load_once(path, n, &problems);
        /* fopen's own failure is reported as a file that cannot be read. */
        bool file_failed = error == ERROR_INVALID && problems.count == 1 &&
                           strstr(problems.items[0].message, "Cannot allocate memory");
        cr_expect(error == ERROR_MEMORY || error == 0 || file_failed, "%s, allocation %ld: %d",
                  name, n, error);
        cr_expect_eq(live, 0, "%s, allocation %ld: %ld blocks leak", name, n, live);
    }
}

Test(memory, every_allocation_may_fail)
{
    exhaust("good-playground");
    exhaust("good-own-fields");
    exhaust("good-legacy");
    exhaust("good-kinesis");
    exhaust("good-routable");
}

#endif
