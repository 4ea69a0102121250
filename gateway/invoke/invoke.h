/*
 * Calls functions: takes invocations, gives back exactly one outcome for each. Owns endpoints,
 * connection pools, TLS and time-outs; knows nothing about retries, windows or blame, which are the
 * shard's.
 */
#ifndef HOLDFAST_INVOKE_INVOKE_H
#define HOLDFAST_INVOKE_INVOKE_H

#include "os/loop.h"
#include "shard/event.h"

/* The first 256 bytes of an error body are kept for the operator. */

struct invoke_endpoint {
    struct span pattern;       /* as in shard_endpoint; same index */
    struct span url_template;  /* http, https, http+unix, https+unix; {function.name} */
    int64_t call_ms;           /* whole call, 120000 */
    int64_t connect_ms;        /* 20000 */
    int64_t idle_ms;           /* pooled connections, 15000 */
    uint32_t pool_max;         /* connections, 1024 */
    size_t payload_bytes_max;  /* of a response, decompressed too: 33554432 */
    bool h2_prior_knowledge;   /* h2c */
    const char *trust_cacerts; /* paths or NULL */
    const char *client_cert;
    const char *client_key;
    const char *client_key_password_file;
};

struct invoke;

/* Called from the loop, never from within invoke_call. The event's clock is the receiver's to fill.
   What the event points to is valid during the call. It may call invoke_call and invoke_configure,
   but not invoke_close. */
typedef void invoke_done(void *context, struct shard_event *event);

/* ERROR_INVALID (a bad URL, a certificate that does not load), ERROR_MEMORY; errmsg says which. */
int invoke_open(struct invoke **invoke, struct loop *loop, invoke_done *done, void *context,
                struct errmsg *errmsg) MUST_USE;
/* Replaces the endpoints; calls in flight end on their old connections. All strings are copied. */
int invoke_configure(struct invoke *invoke, const struct invoke_endpoint *endpoints, size_t count,
                     struct errmsg *errmsg) MUST_USE;
/* Memory that answers may take while they come in, all together; at least one of the largest is
   always let in. 67108864 when it is never said. */
void invoke_bound(struct invoke *invoke, size_t answers_bytes_max);
/* Never fails at once: a failure comes as an outcome. The invocation stays valid until then. */
void invoke_call(struct invoke *invoke, const struct shard_invocation *invocation);

struct invoke_metrics {
    uint64_t requests;
    uint64_t connections_opened;
    uint64_t connections_open;
    uint64_t stale_retries;
    uint64_t bundles; /* of the requests: those with many addresses */
    uint64_t bundled; /* invocations in them */
    uint64_t bytes_out;
    uint64_t bytes_in;
};
void invoke_metrics(const struct invoke *invoke, struct invoke_metrics *metrics);
/* Calls in flight end without an outcome. */
void invoke_close(struct invoke *invoke);

#endif
