/* What the commands share that work on a data directory without a gateway. */
#ifndef HOLDFAST_CLI_OFFLINE_H
#define HOLDFAST_CLI_OFFLINE_H

#include "base/buffer.h"
#include "cli/command.h"
#include "store/check.h"

/* The one word, --data, HOLDFAST_DATA, or ./holdfast-data. NULL: told. */
const char *offline_directory(const struct command *command, const struct flags *flags);
/* The exit code of an error of the store; tells errmsg on stderr. */
int offline_failed(const struct command *command, int error, const struct errmsg *errmsg);

/* Findings as lines, or as the members of a JSON array. */
struct offline_findings {
    bool json;
    struct buffer array; /* {"finding":…,"text":…},… */
};
void offline_report(void *findings, enum store_finding finding, const char *text);

#endif
