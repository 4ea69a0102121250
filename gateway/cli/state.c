/* holdfast state: what functions remember, read and written by address. */
#include "cli/state.h"

#include "cli/rows.h"
#include "cli/terminal.h"
#include "cli/text_table.h"
#include "cli/input.h"

#include <stdlib.h>

static const struct flag flag_table[] = {
    {"--type", 't', "NS/NAME", "set: type of the value (as it is, or io.statefun.types/string)",
     NULL, false},
    {"--if-match", 0, "VERSION", "set, delete: only if the value has this version", NULL, false},
    {"--limit", 'n', "N", "list: ids at most (1000)", NULL, false},
    {"--after", 0, "ID", "list: ids after this one", NULL, false},
    FLAGS_DATA_SIDE,
    FLAG_TOKEN_FILE,
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

/* ---- get ---- */

static const char *encoding_of(json_t *value)
{
    return json_object_get(value, "base64") != NULL ? "base64" : "value";
}

static void print_values(json_t *values)
{
    static const char *const titles[] = {"NAME", "TYPE", "VERSION", "VALUE"};
    struct text_table table;
    const char *name;
    json_t *value;
    text_table_init(&table, titles, 4);
    json_object_foreach(values, name, value)
    {
        const char *encoding = encoding_of(value);
        char *text = json_dumps(json_object_get(value, encoding), JSON_COMPACT | JSON_ENCODE_ANY);
        const char *type = json_string_value(json_object_get(value, "type"));
        const char *version = json_string_value(json_object_get(value, "version"));
        text_table_text(&table, name);
        text_table_text(&table, type == NULL ? "-" : type);
        text_table_text(&table, version == NULL ? "-" : version);
        text_table_text(&table, text == NULL ? "-" : text);
        free(text);
    }
    text_table_print(&table, stdout);
    text_table_close(&table);
}

static int get_all(struct remote *remote, const char *path)
{
    int code;
    json_t *answer = rows_get(remote, "GET", path, &code);
    if (answer == NULL) return code;
    if (remote->json)
        rows_json(answer);
    else
        print_values(json_object_get(answer, "values"));
    json_decref(answer);
    return code;
}

static int get_one(struct remote *remote, const char *path)
{
    struct client_answer answer;
    struct client_request request = {.method = "GET", .path = path};
    int code = remote_ask(remote, &request, &answer);
    if (code == EXIT_DONE) {
        char version[64] = "", more[96];
        client_header(&answer, "etag", version, sizeof version);
        snprintf(more, sizeof more, ",\"version\":%s", version[0] == 0 ? "null" : version);
        reply_print(remote, &answer, span_text(more));
    }
    client_answer_close(&answer);
    return code;
}

/* ---- set, delete ---- */

/* The type that the value has now, so that a number stays one. */
static int type_now(struct remote *remote, const char *path, char *type, size_t size)
{
    struct client_answer answer;
    struct client_request request = {.method = "GET", .path = path};
    int code = EXIT_DONE;
    type[0] = 0;
    if (client_ask(&remote->client, &request, &answer) != 0) {
        fprintf(stderr, "holdfast state: %s\n", remote->client.errmsg.text);
        code = EXIT_UNREACHABLE;
    } else if (answer.status == 200) {
        client_header(&answer, "holdfast-type", type, size);
    } else if (answer.status != 404) {
        code = remote_refused(remote, &answer);
    }
    client_answer_close(&answer);
    return code;
}

/* "7" as an entity tag; NULL stays NULL. */
static const char *entity_tag(const struct flags *flags, char *text, size_t size)
{
    const char *version = flags_text(flags, "--if-match", NULL);
    if (version == NULL) return NULL;
    snprintf(text, size, version[0] == '"' ? "%s" : "\"%s\"", version);
    return text;
}

static int change(struct remote *remote, const struct flags *flags, struct client_request *request,
                  const char *done)
{
    char tag[64], version[64] = "";
    struct client_answer answer;
    request->headers[0] = (struct client_header){"if-match", entity_tag(flags, tag, sizeof tag)};
    int code = remote_ask(remote, request, &answer);
    if (code == EXIT_DONE) {
        client_header(&answer, "etag", version, sizeof version);
        if (remote->json)
            printf("{\"%s\":true,\"version\":%s}\n", done, version[0] == 0 ? "null" : version);
        else if (strlen(version) > 2) /* an entity tag, in quotes */
            printf("%s, version %.*s\n", done, (int)strlen(version) - 2, version + 1);
        else
            printf("%s\n", done);
    }
    request->headers[0].value = NULL; /* it was here */
    client_answer_close(&answer);
    return code;
}

static int set(struct remote *remote, const struct flags *flags, const char *path)
{
    struct input value;
    char now[INPUT_TYPE_MAX] = "";
    const char *type = flags_text(flags, "--type", NULL);
    int code = type == NULL ? type_now(remote, path, now, sizeof now) : EXIT_DONE;
    if (code != EXIT_DONE) return code;
    if (type == NULL && now[0] != 0) type = now;
    code = input_read(&value, remote->command, flags, 3, type);
    if (code != EXIT_DONE) return code;
    struct client_request request = {.method = "PUT", .path = path};
    input_attach(&value, &request, 1);
    code = change(remote, flags, &request, "written");
    input_close(&value);
    return code;
}

/* ---- Verbs ---- */

static int on_value(struct remote *remote, const struct flags *flags, const char *path)
{
    const char *verb = flags->words[0];
    struct client_request request = {.method = "DELETE", .path = path};
    if (strcmp(verb, "set") == 0) return set(remote, flags, path);
    if (strcmp(verb, "delete") == 0) return change(remote, flags, &request, "deleted");
    return flags->word_count == 2 ? get_all(remote, path) : get_one(remote, path);
}

/* get ADDRESS [NAME], set ADDRESS NAME VALUE, delete ADDRESS NAME */
static int by_address(struct remote *remote, const struct flags *flags)
{
    struct buffer path;
    int code = EXIT_FAILED;
    buffer_init(&path);
    buffer_append(&path, SPAN_LITERAL("/v1/state"));
    if (!path_address(&path, flags->words[1])) {
        code = usage_error(remote->command, "an address is namespace/type/id, not \"%.80s\"",
                           flags->words[1]);
    } else {
        if (flags->word_count > 2) {
            buffer_byte(&path, '/');
            path_segment(&path, span_text(flags->words[2]));
        }
        if (path_text(&path) != NULL) code = on_value(remote, flags, path_text(&path));
    }
    buffer_close(&path);
    return code;
}

struct verb {
    const char *name;
    size_t words_min, words_max; /* with the verb itself */
    int (*run)(struct remote *remote, const struct flags *flags);
};

static const struct verb verbs[] = {
    {"get", 2, 3, by_address},  {"set", 4, 4, by_address},      {"delete", 3, 3, by_address},
    {"list", 2, 2, state_list}, {"export", 1, 2, state_export}, {"import", 1, 2, state_import},
};

static int run(const struct flags *flags)
{
    struct remote remote;
    const char *name = flags->word_count > 0 ? flags->words[0] : "";
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        const struct verb *verb = &verbs[i];
        if (strcmp(verb->name, name) != 0) continue;
        if (flags->word_count < verb->words_min || flags->word_count > verb->words_max)
            return usage_error(&command_state, "state %s has other arguments", name);
        int code = remote_open(&remote, &command_state, flags, REMOTE_DATA);
        if (code != EXIT_DONE) return code;
        code = verb->run(&remote, flags);
        remote_close(&remote);
        return code;
    }
    return usage_error(&command_state, "say get, set, delete, list, export or import");
}

const struct command command_state = {
    .name = "state",
    .group = GROUP_STATE,
    .summary = "get, set, delete, list, export, import",
    .usage = "holdfast state get NS/TYPE/ID [NAME]\n"
             "       holdfast state set NS/TYPE/ID NAME VALUE|-\n"
             "       holdfast state delete NS/TYPE/ID NAME\n"
             "       holdfast state list NS/TYPE\n"
             "       holdfast state export [NS/TYPE] > state.jsonl\n"
             "       holdfast state import [FILE|-]",
    .example = "holdfast state set example/greeter/Bob visits 7",
    .flags = command_flags,
    .run = run,
};
