/* What one command is. Each has a file of its own. */
#ifndef HOLDFAST_CLI_COMMAND_H
#define HOLDFAST_CLI_COMMAND_H

#include "app/gateway.h"
#include "config/flags.h"

enum command_group { GROUP_RUN, GROUP_MESSAGES, GROUP_STATE, GROUP_WATCH, GROUP_DATA, GROUP_COUNT };

struct command {
    const char *name;
    enum command_group group;
    const char *summary; /* one line of `holdfast --help` */
    const char *usage;   /* "holdfast run -m module.yaml [flags]"; several lines are fine */
    const char *example;
    const struct flag *(*flags)(size_t *count);
    int (*run)(const struct flags *flags);
};

/* The flags function of a command from its table `command_flag_table`. */
#define COMMAND_FLAGS(table)                                                                       \
    static const struct flag *command_flags(size_t *count)                                         \
    {                                                                                              \
        *count = sizeof(table) / sizeof((table)[0]);                                               \
        return table;                                                                              \
    }                                                                                              \
    _Static_assert(sizeof(table) > 0, "a command has flags")

/* Says what is wrong with the command line, and what would be right. Gives back EXIT_USAGE. */
int usage_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

extern const struct command command_run;
extern const struct command command_dev;
extern const struct command command_validate;
extern const struct command command_send;
extern const struct command command_call;
extern const struct command command_state;
extern const struct command command_parked;
extern const struct command command_egress;
extern const struct command command_functions;
extern const struct command command_shards;
extern const struct command command_status;
extern const struct command command_snapshot;
extern const struct command command_savepoint;
extern const struct command command_check;
extern const struct command command_repair;
extern const struct command command_bench;
extern const struct command command_version;

#endif
