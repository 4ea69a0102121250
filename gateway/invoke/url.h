/*
 * Where functions live: the URL template of an endpoint, taken apart once. Only the token
 * {function.name} is replaced, by the part of the function type after the '/', anywhere in host,
 * socket path or path.
 */
#ifndef HOLDFAST_INVOKE_URL_H
#define HOLDFAST_INVOKE_URL_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/span.h"

struct url {
    bool secure;    /* https, https+unix */
    bool local;     /* a Unix socket; `host` is its path */
    bool bracketed; /* host is an IPv6 address */
    uint16_t port;
    struct span host; /* without brackets */
    struct span path; /* with query, begins with '/'; or empty: "/", or begins with '?' */
    bool host_varies; /* holds the token */
    bool path_varies; /* or its host does */
};

/* Spans of the url point into `text`. ERROR_INVALID, with a sentence for people. */
int url_parse(struct span text, struct url *url, struct errmsg *errmsg) MUST_USE;

/* Appends the host with the token replaced. ERROR_INVALID when the result is no host (or socket
 * path). */
int url_host(struct buffer *out, const struct url *url, struct span name) MUST_USE;

/* Appends the request target. Bytes of the name that cannot stand in a request line are
 * percent-encoded. */
void url_target(struct buffer *out, const struct url *url, struct span name);

#endif
