/* Reads the answers on an HTTP/2 connection: the callbacks of nghttp2. None of them tells an
   outcome at once, for the teller's receiver may do anything, and nghttp2 is in the middle of its
   work. */
#include "invoke/crowd.h"
#include "invoke/field.h"
#include "invoke/h2_session.h"
#include "invoke/room.h"

static struct call *call_of(nghttp2_session *session, int32_t stream)
{
    return stream == 0 ? NULL : nghttp2_session_get_stream_user_data(session, stream);
}

static void answered(struct h2 *h2, struct call *call, int body_error)
{
    bool unsent = call->body_sent < call->body.size;
    h2_let_go(h2, call);
    if (body_error != 0 || unsent) h2_cancel(h2, call->stream);
    call_answered_later(call, body_error);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)context;
    struct call *call = call_of(session, frame->hd.stream_id);
    /* After an interim answer (1xx) the next one begins anew. */
    if (call != NULL && !call->head_read) call_expects(call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    (void)flags;
    struct h2 *h2 = context;
    struct call *call = call_of(session, frame->hd.stream_id);
    uint64_t status;
    if (call == NULL) return 0;
    call->header_bytes += name_size + value_size;
    if (++call->header_count > ANSWER_HEADERS_MAX || call->header_bytes > ANSWER_HEAD_BYTES_MAX) {
        h2_let_go(h2, call);
        call_fail(call, OUTCOME_BAD_ANSWER, "the answer has too many headers");
        /* nghttp2 resets the stream and does not look at the rest, of which a few bytes may stand
           for megabytes. */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (call->head_read) return 0; /* trailers */
    struct span field = span_of(name, name_size);
    if (!span_equal(field, SPAN_LITERAL(":status")))
        answer_header(&call->answer, field, span_of(value, value_size),
                      h2->connection->origin->endpoint->invoke->loop->wall_us);
    else if (field_number(span_of(value, value_size), &status))
        call->answer.status = (unsigned)status;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2 *h2 = context;
    if (frame->hd.type == NGHTTP2_SETTINGS) h2->settings_seen = true;
    struct call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (!call->head_read && call->answer.status >= 200) {
        call->head_read = true;
        answer_head(&call->answer);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && call->head_read) answered(h2, call, 0);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *at,
                   size_t size, void *context)
{
    (void)flags;
    struct call *call = call_of(session, stream);
    if (call == NULL) return 0;
    int error = call_heard(call, span_of(at, size), false);
    if (error != 0) answered(context, call, error);
    return 0;
}

/* A stream that ends before its answer is complete. */
static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
    struct h2 *h2 = context;
    struct call *call = call_of(session, stream);
    if (call == NULL) return 0;
    h2_let_go(h2, call);
    const char *name = nghttp2_http2_strerror(code);
    /* One whose answer has begun was taken after all, whatever is said of it now. */
    if (code == NGHTTP2_REFUSED_STREAM && !call->retried && !call->head_read)
        origin_again(h2->connection->origin, call);
    else if (code == NGHTTP2_REFUSED_STREAM || code == NGHTTP2_ENHANCE_YOUR_CALM)
        call_fail(call, OUTCOME_OVERLOADED, "HTTP/2 stream refused: %s", name);
    else if (code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_HTTP_1_1_REQUIRED)
        call_fail(call, OUTCOME_BAD_ANSWER, "HTTP/2 stream broken: %s", name);
    else
        call_fail(call, OUTCOME_LOST, "HTTP/2 stream reset: %s", name);
    return 0;
}

nghttp2_session *h2_answer_session(struct h2 *h2)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    if (nghttp2_session_client_new(&session, callbacks, h2) != 0) session = NULL;
    nghttp2_session_callbacks_del(callbacks);
    return session;
}
