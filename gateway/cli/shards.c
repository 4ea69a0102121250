/* holdfast shards: each shard with its place in the journal and its memory. */
#include "cli/rows.h"

static const struct flag flag_table[] = {FLAG_ADMIN_SIDE, FLAG_TOKEN_FILE, FLAG_OUTPUT};
COMMAND_FLAGS(flag_table);

static const struct row_column columns[] = {
    {"SHARD", "shard", ROW_AS_IS},
    {"RECORD", "seq", ROW_AS_IS},
    {"DURABLE", "durable", ROW_AS_IS},
    {"EPOCH", "epoch", ROW_AS_IS},
    {"KEYS", "keys", ROW_AS_IS},
    {"MESSAGES", "mailboxMessages", ROW_AS_IS},
    {"DELAYED", "delayed", ROW_AS_IS},
    {"PARKED", "parked", ROW_AS_IS},
    {"PARCELS", "parcelsWaiting", ROW_AS_IS},
    {"EGRESS", "egressWaiting", ROW_AS_IS},
    {"STATE", "stateBytes", ROW_BYTES},
    {"MEMORY", "memoryBytes", ROW_BYTES},
};

/* What adds up over shards, as a last row; places in journals do not. */
static void add_sums(json_t *rows)
{
    static const char *const names[] = {"keys",       "mailboxMessages", "delayed",
                                        "parked",     "parcelsWaiting",  "egressWaiting",
                                        "stateBytes", "memoryBytes"};
    if (json_array_size(rows) < 2) return;
    json_t *sums = json_pack("{ss}", "shard", "all");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_int_t sum = 0;
        for (size_t j = 0; j < json_array_size(rows); j++)
            sum += json_integer_value(json_object_get(json_array_get(rows, j), names[i]));
        json_object_set_new(sums, names[i], json_integer(sum));
    }
    json_array_append_new(rows, sums);
}

static int run(const struct flags *flags)
{
    struct remote remote;
    int code = remote_open(&remote, &command_shards, flags, REMOTE_ADMIN);
    if (code != EXIT_DONE) return code;
    json_t *answer = rows_get(&remote, "GET", "/v1/shards", &code);
    if (answer != NULL && remote.json) rows_json(answer);
    if (answer != NULL && !remote.json) {
        add_sums(json_object_get(answer, "shards"));
        rows_print(json_object_get(answer, "shards"), columns, sizeof columns / sizeof columns[0],
                   "no shard");
    }
    json_decref(answer);
    remote_close(&remote);
    return code;
}

const struct command command_shards = {
    .name = "shards",
    .group = GROUP_WATCH,
    .summary = "each shard with its place in the journal and its memory",
    .usage = "holdfast shards [flags]",
    .example = "holdfast shards",
    .flags = command_flags,
    .run = run,
};
