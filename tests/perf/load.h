/* What the load generator is told to do, and the requests that it makes of it. */
#ifndef HOLDFAST_PERF_LOAD_H
#define HOLDFAST_PERF_LOAD_H

#include "perf/http.h"

struct load_options {
    uint16_t port;
    const char *verb; /* call, send, read (a state), write (a state), batch, import */
    uint32_t connections;
    uint64_t keys;
    double seconds;
    uint64_t count;      /* requests; 0: by time */
    uint64_t first;      /* with count: the key to begin with */
    uint64_t stride;     /* with count: so many keys at a time */
    uint64_t groups;     /* a % before the last stands for the number modulo this */
    double rate;         /* requests per second, whether answered or not; 0: closed loop */
    size_t size;         /* bytes of a value */
    uint32_t lines;      /* of one batch */
    bool keyed;          /* each message of a batch has an idempotency key */
    const char *delay;   /* of the messages of a batch, as "5s"; NULL: none */
    const char *state;   /* its name */
    const char *address; /* the number of the key stands for its % */
    const char *path;    /* the same, for servers other than ours; NULL: that of the verb */
};

/* Exits when they make no sense. */
struct load_options load_options_parse(int argc, char **argv);

/* Bodies are made once. */
struct load_request {
    const struct load_options *options;
    char path[192];     /* with its % */
    struct buffer body; /* of all requests but batches */
    struct buffer lines;
};

void load_request_init(struct load_request *request, const struct load_options *options);
/* Appends the request for a key, or for as many keys as a batch or an import has lines: `next_key`
 * gives one after the other. */
void load_request_append(struct load_request *request, struct buffer *out,
                         uint64_t (*next_key)(void *context), void *context);
/* Whether the answer is what was asked for, in all of its lines. */
bool load_answer_good(const struct load_options *options, const struct http_message *message);

#endif
