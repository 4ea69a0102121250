/*
 * A load generator with two ways to begin a request.
 * Closed loop: each connection begins its next request when the answer to the last one is there.
 * Open loop (--rate): requests begin at fixed times, whether those before are answered or not, and
 * their latency counts from the time at which they should have begun. So a server that stands still
 * shows in all requests that come meanwhile, and not only in those it has taken already
 * (coordinated omission).
 *     load --port P --verb call|send|read|write|batch|import --connections N --keys K --seconds S
 *          [--count N [--first N] [--stride N]] [--rate PER_SECOND] [--size BYTES]
 *          [--lines N [--delay 5s] [--keyed]] [--address bench/counter/k%] [--groups N]
 *          [--state count] [--path /Counter/k%/add]
 * Prints one JSON object: requests, errors, seconds, latency percentiles in microseconds, exact.
 * SIGTERM ends it earlier, in order.
 * With --count it stops after so many requests, going through the keys in order, --stride keys at a
 * time (to fill a gateway with keys). In address and path % is replaced by the number of the key,
 * where there are several those before the last by the key modulo --groups; --path is for other
 * servers than ours.
 */
#include "perf/load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

enum { LATENCY_MAX_US = 4000000, EVENTS_MAX = 512, SILENCE_MAX_US = 60000000 };

struct client {
    struct http_pipe pipe;
    struct client *next; /* of the idle ones */
    int64_t due_us;      /* when its request should have begun */
};

struct load {
    struct load_options options;
    struct load_request request;
    int epoll;
    struct client *idle;
    uint64_t started, done, errors;
    uint64_t keys_used;
    uint64_t random;
    int64_t begin_us;
    int64_t longest_us;
    uint32_t *latency; /* counts by microsecond, the last one for all beyond */
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static uint64_t next_key(void *context)
{
    struct load *load = context;
    if (load->options.count > 0)
        return (load->options.first + load->keys_used++ * load->options.stride) %
               load->options.keys;
    load->random = load->random * 6364136223846793005u + 1442695040888963407u;
    return (load->random >> 33) % load->options.keys;
}

/* When the next request should begin: at once in a closed loop. */
static int64_t next_due(const struct load *load, int64_t now)
{
    if (load->options.rate <= 0) return now;
    return load->begin_us + (int64_t)((double)load->started * 1e6 / load->options.rate);
}

static bool is_over(const struct load *load, int64_t due_us)
{
    if (stopped) return true;
    if (load->options.count > 0) return load->started == load->options.count;
    return due_us >= load->begin_us + (int64_t)(load->options.seconds * 1e6);
}

static void start_due(struct load *load, int64_t now)
{
    while (load->idle != NULL) {
        int64_t due_us = next_due(load, now);
        if (due_us > now || is_over(load, due_us)) return;
        struct client *client = load->idle;
        load->idle = client->next;
        client->due_us = due_us;
        load->started++;
        load_request_append(&load->request, &client->pipe.out, next_key, load);
        if (!http_pipe_write(&client->pipe)) abort();
    }
}

static void finish(struct load *load, struct client *client, const struct http_message *message,
                   int64_t now)
{
    int64_t took_us = now - client->due_us;
    if (!load_answer_good(&load->options, message) && load->errors++ == 0)
        fprintf(stderr, "load: %.*s%.*s\n", SPAN_PRINT(message->head), SPAN_PRINT(message->body));
    load->done++;
    load->latency[took_us < LATENCY_MAX_US ? took_us : LATENCY_MAX_US]++;
    if (took_us > load->longest_us) load->longest_us = took_us;
    client->next = load->idle;
    load->idle = client;
}

static void ready(struct load *load, struct client *client)
{
    if (!http_pipe_write(&client->pipe) || !http_pipe_read(&client->pipe)) {
        fprintf(stderr, "load: a connection was closed\n");
        exit(1);
    }
    struct http_message message = http_pipe_message(&client->pipe);
    if (message.size == 0) return;
    int64_t now = now_us();
    finish(load, client, &message, now);
    http_pipe_drop(&client->pipe, message.size);
    start_due(load, now);
}

static uint64_t percentile(const struct load *load, double part)
{
    uint64_t wanted = (uint64_t)((double)load->done * part), seen = 0;
    for (uint64_t i = 0; i < LATENCY_MAX_US; i++)
        if ((seen += load->latency[i]) > wanted) return i;
    return (uint64_t)load->longest_us;
}

static void report(const struct load *load, double seconds)
{
    printf("{\"requests\":%llu,\"errors\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"p50_us\":%llu,"
           "\"p90_us\":%llu,\"p99_us\":%llu,\"p999_us\":%llu,\"max_us\":%lld}\n",
           (unsigned long long)load->done, (unsigned long long)load->errors, seconds,
           (double)load->done / seconds, (unsigned long long)percentile(load, 0.5),
           (unsigned long long)percentile(load, 0.9), (unsigned long long)percentile(load, 0.99),
           (unsigned long long)percentile(load, 0.999), (long long)load->longest_us);
}

/* Edge-triggered: a request that the socket had no room for is sent on when there is some. */
static void connect_one(struct load *load)
{
    struct client *client = calloc(1, sizeof *client);
    int fd = http_connect(load->options.port);
    if (client == NULL || fd < 0) {
        perror("load: connect");
        exit(1);
    }
    http_pipe_init(&client->pipe, fd);
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd,
              &(struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = client});
    client->next = load->idle;
    load->idle = client;
}

/* Waits until something can be read, or the next request is due; false: nothing, for too long. */
static bool turn(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t now = now_us(), wait_us = SILENCE_MAX_US, due_us = next_due(load, now);
    if (load->idle != NULL && !is_over(load, due_us)) wait_us = due_us > now ? due_us - now : 0;
    struct timespec wait = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    int got = epoll_pwait2(load->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < got; i++) ready(load, events[i].data.ptr);
    start_due(load, now_us());
    return got != 0 || wait_us < SILENCE_MAX_US;
}

static void run(struct load *load)
{
    for (uint32_t i = 0; i < load->options.connections; i++) connect_one(load);
    load->begin_us = now_us();
    start_due(load, load->begin_us);
    while (load->done < load->started || !is_over(load, next_due(load, now_us()))) {
        if (turn(load)) continue;
        fprintf(stderr, "load: no answer for a minute\n");
        exit(1);
    }
    report(load, (double)(now_us() - load->begin_us) / 1e6);
}

int main(int argc, char **argv)
{
    struct load load = {.options = load_options_parse(argc, argv), .random = (uint64_t)now_us()};
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    load_request_init(&load.request, &load.options);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.latency = calloc(LATENCY_MAX_US + 1, sizeof *load.latency);
    if (load.latency == NULL || load.epoll < 0) return 2;
    run(&load);
    return load.errors > 0;
}
