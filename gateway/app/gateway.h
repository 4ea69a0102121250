/* The gateway as a whole: settings in, a running process until a signal ends it. */
#ifndef HOLDFAST_APP_GATEWAY_H
#define HOLDFAST_APP_GATEWAY_H

#include "config/settings.h"

/* Exit codes of the command (docs/operations.md). */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DAMAGED = 3, EXIT_UNREACHABLE = 4 };

struct gateway_options {
    const char *const *files; /* module files; read again at SIGHUP */
    size_t file_count;
    const struct flags *flags;
};

/* Runs until SIGTERM or SIGINT. Problems are told on stderr. Gives back an exit code. */
int gateway_run(const struct gateway_options *options);

#endif
