/* holdfast send: a message, answered when it is durable; or many, from lines of JSON. */
#include "cli/lines.h"
#include "cli/input.h"

#include <jansson.h>

static const struct flag flag_table[] = {
    {"--type", 't', "NS/NAME", "type of the value (io.statefun.types/string)", NULL, false},
    {"--key", 'k', "KEY", "idempotency key: the same again is the same message", NULL, false},
    {"--after", 0, "TIME", "deliver so much later: 5s, 2min", NULL, false},
    {"--token", 0, "TOKEN", "cancel token of a delayed message", NULL, false},
    {"--lines", 0, NULL,
     "read lines {\"to\":…,\"type\":…,\"value\":…,\"key\":…} from FILE or stdin", NULL, false},
    FLAGS_DATA_SIDE,
    FLAG_TOKEN_FILE,
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

static void tell(const struct remote *remote, const struct client_answer *answer)
{
    char duplicate[8] = "";
    struct span body = buffer_span(&answer->body);
    client_header(answer, "holdfast-duplicate", duplicate, sizeof duplicate);
    json_t *row = json_loadb((const char *)body.at, body.size, 0, NULL);
    const char *id = json_string_value(json_object_get(row, "message"));
    if (remote->json)
        printf("{\"message\":\"%s\"%s}\n", id == NULL ? "" : id,
               duplicate[0] == 0 ? "" : ",\"duplicate\":true");
    else
        printf("accepted %s%s\n", id == NULL ? "" : id,
               duplicate[0] == 0 ? "" : " (known already: nothing new)");
    json_decref(row);
}

static int send_value(struct remote *remote, const struct flags *flags, const char *path)
{
    struct input value;
    struct client_answer answer;
    int code = input_read(&value, remote->command, flags, 1, flags_text(flags, "--type", NULL));
    if (code != EXIT_DONE) return code;
    struct client_request request = {
        .method = "POST",
        .path = path,
        .headers = {{"idempotency-key", flags_text(flags, "--key", NULL)},
                    {"holdfast-delay", flags_text(flags, "--after", NULL)},
                    {"holdfast-cancel-token", flags_text(flags, "--token", NULL)}}};
    input_attach(&value, &request, 3);
    code = remote_ask(remote, &request, &answer);
    if (code == EXIT_DONE) tell(remote, &answer);
    client_answer_close(&answer);
    input_close(&value);
    return code;
}

static int send_one(struct remote *remote, const struct flags *flags)
{
    struct buffer path;
    int code = EXIT_FAILED;
    if (flags->word_count < 1 || flags->word_count > 2)
        return usage_error(remote->command, "say an address and a value");
    buffer_init(&path);
    buffer_append(&path, SPAN_LITERAL("/v1/send"));
    if (!path_address(&path, flags->words[0]))
        code = usage_error(remote->command, "an address is namespace/type/id, not \"%.80s\"",
                           flags->words[0]);
    else if (path_text(&path) != NULL)
        code = send_value(remote, flags, path_text(&path));
    buffer_close(&path);
    return code;
}

static int send_lines(struct remote *remote, const struct flags *flags)
{
    const char *name = flags->word_count > 0 ? flags->words[0] : "-";
    FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    if (in == NULL) {
        fprintf(stderr, "holdfast send: cannot read %s\n", name);
        return EXIT_FAILED;
    }
    int code = lines_send(&(struct lines_job){remote, "/v1/batch", "sent", in});
    if (in != stdin) fclose(in);
    return code;
}

static int run(const struct flags *flags)
{
    struct remote remote;
    struct problems problems;
    problems_init(&problems);
    int code = remote_open(&remote, &command_send, flags, REMOTE_DATA);
    if (code != EXIT_DONE) return code;
    if (flags_switch(flags, "--lines", &problems))
        code = send_lines(&remote, flags);
    else
        code = send_one(&remote, flags);
    remote_close(&remote);
    return code;
}

const struct command command_send = {
    .name = "send",
    .group = GROUP_MESSAGES,
    .summary = "a message, answered when it is durable",
    .usage = "holdfast send NS/TYPE/ID [VALUE|-] [flags]\n"
             "       holdfast send --lines [FILE|-] [flags]",
    .example = "holdfast send example/greeter/Bob hi --key order-7",
    .flags = command_flags,
    .run = run,
};
