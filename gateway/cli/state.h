/* The verbs of `holdfast state` that move many values. */
#ifndef HOLDFAST_CLI_STATE_H
#define HOLDFAST_CLI_STATE_H

#include "cli/remote.h"

/* Exit codes. The name of the verb is the first word of the flags. */
int state_list(struct remote *remote, const struct flags *flags);
int state_export(struct remote *remote, const struct flags *flags);
int state_import(struct remote *remote, const struct flags *flags);

#endif
