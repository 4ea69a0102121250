/* The bytes of a request. */
#ifndef HOLDFAST_INVOKE_REQUEST_H
#define HOLDFAST_INVOKE_REQUEST_H

#include "base/buffer.h"
#include "base/error.h"
#include "invoke/url.h"
#include "shard/event.h"

struct call;

/* The value of the host header (:authority in HTTP/2). */
void request_authority(struct buffer *out, const struct url *url, const char *host);
/* The head lines that are the same for every call to a host, up to "content-length: ". */
void request_fixed_head(struct buffer *out, const struct url *url, const char *host);
/* A whole HTTP/1.1 request with many addresses. */
void request_encode_bundle(struct buffer *out, const struct url *url, const char *host,
                           struct call *carrier);
/* A whole HTTP/1.1 request. */
void request_encode(struct buffer *out, const struct url *url, const char *fixed_head,
                    const struct shard_invocation *invocation);
/* The part of the function type after the '/'. */
struct span request_function_name(const struct shard_invocation *invocation);
/* Fit for a header: visible ASCII, at least one byte. */
bool request_header_fit(struct span value);

#endif
