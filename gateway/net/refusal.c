/*
 * What h2o refuses by itself (a body over the limit, a broken Content-Length, an unknown
 * expectation) it answers in plain text. This filter turns such answers into the problem documents
 * that all others are. Every answer gets its Server header here: h2o prints it with sprintf.
 */
#include "net/internal.h"

#include "base/buffer.h"

#include <stdio.h>

struct refusal_filter {
    h2o_filter_t super;
    struct server *server;
};

struct refusal_stream {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static const char *code_of(int status)
{
    switch (status) {
    case 413: return "too-large";
    case 417: return "unknown-expectation";
    case 404: return "not-found";
    default: return status < 500 ? "malformed-request" : "internal";
    }
}

static const char *detail_of(const struct server *server, int status, char text[128])
{
    switch (status) {
    case 413:
        snprintf(text, 128, "The body is over the limit of %zu bytes.", server->limits.body_max);
        return text;
    case 417: return "Only Expect: 100-continue is understood.";
    default: return "The request could not be understood; check its head and its framing.";
    }
}

static h2o_iovec_t document(struct server *server, h2o_req_t *req)
{
    struct buffer body;
    char text[128];
    struct http_problem_document problem = {
        .status = req->res.status,
        .code = code_of(req->res.status),
        .detail = span_text(detail_of(server, req->res.status, text))};
    buffer_init(&body);
    problem_encode(&body, &problem);
    h2o_iovec_t copy = body.failed ? h2o_iovec_init(NULL, 0)
                                   : h2o_strdup(&req->pool, (const char *)body.at, body.size);
    buffer_close(&body);
    return copy;
}

/* h2o hands its text over whole and last; ours goes out in its place. */
static void send_document(h2o_ostream_t *self, h2o_req_t *req, h2o_iovec_t *bufs, size_t count,
                          h2o_send_state_t state)
{
    (void)bufs;
    (void)count;
    struct refusal_stream *stream = (struct refusal_stream *)(void *)self;
    h2o_ostream_send_next(self, req, &stream->body, 1, state);
}

static void setup(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    struct server *server = ((struct refusal_filter *)(void *)self)->server;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_SERVER, NULL, H2O_STRLIT("holdfast"));
    if (server->answering != req && req->res.status >= 400) {
        struct refusal_stream *stream =
            (struct refusal_stream *)(void *)h2o_add_ostream(req, sizeof *stream, slot);
        slot = &stream->super.next;
        stream->super.do_send = send_document;
        stream->body = document(server, req);
        req->res.content_length = stream->body.len;
        req->res.reason = status_reason(req->res.status);
        h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE,
                       H2O_STRLIT("application/problem+json"), 1);
    }
    h2o_setup_next_ostream(req, slot);
}

void refusal_filter_register(struct server *server, h2o_pathconf_t *path)
{
    struct refusal_filter *filter =
        (struct refusal_filter *)(void *)h2o_create_filter(path, sizeof *filter);
    filter->super.on_setup_ostream = setup;
    filter->server = server;
}
