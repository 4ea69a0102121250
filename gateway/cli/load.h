/* The load of `holdfast bench`: some connections, each a thread with a blocking client. */
#ifndef HOLDFAST_CLI_LOAD_H
#define HOLDFAST_CLI_LOAD_H

#include "cli/input.h"

enum { LOAD_CONNECTIONS_MAX = 1000, LOAD_BUCKETS = 2048 };

struct load_options {
    const char *address;
    const char *token; /* NULL: none */
    const char *path;  /* "/v1/call/ns/type/", the key is added */
    const struct input *value;
    unsigned connections;
    uint64_t keys;
    int64_t duration_us;
    double rate; /* requests per second of all connections; 0: closed loop */
};

/* Latencies in microseconds, with an error below 2 %. */
struct load_result {
    uint64_t buckets[LOAD_BUCKETS];
    uint64_t done;   /* answered with 2xx */
    uint64_t full;   /* 429 and 503 */
    uint64_t failed; /* other statuses */
    uint64_t lost;   /* no answer */
    uint64_t max_us;
    int64_t took_us;
    int status; /* one of `failed` */
};

/* ERROR_MEMORY */
int load_run(const struct load_options *options, struct load_result *result) MUST_USE;
/* The latency that the part (0.99) of all that are done did not exceed. */
uint64_t load_percentile(const struct load_result *result, double part);
/* For tests. */
size_t load_bucket(uint64_t us);
uint64_t load_bucket_top(size_t bucket);

#endif
