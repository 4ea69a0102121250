/*
 * A closed-loop load generator: each connection sends its next request when the answer to the last
 * one is there. load --port P --verb call|send --connections N --keys K --seconds S [--count N
 * [--stride N]] [--path /Counter/k%/add] Prints one JSON object: requests, errors, seconds, latency
 * percentiles in microseconds. With --count it stops after so many requests, going through the keys
 * in order, --stride keys at a time (to fill a gateway with keys). --path is for other servers than
 * ours: its % is replaced by the number of the key.
 */
#include "perf/http.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { LATENCY_MAX_US = 4000000, EVENTS_MAX = 512, PATH_SIZE_MAX = 100 };

struct options {
    uint16_t port;
    const char *verb;
    uint32_t connections;
    uint64_t keys;
    double seconds;
    uint64_t count; /* 0: by time */
    uint64_t stride;
    const char *path; /* the number of the key stands for its % */
};

struct client {
    struct http_pipe pipe;
    int64_t sent_us;
};

struct load {
    struct options options;
    int epoll;
    uint64_t started, done, errors;
    uint64_t random;
    int64_t end_us;
    uint32_t *latency; /* counts by microsecond */
};

static uint64_t next_key(struct load *load)
{
    if (load->options.count > 0) return load->started * load->options.stride % load->options.keys;
    load->random = load->random * 6364136223846793005u + 1442695040888963407u;
    return (load->random >> 33) % load->options.keys;
}

static bool may_start(const struct load *load, int64_t now)
{
    return load->options.count > 0 ? load->started < load->options.count : now < load->end_us;
}

static void start(struct load *load, struct client *client, int64_t now)
{
    char text[256];
    const char *path = load->options.path, *mark = strchr(path, '%');
    int size = snprintf(text, sizeof text,
                        "POST %.*s%llu%s HTTP/1.1\r\nhost: localhost\r\n"
                        "content-type: text/plain\r\ncontent-length: 1\r\n\r\n1",
                        (int)(mark - path), path, (unsigned long long)next_key(load), mark + 1);
    buffer_append(&client->pipe.out, span_of(text, (size_t)size));
    client->sent_us = now;
    load->started++;
    if (!http_pipe_write(&client->pipe)) abort();
}

static void finish(struct load *load, struct client *client, const struct http_message *message,
                   int64_t now)
{
    int64_t took_us = now - client->sent_us;
    bool good = message->head.size > 12 && message->head.at[9] == '2';
    load->done++;
    if (!good && load->errors++ == 0) fprintf(stderr, "load: %.*s\n", SPAN_PRINT(message->head));
    load->latency[took_us < LATENCY_MAX_US ? took_us : LATENCY_MAX_US]++;
}

static void ready(struct load *load, struct client *client)
{
    if (!http_pipe_read(&client->pipe)) {
        fprintf(stderr, "load: a connection was closed\n");
        exit(1);
    }
    struct http_message message = http_pipe_message(&client->pipe);
    if (message.size == 0) return;
    int64_t now = now_us();
    finish(load, client, &message, now);
    http_pipe_drop(&client->pipe, message.size);
    if (may_start(load, now)) start(load, client, now);
}

static uint64_t percentile(const struct load *load, double part)
{
    uint64_t wanted = (uint64_t)((double)load->done * part), seen = 0;
    for (uint64_t i = 0; i <= LATENCY_MAX_US; i++)
        if ((seen += load->latency[i]) > wanted) return i;
    return LATENCY_MAX_US;
}

static void report(const struct load *load, double seconds)
{
    printf("{\"requests\":%llu,\"errors\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"p50_us\":%llu,"
           "\"p90_us\":%llu,"
           "\"p99_us\":%llu,\"p999_us\":%llu}\n",
           (unsigned long long)load->done, (unsigned long long)load->errors, seconds,
           (double)load->done / seconds, (unsigned long long)percentile(load, 0.5),
           (unsigned long long)percentile(load, 0.9), (unsigned long long)percentile(load, 0.99),
           (unsigned long long)percentile(load, 0.999));
}

static void connect_all(struct load *load)
{
    for (uint32_t i = 0; i < load->options.connections; i++) {
        struct client *client = calloc(1, sizeof *client);
        int fd = http_connect(load->options.port);
        if (client == NULL || fd < 0) {
            perror("load: connect");
            exit(1);
        }
        http_pipe_init(&client->pipe, fd);
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.ptr = client});
        if (may_start(load, now_us())) start(load, client, now_us());
    }
}

static void run(struct load *load)
{
    int64_t begin_us = now_us();
    load->end_us = begin_us + (int64_t)(load->options.seconds * 1e6);
    connect_all(load);
    while (load->done < load->started) {
        struct epoll_event events[EVENTS_MAX];
        int got = epoll_wait(load->epoll, events, EVENTS_MAX, 30000);
        if (got == 0) {
            fprintf(stderr, "load: no answer for 30 s\n");
            exit(1);
        }
        for (int i = 0; i < got; i++) ready(load, events[i].data.ptr);
    }
    report(load, (double)(now_us() - begin_us) / 1e6);
}

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, NULL, 'p'},   {"verb", 1, NULL, 'v'},    {"connections", 1, NULL, 'c'},
        {"keys", 1, NULL, 'k'},   {"seconds", 1, NULL, 's'}, {"count", 1, NULL, 'n'},
        {"stride", 1, NULL, 't'}, {"path", 1, NULL, 'a'},    {NULL, 0, NULL, 0}};
    struct options options = {
        .verb = "call", .connections = 64, .keys = 10000, .seconds = 5, .stride = 1};
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (name) {
        case 'p': options.port = (uint16_t)atoi(optarg); break;
        case 'v': options.verb = optarg; break;
        case 'c': options.connections = (uint32_t)atoi(optarg); break;
        case 'k': options.keys = strtoull(optarg, NULL, 10); break;
        case 's': options.seconds = atof(optarg); break;
        case 'n': options.count = strtoull(optarg, NULL, 10); break;
        case 't': options.stride = strtoull(optarg, NULL, 10); break;
        case 'a': options.path = optarg; break;
        default: exit(2);
        }
    }
    static char ours[64];
    snprintf(ours, sizeof ours, "/v1/%s/bench/counter/k%%", options.verb);
    if (options.path == NULL) options.path = ours;
    if (strchr(options.path, '%') == NULL || strlen(options.path) > PATH_SIZE_MAX) exit(2);
    return options;
}

int main(int argc, char **argv)
{
    struct load load = {.options = parse(argc, argv), .random = (uint64_t)now_us()};
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.latency = calloc(LATENCY_MAX_US + 1, sizeof *load.latency);
    if (load.latency == NULL || load.options.port == 0) return 2;
    run(&load);
    return load.errors > 0;
}
