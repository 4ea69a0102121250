/*
 * Many lines of JSON to the gateway, batch after batch (/v1/batch, /v1/import): each line has a
 * status of its own. A line that is refused because the gateway is full is sent again.
 */
#ifndef HOLDFAST_CLI_LINES_H
#define HOLDFAST_CLI_LINES_H

#include "cli/remote.h"

struct lines_job {
    struct remote *remote;
    const char *path; /* "/v1/batch" */
    const char *verb; /* "sent" */
    FILE *in;
};

/* Tells each line that was refused, and at the end how many were taken. Gives back an exit code:
   EXIT_FAILED when a line was refused. */
int lines_send(const struct lines_job *job);

#endif
