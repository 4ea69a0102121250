/* See request.h. */
#include "invoke/request.h"

#include "base/text.h"
#include "invoke/bundle.h"
#include "invoke/call.h"
#include "wire/bundle.h"

void request_authority(struct buffer *out, const struct url *url, const char *host)
{
    if (url->local) {
        text_append(out, "localhost");
        return;
    }
    if (url->bracketed) buffer_byte(out, '[');
    text_append(out, host);
    if (url->bracketed) buffer_byte(out, ']');
    if (url->port == (url->secure ? 443 : 80)) return;
    buffer_byte(out, ':');
    text_decimal(out, url->port);
}

static void head(struct buffer *out, const struct url *url, const char *host, const char *types)
{
    text_append(out, " HTTP/1.1\r\nhost: ");
    request_authority(out, url, host);
    text_append(out, types);
    text_append(out, "\r\nconnection: keep-alive"
                     "\r\nuser-agent: holdfast/" HOLDFAST_VERSION "\r\ncontent-length: ");
}

void request_fixed_head(struct buffer *out, const struct url *url, const char *host)
{
    head(out, url, host,
         "\r\ncontent-type: application/octet-stream"
         "\r\naccept: application/octet-stream"
         "\r\naccept-encoding: gzip,deflate");
}

struct span request_function_name(const struct shard_invocation *invocation)
{
    struct span type = invocation->request.target.type;
    const uint8_t *slash = type.size == 0 ? NULL : memrchr(type.at, '/', type.size);
    return slash == NULL ? type : span_from(type, (size_t)(slash - type.at) + 1);
}

bool request_header_fit(struct span value)
{
    for (size_t i = 0; i < value.size; i++)
        if (value.at[i] <= ' ' || value.at[i] >= 0x7f) return false;
    return value.size > 0;
}

static void header(struct buffer *out, const char *name, struct span value)
{
    if (!request_header_fit(value)) return;
    text_append(out, name);
    buffer_append(out, value);
}

void request_encode_bundle(struct buffer *out, const struct url *url, const char *host,
                           struct call *carrier)
{
    size_t size = bundle_request_size(carrier);
    text_append(out, "POST ");
    url_target(out, url, request_function_name(carrier->bundle->riders[0]->invocation));
    head(out, url, host,
         "\r\ncontent-type: " BUNDLE_CONTENT_TYPE "\r\naccept: " BUNDLE_CONTENT_TYPE);
    text_decimal(out, size);
    text_append(out, "\r\n\r\n");
    if (buffer_reserve(out, size) == 0) bundle_request_encode(out, carrier);
}

void request_encode(struct buffer *out, const struct url *url, const char *fixed_head,
                    const struct shard_invocation *invocation)
{
    size_t size = function_request_size(&invocation->request);
    text_append(out, "POST ");
    url_target(out, url, request_function_name(invocation));
    text_append(out, fixed_head);
    text_decimal(out, size);
    header(out, "\r\nholdfast-invocation-id: ", invocation->invocation_id);
    text_append(out, "\r\nholdfast-attempt: ");
    text_decimal(out, invocation->attempt);
    header(out, "\r\ntraceparent: ", invocation->traceparent);
    text_append(out, "\r\n\r\n");
    if (buffer_reserve(out, size) == 0) function_request_encode(out, &invocation->request);
}
