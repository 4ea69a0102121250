/* One entry of the configuration: where its functions are, within which limits they are called, and
 * as whom. */
#ifndef HOLDFAST_INVOKE_ENDPOINT_H
#define HOLDFAST_INVOKE_ENDPOINT_H

#include "invoke/invoke.h"
#include "invoke/url.h"

#include <openssl/types.h>

struct call;
struct origin;

struct endpoint {
    struct list link; /* among the retired ones */
    struct invoke *invoke;
    char *template; /* what `url` points into */
    struct url url;
    int64_t call_us;
    int64_t connect_us;
    int64_t idle_us;
    uint32_t pool_max;
    size_t body_max;
    bool h2_prior_knowledge;
    bool retired; /* by a new configuration: ends with its last call */
    SSL_CTX *tls; /* NULL: none */
    struct list origins;
    struct list
        deadlines; /* of all its calls: all have the same time, so the first one is due first */
    struct loop_timer deadline;
    struct loop_timer idle; /* not later than the first idle connection's end */
};

/* ERROR_INVALID, ERROR_MEMORY; errmsg says why. */
int endpoint_open(struct endpoint **endpoint, struct invoke *invoke,
                  const struct invoke_endpoint *settings, struct errmsg *errmsg) MUST_USE;
/* No calls any more; its connections are closed. */
void endpoint_close(struct endpoint *endpoint);
/* Idle connections go at once, busy ones after their calls. */
void endpoint_retire(struct endpoint *endpoint);
/* Frees what nobody needs: origins without calls whose host varies. True: a retired one without
 * calls. */
bool endpoint_sweep(struct endpoint *endpoint);

/* Where functions of this name live; made when new. ERROR_INVALID (the name makes no host),
 * ERROR_MEMORY. */
int endpoint_origin(struct endpoint *endpoint, struct span name, struct origin **origin) MUST_USE;

/* The call's time begins, ends. */
void endpoint_watch(struct endpoint *endpoint, struct call *call);
void endpoint_unwatch(struct endpoint *endpoint, struct call *call);
/* A connection became idle until then. */
void endpoint_idle_until(struct endpoint *endpoint, int64_t until_us);

#endif
