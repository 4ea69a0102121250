#include "cli/load.h"

#include "base/prng.h"
#include "base/text.h"
#include "os/clock.h"
#include "os/random.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

enum { SUB_BITS = 6, SUB = 1 << SUB_BITS, PAUSE_MS = 20, TIMEOUT_MS = 60000 };

/* ---- Latencies: 64 buckets for each power of two ---- */

size_t load_bucket(uint64_t us)
{
    if (us < SUB) return (size_t)us;
    unsigned shift = 63u - (unsigned)__builtin_clzll(us) - SUB_BITS;
    size_t bucket = (size_t)((shift + 1) * SUB + (us >> shift) - SUB);
    return bucket < LOAD_BUCKETS ? bucket : LOAD_BUCKETS - 1;
}

uint64_t load_bucket_top(size_t bucket)
{
    if (bucket < SUB) return bucket;
    unsigned shift = (unsigned)(bucket / SUB) - 1;
    return ((uint64_t)(bucket % SUB + SUB + 1) << shift) - 1;
}

uint64_t load_percentile(const struct load_result *result, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)result->done + 0.5), seen = 0;
    if (wanted == 0) wanted = 1;
    for (size_t i = 0; i < LOAD_BUCKETS; i++) {
        seen += result->buckets[i];
        if (seen < wanted) continue;
        uint64_t top = load_bucket_top(i);
        return top < result->max_us ? top : result->max_us;
    }
    return result->max_us;
}

static void add(struct load_result *sum, const struct load_result *part)
{
    for (size_t i = 0; i < LOAD_BUCKETS; i++) sum->buckets[i] += part->buckets[i];
    sum->done += part->done;
    sum->full += part->full;
    sum->failed += part->failed;
    sum->lost += part->lost;
    if (part->max_us > sum->max_us) sum->max_us = part->max_us;
    if (part->status != 0) sum->status = part->status;
}

/* ---- One connection ---- */

struct worker {
    pthread_t thread;
    const struct load_options *options;
    unsigned index;
    int64_t begin_us, end_us;
    struct prng random;
    struct client client;
    struct buffer path;
    struct load_result result;
};

static void count(struct worker *worker, int error, int status, int64_t since_us)
{
    struct load_result *result = &worker->result;
    uint64_t us = (uint64_t)(clock_mono_us() - since_us);
    if (error != 0) {
        result->lost++;
    } else if (status >= 200 && status < 300) {
        result->done++;
        result->buckets[load_bucket(us)]++;
        if (us > result->max_us) result->max_us = us;
        return;
    } else if (status == 429 || status == 503) {
        result->full++;
    } else {
        result->failed++;
        result->status = status;
    }
    poll(NULL, 0, PAUSE_MS); /* whoever refuses is not hammered */
}

static void ask(struct worker *worker, int64_t since_us)
{
    const struct load_options *options = worker->options;
    struct client_answer answer;
    buffer_clear(&worker->path);
    text_append(&worker->path, options->path);
    text_append(&worker->path, "bench-");
    text_decimal(&worker->path, prng_next(&worker->random) % options->keys);
    struct client_request request = {
        .method = "POST", .path = path_text(&worker->path), .timeout_ms = TIMEOUT_MS};
    input_attach(options->value, &request, 0);
    if (request.path == NULL) return;
    int error = client_ask(&worker->client, &request, &answer);
    count(worker, error, answer.status, since_us);
    client_answer_close(&answer);
}

/* Closed loop: the next request follows the answer. Open loop: it has its own time, and waiting for
   that to come free counts as latency. */
static void *run_worker(void *context)
{
    struct worker *worker = context;
    const struct load_options *options = worker->options;
    double gap_us = options->rate > 0 ? 1e6 * (double)options->connections / options->rate : 0;
    double due_us = (double)worker->begin_us + gap_us * worker->index / options->connections;
    for (int64_t now_us; (now_us = clock_mono_us()) < worker->end_us; due_us += gap_us) {
        int64_t since_us = now_us;
        if (gap_us > 0) {
            since_us = (int64_t)due_us;
            if (since_us >= worker->end_us) break;
            if (since_us > now_us) poll(NULL, 0, (int)((since_us - now_us + 999) / 1000));
        }
        ask(worker, since_us);
    }
    return NULL;
}

/* ---- All of them ---- */

static int start(struct worker *worker, const struct load_options *options)
{
    worker->options = options;
    worker->random.state = random_u64();
    buffer_init(&worker->path);
    int error = client_init(&worker->client, options->address, options->token);
    if (error != 0) return error;
    return pthread_create(&worker->thread, NULL, run_worker, worker) == 0 ? 0 : ERROR_MEMORY;
}

int load_run(const struct load_options *options, struct load_result *result)
{
    struct worker *workers = calloc(options->connections, sizeof *workers);
    unsigned started = 0;
    int error = workers == NULL ? ERROR_MEMORY : 0;
    int64_t begin_us = clock_mono_us();
    *result = (struct load_result){0};
    while (error == 0 && started < options->connections) {
        struct worker *worker = &workers[started];
        worker->index = started;
        worker->begin_us = begin_us;
        worker->end_us = begin_us + options->duration_us;
        error = start(worker, options);
        if (error == 0) started++;
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        client_close(&workers[i].client);
        buffer_close(&workers[i].path);
        add(result, &workers[i].result);
    }
    result->took_us = clock_mono_us() - begin_us;
    free(workers);
    return error;
}
