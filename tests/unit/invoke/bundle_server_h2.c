/* See bundle_server.h: the same over HTTP/2, with prior knowledge or TLS. Requests are answered one
 * after the other, in the connection's thread. */
#include "bundle_server.h"

#include "lib/server_tls.h"

#include <criterion/criterion.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct request {
    struct list link; /* among those that are coming in, or that are whole */
    int32_t stream;
    char path[128];
    char type[128];
    struct buffer body;
};

struct h2_peer {
    int fd;
    SSL *tls;
    nghttp2_session *session;
    struct list coming;
    struct list whole;
    struct buffer out; /* while it holds */
    bool hold;
    bool broken;
    /* The piece on its way. */
    const uint8_t *at;
    size_t left;
    bool last;
};

static bool peer_write(struct h2_peer *peer, const void *at, size_t size)
{
    if (peer->tls == NULL) return server_send(peer->fd, at, size);
    return size == 0 || SSL_write(peer->tls, at, (int)size) > 0;
}

static ssize_t peer_read(struct h2_peer *peer, void *at, size_t size)
{
    return peer->tls == NULL ? recv(peer->fd, at, size, 0) : SSL_read(peer->tls, at, (int)size);
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *at, size_t size, int flags, void *p)
{
    (void)session;
    (void)flags;
    struct h2_peer *peer = p;
    if (peer->hold)
        buffer_append(&peer->out, span_of(at, size));
    else if (!peer->broken && !peer_write(peer, at, size))
        peer->broken = true;
    return (ssize_t)size;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *p)
{
    struct h2_peer *peer = p;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    struct request *request = calloc(1, sizeof *request);
    request->stream = frame->hd.stream_id;
    list_append(&peer->coming, &request->link);
    buffer_init(&request->body);
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, request);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *p)
{
    (void)flags;
    (void)p;
    struct request *request = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct span field = span_of(name, name_size);
    if (request == NULL) return 0;
    if (span_equal(field, SPAN_LITERAL(":path")))
        snprintf(request->path, sizeof request->path, "%.*s", (int)value_size, value);
    if (span_equal(field, SPAN_LITERAL("content-type")))
        snprintf(request->type, sizeof request->type, "%.*s", (int)value_size, value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at,
                   size_t size, void *p)
{
    (void)flags;
    (void)p;
    struct request *request = nghttp2_session_get_stream_user_data(session, id);
    if (request != NULL) buffer_append(&request->body, span_of(at, size));
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *p)
{
    struct h2_peer *peer = p;
    struct request *request = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (request == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    list_remove(&request->link);
    list_append(&peer->whole, &request->link);
    return 0;
}

static void request_free(struct request *request)
{
    list_remove(&request->link);
    buffer_close(&request->body);
    free(request);
}

/* One that is being answered is freed by who answers. */
static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *p)
{
    (void)code;
    (void)p;
    struct request *request = nghttp2_session_get_stream_user_data(session, id);
    if (request != NULL) request_free(request);
    return 0;
}

static nghttp2_session *session_new(struct h2_peer *peer)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_server_new(&session, callbacks, peer);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, 0, NULL, 0);
    return session;
}

static void answer_first(struct bundle_server *server, struct h2_peer *peer, int connection)
{
    struct request *request = LIST_FIRST(&peer->whole, struct request, link);
    struct visit visit = {.of = server,
                          .fd = peer->fd,
                          .connection = connection,
                          .peer = peer,
                          .stream = request->stream};
    list_remove(&request->link);
    nghttp2_session_set_stream_user_data(peer->session, request->stream, NULL);
    memcpy(visit.path, request->path, sizeof visit.path);
    visit_serve(&visit, request->type, buffer_span(&request->body));
    request_free(request);
    peer->broken |= visit.gone;
}

void h2_bundle_serve(struct bundle_server *server, int fd, int connection)
{
    struct h2_peer peer = {.fd = fd};
    uint8_t in[16384];
    if (server->tls != NULL && (peer.tls = server_tls_accept(server->tls, fd)) == NULL) return;
    list_init(&peer.coming);
    list_init(&peer.whole);
    buffer_init(&peer.out);
    peer.session = session_new(&peer);
    while (nghttp2_session_send(peer.session) == 0 && !peer.broken) {
        if (!list_empty(&peer.whole)) {
            answer_first(server, &peer, connection);
            continue;
        }
        ssize_t size = peer_read(&peer, in, sizeof in);
        if (size <= 0 || nghttp2_session_mem_recv(peer.session, in, (size_t)size) < 0) break;
    }
    nghttp2_session_del(peer.session);
    server_tls_end(peer.tls);
    list_append_all(&peer.whole, &peer.coming);
    while (!list_empty(&peer.whole)) request_free(LIST_FIRST(&peer.whole, struct request, link));
    buffer_close(&peer.out);
}

/* -- Answers -- */

static void add(nghttp2_nv *headers, size_t *count, const char *name, size_t size,
                const char *value)
{
    headers[(*count)++] = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value,
                                       size, strlen(value), NGHTTP2_NV_FLAG_NONE};
}

void h2_say_head(struct visit *visit, int status, const char *type, const char *headers)
{
    nghttp2_nv all[16];
    size_t count = 0;
    char code[8], lines[8][256];
    snprintf(code, sizeof code, "%d", status);
    add(all, &count, ":status", 7, code);
    if (type != NULL) add(all, &count, "content-type", 12, type);
    if (visit->of->offer != NULL) add(all, &count, "accept-post", 11, visit->of->offer);
    for (int i = 0; *headers != 0 && i < 8; i++) {
        size_t size = strcspn(headers, "\n");
        snprintf(lines[i], sizeof lines[i], "%.*s", (int)size, headers);
        headers += size + 1;
        char *colon = strchr(lines[i], ':');
        add(all, &count, lines[i], (size_t)(colon - lines[i]), colon + 2);
    }
    nghttp2_submit_headers(visit->peer->session, 0, visit->stream, NULL, all, count, NULL);
    nghttp2_session_send(visit->peer->session);
    visit->gone |= visit->peer->broken;
}

static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *p)
{
    (void)session;
    (void)id;
    (void)source;
    struct h2_peer *peer = p;
    size_t size = peer->left < room ? peer->left : room;
    if (size > 0) memcpy(out, peer->at, size);
    peer->at += size;
    peer->left -= size;
    if (peer->left == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

/* The session may keep what it knows of a stream that is closed. */
static bool is_over(nghttp2_session *session, int32_t id)
{
    nghttp2_stream *stream = nghttp2_session_find_stream(session, id);
    return stream == NULL || nghttp2_stream_get_state(stream) == NGHTTP2_STREAM_STATE_CLOSED;
}

/* What the window does not take waits for the other side to open it. */
void h2_say(struct visit *visit, const void *bytes, size_t size, bool last)
{
    struct h2_peer *peer = visit->peer;
    nghttp2_data_provider body = {.read_callback = on_body};
    uint8_t in[16384];
    static const uint8_t nothing[1];
    peer->at = bytes == NULL ? nothing : bytes;
    peer->left = size;
    uint8_t flags = last ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE;
    /* A stream that is gone meanwhile takes nothing. */
    if (nghttp2_submit_data(peer->session, flags, visit->stream, &body) != 0) return;
    nghttp2_session_send(peer->session);
    while (!peer->broken && peer->left > 0) {
        if (is_over(peer->session, visit->stream)) break;
        ssize_t got = peer_read(peer, in, sizeof in);
        if (got <= 0 || nghttp2_session_mem_recv(peer->session, in, (size_t)got) < 0)
            peer->broken = true;
        nghttp2_session_send(peer->session);
    }
    visit->gone |= peer->broken;
}

void h2_hold(struct visit *visit)
{
    visit->peer->hold = true;
}

void h2_release(struct visit *visit)
{
    struct h2_peer *peer = visit->peer;
    peer->hold = false;
    if (!peer_write(peer, peer->out.at, peer->out.size)) peer->broken = true;
    buffer_clear(&peer->out);
}

void h2_reset(struct visit *visit, uint32_t code)
{
    nghttp2_submit_rst_stream(visit->peer->session, 0, visit->stream, code);
    nghttp2_session_send(visit->peer->session);
}

void h2_goaway(struct visit *visit)
{
    nghttp2_submit_goaway(visit->peer->session, 0, visit->stream - 2, NGHTTP2_NO_ERROR, NULL, 0);
    nghttp2_session_send(visit->peer->session);
}
