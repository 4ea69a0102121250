#include "cli/cli.h"

#include "cli/command.h"
#include "cli/terminal.h"
#include "config/suggest.h"

#include <stdarg.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_run,    &command_dev,     &command_validate, &command_send,      &command_call,
    &command_egress, &command_state,   &command_status,   &command_parked,    &command_functions,
    &command_shards, &command_bench,   &command_snapshot, &command_savepoint, &command_check,
    &command_repair, &command_version,
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const char *const group_titles[GROUP_COUNT] = {
    [GROUP_RUN] = "Running",   [GROUP_MESSAGES] = "Messages", [GROUP_STATE] = "State",
    [GROUP_WATCH] = "Looking", [GROUP_DATA] = "Data on disk",
};

static void print_help(FILE *out)
{
    fprintf(out, "holdfast: durable state and mailboxes for stateless functions\n\n"
                 "usage: holdfast COMMAND [flags]\n");
    for (int group = 0; group < GROUP_COUNT; group++) {
        fprintf(out, "\n%s%s%s\n", terminal_bold(out), group_titles[group], terminal_plain(out));
        for (size_t i = 0; i < COMMAND_COUNT; i++)
            if ((int)commands[i]->group == group)
                fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out,
            "\nholdfast COMMAND --help says more. Exit codes: 0 done, 1 failed, 2 wrong usage,\n"
            "3 data damaged, 4 cannot reach the gateway.\n");
}

static void print_command_help(const struct command *command)
{
    size_t count;
    const struct flag *flags = command->flags(&count);
    printf("usage: %s\n\n%s\n\n", command->usage, command->summary);
    flags_print_help(flags, count, stdout);
    printf("\nexample: %s\n", command->example);
}

int usage_error(const struct command *command, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "holdfast %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n  hint: %s\n", command->example);
    return EXIT_USAGE;
}

/* What stands after "--" are words, also when they begin with a dash; to dev they are a command. */
static int join_words(struct flags *flags)
{
    if (flags->word_count + flags->command_count > FLAGS_WORDS_MAX) {
        fprintf(stderr, "holdfast: more than %d words\n", FLAGS_WORDS_MAX);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < flags->command_count; i++)
        flags->words[flags->word_count++] = flags->command[i];
    flags->command_count = 0;
    return EXIT_DONE;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct flags flags;
    struct problems problems;
    size_t count;
    const struct flag *table = command->flags(&count);
    problems_init(&problems);
    if (flags_parse(&flags, table, count, argc, argv, &problems) != 0) {
        problems_print(&problems, stderr);
        return EXIT_USAGE;
    }
    if (flags.help_wanted) {
        print_command_help(command);
        return EXIT_DONE;
    }
    if (command != &command_dev && join_words(&flags) != EXIT_DONE) return EXIT_USAGE;
    return command->run(&flags);
}

static int unknown_command(const char *name)
{
    struct suggestion suggestion = suggestion_for(span_text(name));
    for (size_t i = 0; i < COMMAND_COUNT; i++) suggestion_offer(&suggestion, commands[i]->name);
    fprintf(stderr, "holdfast: unknown command '%.60s'\n", name);
    if (suggestion.best != NULL)
        fprintf(stderr, "  hint: did you mean %s?\n", suggestion.best);
    else
        fprintf(stderr, "  hint: holdfast --help lists the commands\n");
    return EXIT_USAGE;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* What was to be shown and could not be written is a failure, as a full disk is for cat. */
static int close_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "holdfast: cannot write to standard output\n");
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

int cli_main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (is_help(argv[1])) {
        print_help(stdout);
        return EXIT_DONE;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return close_output(run_command(commands[i], argc - 2, argv + 2));
    return unknown_command(name);
}
