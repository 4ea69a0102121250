/* holdfast parked: addresses that stopped because a message of theirs keeps failing. */
#include "base/text.h"
#include "cli/rows.h"
#include "ingress/typed_json.h"

#include <stdlib.h>

static const struct flag flag_table[] = {
    {"--function", 'f', "NS/TYPE", "of this function type only", NULL, false},
    {"--all", 0, NULL, "skip, dead-letter: really every parked address", NULL, false},
    {"--limit", 'n', "N", "list: rows at most (100)", NULL, false},
    FLAG_ADMIN_SIDE,
    FLAG_TOKEN_FILE,
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

static const struct row_column columns[] = {
    {"FUNCTION", "function", ROW_AS_IS}, {"ID", "id", ROW_AS_IS},
    {"SINCE", "parkedAt", ROW_TIME},     {"ATTEMPTS", "attempts", ROW_AS_IS},
    {"WAITING", "messages", ROW_AS_IS},  {"CAUSE", "cause", ROW_AS_IS},
};

static const struct row_column details[] = {
    {"function", "function", ROW_AS_IS},
    {"id", "id", ROW_AS_IS},
    {"cause", "cause", ROW_AS_IS},
    {"attempts", "attempts", ROW_AS_IS},
    {"first failure", "failedAt", ROW_TIME},
    {"parked since", "parkedAt", ROW_TIME},
    {"messages waiting", "messages", ROW_AS_IS},
    {"message", "message", ROW_AS_IS},
    {"type", "type", ROW_AS_IS},
    {"value", "value", ROW_AS_IS},
    {"value (base64)", "base64", ROW_AS_IS},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int list(struct remote *remote, const struct flags *flags, struct buffer *path)
{
    int code = EXIT_FAILED;
    path_query(path, "function", flags_text(flags, "--function", NULL));
    path_query(path, "limit", flags_text(flags, "--limit", NULL));
    json_t *answer = rows_get(remote, "GET", path_text(path), &code);
    if (answer == NULL) return code;
    if (remote->json)
        rows_json(answer);
    else
        rows_print(json_object_get(answer, "parked"), columns, COUNT(columns),
                   "no address is parked");
    if (!remote->json && json_object_get(answer, "next") != NULL)
        fprintf(stderr, "there are more: --limit, --function\n");
    json_decref(answer);
    return code;
}

/* The message is given as its bytes: where they are a value that people can read, that is shown. */
static void add_value(json_t *row)
{
    const char *type = json_string_value(json_object_get(row, "type"));
    const char *base64 = json_string_value(json_object_get(row, "base64"));
    struct buffer bytes, shown;
    if (type == NULL || base64 == NULL) return;
    buffer_init(&bytes);
    buffer_init(&shown);
    buffer_byte(&shown, '{');
    if (base64_decode(span_text(base64), &bytes) == 0)
        typed_json_append(&shown, span_text(type), buffer_span(&bytes));
    buffer_byte(&shown, '}');
    json_t *object = json_loadb((const char *)shown.at, shown.size, 0, NULL);
    json_t *value = json_object_get(object, "value");
    if (value != NULL && json_object_set(row, "value", value) == 0) json_object_del(row, "base64");
    json_decref(object);
    buffer_close(&shown);
    buffer_close(&bytes);
}

static int show(struct remote *remote, struct buffer *path)
{
    int code = EXIT_FAILED;
    json_t *row = rows_get(remote, "GET", path_text(path), &code);
    if (row == NULL) return code;
    add_value(row);
    if (remote->json)
        rows_json(row);
    else
        row_print(row, details, COUNT(details));
    json_decref(row);
    return code;
}

static void tell_touched(json_int_t touched)
{
    printf(touched == 1 ? "%lld address goes on\n" : "%lld addresses go on\n", (long long)touched);
}

/* The verb ends the path: of one address, or of all that the query names. */
static int operate(struct remote *remote, const struct flags *flags, struct buffer *path,
                   const char *type)
{
    struct problems problems;
    int code = EXIT_FAILED;
    problems_init(&problems);
    buffer_byte(path, '/');
    text_append(path, flags->words[0]);
    path_query(path, "function", type);
    if (flags_switch(flags, "--all", &problems)) path_query(path, "all", "true");
    json_t *answer = rows_get(remote, "POST", path_text(path), &code);
    if (answer == NULL) return code;
    if (remote->json)
        rows_json(answer);
    else
        tell_touched(json_integer_value(json_object_get(answer, "touched")));
    json_decref(answer);
    return code;
}

static size_t slashes(const char *word)
{
    size_t count = 0;
    for (; *word != 0; word++) count += *word == '/';
    return count;
}

static bool is_verb(const char *word)
{
    return strcmp(word, "retry") == 0 || strcmp(word, "skip") == 0 ||
           strcmp(word, "dead-letter") == 0;
}

/* VERB ADDRESS, VERB NS/TYPE, or VERB with --function or --all */
static int verb(struct remote *remote, const struct flags *flags, struct buffer *path)
{
    const char *word = flags->word_count > 1 ? flags->words[1] : NULL;
    const char *type = flags_text(flags, "--function", NULL);
    struct problems problems;
    problems_init(&problems);
    bool all = flags_switch(flags, "--all", &problems);
    if (word == NULL && type == NULL && !all)
        return usage_error(&command_parked, "say which: an address, ns/type, or --all");
    if (word != NULL && slashes(word) == 1) {
        type = word;
        word = NULL;
    }
    if (word != NULL && !path_address(path, word))
        return usage_error(&command_parked, "an address is namespace/type/id, not \"%.80s\"", word);
    return operate(remote, flags, path, word == NULL ? type : NULL);
}

static int run_verb(struct remote *remote, const struct flags *flags, struct buffer *path)
{
    const char *name = flags->word_count > 0 ? flags->words[0] : "list";
    if (strcmp(name, "list") == 0 && flags->word_count <= 1) return list(remote, flags, path);
    if (is_verb(name) && flags->word_count <= 2) return verb(remote, flags, path);
    if (strcmp(name, "show") == 0 && flags->word_count == 2) {
        if (path_address(path, flags->words[1])) return show(remote, path);
        return usage_error(&command_parked, "an address is namespace/type/id, not \"%.80s\"",
                           flags->words[1]);
    }
    return usage_error(&command_parked, "say list, show, retry, skip or dead-letter");
}

static int run(const struct flags *flags)
{
    struct remote remote;
    struct buffer path;
    int code = remote_open(&remote, &command_parked, flags, REMOTE_ADMIN);
    if (code != EXIT_DONE) return code;
    buffer_init(&path);
    text_append(&path, "/v1/parked");
    code = run_verb(&remote, flags, &path);
    buffer_close(&path);
    remote_close(&remote);
    return code;
}

const struct command command_parked = {
    .name = "parked",
    .group = GROUP_WATCH,
    .summary = "addresses that stopped: list, show, retry, skip, dead-letter",
    .usage = "holdfast parked [list] [--function NS/TYPE]\n"
             "       holdfast parked show NS/TYPE/ID\n"
             "       holdfast parked retry|skip|dead-letter NS/TYPE/ID | NS/TYPE | --all",
    .example = "holdfast parked retry example/greeter/Bob",
    .flags = command_flags,
    .run = run,
};
