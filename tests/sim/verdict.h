/* Promises are checked by number (I1 to I14 of docs/reliability.md): how often, and what broke. */
#ifndef TESTS_SIM_VERDICT_H
#define TESTS_SIM_VERDICT_H

#include <stdint.h>

enum { INVARIANTS = 15 };

/* Stops the program: `what` is said with file and line. */
_Noreturn void must_failed(const char *what, const char *file, int line);
extern uint64_t verdict_checks[INVARIANTS];

#define HOLDS(number, condition)                                                                   \
    do {                                                                                           \
        verdict_checks[number]++;                                                                  \
        if (!(condition)) must_failed("I" #number ": " #condition, __FILE__, __LINE__);            \
    } while (0)

#endif
