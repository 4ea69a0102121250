#include "perf/load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH_SIZE_MAX = 128 };

static void take(struct load_options *options, int name)
{
    switch (name) {
    case 'p': options->port = (uint16_t)atoi(optarg); return;
    case 'v': options->verb = optarg; return;
    case 'c': options->connections = (uint32_t)atoi(optarg); return;
    case 'k': options->keys = strtoull(optarg, NULL, 10); return;
    case 's': options->seconds = atof(optarg); return;
    case 'n': options->count = strtoull(optarg, NULL, 10); return;
    case 'f': options->first = strtoull(optarg, NULL, 10); return;
    case 't': options->stride = strtoull(optarg, NULL, 10); return;
    case 'g': options->groups = strtoull(optarg, NULL, 10); return;
    case 'r': options->rate = atof(optarg); return;
    case 'z': options->size = strtoull(optarg, NULL, 10); return;
    case 'l': options->lines = (uint32_t)atoi(optarg); return;
    case 'i': options->keyed = true; return;
    case 'd': options->delay = optarg; return;
    case 'e': options->state = optarg; return;
    case 'o': options->address = optarg; return;
    case 'a': options->path = optarg; return;
    default: exit(2);
    }
}

struct load_options load_options_parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, NULL, 'p'},   {"verb", 1, NULL, 'v'},    {"connections", 1, NULL, 'c'},
        {"keys", 1, NULL, 'k'},   {"seconds", 1, NULL, 's'}, {"count", 1, NULL, 'n'},
        {"stride", 1, NULL, 't'}, {"rate", 1, NULL, 'r'},    {"size", 1, NULL, 'z'},
        {"lines", 1, NULL, 'l'},  {"delay", 1, NULL, 'd'},   {"address", 1, NULL, 'o'},
        {"path", 1, NULL, 'a'},   {"first", 1, NULL, 'f'},   {"keyed", 0, NULL, 'i'},
        {"groups", 1, NULL, 'g'}, {"state", 1, NULL, 'e'},   {NULL, 0, NULL, 0}};
    struct load_options options = {.verb = "call",
                                   .connections = 64,
                                   .keys = 10000,
                                   .seconds = 5,
                                   .stride = 1,
                                   .groups = 1,
                                   .size = 1,
                                   .lines = 1,
                                   .state = "count",
                                   .address = "bench/counter/k%"};
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) take(&options, name);
    const char *template = options.path != NULL ? options.path : options.address;
    if (options.port == 0 || options.connections == 0 || options.keys == 0 || options.lines == 0 ||
        options.groups == 0 || strchr(template, '%') == NULL || strlen(template) > PATH_SIZE_MAX)
        exit(2);
    return options;
}

static bool is(const struct load_options *options, const char *verb)
{
    return strcmp(options->verb, verb) == 0;
}

static bool has_lines(const struct load_options *options)
{
    return is(options, "batch") || is(options, "import");
}

void load_request_init(struct load_request *request, const struct load_options *options)
{
    bool states = is(options, "read") || is(options, "write");
    char *path = request->path;
    size_t size = sizeof request->path;
    *request = (struct load_request){.options = options};
    if (options->path != NULL)
        snprintf(path, size, "%s", options->path);
    else if (has_lines(options))
        snprintf(path, size, "/v1/%s", options->verb);
    else if (states)
        snprintf(path, size, "/v1/state/%s/%s", options->address, options->state);
    else
        snprintf(path, size, "/v1/%s/%s", options->verb, options->address);
    if (is(options, "read") || has_lines(options)) return;
    if (buffer_reserve(&request->body, options->size) != 0) abort();
    memset(request->body.at, '1', options->size);
    request->body.size = options->size;
}

static void append_text(struct buffer *out, const char *text)
{
    buffer_append(out, span_of(text, strlen(text)));
}

/* A template with the number of the key in the place of its last %, that of its group in those
 * before. */
static void append_numbered(struct buffer *out, const char *template, uint64_t key, uint64_t groups)
{
    char digits[24];
    for (const char *mark; (mark = strchr(template, '%')) != NULL; template = mark + 1) {
        bool last = strchr(mark + 1, '%') == NULL;
        buffer_append(out, span_of(template, (size_t)(mark - template)));
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)(last ? key : key % groups));
        append_text(out, digits);
    }
    append_text(out, template);
}

static void append_message(struct load_request *request, uint64_t key)
{
    const struct load_options *options = request->options;
    struct buffer *out = &request->lines;
    append_text(out, "{\"to\":\"");
    append_numbered(out, options->address, key, options->groups);
    append_text(out, "\",\"type\":\"io.statefun.types/string\",\"value\":\"");
    for (size_t i = 0; i < options->size; i++) buffer_byte(out, '1');
    if (options->delay != NULL) {
        append_text(out, "\",\"delay\":\"");
        append_text(out, options->delay);
    }
    if (options->keyed) append_numbered(out, "\",\"key\":\"%", key, 1);
    append_text(out, "\"}\n");
}

/* The address as a path is the type, a slash and the id. */
static void append_state(struct load_request *request, uint64_t key)
{
    const struct load_options *options = request->options;
    const char *id = strrchr(options->address, '/') + 1;
    struct buffer *out = &request->lines;
    append_text(out, "{\"type\":\"");
    buffer_append(out, span_of(options->address, (size_t)(id - 1 - options->address)));
    append_text(out, "\",\"id\":\"");
    append_numbered(out, id, key, 1);
    append_text(out, "\",\"name\":\"");
    append_text(out, options->state);
    append_text(out, "\",\"value_type\":\"io.statefun.types/long\",\"value\":1}\n");
}

static void append_lines(struct load_request *request, uint64_t (*next_key)(void *), void *context)
{
    bool states = is(request->options, "import");
    buffer_clear(&request->lines);
    for (uint32_t i = 0; i < request->options->lines; i++)
        (states ? append_state : append_message)(request, next_key(context));
}

void load_request_append(struct load_request *request, struct buffer *out,
                         uint64_t (*next_key)(void *context), void *context)
{
    const struct load_options *options = request->options;
    bool many = has_lines(options), reads = is(options, "read");
    struct buffer *body = many ? &request->lines : &request->body;
    char head[160];
    if (many) append_lines(request, next_key, context);
    append_text(out, reads ? "GET " : is(options, "write") ? "PUT " : "POST ");
    append_numbered(out, request->path, many ? 0 : next_key(context), options->groups);
    snprintf(head, sizeof head,
             " HTTP/1.1\r\nhost: localhost\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n",
             many ? "application/x-ndjson" : "text/plain", body->size);
    append_text(out, reads ? " HTTP/1.1\r\nhost: localhost\r\n\r\n" : head);
    buffer_append(out, buffer_span(body));
}

static uint32_t count_lines(struct span body, const char *mark)
{
    uint32_t count = 0;
    for (const uint8_t *at = body.at, *end = body.at + body.size; at < end; count++) {
        at = memmem(at, (size_t)(end - at), mark, strlen(mark));
        if (at == NULL) break;
        at += strlen(mark);
    }
    return count;
}

bool load_answer_good(const struct load_options *options, const struct http_message *message)
{
    if (message->head.size <= 12 || message->head.at[9] != '2') return false;
    if (!has_lines(options)) return true;
    const char *mark = is(options, "batch") ? "\"status\":202" : "\"status\":200";
    return count_lines(message->body, mark) == options->lines;
}
