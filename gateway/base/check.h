/*
 * Programmer errors. CHECK stays on in release: a gateway that holds money would rather stop than
 * go on from a state nobody thought of. It is never used for bad input or a failing disk.
 */
#ifndef HOLDFAST_BASE_CHECK_H
#define HOLDFAST_BASE_CHECK_H

_Noreturn void check_failed(const char *what, const char *file, int line);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) check_failed(#condition, __FILE__, __LINE__);       \
    } while (0)

#endif
