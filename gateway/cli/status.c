/* holdfast status: is it well, and what waits? */
#include "cli/rows.h"
#include "cli/terminal.h"

static const struct flag flag_table[] = {FLAG_ADMIN_SIDE, FLAG_TOKEN_FILE, FLAG_OUTPUT};
COMMAND_FLAGS(flag_table);

static const struct row_column columns[] = {
    {"version", "version", ROW_AS_IS},
    {"records", "seq", ROW_AS_IS},
    {"durable", "durable", ROW_AS_IS},
    {"epoch", "epoch", ROW_AS_IS},
    {"keys", "keys", ROW_AS_IS},
    {"state", "stateBytes", ROW_BYTES},
    {"messages waiting", "mailboxMessages", ROW_AS_IS},
    {"messages delayed", "delayed", ROW_AS_IS},
    {"egress records waiting", "egressWaiting", ROW_AS_IS},
    {"addresses parked", "parked", ROW_AS_IS},
    {"memory", "memoryBytes", ROW_BYTES},
};

/* 200 and 503 are both answers; *why is the text. */
static int ask_ready(struct remote *remote, bool *ready, char *why, size_t size)
{
    struct client_answer answer;
    struct client_request request = {.method = "GET", .path = "/readyz"};
    int error = client_ask(&remote->client, &request, &answer);
    int code = EXIT_DONE;
    struct span body = buffer_span(&answer.body);
    if (error != 0) {
        fprintf(stderr, "holdfast status: %s\n", remote->client.errmsg.text);
        code = EXIT_UNREACHABLE;
    } else if (answer.status != 200 && answer.status != 503) {
        code = remote_refused(remote, &answer);
    }
    *ready = answer.status == 200;
    while (body.size > 0 && body.at[body.size - 1] <= ' ') body.size--;
    snprintf(why, size, "%.*s", SPAN_PRINT(body));
    client_answer_close(&answer);
    return code;
}

/* The sum over all shards of each count; with one shard it is that shard. */
static json_t *gather(json_t *shards, json_t *version)
{
    json_t *row = json_object();
    const char *name;
    json_t *value;
    json_object_set(row, "version", json_object_get(version, "version"));
    for (size_t i = 0; i < json_array_size(shards); i++) {
        json_object_foreach(json_array_get(shards, i), name, value)
        {
            if (!json_is_integer(value)) continue;
            json_int_t before = json_integer_value(json_object_get(row, name));
            json_object_set_new(row, name, json_integer(before + json_integer_value(value)));
        }
    }
    json_object_del(row, "shard");
    return row;
}

static int tell(struct remote *remote, bool ready, const char *why)
{
    int code = EXIT_FAILED;
    json_t *version = rows_get(remote, "GET", "/version", &code);
    json_t *shards = version == NULL ? NULL : rows_get(remote, "GET", "/v1/shards", &code);
    if (shards != NULL) {
        json_t *row = gather(json_object_get(shards, "shards"), version);
        json_object_set_new(row, "ready", json_boolean(ready));
        json_object_set_new(row, "text", json_string(why));
        if (remote->json) {
            rows_json(row);
        } else {
            printf("%s%s%s: %s\n", terminal_colour(stdout, ready ? 2 : 1),
                   ready ? "ready" : "not ready", terminal_plain(stdout), why);
            row_print(row, columns, sizeof columns / sizeof columns[0]);
        }
        json_decref(row);
    }
    json_decref(shards);
    json_decref(version);
    return code;
}

static int run(const struct flags *flags)
{
    struct remote remote;
    char why[200];
    bool ready = false;
    int code = remote_open(&remote, &command_status, flags, REMOTE_ADMIN);
    if (code != EXIT_DONE) return code;
    code = ask_ready(&remote, &ready, why, sizeof why);
    if (code == EXIT_DONE) code = tell(&remote, ready, why);
    remote_close(&remote);
    return code == EXIT_DONE && !ready ? EXIT_FAILED : code;
}

const struct command command_status = {
    .name = "status",
    .group = GROUP_WATCH,
    .summary = "is it well, and what waits? Exit 0 when it is ready",
    .usage = "holdfast status [flags]",
    .example = "holdfast status",
    .flags = command_flags,
    .run = run,
};
