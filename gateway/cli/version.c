/* holdfast version: which program this is. */
#include "cli/command.h"

#include "wire/record.h"

static const struct flag *no_flags(size_t *count)
{
    *count = 0;
    return NULL;
}

static int run(const struct flags *flags)
{
    (void)flags;
    printf("holdfast %s (record format %d)\n", HOLDFAST_VERSION, RECORD_FORMAT);
    return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .summary = "version and formats",
    .usage = "holdfast version",
    .example = "holdfast version",
    .flags = no_flags,
    .run = run,
};
