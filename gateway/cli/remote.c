#include "cli/remote.h"

#include "base/text.h"
#include "cli/terminal.h"
#include "os/file.h"

#include <jansson.h>

/* ---- Where ---- */

static const char *address_of(const struct flags *flags, enum remote_side side)
{
    const char *address = NULL;
    if (side == REMOTE_ADMIN) {
        address = flags_text(flags, "--admin", NULL);
        return address == NULL ? "127.0.0.1:7401" : address;
    }
    address = flags_text(flags, "--address", NULL);
    if (address == NULL) address = flags_text(flags, "--listen", NULL);
    return address == NULL ? "127.0.0.1:7400" : address;
}

/* The first word of the first line that is no comment. */
static bool first_token(struct span text, char *token, size_t size)
{
    size_t at = 0;
    while (at < text.size) {
        size_t end = at;
        while (end < text.size && text.at[end] > ' ') end++;
        if (end > at && text.at[at] != '#') {
            if (end - at >= size) return false;
            memcpy(token, text.at + at, end - at);
            token[end - at] = 0;
            return true;
        }
        if (end > at) /* a comment: to the end of its line */
            while (end < text.size && text.at[end] != '\n') end++;
        at = end + 1;
    }
    return false;
}

static int read_token(struct remote *remote, const char *path)
{
    struct buffer text;
    struct errmsg errmsg;
    buffer_init(&text);
    int code = EXIT_DONE;
    if (file_load(path, &text, 1 << 20, &errmsg) != 0) {
        fprintf(stderr, "holdfast %s: %s\n", remote->command->name, errmsg.text);
        code = EXIT_USAGE;
    } else if (!first_token(buffer_span(&text), remote->token, sizeof remote->token)) {
        fprintf(stderr, "holdfast %s: there is no token in %s\n", remote->command->name, path);
        code = EXIT_USAGE;
    }
    buffer_close(&text);
    return code;
}

int output_read(const struct command *command, const struct flags *flags, bool *json)
{
    const char *output = flags_text(flags, "--output", NULL);
    *json = output != NULL && strcmp(output, "json") == 0;
    if (output == NULL || *json || strcmp(output, "table") == 0) return EXIT_DONE;
    return usage_error(command, "--output is table or json, not \"%.40s\"", output);
}

int remote_open(struct remote *remote, const struct command *command, const struct flags *flags,
                enum remote_side side)
{
    *remote = (struct remote){.command = command};
    int code = output_read(command, flags, &remote->json);
    if (code != EXIT_DONE) return code;
    const char *token_file = flags_text(flags, "--token-file", NULL);
    if (token_file != NULL) code = read_token(remote, token_file);
    if (code != EXIT_DONE) return code;
    const char *token = token_file == NULL ? NULL : remote->token;
    if (client_init(&remote->client, address_of(flags, side), token) == 0) return EXIT_DONE;
    fprintf(stderr, "holdfast %s: %s\n", command->name, remote->client.errmsg.text);
    return EXIT_USAGE;
}

void remote_close(struct remote *remote)
{
    client_close(&remote->client);
}

/* ---- Asking ---- */

static const char *member(json_t *problem, const char *name)
{
    const char *text = json_string_value(json_object_get(problem, name));
    return text == NULL ? "" : text;
}

static bool is_problem(const struct client_answer *answer)
{
    char type[64];
    return client_header(answer, "content-type", type, sizeof type) &&
           strncmp(type, "application/problem+json", 24) == 0;
}

static void tell_problem(const struct remote *remote, json_t *problem)
{
    const char *address = member(problem, "address");
    const char *reply = member(problem, "reply");
    fprintf(stderr, "holdfast %s: ", remote->command->name);
    if (address[0] != 0) {
        terminal_write(stderr, span_text(address));
        fputs(": ", stderr);
    }
    terminal_write(stderr, span_text(member(problem, "detail")));
    fprintf(stderr, " (%s)\n", member(problem, "code"));
    if (reply[0] != 0) fprintf(stderr, "  reply: %s\n", reply);
}

int remote_refused(const struct remote *remote, const struct client_answer *answer)
{
    struct span body = buffer_span(&answer->body);
    json_t *problem = NULL;
    if (is_problem(answer))
        problem = json_loadb((const char *)body.at, body.size, JSON_ALLOW_NUL, NULL);
    if (problem != NULL)
        tell_problem(remote, problem);
    else
        fprintf(stderr, "holdfast %s: the gateway answered HTTP %d: %.*s\n", remote->command->name,
                answer->status, (int)(body.size < 300 ? body.size : 300),
                body.size == 0 ? "" : (const char *)body.at);
    if (remote->json && problem != NULL && body.size > 0) fwrite(body.at, 1, body.size, stdout);
    json_decref(problem);
    return EXIT_FAILED;
}

int remote_ask(struct remote *remote, const struct client_request *request,
               struct client_answer *answer)
{
    if (request->path == NULL) { /* path_text found no memory */
        *answer = (struct client_answer){0};
        fprintf(stderr, "holdfast %s: out of memory\n", remote->command->name);
        return EXIT_FAILED;
    }
    int error = client_ask(&remote->client, request, answer);
    if (error != 0) {
        fprintf(stderr, "holdfast %s: %s\n", remote->command->name, remote->client.errmsg.text);
        if (error == ERROR_UNREACHABLE)
            fprintf(stderr, "  hint: is it running? holdfast run -m module.yaml\n");
        return error == ERROR_UNREACHABLE || error == ERROR_CLOSED || error == ERROR_TIMEOUT
                   ? EXIT_UNREACHABLE
                   : EXIT_FAILED;
    }
    if (answer->status >= 200 && answer->status < 300) return EXIT_DONE;
    return remote_refused(remote, answer);
}

/* ---- Paths ---- */

void path_segment(struct buffer *path, struct span text)
{
    static const char free[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.size; i++) {
        if (memchr(free, text.at[i], sizeof free - 1) != NULL) {
            buffer_byte(path, text.at[i]);
            continue;
        }
        buffer_byte(path, '%');
        buffer_byte(path, (uint8_t)digits[text.at[i] >> 4]);
        buffer_byte(path, (uint8_t)digits[text.at[i] & 15]);
    }
}

static bool path_parts(struct buffer *path, const char *word, int parts)
{
    for (int i = 1; i <= parts; i++) {
        const char *slash = i == parts ? NULL : strchr(word, '/');
        struct span part = slash == NULL ? span_text(word) : span_of(word, (size_t)(slash - word));
        if (part.size == 0 || (i < parts && slash == NULL)) return false;
        buffer_byte(path, '/');
        path_segment(path, part);
        word = slash == NULL ? word : slash + 1;
    }
    return true;
}

bool path_address(struct buffer *path, const char *word)
{
    return path_parts(path, word, 3);
}

bool path_name(struct buffer *path, const char *word)
{
    const char *slash = strchr(word, '/');
    return slash != NULL && strchr(slash + 1, '/') == NULL && path_parts(path, word, 2);
}

void path_query(struct buffer *path, const char *name, const char *value)
{
    if (value == NULL) return;
    bool first = path->size == 0 || memchr(path->at, '?', path->size) == NULL;
    buffer_byte(path, first ? '?' : '&');
    text_append(path, name);
    buffer_byte(path, '=');
    path_segment(path, span_text(value));
}

const char *path_text(struct buffer *path)
{
    buffer_byte(path, 0);
    if (path->failed) return NULL;
    path->size--;
    return (const char *)path->at;
}
