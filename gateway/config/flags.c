#include "config/flags.h"

#include "config/suggest.h"

#include <stdlib.h>
#include <string.h>

/* ---- Parsing ---- */

struct parser {
    struct flags *flags;
    int argc;
    char *const *argv;
    int at; /* index of the word being read */
    struct problems *problems;
};

static struct place command_line(const char *word)
{
    return (struct place){word, 0, 0};
}

static const struct flag *find_flag(const struct flags *flags, struct span name)
{
    for (size_t i = 0; i < flags->table_count; i++) {
        if (span_equal(name, span_text(flags->table[i].name))) return &flags->table[i];
    }
    return NULL;
}

static const struct flag *find_letter(const struct flags *flags, char letter)
{
    for (size_t i = 0; i < flags->table_count; i++) {
        if (flags->table[i].letter == letter && letter != 0) return &flags->table[i];
    }
    return NULL;
}

static void report_unknown(struct parser *parser, struct span name)
{
    struct problem *problem =
        problem_add(parser->problems, command_line(NULL), "unknown flag %.*s", SPAN_PRINT(name));
    struct suggestion suggestion = suggestion_for(name);
    for (size_t i = 0; i < parser->flags->table_count; i++)
        suggestion_offer(&suggestion, parser->flags->table[i].name);
    if (suggestion.best) {
        problem_hint(problem, "did you mean %s?", suggestion.best);
    } else {
        problem_hint(problem, "--help lists the flags");
    }
}

static bool given_before(const struct flags *flags, const struct flag *flag)
{
    for (size_t i = 0; i < flags->value_count; i++) {
        if (flags->values[i].flag == flag) return true;
    }
    return false;
}

static void take(struct parser *parser, const struct flag *flag, const char *text)
{
    struct flags *flags = parser->flags;
    if (!flag->repeats && given_before(flags, flag)) {
        problem_add(parser->problems, command_line(flag->name), "given twice");
    } else if (flags->value_count == FLAGS_VALUES_MAX) {
        problem_add(parser->problems, command_line(flag->name), "more than %d flags",
                    FLAGS_VALUES_MAX);
    } else {
        flags->values[flags->value_count++] = (struct flag_value){flag, text};
    }
}

/* The value of a flag that stands alone is the next word, which may not look like a flag itself. */
static void take_next(struct parser *parser, const struct flag *flag)
{
    if (!flag->argument) {
        take(parser, flag, "true");
        return;
    }
    const char *next = parser->at + 1 < parser->argc ? parser->argv[parser->at + 1] : NULL;
    if (!next || strncmp(next, "--", 2) == 0) {
        struct problem *problem = problem_add(parser->problems, command_line(flag->name),
                                              "needs a value: %s", flag->argument);
        if (next)
            problem_hint(problem, "a value that begins with -- is written %s=%s", flag->name, next);
        return;
    }
    parser->at++;
    take(parser, flag, next);
}

static void take_long(struct parser *parser, const char *word)
{
    const char *equals = strchr(word, '=');
    struct span name = equals ? span_of(word, (size_t)(equals - word)) : span_text(word);
    const struct flag *flag = find_flag(parser->flags, name);
    if (!flag) {
        report_unknown(parser, name);
    } else if (equals) {
        take(parser, flag, equals + 1);
    } else {
        take_next(parser, flag);
    }
}

static void take_short(struct parser *parser, const char *word)
{
    const struct flag *flag = find_letter(parser->flags, word[1]);
    if (!flag) {
        report_unknown(parser, span_text(word));
    } else if (word[2] == 0) {
        take_next(parser, flag);
    } else if (flag->argument) {
        take(parser, flag, word[2] == '=' ? word + 3 : word + 2);
    } else {
        report_unknown(parser, span_text(word));
    }
}

static void take_word(struct parser *parser, const char *word)
{
    struct flags *flags = parser->flags;
    if (flags->word_count == FLAGS_WORDS_MAX) {
        problem_add(parser->problems, command_line(NULL), "more than %d words", FLAGS_WORDS_MAX);
    } else {
        flags->words[flags->word_count++] = word;
    }
}

static bool help_wanted(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

int flags_parse(struct flags *flags, const struct flag *table, size_t count, int argc,
                char *const *argv, struct problems *problems)
{
    *flags = (struct flags){.table = table, .table_count = count};
    flags->help_wanted = help_wanted(argc, argv);
    if (flags->help_wanted) return 0;
    size_t before = problems_total(problems);
    struct parser parser = {flags, argc, argv, 0, problems};
    for (; parser.at < argc; parser.at++) {
        const char *word = argv[parser.at];
        if (strcmp(word, "--") == 0) {
            flags->command = argv + parser.at + 1;
            flags->command_count = (size_t)(argc - parser.at - 1);
            break;
        }
        if (word[0] != '-' || word[1] == 0) {
            take_word(&parser, word);
        } else if (word[1] == '-') {
            take_long(&parser, word);
        } else {
            take_short(&parser, word);
        }
    }
    return problems_total(problems) > before ? ERROR_INVALID : 0;
}

/* ---- Values ---- */

static const char *from_environment(const struct flag *flag)
{
    const char *text = flag->environment ? getenv(flag->environment) : NULL;
    return text && *text ? text : NULL;
}

const char *flags_text(const struct flags *flags, const char *name, struct place *place)
{
    const struct flag *flag = find_flag(flags, span_text(name));
    if (!flag) return NULL;
    for (size_t i = 0; i < flags->value_count; i++) {
        if (flags->values[i].flag != flag) continue;
        if (place) *place = command_line(flag->name);
        return flags->values[i].text;
    }
    if (place) *place = command_line(flag->environment);
    return from_environment(flag);
}

bool flags_switch(const struct flags *flags, const char *name, struct problems *problems)
{
    struct place place;
    const char *text = flags_text(flags, name, &place);
    if (!text || strcmp(text, "false") == 0 || strcmp(text, "0") == 0) return false;
    if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0) return true;
    problem_add(problems, place, "must be true or false, but is \"%s\"", text);
    return false;
}

size_t flags_all(const struct flags *flags, const char *name, const char **values, size_t max)
{
    const struct flag *flag = find_flag(flags, span_text(name));
    size_t count = 0;
    for (size_t i = 0; flag && i < flags->value_count; i++) {
        if (flags->values[i].flag != flag) continue;
        if (count < max) values[count] = flags->values[i].text;
        count++;
    }
    const char *text = flag && count == 0 ? from_environment(flag) : NULL;
    if (!text) return count;
    if (max > 0) values[0] = text;
    return 1;
}

/* ---- Help ---- */

static int left_column(const struct flag *flag, char *out, size_t size)
{
    char letter[8] = "    ";
    if (flag->letter) snprintf(letter, sizeof letter, "-%c, ", flag->letter);
    return snprintf(out, size, "  %s%s%s%s", letter, flag->name, flag->argument ? " " : "",
                    flag->argument ? flag->argument : "");
}

void flags_print_help(const struct flag *table, size_t count, FILE *out)
{
    char left[80];
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        int length = left_column(&table[i], left, sizeof left);
        if (length > width) width = length;
    }
    for (size_t i = 0; i < count; i++) {
        left_column(&table[i], left, sizeof left);
        fprintf(out, "%-*s  %s\n", width, left, table[i].help);
    }
}
