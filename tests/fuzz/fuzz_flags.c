/* A command line of any words, and a value from the environment, all the way into the settings. */
#include "fuzz.h"

#include "config/flags.h"
#include "config/gateway.h"
#include "config/settings.h"

#include <stdlib.h>

enum { WORDS_MAX = 80 };

static const struct flag own[] = {
    {"--data", 'd', "DIR", "where", "HOLDFAST_DATA", false},
    {"--many", 'm', "FILE", "several", NULL, true},
    {"--switch", 's', NULL, "yes or no", "HOLDFAST_SWITCH", false},
};

static void ask(const struct flags *flags, struct problems *problems)
{
    const char *values[FLAGS_VALUES_MAX];
    struct place place;
    const char *data = flags_text(flags, "--data", &place);
    if (data != NULL) fuzz_touch(span_text(data));
    (void)flags_switch(flags, "--switch", problems);
    size_t count = flags_all(flags, "--many", values, FLAGS_VALUES_MAX);
    for (size_t i = 0; i < count && i < FLAGS_VALUES_MAX; i++) fuzz_touch(span_text(values[i]));
    for (size_t i = 0; i < flags->word_count; i++) fuzz_touch(span_text(flags->words[i]));
    for (size_t i = 0; i < flags->command_count; i++) fuzz_touch(span_text(flags->command[i]));
}

/* The words are cut at each NUL. */
static int split(struct span input, char *text, char **words)
{
    int count = 0;
    if (input.size > 0) memcpy(text, input.at, input.size);
    text[input.size] = 0;
    for (size_t at = 0; at < input.size && count < WORDS_MAX; at += strlen(text + at) + 1)
        words[count++] = text + at;
    return count;
}

void fuzz_one(struct span input)
{
    static struct problems problems;
    struct flags flags;
    char *words[WORDS_MAX + 1] = {NULL};
    setenv("HOLDFAST_SWITCH", fuzz_text(&input), 1);
    char *text = malloc(input.size + 1);
    FUZZ_CHECK(text != NULL);
    int count = split(input, text, words);
    problems_init(&problems);
    int error = flags_parse(&flags, own, sizeof own / sizeof own[0], count, words, &problems);
    FUZZ_CHECK((error == 0) == (problems_total(&problems) == 0));
    if (error == 0 && !flags.help_wanted) ask(&flags, &problems);
    free(text);
}
