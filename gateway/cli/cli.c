#include "cli/cli.h"

#include "cli/command.h"

#include <string.h>

static const struct command *const commands[] = {&command_run, &command_version};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out)
{
    fprintf(out, "holdfast: durable state and mailboxes for stateless functions\n\n"
                 "usage: holdfast COMMAND [flags]\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\nholdfast COMMAND --help says more.\n");
}

static void print_command_help(const struct command *command)
{
    size_t count;
    const struct flag *flags = command->flags(&count);
    printf("usage: %s\n\n%s\n\n", command->usage, command->summary);
    flags_print_help(flags, count, stdout);
    printf("\nexample: %s\n", command->example);
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
    return command->run(&flags);
}

int cli_main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return run_command(commands[i], argc - 2, argv + 2);
    fprintf(stderr, "holdfast: unknown command '%s'\n  hint: holdfast --help lists the commands\n",
            argv[1]);
    return EXIT_USAGE;
}
