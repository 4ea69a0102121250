/* See endpoint.h. */
#include "invoke/endpoint.h"

#include "invoke/room.h"
#include "invoke/tls.h"

#include <stdlib.h>

enum { EXPIRED_WORK = 16 * 1024 /* to give up a call, in bytes: see share.c */ };

#define TIME_MS_MAX (INT64_C(366) * 86400 * 1000)

/* -- Time -- */

static void deadline_expired(struct loop_timer *timer)
{
    struct endpoint *endpoint = CONTAINER_OF(timer, struct endpoint, deadline);
    struct loop *loop = endpoint->invoke->loop;
    while (!list_empty(&endpoint->deadlines)) {
        struct call *call = LIST_FIRST(&endpoint->deadlines, struct call, due);
        if (call->deadline_us > loop_now_us(loop)) {
            loop_timer_set(loop, timer, call->deadline_us);
            return;
        }
        origin_call_expired(call);
        share_take(endpoint->invoke, EXPIRED_WORK);
        if (share_spent(endpoint->invoke)) {
            loop_timer_set(loop, timer, loop_now_us(loop));
            return;
        }
    }
}

void endpoint_watch(struct endpoint *endpoint, struct call *call)
{
    struct loop *loop = endpoint->invoke->loop;
    call->deadline_us = loop_now_us(loop) + endpoint->call_us;
    list_append(&endpoint->deadlines, &call->due);
    /* The timer may stay from an earlier call: then it expires for nothing, and is set anew. */
    if (!endpoint->deadline.set) loop_timer_set(loop, &endpoint->deadline, call->deadline_us);
}

void endpoint_unwatch(struct endpoint *endpoint, struct call *call)
{
    list_remove(&call->due);
    if (endpoint->retired || endpoint->url.host_varies) {
        endpoint->invoke->sweep = true;
        invoke_soon(endpoint->invoke);
    }
}

static void idle_expired(struct loop_timer *timer)
{
    struct endpoint *endpoint = CONTAINER_OF(timer, struct endpoint, idle);
    int64_t next_us = INT64_MAX;
    LIST_EACH (&endpoint->origins, link) {
        int64_t origin_us = origin_close_idle(CONTAINER_OF(link, struct origin, link));
        if (origin_us < next_us) next_us = origin_us;
    }
    if (next_us != INT64_MAX) loop_timer_set(endpoint->invoke->loop, timer, next_us);
}

void endpoint_idle_until(struct endpoint *endpoint, int64_t until_us)
{
    if (endpoint->idle.set && endpoint->idle.node.key <= until_us) return;
    loop_timer_set(endpoint->invoke->loop, &endpoint->idle, until_us);
}

/* -- Life -- */

static bool time_fits(int64_t ms)
{
    return ms > 0 && ms <= TIME_MS_MAX;
}

static bool uses_tls(const struct invoke_endpoint *settings)
{
    return settings->trust_cacerts != NULL || settings->client_cert != NULL ||
           settings->client_key != NULL;
}

static int settings_apply(struct endpoint *endpoint, const struct invoke_endpoint *settings,
                          struct errmsg *errmsg)
{
    endpoint->template =
        strndup((const char *)settings->url_template.at, settings->url_template.size);
    if (endpoint->template == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    int error = url_parse(span_text(endpoint->template), &endpoint->url, errmsg);
    if (error != 0) return error;
    if (!time_fits(settings->call_ms) || !time_fits(settings->connect_ms) ||
        settings->pool_max == 0 || settings->idle_ms < 0 || settings->idle_ms > TIME_MS_MAX)
        return errmsg_set(errmsg, ERROR_INVALID,
                          "time-outs and pool_size must be more than 0, and times at most a year");
    endpoint->call_us = settings->call_ms * 1000;
    endpoint->connect_us = settings->connect_ms * 1000;
    endpoint->idle_us = settings->idle_ms * 1000;
    endpoint->pool_max = settings->pool_max;
    endpoint->body_max = settings->payload_bytes_max;
    endpoint->h2_prior_knowledge = settings->h2_prior_knowledge && !endpoint->url.secure;
    if (!endpoint->url.secure && uses_tls(settings))
        return errmsg_set(errmsg, ERROR_INVALID, "certificates are given, but '%s' has no TLS",
                          endpoint->template);
    if (!endpoint->url.secure) return 0;
    struct tls_settings tls = {settings->trust_cacerts, settings->client_cert, settings->client_key,
                               settings->client_key_password_file};
    return tls_context_open(&endpoint->tls, &tls, errmsg);
}

int endpoint_open(struct endpoint **out, struct invoke *invoke,
                  const struct invoke_endpoint *settings, struct errmsg *errmsg)
{
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    endpoint->invoke = invoke;
    endpoint->deadline.expired = deadline_expired;
    endpoint->idle.expired = idle_expired;
    list_init(&endpoint->link);
    list_init(&endpoint->origins);
    list_init(&endpoint->deadlines);
    int error = settings_apply(endpoint, settings, errmsg);
    if (error != 0) {
        endpoint_close(endpoint);
        return error;
    }
    *out = endpoint;
    return 0;
}

void endpoint_close(struct endpoint *endpoint)
{
    struct loop *loop = endpoint->invoke->loop;
    while (!list_empty(&endpoint->origins))
        origin_close(LIST_FIRST(&endpoint->origins, struct origin, link));
    loop_timer_clear(loop, &endpoint->deadline);
    loop_timer_clear(loop, &endpoint->idle);
    list_remove(&endpoint->link);
    tls_context_close(endpoint->tls);
    free(endpoint->template);
    free(endpoint);
}

void endpoint_retire(struct endpoint *endpoint)
{
    endpoint->retired = true;
    LIST_EACH (&endpoint->origins, link) origin_retire(CONTAINER_OF(link, struct origin, link));
    endpoint->invoke->sweep = true;
    invoke_soon(endpoint->invoke);
}

bool endpoint_sweep(struct endpoint *endpoint)
{
    LIST_EACH (&endpoint->origins, link) {
        struct origin *origin = CONTAINER_OF(link, struct origin, link);
        if (origin_useless(origin)) origin_close(origin);
    }
    return endpoint->retired && list_empty(&endpoint->deadlines);
}

/* -- Origins -- */

int endpoint_origin(struct endpoint *endpoint, struct span name, struct origin **out)
{
    const struct url *url = &endpoint->url;
    if (!url->host_varies && !list_empty(&endpoint->origins)) {
        *out = LIST_FIRST(&endpoint->origins, struct origin, link);
        return 0;
    }
    struct buffer host;
    buffer_init(&host);
    int error = url_host(&host, url, name);
    if (error != 0) goto close_host;
    LIST_EACH (&endpoint->origins, link) {
        struct origin *origin = CONTAINER_OF(link, struct origin, link);
        if (!span_equal(span_text(origin->host), buffer_span(&host))) continue;
        *out = origin;
        goto close_host;
    }
    error = origin_open(out, endpoint, buffer_span(&host));
close_host:
    buffer_close(&host);
    return error;
}
