/* holdfast savepoint: a consistent copy of all shards, to start from again. */
#include "base/text.h"
#include "cli/rows.h"

#include <unistd.h>

enum { SAVEPOINT_MS = 660000 /* longer than the gateway takes to give up */ };

static const struct flag flag_table[] = {FLAG_ADMIN_SIDE, FLAG_TOKEN_FILE, FLAG_OUTPUT};
COMMAND_FLAGS(flag_table);

static const struct row_column columns[] = {
    {"SHARD", "shard", ROW_AS_IS},
    {"RECORD", "seq", ROW_AS_IS},
    {"EPOCH", "epoch", ROW_AS_IS},
    {"BYTES", "bytes", ROW_BYTES},
};

/* The gateway wants an absolute path; that it is on the same machine is likely, not sure. */
static bool directory_json(struct buffer *out, const char *directory)
{
    char here[4096];
    struct buffer path;
    buffer_init(&path);
    if (directory[0] != '/') {
        if (getcwd(here, sizeof here) == NULL) return false;
        text_append(&path, here);
        buffer_byte(&path, '/');
    }
    text_append(&path, directory);
    text_append(out, "{\"directory\":");
    text_json_string(out, buffer_span(&path));
    buffer_byte(out, '}');
    bool good = !path.failed && !out->failed;
    buffer_close(&path);
    return good;
}

static void show(const struct remote *remote, struct span body)
{
    json_t *savepoint = json_loadb((const char *)body.at, body.size, 0, NULL);
    if (remote->json)
        rows_json(savepoint);
    else
        rows_print(json_object_get(savepoint, "shards"), columns,
                   sizeof columns / sizeof columns[0], "no shard");
    json_decref(savepoint);
}

static int take(struct remote *remote, const char *directory)
{
    struct buffer body;
    struct client_answer answer;
    buffer_init(&body);
    if (!directory_json(&body, directory)) {
        buffer_close(&body);
        return usage_error(&command_savepoint, "the directory cannot be named");
    }
    struct client_request request = {.method = "POST",
                                     .path = "/v1/savepoint",
                                     .body = buffer_span(&body),
                                     .timeout_ms = SAVEPOINT_MS};
    int code = remote_ask(remote, &request, &answer);
    if (code == EXIT_DONE) show(remote, buffer_span(&answer.body));
    client_answer_close(&answer);
    buffer_close(&body);
    return code;
}

static int run(const struct flags *flags)
{
    struct remote remote;
    if (flags->word_count != 1)
        return usage_error(&command_savepoint, "say one directory, new or empty");
    int code = remote_open(&remote, &command_savepoint, flags, REMOTE_ADMIN);
    if (code != EXIT_DONE) return code;
    code = take(&remote, flags->words[0]);
    remote_close(&remote);
    return code;
}

const struct command command_savepoint = {
    .name = "savepoint",
    .group = GROUP_DATA,
    .summary = "a consistent copy of all shards; start from it with run --restore",
    .usage = "holdfast savepoint DIR [flags]\n\n"
             "DIR is on the gateway's machine, new or empty.",
    .example = "holdfast savepoint /backup/2026-01-31",
    .flags = command_flags,
    .run = run,
};
