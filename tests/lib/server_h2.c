/* See server_h2.h. */
#include "lib/server_h2.h"

#include "lib/server_tls.h"

#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct peer {
    struct h2_server *h2;
    int fd, index, requests;
    SSL *tls;
    nghttp2_session *session;
    bool end;
};

struct stream {
    struct peer *peer;
    enum h2_action action;
    size_t sent;
};

static ssize_t on_send(nghttp2_session *session, const uint8_t *at, size_t size, int flags, void *p)
{
    (void)session;
    (void)flags;
    struct peer *peer = p;
    ssize_t sent = peer->tls != NULL ? SSL_write(peer->tls, at, (int)size)
                                     : send(peer->fd, at, size, MSG_NOSIGNAL);
    return sent > 0 ? sent : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *p)
{
    (void)source;
    struct peer *peer = p;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream == NULL) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (stream->action == H2_ENDLESS) {
        memset(out, 'x', room);
        return (ssize_t)room;
    }
    const struct h2_server *h2 = peer->h2;
    size_t end = stream->action == H2_HALF ? h2->body_size / 2 : h2->body_size;
    size_t size = end - stream->sent < room ? end - stream->sent : room;
    if (stream->action == H2_ERROR) {
        memcpy(out, "it broke", 8);
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return 8;
    }
    if (size > 0) memcpy(out, h2->body + stream->sent, size);
    stream->sent += size;
    if (stream->sent < end) return (ssize_t)size;
    if (stream->action == H2_HALF) {
        peer->end = true;
        return size > 0 ? (ssize_t)size : NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->action == H2_CONTINUED) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_nv trailer = {(uint8_t *)"x-trailer", (uint8_t *)"1", 9, 1, 0};
        nghttp2_submit_trailer(session, id, &trailer, 1);
    }
    return (ssize_t)size;
}

#define NV(name, value)                                                                            \
    (nghttp2_nv)                                                                                   \
    {                                                                                              \
        (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0    \
    }

static void respond(struct peer *peer, int32_t id, const char *status, const char *type)
{
    char names[200][16], length[32];
    nghttp2_nv headers[204] = {NV(":status", status), NV("content-type", type)};
    size_t count = 2;
    struct stream *stream = nghttp2_session_get_stream_user_data(peer->session, id);
    snprintf(length, sizeof length, "%zu", peer->h2->body_size);
    if (stream->action == H2_RESULT && peer->h2->expects_length)
        headers[count++] = NV("content-length", length);
    for (int i = 0; stream->action == H2_MANY_HEADERS && i < 200; i++) {
        snprintf(names[i], sizeof names[i], "x-%d", i);
        headers[count++] = NV(names[i], "1");
    }
    nghttp2_data_provider body = {.read_callback = on_body};
    nghttp2_submit_response(peer->session, id, headers, count, &body);
}

static void act(struct peer *peer, int32_t id, struct stream *stream)
{
    nghttp2_session *session = peer->session;
    nghttp2_nv early = NV(":status", "103");
    uint32_t code = stream->action == H2_REFUSE  ? NGHTTP2_REFUSED_STREAM
                    : stream->action == H2_RESET ? NGHTTP2_INTERNAL_ERROR
                                                 : NGHTTP2_ENHANCE_YOUR_CALM;
    switch (stream->action) {
    case H2_SILENT: return;
    case H2_REFUSE:
    case H2_RESET:
    case H2_CALM: nghttp2_submit_rst_stream(session, 0, id, code); return;
    case H2_GOAWAY:
        nghttp2_submit_goaway(session, 0, id - 2, NGHTTP2_NO_ERROR, NULL, 0);
        peer->end = true;
        return;
    case H2_CLOSE: peer->end = true; return;
    case H2_ERROR: respond(peer, id, "500", "text/plain"); return;
    case H2_EARLY: {
        nghttp2_nv headers[] = {NV(":status", "413")};
        nghttp2_submit_response(session, id, headers, 1, NULL);
        return;
    }
    case H2_CONTINUED: nghttp2_submit_headers(session, 0, id, NULL, &early, 1, NULL); break;
    case H2_GRACEFUL: nghttp2_submit_goaway(session, 0, id, NGHTTP2_NO_ERROR, NULL, 0); break;
    default: break;
    }
    respond(peer, id, "200", "application/octet-stream");
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *p)
{
    struct peer *peer = p;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct stream *stream = calloc(1, sizeof *stream);
    stream->peer = peer;
    atomic_fetch_add(&peer->h2->requests, 1);
    int now = atomic_fetch_add(&peer->h2->streams_now, 1) + 1;
    if (now > atomic_load(&peer->h2->streams_most)) atomic_store(&peer->h2->streams_most, now);
    stream->action =
        peer->h2->decide == NULL ? H2_RESULT : peer->h2->decide(peer->index, peer->requests);
    peer->requests++;
    pthread_mutex_lock(&peer->h2->lock);
    peer->h2->head[0] = 0;
    peer->h2->received = 0;
    pthread_mutex_unlock(&peer->h2->lock);
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *p)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct peer *peer = p;
    pthread_mutex_lock(&peer->h2->lock);
    size_t have = strlen(peer->h2->head);
    snprintf(peer->h2->head + have, sizeof peer->h2->head - have, "%.*s: %.*s\n", (int)name_size,
             name, (int)value_size, value);
    pthread_mutex_unlock(&peer->h2->lock);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *p)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    bool early = stream != NULL && stream->action == H2_EARLY && frame->hd.type == NGHTTP2_HEADERS;
    if (stream == NULL || (!end && !early)) return 0;
    if (stream->action == H2_EARLY && !early) return 0;
    act(p, frame->hd.stream_id, stream);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at,
                   size_t size, void *p)
{
    (void)flags;
    struct peer *peer = p;
    struct h2_server *h2 = peer->h2;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    pthread_mutex_lock(&h2->lock);
    if (h2->received + size <= sizeof h2->request_body)
        memcpy(h2->request_body + h2->received, at, size);
    h2->received += size;
    pthread_mutex_unlock(&h2->lock);
    if (stream != NULL && stream->action != H2_EARLY) {
        nghttp2_session_consume_stream(session, id, size);
        nghttp2_session_consume_connection(session, size);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *p)
{
    (void)code;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream != NULL) atomic_fetch_sub(&((struct peer *)p)->h2->streams_now, 1);
    nghttp2_session_set_stream_user_data(session, id, NULL);
    free(stream);
    return 0;
}

static nghttp2_session *session_new(struct peer *peer)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_server_new2(&session, callbacks, peer, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, peer->h2->streams_max}};
    nghttp2_submit_settings(session, 0, settings, peer->h2->streams_max > 0 ? 1 : 0);
    return session;
}

void h2_script(struct server *server, int fd, int index)
{
    struct h2_server *h2 = server->context;
    struct peer peer = {.h2 = h2, .fd = fd, .index = index};
    uint8_t in[16384];
    if (h2->tls != NULL) {
        const unsigned char *protocol;
        unsigned size;
        peer.tls = server_tls_accept(h2->tls, fd);
        if (peer.tls == NULL) return;
        SSL_get0_alpn_selected(peer.tls, &protocol, &size);
        if (size == 2) atomic_fetch_add(&h2->negotiated, 1);
    }
    peer.session = session_new(&peer);
    while (nghttp2_session_send(peer.session) == 0 && !peer.end) {
        ssize_t size =
            peer.tls != NULL ? SSL_read(peer.tls, in, sizeof in) : recv(fd, in, sizeof in, 0);
        if (size <= 0 || nghttp2_session_mem_recv(peer.session, in, (size_t)size) < 0) break;
    }
    /* Streams that are still open have memory of ours. */
    for (int32_t id = 1; id < 2 * peer.requests + 1; id += 2)
        free(nghttp2_session_get_stream_user_data(peer.session, id));
    nghttp2_session_del(peer.session);
    server_tls_end(peer.tls);
}
