#include "config/problem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

void problems_init(struct problems *problems)
{
    memset(problems, 0, sizeof *problems);
}

struct problem *problem_add(struct problems *problems, struct place place, const char *format, ...)
{
    struct problem *problem = &problems->spill;
    if (problems->count < PROBLEMS_MAX) {
        problem = &problems->items[problems->count++];
    } else {
        problems->more++;
    }
    problem->place = place;
    problem->hint[0] = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->message, sizeof problem->message, format, arguments);
    va_end(arguments);
    return problem;
}

void problem_hint(struct problem *problem, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->hint, sizeof problem->hint, format, arguments);
    va_end(arguments);
}

static bool comes_before(const struct place *a, const struct place *b)
{
    if (a->file != b->file) return false;
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void problems_sort(struct problems *problems)
{
    for (size_t i = 1; i < problems->count; i++) {
        for (size_t j = i; j > 0; j--) {
            struct problem *before = &problems->items[j - 1], *after = &problems->items[j];
            if (!comes_before(&after->place, &before->place)) break;
            struct problem kept = *before;
            *before = *after;
            *after = kept;
        }
    }
}

/* Messages quote what stands in the file: it must not reach a terminal as control sequences. */
static void print_clean(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        fputc(byte < 0x20 || byte == 0x7f ? '?' : byte, out);
    }
}

static void print_one(const struct problem *problem, const char *last_hint, FILE *out)
{
    const struct place *place = &problem->place;
    if (place->file) {
        print_clean(out, place->file);
        if (place->line > 0) fprintf(out, ":%u:%u", place->line, place->column);
        fputs(": ", out);
    }
    fputs("error: ", out);
    print_clean(out, problem->message);
    fputc('\n', out);
    if (problem->hint[0] && strcmp(problem->hint, last_hint) != 0) {
        fputs("  hint: ", out);
        print_clean(out, problem->hint);
        fputc('\n', out);
    }
}

void problems_print(const struct problems *problems, FILE *out)
{
    for (size_t i = 0; i < problems->count; i++)
        print_one(&problems->items[i], i > 0 ? problems->items[i - 1].hint : "", out);
    if (problems->more > 0) fprintf(out, "... and %zu more errors\n", problems->more);
}
