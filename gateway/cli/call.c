/* holdfast call: a message, and what the function sends back to its caller. */
#include "base/quantity.h"
#include "base/text.h"
#include "cli/input.h"

enum { TIMEOUT_MS = 30000, GRACE_MS = 10000 };

static const struct flag flag_table[] = {
    {"--type", 't', "NS/NAME", "type of the value (io.statefun.types/string)", NULL, false},
    {"--key", 'k', "KEY", "idempotency key: the same again gives the same reply", NULL, false},
    {"--timeout", 0, "TIME", "how long to wait (30s)", NULL, false},
    FLAGS_DATA_SIDE,
    FLAG_TOKEN_FILE,
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

static void tell(const struct remote *remote, const struct client_answer *answer)
{
    char id[128] = "";
    struct buffer more;
    buffer_init(&more);
    client_header(answer, "holdfast-message", id, sizeof id);
    text_append(&more, ",\"message\":");
    text_json_string(&more, span_text(id));
    reply_print(remote, answer, buffer_span(&more));
    buffer_close(&more);
}

static int call(struct remote *remote, const struct flags *flags, const char *path,
                int64_t timeout_ms)
{
    struct input value;
    struct client_answer answer;
    int code = input_read(&value, remote->command, flags, 1, flags_text(flags, "--type", NULL));
    if (code != EXIT_DONE) return code;
    struct client_request request = {
        .method = "POST",
        .path = path,
        .headers = {{"idempotency-key", flags_text(flags, "--key", NULL)},
                    {"holdfast-timeout", flags_text(flags, "--timeout", NULL)}},
        .timeout_ms = timeout_ms + GRACE_MS};
    input_attach(&value, &request, 2);
    code = remote_ask(remote, &request, &answer);
    if (code == EXIT_DONE) tell(remote, &answer);
    client_answer_close(&answer);
    input_close(&value);
    return code;
}

static int run(const struct flags *flags)
{
    struct remote remote;
    struct buffer path;
    int64_t timeout_ms = TIMEOUT_MS;
    const char *timeout = flags_text(flags, "--timeout", NULL);
    if (flags->word_count < 1 || flags->word_count > 2)
        return usage_error(&command_call, "say an address and a value");
    if (timeout != NULL && duration_parse(span_text(timeout), &timeout_ms) != 0)
        return usage_error(&command_call, "--timeout is a duration such as 30s");
    int code = remote_open(&remote, &command_call, flags, REMOTE_DATA);
    if (code != EXIT_DONE) return code;
    buffer_init(&path);
    text_append(&path, "/v1/call");
    code = EXIT_FAILED;
    if (!path_address(&path, flags->words[0]))
        code = usage_error(&command_call, "an address is namespace/type/id, not \"%.80s\"",
                           flags->words[0]);
    else if (path_text(&path) != NULL)
        code = call(&remote, flags, path_text(&path), timeout_ms);
    buffer_close(&path);
    remote_close(&remote);
    return code;
}

const struct command command_call = {
    .name = "call",
    .group = GROUP_MESSAGES,
    .summary = "a message, and the function's reply",
    .usage = "holdfast call NS/TYPE/ID [VALUE|-] [flags]",
    .example = "holdfast call example/greeter/Bob hi",
    .flags = command_flags,
    .run = run,
};
