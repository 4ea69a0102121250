/*
 * What fuzzers share: a check that stops the program with a sentence, a reader that makes choices
 * out of the input, and small files for those that read from a directory. A fuzzer is one file
 * fuzz_<what>.c with one function fuzz_one; fuzz.c gives it to libFuzzer, or to a main that replays
 * files.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* The fuzzer's own: one input. */
void fuzz_one(struct span input);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) fuzz_failed(#condition, __FILE__, __LINE__);                             \
    } while (0)
_Noreturn void fuzz_failed(const char *what, const char *file, int line);

/* Each gives a default (0, empty) once the input is used up: every input is a whole run. */
uint8_t fuzz_byte(struct span *input);
uint16_t fuzz_short(struct span *input);
/* 0 .. choices - 1 */
unsigned fuzz_choice(struct span *input, unsigned choices);
/* A size byte, then that many bytes of what is there. */
struct span fuzz_bytes(struct span *input);
/* The same with two size bytes. */
struct span fuzz_long_bytes(struct span *input);
/* The same, copied with a NUL behind it; the last few stay valid. */
const char *fuzz_text(struct span *input);

/* True when `part` lies within `whole`, or is empty. */
bool fuzz_inside(struct span part, struct span whole);
/* Touches every byte, so that a sanitizer sees a span that reaches too far. */
void fuzz_touch(struct span bytes);

/* directory.c: a folder in memory, made once, which ends with the process. */
const char *fuzz_directory(void);
/* Everything in it goes, folders too. */
void fuzz_directory_clear(void);
/* "name" may be "folder/name"; the folder is made. */
void fuzz_directory_put(const char *name, struct span bytes);
/* The content into `out`, which is cleared first; false: there is no such file. */
bool fuzz_directory_get(const char *name, struct buffer *out);

#endif
