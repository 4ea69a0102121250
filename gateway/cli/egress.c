/* holdfast egress: the durable pull queues. */
#include "base/quantity.h"
#include "base/text.h"
#include "cli/rows.h"
#include "cli/terminal.h"

#include <stdlib.h>

enum { GRACE_MS = 10000 };

static const struct flag flag_table[] = {
    {"--follow", 'f', NULL, "go on with what comes", NULL, false},
    {"--ack", 0, NULL, "take what has been printed: it is never shown again", NULL, false},
    {"--after", 0, "CURSOR", "only records with a larger cursor", NULL, false},
    {"--max", 'n', "N", "records at a time, at most 1000 (100)", NULL, false},
    {"--wait", 0, "TIME", "wait for a first record (0s; with --follow 20s)", NULL, false},
    {"--topic", 0, "TOPIC", "of the playground's queue", NULL, false},
    FLAGS_DATA_SIDE,
    FLAG_ADMIN_SIDE,
    FLAG_TOKEN_FILE,
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

struct pulling {
    struct remote *remote;
    const struct flags *flags;
    const char *name;
    char after[32];
    const char *wait;
    int64_t wait_ms;
    bool follow, ack;
};

static void print_record(const struct pulling *pulling, json_t *record)
{
    if (pulling->remote->json) {
        rows_json(record);
        return;
    }
    const char *cursor = json_string_value(json_object_get(record, "cursor"));
    const char *type = json_string_value(json_object_get(record, "type"));
    json_t *value = json_object_get(record, "value");
    json_t *base64 = json_object_get(record, "base64");
    printf("%s  ", cursor == NULL ? "?" : cursor);
    terminal_write(stdout, span_text(type == NULL ? "?" : type));
    char *text = NULL;
    if (!json_is_string(value))
        text = json_dumps(value == NULL ? base64 : value, JSON_COMPACT | JSON_ENCODE_ANY);
    fputs(value == NULL ? "  base64:" : "  ", stdout);
    terminal_write(stdout, span_text(text != NULL            ? text
                                     : json_is_string(value) ? json_string_value(value)
                                                             : ""));
    putchar('\n');
    free(text);
}

/* "/v1/egress/ns/name" + `end` + the topic. False: told. */
static bool queue_path(const struct pulling *pulling, struct buffer *path, const char *end)
{
    text_append(path, "/v1/egress");
    if (!path_name(path, pulling->name)) {
        usage_error(&command_egress, "an egress is namespace/name, not \"%.80s\"", pulling->name);
        return false;
    }
    text_append(path, end);
    path_query(path, "topic", flags_text(pulling->flags, "--topic", NULL));
    return true;
}

static int acknowledge(const struct pulling *pulling)
{
    struct buffer path;
    struct client_answer answer;
    char body[64];
    buffer_init(&path);
    if (!queue_path(pulling, &path, "/ack")) {
        buffer_close(&path);
        return EXIT_USAGE;
    }
    int size = snprintf(body, sizeof body, "{\"cursor\":\"%s\"}", pulling->after);
    struct client_request request = {.method = "POST",
                                     .path = path_text(&path),
                                     .headers = {{"content-type", "application/json"}},
                                     .body = span_of(body, (size_t)size)};
    int code = remote_ask(pulling->remote, &request, &answer);
    client_answer_close(&answer);
    buffer_close(&path);
    return code;
}

static int ask(struct pulling *pulling, json_t **records)
{
    struct buffer path;
    struct client_answer answer;
    *records = NULL;
    buffer_init(&path);
    if (!queue_path(pulling, &path, "")) {
        buffer_close(&path);
        return EXIT_USAGE;
    }
    path_query(&path, "after", pulling->after[0] == 0 ? NULL : pulling->after);
    path_query(&path, "max", flags_text(pulling->flags, "--max", NULL));
    path_query(&path, "wait", pulling->wait);
    struct client_request request = {
        .method = "GET", .path = path_text(&path), .timeout_ms = pulling->wait_ms + GRACE_MS};
    int code = remote_ask(pulling->remote, &request, &answer);
    if (code == EXIT_DONE && answer.status == 200) {
        struct span body = buffer_span(&answer.body);
        *records = json_loadb((const char *)body.at, body.size, JSON_ALLOW_NUL, NULL);
        if (*records == NULL) code = EXIT_FAILED;
    }
    client_answer_close(&answer);
    buffer_close(&path);
    return code;
}

/* One page: printed, and only then acknowledged. */
static int pull_page(struct pulling *pulling, size_t *count)
{
    json_t *answer;
    int code = ask(pulling, &answer);
    if (code != EXIT_DONE) return code;
    json_t *records = json_object_get(answer, "records");
    const char *next = json_string_value(json_object_get(answer, "next"));
    *count = json_array_size(records);
    for (size_t i = 0; i < *count; i++) print_record(pulling, json_array_get(records, i));
    if (next != NULL && *count > 0) snprintf(pulling->after, sizeof pulling->after, "%s", next);
    json_decref(answer);
    if (fflush(stdout) != 0 || ferror(stdout)) return EXIT_FAILED; /* then nothing is taken */
    return pulling->ack && *count > 0 ? acknowledge(pulling) : EXIT_DONE;
}

static int pull(struct remote *remote, const struct flags *flags)
{
    struct problems problems;
    struct pulling pulling = {.remote = remote, .flags = flags, .name = flags->words[1]};
    const char *after = flags_text(flags, "--after", NULL);
    problems_init(&problems);
    pulling.follow = flags_switch(flags, "--follow", &problems);
    pulling.ack = flags_switch(flags, "--ack", &problems);
    pulling.wait = flags_text(flags, "--wait", NULL);
    if (pulling.wait == NULL && pulling.follow) pulling.wait = "20s";
    if (pulling.wait != NULL && duration_parse(span_text(pulling.wait), &pulling.wait_ms) != 0)
        return usage_error(&command_egress, "--wait is a duration such as 20s");
    if (after != NULL) snprintf(pulling.after, sizeof pulling.after, "%s", after);
    int code;
    do {
        size_t count = 0;
        code = pull_page(&pulling, &count);
    } while (code == EXIT_DONE && pulling.follow);
    return code;
}

static int list(struct remote *remote)
{
    static const struct row_column columns[] = {
        {"EGRESS", "egress", ROW_AS_IS}, {"WAITING", "waiting", ROW_AS_IS},
        {"BYTES", "bytes", ROW_BYTES},   {"LAST", "last", ROW_AS_IS},
        {"TAKEN", "taken", ROW_AS_IS},
    };
    int code;
    json_t *answer = rows_get(remote, "GET", "/v1/egress", &code);
    if (answer == NULL) return code;
    if (remote->json)
        rows_json(answer);
    else
        rows_print(json_object_get(answer, "egress"), columns, 5, "no egress has records yet");
    json_decref(answer);
    return code;
}

static int run(const struct flags *flags)
{
    struct remote remote;
    const char *verb = flags->word_count > 0 ? flags->words[0] : "";
    bool pulls = strcmp(verb, "pull") == 0 && flags->word_count == 2;
    if (!pulls && !(strcmp(verb, "list") == 0 && flags->word_count == 1))
        return usage_error(&command_egress, "say pull NS/NAME or list");
    int code = remote_open(&remote, &command_egress, flags, pulls ? REMOTE_DATA : REMOTE_ADMIN);
    if (code != EXIT_DONE) return code;
    code = pulls ? pull(&remote, flags) : list(&remote);
    remote_close(&remote);
    return code;
}

const struct command command_egress = {
    .name = "egress",
    .group = GROUP_MESSAGES,
    .summary = "pull what functions sent out, from a durable queue; list",
    .usage = "holdfast egress pull NS/NAME [flags]\n"
             "       holdfast egress list",
    .example = "holdfast egress pull example/greetings --follow --ack",
    .flags = command_flags,
    .run = run,
};
