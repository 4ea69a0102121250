/*
 * Command-line flags of any command: one table is parsing, help text and names of the environment
 * variables. "--name value", "--name=value", "-x value"; switches take no value, or "=true" /
 * "=false".
 */
#ifndef HOLDFAST_CONFIG_FLAGS_H
#define HOLDFAST_CONFIG_FLAGS_H

#include "base/error.h"
#include "config/problem.h"

#include <stdbool.h>

enum { FLAGS_VALUES_MAX = 64, FLAGS_WORDS_MAX = 64 };

struct flag {
    const char *name;        /* with its dashes: "--data" */
    char letter;             /* 'm' for -m, or 0 */
    const char *argument;    /* "DIR"; NULL: a switch */
    const char *help;        /* one line */
    const char *environment; /* "HOLDFAST_DATA", or NULL */
    bool repeats;
};

struct flag_value {
    const struct flag *flag;
    const char *text; /* points into argv */
};

struct flags {
    const struct flag *table;
    size_t table_count;
    struct flag_value values[FLAGS_VALUES_MAX];
    size_t value_count;
    const char *words[FLAGS_WORDS_MAX]; /* what is no flag, in order */
    size_t word_count;
    char *const *command; /* what stands after "--"; NULL when there is no "--" */
    size_t command_count;
    bool help_wanted; /* --help or -h: then nothing else has been checked */
};

/* argv without the program and the command. The table and argv are borrowed. ERROR_INVALID with a
 * problem. */
int flags_parse(struct flags *flags, const struct flag *table, size_t count, int argc,
                char *const *argv, struct problems *problems) MUST_USE;

/*
 * The value of a flag: from the command line, else from its environment variable (when not empty),
 * else NULL. `place` (may be NULL) names the flag or the variable. A name that is not in the table:
 * NULL.
 */
const char *flags_text(const struct flags *flags, const char *name, struct place *place);
/* A switch: false also when absent. A value other than true, false, 1 or 0 adds a problem. */
bool flags_switch(const struct flags *flags, const char *name, struct problems *problems);
/* All values of a flag that repeats, or the one of its environment variable. Returns how many there
   are; at most `max` are stored. */
size_t flags_all(const struct flags *flags, const char *name, const char **values, size_t max);

/* The lines of a help text: "  -m, --module FILE   what it does [HOLDFAST_MODULE]". */
void flags_print_help(const struct flag *table, size_t count, FILE *out);

#endif
