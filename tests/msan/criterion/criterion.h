/*
 * Stands in for criterion under MemorySanitizer, which needs every library to be instrumented: the
 * part of its macros that our unit tests use. runner.c runs each test in a process of its own.
 */
#ifndef TESTS_MSAN_CRITERION_H
#define TESTS_MSAN_CRITERION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct msan_test {
    const char *suite;
    const char *name; /* NULL: the suite itself */
    void (*run)(void);
    void (*init)(void);
    void (*fini)(void);
    double timeout; /* seconds; 0: as the suite says */
    int signal;     /* it has to end by this one */
    struct msan_test *next;
};

void msan_register(struct msan_test *test);
/* A condition of a test was false; after a fatal one the test is over. */
void msan_failed(const char *what, const char *file, int line);
_Noreturn void msan_fatal(const char *what, const char *file, int line);

#define TestSuite(suite_, ...)                                                                     \
    __attribute__((constructor)) static void msan_suite_##suite_(void)                             \
    {                                                                                              \
        static struct msan_test test = {.suite = #suite_, __VA_ARGS__};                            \
        msan_register(&test);                                                                      \
    }                                                                                              \
    struct msan_test

#define Test(suite_, name_, ...)                                                                   \
    static void msan_run_##suite_##_##name_(void);                                                 \
    __attribute__((constructor)) static void msan_test_##suite_##_##name_(void)                    \
    {                                                                                              \
        static struct msan_test test = {                                                           \
            .suite = #suite_, .name = #name_, .run = msan_run_##suite_##_##name_, __VA_ARGS__};    \
        msan_register(&test);                                                                      \
    }                                                                                              \
    static void msan_run_##suite_##_##name_(void)

#define MSAN_CHECK(good, failed, what) ((good) ? (void)0 : failed(what, __FILE__, __LINE__))
#define MSAN_COMPARE(a, op, b, failed) MSAN_CHECK((a)op(b), failed, #a " " #op " " #b)
#define MSAN_STRINGS(a, op, b, failed) MSAN_CHECK(strcmp((a), (b)) op 0, failed, #a " " #op " " #b)

#define cr_assert(a, ...) MSAN_CHECK(a, msan_fatal, #a)
#define cr_assert_not(a, ...) MSAN_CHECK(!(a), msan_fatal, "not " #a)
#define cr_assert_eq(a, b, ...) MSAN_COMPARE(a, ==, b, msan_fatal)
#define cr_assert_neq(a, b, ...) MSAN_COMPARE(a, !=, b, msan_fatal)
#define cr_assert_lt(a, b, ...) MSAN_COMPARE(a, <, b, msan_fatal)
#define cr_assert_leq(a, b, ...) MSAN_COMPARE(a, <=, b, msan_fatal)
#define cr_assert_gt(a, b, ...) MSAN_COMPARE(a, >, b, msan_fatal)
#define cr_assert_geq(a, b, ...) MSAN_COMPARE(a, >=, b, msan_fatal)
#define cr_assert_null(a, ...) MSAN_CHECK((a) == NULL, msan_fatal, #a " is NULL")
#define cr_assert_not_null(a, ...) MSAN_CHECK((a) != NULL, msan_fatal, #a " is not NULL")
#define cr_assert_str_eq(a, b, ...) MSAN_STRINGS(a, ==, b, msan_fatal)
#define cr_assert_str_neq(a, b, ...) MSAN_STRINGS(a, !=, b, msan_fatal)
#define cr_assert_fail(...) msan_fatal("failed", __FILE__, __LINE__)

#define cr_expect(a, ...) MSAN_CHECK(a, msan_failed, #a)
#define cr_expect_not(a, ...) MSAN_CHECK(!(a), msan_failed, "not " #a)
#define cr_expect_eq(a, b, ...) MSAN_COMPARE(a, ==, b, msan_failed)
#define cr_expect_neq(a, b, ...) MSAN_COMPARE(a, !=, b, msan_failed)
#define cr_expect_lt(a, b, ...) MSAN_COMPARE(a, <, b, msan_failed)
#define cr_expect_leq(a, b, ...) MSAN_COMPARE(a, <=, b, msan_failed)
#define cr_expect_gt(a, b, ...) MSAN_COMPARE(a, >, b, msan_failed)
#define cr_expect_geq(a, b, ...) MSAN_COMPARE(a, >=, b, msan_failed)
#define cr_expect_null(a, ...) MSAN_CHECK((a) == NULL, msan_failed, #a " is NULL")
#define cr_expect_not_null(a, ...) MSAN_CHECK((a) != NULL, msan_failed, #a " is not NULL")
#define cr_expect_str_eq(a, b, ...) MSAN_STRINGS(a, ==, b, msan_failed)

#endif
