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
        {"state", 1, NULL, 'e'},  {NULL, 0, NULL, 0}};
    struct load_options options = {.verb = "call",
                                   .connections = 64,
                                   .keys = 10000,
                                   .seconds = 5,
                                   .stride = 1,
                                   .size = 1,
                                   .lines = 1,
                                   .state = "count",
                                   .address = "bench/counter/k%"};
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) take(&options, name);
    const char *template = options.path != NULL ? options.path : options.address;
    if (options.port == 0 || options.connections == 0 || options.keys == 0 || options.lines == 0 ||
        strchr(template, '%') == NULL || strlen(template) > PATH_SIZE_MAX)
        exit(2);
    return options;
}

static bool is(const struct load_options *options, const char *verb)
{
    return strcmp(options->verb, verb) == 0;
}

void load_request_init(struct load_request *request, const struct load_options *options)
{
    bool states = is(options, "read") || is(options, "write");
    char *path = request->path;
    size_t size = sizeof request->path;
    *request = (struct load_request){.options = options};
    if (options->path != NULL)
        snprintf(path, size, "%s", options->path);
    else if (is(options, "batch"))
        snprintf(path, size, "/v1/batch");
    else if (states)
        snprintf(path, size, "/v1/state/%s/%s", options->address, options->state);
    else
        snprintf(path, size, "/v1/%s/%s", options->verb, options->address);
    if (is(options, "read") || is(options, "batch")) return;
    if (buffer_reserve(&request->body, options->size) != 0) abort();
    memset(request->body.at, '1', options->size);
    request->body.size = options->size;
}

static void append_text(struct buffer *out, const char *text)
{
    buffer_append(out, span_of(text, strlen(text)));
}

/* A template with the number in the place of its %. */
static void append_numbered(struct buffer *out, const char *template, uint64_t number)
{
    const char *mark = strchr(template, '%');
    char digits[24];
    if (mark == NULL) {
        append_text(out, template);
        return;
    }
    buffer_append(out, span_of(template, (size_t)(mark - template)));
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    append_text(out, digits);
    append_text(out, mark + 1);
}

static void append_line(struct load_request *request, uint64_t key)
{
    const struct load_options *options = request->options;
    struct buffer *out = &request->lines;
    append_text(out, "{\"to\":\"");
    append_numbered(out, options->address, key);
    append_text(out, "\",\"type\":\"io.statefun.types/string\",\"value\":\"");
    for (size_t i = 0; i < options->size; i++) buffer_byte(out, '1');
    if (options->delay != NULL) {
        append_text(out, "\",\"delay\":\"");
        append_text(out, options->delay);
    }
    if (options->keyed) append_numbered(out, "\",\"key\":\"%", key);
    append_text(out, "\"}\n");
}

void load_request_append(struct load_request *request, struct buffer *out,
                         uint64_t (*next_key)(void *context), void *context)
{
    const struct load_options *options = request->options;
    bool batch = is(options, "batch"), reads = is(options, "read");
    struct buffer *body = batch ? &request->lines : &request->body;
    char head[160];
    buffer_clear(&request->lines);
    for (uint32_t i = 0; batch && i < options->lines; i++) append_line(request, next_key(context));
    append_text(out, reads ? "GET " : is(options, "write") ? "PUT " : "POST ");
    append_numbered(out, request->path, batch ? 0 : next_key(context));
    snprintf(head, sizeof head,
             " HTTP/1.1\r\nhost: localhost\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n",
             batch ? "application/x-ndjson" : "text/plain", body->size);
    append_text(out, reads ? " HTTP/1.1\r\nhost: localhost\r\n\r\n" : head);
    buffer_append(out, buffer_span(body));
}

static uint32_t accepted_lines(struct span body)
{
    static const char mark[] = "\"status\":202";
    uint32_t count = 0;
    for (const uint8_t *at = body.at, *end = body.at + body.size; at < end; count++) {
        at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1);
        if (at == NULL) break;
        at += sizeof mark - 1;
    }
    return count;
}

bool load_answer_good(const struct load_options *options, const struct http_message *message)
{
    if (message->head.size <= 12 || message->head.at[9] != '2') return false;
    return !is(options, "batch") || accepted_lines(message->body) == options->lines;
}
