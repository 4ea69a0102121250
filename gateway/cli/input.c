#include "cli/input.h"

#include "base/name.h"
#include "base/text.h"
#include "base/utf8.h"
#include "cli/terminal.h"
#include "ingress/json.h"
#include "ingress/typed_json.h"

#include <stdlib.h>

#define TYPES SPAN_LITERAL("io.statefun.types/")
#define TYPE_STRING "io.statefun.types/string"

static int read_stdin(const struct command *command, struct buffer *into)
{
    char bytes[16384];
    size_t size;
    while ((size = fread(bytes, 1, sizeof bytes, stdin)) > 0)
        buffer_append(into, span_of(bytes, size));
    if (!ferror(stdin) && !into->failed) return EXIT_DONE;
    fprintf(stderr, "holdfast %s: cannot read standard input\n", command->name);
    return EXIT_FAILED;
}

static enum json_kind kind_of(struct span json)
{
    switch (json.at[0]) {
    case '"': return JSON_IS_STRING;
    case '{': return JSON_IS_OBJECT;
    case '[': return JSON_IS_ARRAY;
    case 't':
    case 'f': return JSON_IS_BOOL;
    case 'n': return JSON_IS_NULL;
    default: return JSON_IS_NUMBER;
    }
}

static struct span trimmed(struct span text)
{
    while (text.size > 0 && text.at[0] <= ' ') text = span_from(text, 1);
    while (text.size > 0 && text.at[text.size - 1] <= ' ') text.size--;
    return text;
}

/* "42" of io.statefun.types/int becomes what the SDKs write for it. */
static int encode_scalar(struct input *value, const struct command *command)
{
    struct buffer encoded;
    struct span text = trimmed(buffer_span(&value->bytes));
    const char *fault = "it is not a number, true or false";
    buffer_init(&encoded);
    if (text.size > 0 && json_valid(text)) {
        struct json_member member = {SPAN_LITERAL("value"), text, kind_of(text)};
        fault = typed_json_read(span_text(value->type), &member, &encoded);
    }
    if (fault != NULL) {
        buffer_close(&encoded);
        return usage_error(command, "the value is no %s: %s", value->type, fault);
    }
    buffer_close(&value->bytes);
    value->bytes = encoded;
    return EXIT_DONE;
}

int input_read(struct input *value, const struct command *command, const struct flags *flags,
               size_t index, const char *type)
{
    const char *word = index < flags->word_count ? flags->words[index] : "";
    int code = EXIT_DONE;
    value->type[0] = 0;
    if (type != NULL && strcmp(type, TYPE_STRING) != 0) {
        if (strlen(type) >= INPUT_TYPE_MAX || !name_valid(span_text(type)))
            return usage_error(command, "a type is namespace/name, not \"%.80s\"", type);
        memcpy(value->type, type, strlen(type) + 1);
    }
    buffer_init(&value->bytes);
    if (strcmp(word, "-") == 0)
        code = read_stdin(command, &value->bytes);
    else
        text_append(&value->bytes, word);
    if (code == EXIT_DONE && span_starts_with(span_text(value->type), TYPES))
        code = encode_scalar(value, command);
    if (code == EXIT_DONE && value->type[0] == 0 && !utf8_valid(buffer_span(&value->bytes)))
        code = usage_error(command, "the value is not UTF-8: say its --type");
    if (code != EXIT_DONE) input_close(value);
    return code;
}

void input_close(struct input *value)
{
    buffer_close(&value->bytes);
}

size_t input_attach(const struct input *value, struct client_request *request, size_t at)
{
    bool is_text = value->type[0] == 0;
    request->body = buffer_span(&value->bytes);
    request->headers[at] = is_text
                               ? (struct client_header){"content-type", "text/plain; charset=utf-8"}
                               : (struct client_header){"holdfast-type", value->type};
    return at + 1;
}

/* ---- Answers ---- */

/* "value":... or "base64":... of the bytes as they came: text has been unwrapped already. */
static void append_value(struct buffer *out, const char *type, struct span bytes, bool is_text)
{
    if (is_text) {
        text_json_member(out, "value");
        text_json_string(out, bytes);
    } else {
        typed_json_append(out, span_text(type), bytes);
    }
}

static void print_bytes(struct span bytes)
{
    struct buffer text;
    if (!terminal_is(stdout) || utf8_valid(bytes)) {
        if (bytes.size > 0) fwrite(bytes.at, 1, bytes.size, stdout);
        if (terminal_is(stdout) && (bytes.size == 0 || bytes.at[bytes.size - 1] != '\n'))
            putchar('\n');
        return;
    }
    buffer_init(&text);
    text_base64(&text, bytes);
    printf("%.*s (base64, %zu bytes)\n", SPAN_PRINT(buffer_span(&text)), bytes.size);
    buffer_close(&text);
}

/* A number or a boolean of io.statefun.types is shown as such; everything else as its bytes. */
static void print_plain(const char *type, struct span bytes, bool is_text)
{
    struct buffer json;
    buffer_init(&json);
    buffer_byte(&json, '{');
    append_value(&json, type, bytes, is_text);
    struct span text = span_from(buffer_span(&json), 1);
    struct span prefix = SPAN_LITERAL("\"value\":");
    bool is_scalar =
        span_starts_with(span_text(type), TYPES) && !is_text && span_starts_with(text, prefix);
    if (is_text) {
        if (bytes.size > 0) fwrite(bytes.at, 1, bytes.size, stdout);
        putchar('\n');
    } else if (is_scalar) {
        text = span_from(text, prefix.size);
        printf("%.*s\n", SPAN_PRINT(text));
    } else {
        print_bytes(bytes);
    }
    buffer_close(&json);
}

void reply_print(const struct remote *remote, const struct client_answer *answer, struct span more)
{
    char type[INPUT_TYPE_MAX] = "", media[INPUT_TYPE_MAX] = "";
    client_header(answer, "holdfast-type", type, sizeof type);
    client_header(answer, "content-type", media, sizeof media);
    bool is_text = strncmp(media, "text/plain", 10) == 0 && strcmp(type, TYPE_STRING) == 0;
    struct span bytes = buffer_span(&answer->body);
    if (!remote->json) {
        print_plain(type, bytes, is_text);
        return;
    }
    struct buffer json;
    buffer_init(&json);
    text_append(&json, "{\"type\":");
    text_json_string(&json, span_text(type));
    append_value(&json, type, bytes, is_text);
    buffer_append(&json, more);
    printf("%.*s}\n", SPAN_PRINT(buffer_span(&json)));
    buffer_close(&json);
}
