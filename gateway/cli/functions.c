/* holdfast functions: each function type with what waits for it. */
#include "cli/rows.h"

static const struct flag flag_table[] = {FLAG_ADMIN_SIDE, FLAG_TOKEN_FILE, FLAG_OUTPUT};
COMMAND_FLAGS(flag_table);

static const struct row_column columns[] = {
    {"FUNCTION", "function", ROW_AS_IS},  {"KEYS", "keys", ROW_AS_IS},
    {"MESSAGES", "messages", ROW_AS_IS},  {"IN CALL", "sent", ROW_AS_IS},
    {"RETRYING", "retryWait", ROW_AS_IS}, {"PARKED", "parked", ROW_AS_IS},
    {"HELD", "held", ROW_AS_IS},          {"CIRCUIT", "circuit", ROW_AS_IS},
    {"ENDPOINT", "endpoint", ROW_AS_IS},
};

static int run(const struct flags *flags)
{
    struct remote remote;
    int code = remote_open(&remote, &command_functions, flags, REMOTE_ADMIN);
    if (code != EXIT_DONE) return code;
    json_t *answer = rows_get(&remote, "GET", "/v1/functions", &code);
    if (answer != NULL && remote.json) rows_json(answer);
    if (answer != NULL && !remote.json)
        rows_print(json_object_get(answer, "functions"), columns,
                   sizeof columns / sizeof columns[0], "no function has been called yet");
    json_decref(answer);
    remote_close(&remote);
    return code;
}

const struct command command_functions = {
    .name = "functions",
    .group = GROUP_WATCH,
    .summary = "each function type with what waits for it",
    .usage = "holdfast functions [flags]",
    .example = "holdfast functions --output json",
    .flags = command_flags,
    .run = run,
};
