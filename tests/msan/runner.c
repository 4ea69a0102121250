/* See criterion/criterion.h. Prints each test that failed, and at the end how many were tested and
 * how many of them were good. */
#include "criterion/criterion.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_S = 120 };

static struct msan_test *tests;
static int failures; /* in this process */

void msan_register(struct msan_test *test)
{
    test->next = tests;
    tests = test;
}

void msan_failed(const char *what, const char *file, int line)
{
    printf("%s:%d: not true: %s\n", file, line, what);
    fflush(stdout);
    failures++;
}

void msan_fatal(const char *what, const char *file, int line)
{
    msan_failed(what, file, line);
    _exit(1);
}

static const struct msan_test *suite_of(const struct msan_test *test)
{
    static const struct msan_test none;
    for (const struct msan_test *suite = tests; suite != NULL; suite = suite->next)
        if (suite->name == NULL && strcmp(suite->suite, test->suite) == 0) return suite;
    return &none;
}

static void run_here(const struct msan_test *test)
{
    const struct msan_test *suite = suite_of(test);
    void (*init)(void) = test->init != NULL ? test->init : suite->init;
    void (*fini)(void) = test->fini != NULL ? test->fini : suite->fini;
    alarm(TIMEOUT_S);
    if (init != NULL) init();
    test->run();
    if (fini != NULL) fini();
    _exit(failures > 0);
}

static bool run_apart(const struct msan_test *test)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) run_here(test);
    if (child < 0 || waitpid(child, &status, 0) != child) return false;
    if (test->signal != 0) return WIFSIGNALED(status) && WTERMSIG(status) == test->signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool left_out(const struct msan_test *test, int count, char **names)
{
    char name[256];
    snprintf(name, sizeof name, "%s::%s", test->suite, test->name);
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

int main(int argc, char **argv)
{
    int tested = 0, good = 0;
    for (const struct msan_test *test = tests; test != NULL; test = test->next) {
        if (test->name == NULL || left_out(test, argc - 1, argv + 1)) continue;
        bool passed = run_apart(test);
        if (!passed) printf("[FAIL] %s::%s\n", test->suite, test->name);
        tested++;
        good += passed;
    }
    printf("Tested: %d | Passing: %d\n", tested, good);
    return tested == 0 || good < tested;
}
