/* holdfast repair: back to the newest state that is whole; what it loses is said before. */
#include "cli/offline.h"
#include "cli/remote.h"

static const struct flag flag_table[] = {
    {"--accept-loss", 0, NULL, "do it, also when records are lost; without it they are only named",
     NULL, false},
    {"--data", 0, "DIR", "data directory, when no DIR is given (./holdfast-data)", "HOLDFAST_DATA",
     false},
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

static int run(const struct flags *flags)
{
    struct offline_findings found = {0};
    struct problems problems;
    struct errmsg errmsg = {{0}};
    problems_init(&problems);
    bool accept_loss = flags_switch(flags, "--accept-loss", &problems);
    int code = output_read(&command_repair, flags, &found.json);
    if (code != EXIT_DONE) return code;
    const char *directory = offline_directory(&command_repair, flags);
    if (directory == NULL) return EXIT_USAGE;
    buffer_init(&found.array);
    struct store_tool tool = {directory, 0, offline_report, &found};
    int error = store_repair(&tool, accept_loss, &errmsg);
    if (found.json)
        printf("{\"repaired\":%s,\"findings\":[%.*s]}\n", error == 0 ? "true" : "false",
               SPAN_PRINT(buffer_span(&found.array)));
    else if (error == 0)
        printf("whole: start the gateway\n");
    if (error != 0) code = offline_failed(&command_repair, error, &errmsg);
    if (error == ERROR_REFUSED) {
        fprintf(stderr,
                "  hint: a copy of the directory first, then holdfast repair %s "
                "--accept-loss\n",
                directory);
        code = EXIT_DAMAGED;
    }
    buffer_close(&found.array);
    return code;
}

const struct command command_repair = {
    .name = "repair",
    .group = GROUP_DATA,
    .summary = "back to the newest state that is whole",
    .usage = "holdfast repair [DIR] --accept-loss",
    .example = "holdfast repair /var/lib/holdfast --accept-loss",
    .flags = command_flags,
    .run = run,
};
