#include "admin/token.h"

#include "base/buffer.h"
#include "base/check.h"
#include "os/file.h"

#include <stdlib.h>

static const struct {
    const char *name;
    uint32_t verbs;
} verb_names[] = {
    {"send", TOKEN_SEND},     {"call", TOKEN_CALL},   {"state", TOKEN_STATE},
    {"egress", TOKEN_EGRESS}, {"admin", TOKEN_ADMIN}, {"*", TOKEN_ALL},
};

/* A line being read; `rest` is what has not been taken. */
struct line {
    struct span rest;
    uint32_t number;
    const char *path;
    struct errmsg *errmsg;
};

void tokens_init(struct tokens *tokens)
{
    *tokens = (struct tokens){NULL, 0};
}

void tokens_close(struct tokens *tokens)
{
    if (tokens->list != NULL) explicit_bzero(tokens->list, tokens->count * sizeof *tokens->list);
    free(tokens->list);
    tokens_init(tokens);
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* The next word of the line; empty at its end or before a comment. */
static struct span take_word(struct span *rest)
{
    size_t from = 0;
    while (from < rest->size && is_blank(rest->at[from])) from++;
    if (from == rest->size || rest->at[from] == '#') {
        *rest = SPAN_EMPTY;
        return SPAN_EMPTY;
    }
    size_t to = from;
    while (to < rest->size && !is_blank(rest->at[to])) to++;
    struct span word = span_of(rest->at + from, to - from);
    *rest = span_from(*rest, to);
    return word;
}

/* The part before `separator`, which is taken with it. */
static struct span take_until(struct span *rest, uint8_t separator)
{
    const uint8_t *found = rest->size == 0 ? NULL : memchr(rest->at, separator, rest->size);
    size_t size = found == NULL ? rest->size : (size_t)(found - rest->at);
    struct span part = span_of(rest->at, size);
    *rest = span_from(*rest, size + 1);
    return part;
}

/* b64token of RFC 6750: what can stand after "Bearer " without quoting. */
static bool is_token_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z') || (byte != 0 && strchr("-._~+/=", byte) != NULL);
}

static int parse_text(struct line *line, struct token *token)
{
    struct span word = take_word(&line->rest);
    if (word.size > TOKEN_TEXT_MAX)
        return errmsg_set(line->errmsg, ERROR_TOO_LARGE,
                          "%s:%u: a token of %zu bytes, %d are allowed", line->path, line->number,
                          word.size, TOKEN_TEXT_MAX);
    for (size_t i = 0; i < word.size; i++)
        if (!is_token_byte(word.at[i]))
            return errmsg_set(
                line->errmsg, ERROR_MALFORMED,
                "%s:%u: a token has letters, digits and -._~+/= only (byte %zu of it)", line->path,
                line->number, i + 1);
    if (word.size > 0) memcpy(token->text, word.at, word.size);
    token->text_size = word.size;
    return 0;
}

static uint32_t verb_of(struct span name)
{
    for (size_t i = 0; i < sizeof verb_names / sizeof verb_names[0]; i++)
        if (span_equal(name, span_text(verb_names[i].name))) return verb_names[i].verbs;
    return 0;
}

static int parse_verbs(struct line *line, struct token *token)
{
    struct span word = take_word(&line->rest);
    if (word.size == 0) token->verbs = TOKEN_ALL;
    while (word.size > 0) {
        struct span name = take_until(&word, ',');
        uint32_t verb = verb_of(name);
        if (verb == 0) {
            if (name.size > 64) name.size = 64;
            return errmsg_set(line->errmsg, ERROR_MALFORMED,
                              "%s:%u: unknown verb \"%.*s\": use send, call, state, egress, admin, "
                              "separated by commas, or *",
                              line->path, line->number, SPAN_PRINT(name));
        }
        token->verbs |= verb;
    }
    return 0;
}

static int parse_prefix(struct line *line, struct token *token)
{
    struct span word = take_word(&line->rest);
    if (word.size > TOKEN_PREFIX_MAX)
        return errmsg_set(line->errmsg, ERROR_TOO_LARGE, "%s:%u: the namespace prefix is too long",
                          line->path, line->number);
    if (word.size > 0 && memchr(word.at, '/', word.size) != NULL)
        return errmsg_set(line->errmsg, ERROR_MALFORMED,
                          "%s:%u: a namespace prefix has no '/': it is what stands before it",
                          line->path, line->number);
    if (word.size > 0) memcpy(token->prefix, word.at, word.size);
    token->prefix_size = word.size;
    if (take_word(&line->rest).size > 0)
        return errmsg_set(line->errmsg, ERROR_MALFORMED,
                          "%s:%u: too many words: TOKEN [verb,verb] [namespace-prefix]", line->path,
                          line->number);
    return 0;
}

static int parse_line(struct line *line, struct token *token)
{
    *token = (struct token){.line = line->number};
    int error = parse_text(line, token);
    if (error != 0 || token->text_size == 0) return error;
    error = parse_verbs(line, token);
    return error != 0 ? error : parse_prefix(line, token);
}

/* Same time for every pair of tokens: both are padded, all bytes are looked at. */
static bool same_text(const struct token *a, const struct token *b)
{
    size_t difference = a->text_size ^ b->text_size;
    for (size_t i = 0; i < TOKEN_TEXT_MAX; i++) difference |= (size_t)(a->text[i] ^ b->text[i]);
    return difference == 0;
}

static int add_token(struct tokens *tokens, const struct token *token, const struct line *line)
{
    if (tokens->count == TOKEN_COUNT_MAX)
        return errmsg_set(line->errmsg, ERROR_TOO_LARGE, "%s:%u: more than %d tokens", line->path,
                          line->number, TOKEN_COUNT_MAX);
    for (size_t i = 0; i < tokens->count; i++)
        if (same_text(&tokens->list[i], token))
            return errmsg_set(line->errmsg, ERROR_EXISTS, "%s:%u: the token of line %u again",
                              line->path, line->number, tokens->list[i].line);
    tokens->list[tokens->count++] = *token;
    return 0;
}

static size_t count_lines(struct span text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.size; i++) lines += text.at[i] == '\n';
    return lines;
}

static int parse_lines(struct tokens *tokens, struct span text, struct line *line)
{
    while (text.size > 0) {
        line->rest = take_until(&text, '\n');
        line->number++;
        struct token token;
        int error = parse_line(line, &token);
        if (error == 0 && token.text_size > 0) error = add_token(tokens, &token, line);
        explicit_bzero(&token, sizeof token);
        if (error != 0) return error;
    }
    if (tokens->count == 0)
        return errmsg_set(line->errmsg, ERROR_MALFORMED, "%s: no token in it: nobody could get in",
                          line->path);
    return 0;
}

int tokens_parse(struct tokens *tokens, struct span text, const char *path, struct errmsg *errmsg)
{
    size_t room = count_lines(text);
    if (room > TOKEN_COUNT_MAX) room = TOKEN_COUNT_MAX;
    struct tokens fresh = {calloc(room, sizeof *fresh.list), 0};
    if (fresh.list == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "%s: out of memory", path);
    struct line line = {SPAN_EMPTY, 0, path, errmsg};
    int error = parse_lines(&fresh, text, &line);
    if (error != 0) {
        tokens_close(&fresh);
        return error;
    }
    tokens_close(tokens);
    *tokens = fresh;
    return 0;
}

int tokens_load(struct tokens *tokens, const char *path, struct errmsg *errmsg)
{
    struct buffer text;
    buffer_init(&text);
    int error = file_load(path, &text, TOKEN_FILE_SIZE_MAX, errmsg);
    if (error == 0) error = tokens_parse(tokens, buffer_span(&text), path, errmsg);
    if (text.at != NULL) explicit_bzero(text.at, text.size);
    buffer_close(&text);
    return error;
}

/* The token of "Bearer TOKEN"; the scheme is case-insensitive (RFC 9110). */
static bool bearer_of(struct span authorization, struct token *token)
{
    static const char scheme[] = "bearer ";
    const size_t scheme_size = sizeof scheme - 1;
    if (authorization.size <= scheme_size) return false;
    for (size_t i = 0; i < scheme_size; i++)
        if ((authorization.at[i] | 0x20) != scheme[i]) return false;
    struct span rest = span_from(authorization, scheme_size);
    while (rest.size > 0 && rest.at[0] == ' ') rest = span_from(rest, 1);
    while (rest.size > 0 && rest.at[rest.size - 1] == ' ') rest.size--;
    if (rest.size == 0 || rest.size > TOKEN_TEXT_MAX) return false;
    memcpy(token->text, rest.at, rest.size);
    token->text_size = rest.size;
    return true;
}

enum token_answer token_allows(const struct tokens *tokens, struct span authorization,
                               enum token_verb verb, struct span name_space)
{
    CHECK(verb != 0);
    struct token given = {.line = 0};
    if (!bearer_of(authorization, &given)) return TOKEN_MISSING;
    const struct token *known = NULL;
    for (size_t i = 0; i < tokens->count; i++) /* to the end: no hint where it stands */
        if (same_text(&tokens->list[i], &given)) known = &tokens->list[i];
    if (known == NULL) return TOKEN_UNKNOWN;
    bool here = span_starts_with(name_space, span_of(known->prefix, known->prefix_size));
    return (known->verbs & verb) != 0 && here ? TOKEN_ALLOWED : TOKEN_FORBIDDEN;
}
