/* What one command is. Each has a file of its own. */
#ifndef HOLDFAST_CLI_COMMAND_H
#define HOLDFAST_CLI_COMMAND_H

#include "app/gateway.h"
#include "config/flags.h"

struct command {
    const char *name;
    const char *summary; /* one line of `holdfast --help` */
    const char *usage;   /* "holdfast run -m module.yaml [flags]" */
    const char *example;
    const struct flag *(*flags)(size_t *count);
    int (*run)(const struct flags *flags);
};

extern const struct command command_run;
extern const struct command command_version;

#endif
