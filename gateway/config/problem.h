/*
 * What is wrong with a file, a flag or an environment variable, for people: where, what, and what
 * to do about it. Several are collected, so that one run shows them all.
 */
#ifndef HOLDFAST_CONFIG_PROBLEM_H
#define HOLDFAST_CONFIG_PROBLEM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { PROBLEMS_MAX = 20 };

/* `file` is a path, a flag ("--data") or a variable ("HOLDFAST_DATA"); borrowed, never copied. */
struct place {
    const char *file;
    uint32_t line;   /* from 1; 0 = the whole file, or no file */
    uint32_t column; /* from 1, in characters */
};

struct problem {
    struct place place;
    char message[320];
    char hint[320]; /* empty: none */
};

struct problems {
    struct problem items[PROBLEMS_MAX];
    size_t count;
    size_t more;          /* beyond PROBLEMS_MAX, counted but not kept */
    struct problem spill; /* where those are written */
};

void problems_init(struct problems *problems);

/* Never NULL; the result is good for problem_hint. */
struct problem *problem_add(struct problems *problems, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void problem_hint(struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline size_t problems_total(const struct problems *problems)
{
    return problems->count + problems->more;
}

/* Problems of the same file in the order of its lines; files stay in the order of their first
 * problem. */
void problems_sort(struct problems *problems);

/* "module.yaml:12:5: error: ..." and "  hint: ..." lines. Control characters are shown as '?'.
   A hint that was just given is not repeated. */
void problems_print(const struct problems *problems, FILE *out);

#endif
