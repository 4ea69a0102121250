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

/* One that is gone wholly is not made anew: a shard that forgets everything is no repair. */
static int repair(const struct offline_state *state, uint32_t shard, bool accept_loss,
                  struct offline_findings *found, bool *refused)
{
    char path[FILE_PATH_MAX];
    struct errmsg errmsg = {{0}};
    struct store_tool tool = {
        .directory = path, .shard = shard, .report = offline_report, .context = found};
    int code = offline_shard(&command_repair, state, shard, path);
    if (code != EXIT_DONE) return code;
    int error = store_repair(&tool, accept_loss, &errmsg);
    if (error == 0) return EXIT_DONE;
    code = offline_failed(&command_repair, error, &errmsg);
    if (error != ERROR_REFUSED) return code;
    *refused = true;
    return EXIT_DAMAGED;
}

/* It is whole or of no use: a part of it is not one state of all shards. */
static int refuse_savepoint(const char *directory)
{
    fprintf(stderr,
            "holdfast repair: %s is a savepoint, which cannot be repaired: holdfast check says "
            "whether it is whole; if not, take another\n",
            directory);
    return EXIT_FAILED;
}

static void tell(const char *directory, const struct offline_findings *found, int code,
                 bool refused)
{
    if (found->json)
        printf("{\"repaired\":%s,\"findings\":[%.*s]}\n", code == EXIT_DONE ? "true" : "false",
               SPAN_PRINT(buffer_span(&found->array)));
    else if (code == EXIT_DONE)
        printf("whole: start the gateway\n");
    if (refused)
        fprintf(stderr,
                "  hint: a copy of the directory first, then holdfast repair %s "
                "--accept-loss\n",
                directory);
}

static int run(const struct flags *flags)
{
    struct offline_findings found = {0};
    struct problems problems;
    struct offline_state state;
    bool refused = false;
    problems_init(&problems);
    bool accept_loss = flags_switch(flags, "--accept-loss", &problems);
    int code = output_read(&command_repair, flags, &found.json);
    if (code != EXIT_DONE) return code;
    const char *directory = offline_directory(&command_repair, flags);
    if (directory == NULL) return EXIT_USAGE;
    code = offline_look(&command_repair, directory, &state);
    if (code != EXIT_DONE) return code;
    if (state.savepoint) return refuse_savepoint(directory);
    buffer_init(&found.array);
    for (uint32_t i = 0; i < state.count && code != EXIT_FAILED; i++) {
        int each = repair(&state, i, accept_loss, &found, &refused);
        if (each != EXIT_DONE) code = each;
    }
    tell(directory, &found, code, refused);
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
