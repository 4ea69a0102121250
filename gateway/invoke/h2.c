/* See h2.h. What nghttp2 calls back while it reads is in h2_answer.c. */
#include "invoke/h2.h"

#include "base/check.h"
#include "base/text.h"
#include "invoke/bundle.h"
#include "invoke/h2_session.h"
#include "invoke/request.h"
#include "invoke/room.h"
#include "wire/bundle.h"

#include <stdlib.h>

enum {
    STREAM_WINDOW = 1024 * 1024,          /* bytes a function may send before we have read them */
    CONNECTION_WINDOW = 16 * 1024 * 1024, /* the same for all streams together */
    OUT_HIGH = 256 * 1024,                /* unsent bytes beyond which no more frames are made */
    HEADERS_MAX = 12,
    H2_WORK = 4, /* what a byte of frames and packed headers may cost more than one of a body */
};

static struct invoke *room_of(const struct connection *connection)
{
    return connection->origin->endpoint->invoke;
}

/* Something has to be sent at the end of the turn, or the end of the connection is to be looked at.
 */
static void make_dirty(struct connection *connection)
{
    struct invoke *invoke = room_of(connection);
    list_remove(&connection->dirty);
    list_append(&invoke->dirty, &connection->dirty);
    invoke_soon(invoke);
}

/* -- Life -- */

static int session_begin(struct h2 *h2)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, ANSWER_HEAD_BYTES_MAX},
    };
    size_t count = sizeof settings / sizeof settings[0];
    if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, count) != 0 ||
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW) != 0)
        return ERROR_MEMORY;
    return 0;
}

int h2_open(struct connection *connection)
{
    struct h2 *h2 = calloc(1, sizeof *h2);
    if (h2 == NULL) return ERROR_MEMORY;
    list_init(&h2->calls);
    h2->connection = connection;
    h2->session = h2_answer_session(h2);
    if (h2->session == NULL || session_begin(h2) != 0) {
        nghttp2_session_del(h2->session);
        free(h2);
        return ERROR_MEMORY;
    }
    connection->h2 = h2;
    make_dirty(connection);
    return 0;
}

void h2_close(struct connection *connection)
{
    nghttp2_session_del(connection->h2->session);
    free(connection->h2);
    connection->h2 = NULL;
}

size_t h2_streams(const struct connection *connection)
{
    return connection->h2->call_count;
}

bool h2_settling(const struct connection *connection)
{
    return !connection->h2->settings_seen && !connection->h2->draining;
}

bool h2_has_room(const struct connection *connection)
{
    struct h2 *h2 = connection->h2;
    if (h2->draining || connection->write_broken) return false;
    if (nghttp2_session_check_request_allowed(h2->session) == 0) return false;
    /* Until its settings have come, one call is all that the peer is sure to take. */
    if (!h2->settings_seen) return h2->call_count == 0;
    uint32_t max =
        nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return h2->call_count < (max > H2_STREAMS_MAX ? H2_STREAMS_MAX : max);
}

/* -- Sending a call -- */

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)source;
    (void)context;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* given up meanwhile */
    size_t left = call->body.size - call->body_sent;
    if (left > room) left = room;
    if (left > 0) memcpy(out, call->body.at + call->body_sent, left);
    call->body_sent += left;
    if (call->body_sent == call->body.size) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)left;
}

struct headers {
    nghttp2_nv at[HEADERS_MAX];
    size_t count;
};

static void add(struct headers *headers, const char *name, struct span value)
{
    CHECK(headers->count < HEADERS_MAX);
    headers->at[headers->count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                                                 .namelen = strlen(name),
                                                 .value = (uint8_t *)(uintptr_t)value.at,
                                                 .valuelen = value.size,
                                                 .flags = NGHTTP2_NV_FLAG_NONE};
}

static void add_fit(struct headers *headers, const char *name, struct span value)
{
    if (request_header_fit(value)) add(headers, name, value);
}

/* Where the texts that differ from call to call begin in the scratch buffer. */
struct texts {
    size_t path, length, attempt, end;
};

static const struct shard_invocation *first_of(const struct call *call)
{
    return call->bundle == NULL ? call->invocation : call->bundle->riders[0]->invocation;
}

static struct texts write_texts(struct buffer *scratch, const struct connection *connection,
                                const struct call *call)
{
    const struct url *url = &call->endpoint->url;
    struct texts texts = {0};
    buffer_clear(scratch);
    request_authority(scratch, url, connection->origin->host);
    texts.path = scratch->size;
    url_target(scratch, url, request_function_name(first_of(call)));
    texts.length = scratch->size;
    text_decimal(scratch, call->body.size);
    texts.attempt = scratch->size;
    text_decimal(scratch, first_of(call)->attempt);
    texts.end = scratch->size;
    return texts;
}

static int32_t submit(struct connection *connection, struct call *call)
{
    struct buffer *scratch = &room_of(connection)->scratch;
    struct texts texts = write_texts(scratch, connection, call);
    if (scratch->failed) return NGHTTP2_ERR_NOMEM;
    const uint8_t *at = scratch->at;
    struct span scheme = call->endpoint->url.secure ? SPAN_LITERAL("https") : SPAN_LITERAL("http");
    struct headers headers = {.count = 0};
    add(&headers, ":method", SPAN_LITERAL("POST"));
    add(&headers, ":scheme", scheme);
    add(&headers, ":authority", span_of(at, texts.path));
    add(&headers, ":path", span_of(at + texts.path, texts.length - texts.path));
    struct span type = call->bundle == NULL ? SPAN_LITERAL("application/octet-stream")
                                            : SPAN_LITERAL(BUNDLE_CONTENT_TYPE);
    add(&headers, "content-type", type);
    add(&headers, "accept", type);
    add(&headers, "user-agent", SPAN_LITERAL("holdfast/" HOLDFAST_VERSION));
    add(&headers, "content-length", span_of(at + texts.length, texts.attempt - texts.length));
    if (call->bundle == NULL) {
        add(&headers, "accept-encoding", SPAN_LITERAL("gzip,deflate"));
        add_fit(&headers, "holdfast-invocation-id", call->invocation->invocation_id);
        add(&headers, "holdfast-attempt", span_of(at + texts.attempt, texts.end - texts.attempt));
        add_fit(&headers, "traceparent", call->invocation->traceparent);
    }
    nghttp2_data_provider body = {.read_callback = read_body};
    return nghttp2_submit_request(connection->h2->session, NULL, headers.at, headers.count, &body,
                                  call);
}

static void write_body(struct call *call)
{
    if (call->bundle == NULL)
        function_request_encode(&call->body, &call->invocation->request);
    else if (buffer_reserve(&call->body, bundle_request_size(call)) == 0)
        bundle_request_encode(&call->body, call);
}

void h2_send(struct connection *connection, struct call *call)
{
    struct h2 *h2 = connection->h2;
    buffer_clear(&call->body);
    call->body_sent = 0;
    write_body(call);
    call_expects(call);
    int32_t stream = call->body.failed ? NGHTTP2_ERR_NOMEM : submit(connection, call);
    if (stream < 0) {
        call_fail(call, OUTCOME_OVERLOADED, "HTTP/2: %s", nghttp2_strerror(stream));
        return;
    }
    call->stream = stream;
    call->stream_reused = h2->used && h2->call_count == 0;
    call->stream_bytes_in = h2->bytes_in;
    call->header_count = 0;
    call->header_bytes = 0;
    call->head_read = false;
    call->connection = connection;
    call->place = CALL_SENT;
    list_append(&h2->calls, &call->link);
    h2->call_count++;
    call_sent(call);
    make_dirty(connection);
}

/* -- The ends of calls and connections -- */

void h2_let_go(struct h2 *h2, struct call *call)
{
    nghttp2_session_set_stream_user_data(h2->session, call->stream, NULL);
    list_remove(&call->link);
    h2->call_count--;
    h2->used = true;
    make_dirty(h2->connection); /* there is room for another, or the connection becomes idle */
}

void h2_cancel(struct h2 *h2, int32_t stream)
{
    /* Without memory for it the stream goes on, and what it brings is ignored. */
    (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

void h2_give_up(struct connection *connection, struct call *call)
{
    struct h2 *h2 = connection->h2;
    /* Nothing at all has come since: the peer may be gone for good. */
    if (h2->bytes_in == call->stream_bytes_in) h2->draining = true;
    h2_let_go(h2, call);
    h2_cancel(h2, call->stream);
}

static void call_lost(struct h2 *h2, struct call *call, const char *why)
{
    struct connection *connection = h2->connection;
    bool again = call->stream_reused && !call->retried && h2->bytes_in == call->stream_bytes_in;
    h2_let_go(h2, call);
    if (again)
        origin_again(connection->origin, call);
    else if (!h2->settings_seen)
        call_fail(call, OUTCOME_UNREACHABLE, "HTTP/2 did not begin: %s", why);
    else
        call_fail(call, OUTCOME_LOST, "%s", why);
}

static void h2_lost(struct connection *connection, const char *why)
{
    struct h2 *h2 = connection->h2;
    while (!list_empty(&h2->calls)) call_lost(h2, LIST_FIRST(&h2->calls, struct call, link), why);
    connection_close(connection);
}

/* -- Bytes -- */

/* Frames go to the connection's buffer as long as it is not too long. False: out of memory. */
static bool gather(struct connection *connection)
{
    struct buffer *out = &connection->out;
    while (out->size - connection->out_sent < OUT_HIGH) {
        const uint8_t *bytes;
        ssize_t size = nghttp2_session_mem_send(connection->h2->session, &bytes);
        if (size < 0) return false;
        if (size == 0) break;
        buffer_append(out, span_of(bytes, (size_t)size));
    }
    return !out->failed;
}

static bool session_over(const struct h2 *h2)
{
    return nghttp2_session_want_read(h2->session) == 0 &&
           nghttp2_session_want_write(h2->session) == 0;
}

static void settle(struct connection *connection)
{
    struct h2 *h2 = connection->h2;
    struct origin *origin = connection->origin;
    if (h2->call_count == 0) {
        bool open = nghttp2_session_check_request_allowed(h2->session) != 0;
        if (h2->draining || !open || connection->write_broken) {
            connection_close(connection);
            return;
        }
        h2->used = true;
        connection->idle_until_us =
            loop_now_us(room_of(connection)->loop) + origin->endpoint->idle_us;
        endpoint_idle_until(origin->endpoint, connection->idle_until_us);
    }
    origin_roomier(origin, connection);
}

void h2_flush(struct connection *connection)
{
    list_remove(&connection->dirty);
    if (!gather(connection)) {
        h2_lost(connection, "out of memory for HTTP/2 frames");
        return;
    }
    if (!connection->write_broken && !connection_flush(connection))
        connection->write_broken = true; /* reading will say why */
    if (connection->write_broken) {
        connection->out_sent = 0;
        buffer_clear(&connection->out);
    }
    if (session_over(connection->h2))
        h2_lost(connection, "the HTTP/2 connection was ended");
    else
        settle(connection);
}

static void h2_take(struct connection *connection, struct span input)
{
    struct h2 *h2 = connection->h2;
    h2->bytes_in += input.size;
    ssize_t size = nghttp2_session_mem_recv(h2->session, input.at, input.size);
    if (size < 0) {
        struct errmsg why;
        errmsg_set(&why, 0, "HTTP/2: %s", nghttp2_strerror((int)size));
        h2_lost(connection, why.text);
        return;
    }
    if (nghttp2_session_want_write(h2->session) != 0 || session_over(h2)) make_dirty(connection);
}

void h2_read(struct connection *connection)
{
    struct invoke *invoke = room_of(connection);
    ssize_t size = stream_read(&connection->stream, invoke->input, H2_INPUT_SIZE);
    if (size == STREAM_AGAIN) {
        connection_want(connection, connection->out_sent < connection->out.size);
    } else if (size == STREAM_BROKEN) {
        struct errmsg why, text;
        stream_problem(&connection->stream, &why);
        errmsg_set(&text, 0, "the connection broke: %s", why.text);
        h2_lost(connection, text.text);
    } else if (size == 0) {
        h2_lost(connection, "the connection was closed");
    } else {
        invoke->metrics.bytes_in += (uint64_t)size;
        share_take(invoke, (size_t)size * H2_WORK);
        h2_take(connection, span_of(invoke->input, (size_t)size));
    }
}

void h2_ready(struct connection *connection, uint32_t events)
{
    if ((events & LOOP_WRITE) != 0) make_dirty(connection);
    if ((events & (LOOP_READ | LOOP_ERROR)) == 0 && connection->stream.tls == NULL) return;
    if (share_may_read(room_of(connection), connection)) h2_read(connection);
}
