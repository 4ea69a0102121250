/* holdfast run: the gateway in the foreground. */
#include "cli/command.h"

static int run(const struct flags *flags)
{
    const char *files[FLAGS_VALUES_MAX];
    size_t count = flags_all(flags, "--module", files, FLAGS_VALUES_MAX);
    if (flags->word_count > 0)
        return usage_error(&command_run, "\"%.60s\" is no flag", flags->words[0]);
    if (count == 0) return usage_error(&command_run, "no module file");
    return gateway_run(&(struct gateway_options){files, count, flags});
}

const struct command command_run = {
    .name = "run",
    .group = GROUP_RUN,
    .summary = "the gateway in the foreground",
    .usage = "holdfast run -m module.yaml [flags]",
    .example = "holdfast run -m module.yaml --data /var/lib/holdfast --listen 127.0.0.1:7400",
    .flags = gateway_flags,
    .run = run,
};
