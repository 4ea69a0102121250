#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct flag table[] = {
    {"--module", 'm', "FILE", "a file", "HOLDFAST_TEST_MODULE", true},
    {"--data", 0, "DIR", "a folder", "HOLDFAST_TEST_DATA", false},
    {"--fast", 'f', NULL, "a switch", "HOLDFAST_TEST_FAST", false},
};

static struct flags flags;
static struct problems problems;

/* The words are copied: flags point to them after the array has gone. */
static int parse(int argc, char *const *words)
{
    static char *argv[200];
    cr_assert_leq(argc, 200);
    for (int i = 0; i < argc; i++) argv[i] = words[i];
    problems_init(&problems);
    return flags_parse(&flags, table, 3, argc, argv, &problems);
}

#define PARSE(...)                                                                                 \
    parse((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__})

static bool failed(const char *message, const char *hint)
{
    return problems.count == 1 && strcmp(problems.items[0].message, message) == 0 &&
           strcmp(problems.items[0].hint, hint) == 0;
}

Test(flags, forms)
{
    const char *files[8];
    cr_assert_eq(PARSE("word", "-m", "a", "-mb", "-m=c", "--module", "d", "--module=e=f",
                       "--data=", "-f", "-"),
                 0);
    cr_expect_eq(flags_all(&flags, "--module", files, 8), 5);
    static const char *const expected[] = {"a", "b", "c", "d", "e=f"};
    for (size_t i = 0; i < 5; i++) cr_expect_str_eq(files[i], expected[i]);
    cr_expect_str_eq(flags_text(&flags, "--data", NULL), "");
    cr_expect(flags_switch(&flags, "--fast", &problems));
    cr_expect_eq(flags.word_count, 2);
    cr_expect_str_eq(flags.words[1], "-");
    cr_expect_null(flags.command);
}

Test(flags, everything_after_two_dashes_is_a_command)
{
    cr_assert_eq(PARSE("-f", "--", "python3", "--help", "--data"), 0);
    cr_expect_eq(flags.command_count, 3);
    cr_expect_str_eq(flags.command[0], "python3");
    cr_expect_not(flags.help_wanted);
    cr_assert_eq(PARSE("--"), 0);
    cr_expect_not_null(flags.command);
    cr_expect_eq(flags.command_count, 0);
}

Test(flags, errors)
{
    cr_expect_eq(PARSE("--dta", "x"), ERROR_INVALID);
    cr_expect(failed("unknown flag --dta", "did you mean --data?"));
    cr_expect_eq(PARSE("--something-else=5"), ERROR_INVALID);
    cr_expect(failed("unknown flag --something-else", "--help lists the flags"));
    cr_expect_eq(PARSE("-x"), ERROR_INVALID);
    cr_expect_eq(PARSE("-fx"), ERROR_INVALID);
    cr_expect_eq(PARSE("--data"), ERROR_INVALID);
    cr_expect(failed("needs a value: DIR", ""));
    cr_expect_eq(PARSE("--data", "--fast"), ERROR_INVALID);
    cr_expect(failed("needs a value: DIR", "a value that begins with -- is written --data=--fast"));
    cr_expect_eq(PARSE("--data", "a", "--data", "b"), ERROR_INVALID);
    cr_expect(failed("given twice", ""));
    cr_expect_str_eq(problems.items[0].place.file, "--data");
}

Test(flags, limits)
{
    char *words[200];
    for (size_t i = 0; i < 200; i++) words[i] = "word";
    cr_expect_eq(parse(200, words), ERROR_INVALID);
    for (size_t i = 0; i < 200; i++) words[i] = "-mx";
    cr_expect_eq(parse(200, words), ERROR_INVALID);
    cr_expect_eq(flags.value_count, FLAGS_VALUES_MAX);
}

Test(flags, help_comes_first)
{
    cr_expect_eq(PARSE("--nonsense", "-h"), 0);
    cr_expect(flags.help_wanted);
}

Test(flags, the_environment_fills_in)
{
    struct place place;
    const char *files[2];
    setenv("HOLDFAST_TEST_DATA", "e", 1);
    setenv("HOLDFAST_TEST_MODULE", "m", 1);
    setenv("HOLDFAST_TEST_FAST", "1", 1);
    cr_assert_eq(PARSE("word"), 0);
    cr_expect_str_eq(flags_text(&flags, "--data", &place), "e");
    cr_expect_str_eq(place.file, "HOLDFAST_TEST_DATA");
    cr_expect_eq(flags_all(&flags, "--module", files, 2), 1);
    cr_expect(flags_switch(&flags, "--fast", &problems));
    cr_assert_eq(PARSE("--data", "f", "-m", "a", "--fast=false"), 0);
    cr_expect_str_eq(flags_text(&flags, "--data", &place), "f");
    cr_expect_str_eq(place.file, "--data");
    cr_expect_eq(flags_all(&flags, "--module", files, 2), 1);
    cr_expect_str_eq(files[0], "a");
    cr_expect_not(flags_switch(&flags, "--fast", &problems));
    setenv("HOLDFAST_TEST_FAST", "perhaps", 1);
    cr_assert_eq(PARSE("word"), 0);
    cr_expect_not(flags_switch(&flags, "--fast", &problems));
    cr_expect(failed("must be true or false, but is \"perhaps\"", ""));
}

Test(flags, a_name_that_is_not_in_the_table)
{
    cr_assert_eq(PARSE("word"), 0);
    cr_expect_null(flags_text(&flags, "--nothing", NULL));
    cr_expect_not(flags_switch(&flags, "--nothing", &problems));
    cr_expect_eq(flags_all(&flags, "--nothing", NULL, 0), 0);
}

Test(flags, help_text)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    flags_print_help(table, 3, out);
    fclose(out);
    cr_expect_str_eq(text, "  -m, --module FILE  a file\n"
                           "      --data DIR     a folder\n"
                           "  -f, --fast         a switch\n");
    free(text);
}

/* The help of `run` fits a terminal, and each flag has the variable that its name makes one expect.
 */
Test(flags, table_of_run)
{
    size_t count = 0;
    const struct flag *run = gateway_flags(&count);
    cr_expect_eq(count, GATEWAY_SETTING_COUNT + 2, "with --module and --restore");
    for (size_t i = 0; i < count; i++) {
        char expected[64] = "HOLDFAST_";
        size_t used = strlen(expected);
        for (const char *at = run[i].name + 2; *at; at++)
            expected[used++] = *at == '-' ? '_' : (char)(*at - 'a' + 'A');
        expected[used] = 0;
        cr_expect_str_eq(run[i].environment, expected);
    }
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    flags_print_help(run, count, out);
    fclose(out);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        cr_expect_leq(strlen(line), 80, "%s", line);
    free(text);
}
