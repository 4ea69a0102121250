/*
 * The function of the benchmarks for Restate: the virtual object Counter, whose handler `add` adds
 * one to its state `count` and answers with the new value. The same logic as function.c, and like
 * it in C, so that what differs between the two runtimes is the runtime. It says on the wire what
 * an official SDK would say for get, set and return (service protocol 5: Start, Input ->
 * GetEagerState, SetState, Output, End) and goes on where the journal of an interrupted invocation
 * ends. Prints its port, then serves HTTP/2 without TLS until it is killed. function_restate
 * [--request-response]    declare that mode instead of the usual two-way stream
 */
#include "base/buffer.h"
#include "perf/http.h"
#include "wire/protobuf.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { EVENTS_MAX = 256, FRAME_HEAD_SIZE = 8, STREAMS_MAX = 4096 };

/* Types of messages, and the order in which the handler's commands come. */
enum { START = 0x0000, END = 0x0003, INPUT = 0x0400 };
enum { OUTPUT = 0x0401, SET_STATE = 0x0403, GET_EAGER_STATE = 0x0407 };
enum { READS = 0, WRITES = 1, ANSWERS = 2 };

#define COUNT SPAN_LITERAL("count")
#define INVOCATION_TYPE "application/vnd.restate.invocation.v5"
#define MANIFEST_TYPE "application/vnd.restate.endpointmanifest.v1+json"
#define MANIFEST                                                                                   \
    "{\"protocolMode\":\"%s\",\"minProtocolVersion\":5,\"maxProtocolVersion\":5,\"services\":["    \
    "{\"name\":\"Counter\",\"ty\":\"VIRTUAL_OBJECT\",\"handlers\":[{\"name\":\"add\","             \
    "\"ty\":\"EXCLUSIVE\",\"input\":{\"required\":false,\"contentType\":\"*/*\"},"                 \
    "\"output\":{\"contentType\":\"text/plain\",\"setContentTypeIfEmpty\":false}}]}]}"

/* One request on a connection. */
struct exchange {
    struct buffer in;
    struct buffer out;
    size_t sent;
    bool is_discovery;
    bool answered;
};

struct connection {
    struct http_pipe pipe;
    nghttp2_session *session;
    bool waits_for_room;
};

/* What an invocation brings: the entries of its journal so far, and the value before it. */
struct invocation {
    uint64_t entries; /* Input is the first */
    bool present;
    uint64_t total;
};

static const char *mode = "BIDI_STREAM";

static void fail(const char *what)
{
    fprintf(stderr, "function_restate: %s\n", what);
    exit(1);
}

/* ---- What the runtime says ---- */

static bool field_next(struct proto_reader *reader, struct proto_field *field)
{
    struct errmsg errmsg;
    int found = proto_next(reader, field, &errmsg);
    if (found < 0) fail("a message is not protobuf");
    return found == 1;
}

/* The content of a bytes field; empty where it is missing. */
static struct span field_bytes(struct span message, uint32_t number)
{
    struct proto_reader reader = proto_reader_of(message);
    struct span found = SPAN_EMPTY;
    for (struct proto_field field; field_next(&reader, &field);)
        if (field.number == number) found = field.bytes;
    return found;
}

static void read_total(struct invocation *invocation, struct span bytes)
{
    invocation->present = bytes.size == sizeof invocation->total;
    if (invocation->present) memcpy(&invocation->total, bytes.at, bytes.size);
}

static void read_start(struct invocation *invocation, struct span message)
{
    struct proto_reader reader = proto_reader_of(message);
    for (struct proto_field field; field_next(&reader, &field);) {
        if (field.number == 3) invocation->entries = field.varint;
        if (field.number == 5 && field.varint != 0) fail("the state did not come with the call");
        if (field.number != 4) continue;
        if (span_equal(field_bytes(field.bytes, 1), COUNT))
            read_total(invocation, field_bytes(field.bytes, 2));
    }
}

/* The first whole message of the input: its size with its head, or 0. */
static size_t message_first(struct span in, unsigned *type, struct span *content)
{
    if (in.size < FRAME_HEAD_SIZE) return 0;
    uint32_t size = (uint32_t)in.at[4] << 24 | (uint32_t)in.at[5] << 16 | (uint32_t)in.at[6] << 8 |
                    (uint32_t)in.at[7];
    *type = (unsigned)in.at[0] << 8 | in.at[1];
    if (in.size - FRAME_HEAD_SIZE < size) return 0;
    *content = span_of(in.at + FRAME_HEAD_SIZE, size);
    return FRAME_HEAD_SIZE + size;
}

/* False: not all of it has come. */
static bool invocation_read(struct invocation *invocation, struct span in)
{
    unsigned type = 0;
    struct span content = SPAN_EMPTY;
    size_t size = message_first(in, &type, &content);
    if (size == 0) return false;
    if (type != START) fail("an invocation does not begin with Start");
    read_start(invocation, content);
    for (uint64_t i = 0; i < invocation->entries; i++) {
        in = span_from(in, size);
        size = message_first(in, &type, &content);
        if (size == 0) return false;
        if (i == 0 && type != INPUT) fail("the first entry is not Input");
        /* What was read then is read again, though the state may have been written since. */
        if (type == GET_EAGER_STATE)
            read_total(invocation, field_bytes(field_bytes(content, 14), 1));
    }
    return invocation->entries > 0;
}

/* ---- What the function says ---- */

static void put_message(struct buffer *out, unsigned type, struct span content)
{
    uint8_t head[FRAME_HEAD_SIZE] = {(uint8_t)(type >> 8), (uint8_t)type};
    for (int i = 0; i < 4; i++) head[4 + i] = (uint8_t)(content.size >> (8 * (3 - i)));
    buffer_append(out, span_of(head, sizeof head));
    buffer_append(out, content);
}

/* A command with a key (or none) and a value, in the field of that number (or none). */
static void put_command(struct buffer *out, unsigned type, struct span key, unsigned number,
                        struct span value)
{
    uint8_t content[128], *at = proto_put_text(content, 1, key);
    if (value.size > 0) {
        at = proto_put_head(at, number, proto_bytes_size(value.size));
        at = proto_put_bytes(at, 1, value);
    } else {
        at = proto_put_bytes(at, 13, SPAN_EMPTY); /* void */
    }
    put_message(out, type, span_of(content, (size_t)(at - content)));
}

static void count(struct buffer *out, const struct invocation *invocation)
{
    uint64_t done = invocation->entries - 1, before = invocation->total, after = before + 1;
    struct span old = invocation->present ? span_of(&before, sizeof before) : SPAN_EMPTY;
    char text[24];
    int size = snprintf(text, sizeof text, "%llu", (unsigned long long)after);
    if (done <= READS) put_command(out, GET_EAGER_STATE, COUNT, 14, old);
    if (done <= WRITES) put_command(out, SET_STATE, COUNT, 3, span_of(&after, sizeof after));
    if (done <= ANSWERS) put_command(out, OUTPUT, SPAN_EMPTY, 14, span_of(text, (size_t)size));
    put_message(out, END, SPAN_EMPTY);
}

/* ---- HTTP/2 ---- */

static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *room, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)id;
    (void)user;
    struct exchange *exchange = source->ptr;
    size_t left = exchange->out.size - exchange->sent;
    if (size > left) size = left;
    memcpy(room, exchange->out.at + exchange->sent, size);
    exchange->sent += size;
    if (exchange->sent == exchange->out.size) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void answer(nghttp2_session *session, int32_t id, struct exchange *exchange,
                   const char *type)
{
    nghttp2_nv headers[] = {header(":status", "200"), header("content-type", type)};
    nghttp2_data_provider body = {.source.ptr = exchange, .read_callback = on_body};
    exchange->answered = true;
    if (nghttp2_submit_response(session, id, headers, 2, &body) != 0) fail("cannot answer");
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) fail("no memory");
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    (void)flags;
    (void)user;
    struct exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (exchange != NULL && span_equal(span_of(name, name_size), SPAN_LITERAL(":path")))
        exchange->is_discovery =
            span_starts_with(span_of(value, value_size), SPAN_LITERAL("/discover"));
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at,
                   size_t size, void *user)
{
    (void)flags;
    (void)user;
    struct exchange *exchange = nghttp2_session_get_stream_user_data(session, id);
    if (exchange == NULL || exchange->is_discovery || exchange->answered) return 0;
    buffer_append(&exchange->in, span_of(at, size));
    struct invocation invocation = {0};
    if (!invocation_read(&invocation, buffer_span(&exchange->in))) return 0;
    count(&exchange->out, &invocation);
    answer(session, id, exchange, INVOCATION_TYPE);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    struct exchange *exchange = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (exchange == NULL || exchange->answered) return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    if (!exchange->is_discovery) fail("an invocation ended early");
    char manifest[sizeof MANIFEST + 32];
    int size = snprintf(manifest, sizeof manifest, MANIFEST, mode);
    buffer_append(&exchange->out, span_of(manifest, (size_t)size));
    answer(session, frame->hd.stream_id, exchange, MANIFEST_TYPE);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)code;
    (void)user;
    struct exchange *exchange = nghttp2_session_get_stream_user_data(session, id);
    if (exchange == NULL) return 0;
    buffer_close(&exchange->in);
    buffer_close(&exchange->out);
    free(exchange);
    return 0;
}

static nghttp2_session *session_new(struct connection *connection)
{
    nghttp2_session *session;
    nghttp2_session_callbacks *callbacks;
    nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX};
    if (nghttp2_session_callbacks_new(&callbacks) != 0) fail("no memory");
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_server_new(&session, callbacks, connection) != 0) fail("no memory");
    nghttp2_session_callbacks_del(callbacks);
    if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &settings, 1) != 0) fail("no memory");
    return session;
}

/* ---- Connections ---- */

/* Sends what the session has to say. False: broken. */
static bool flush(int epoll, struct connection *connection)
{
    struct http_pipe *pipe = &connection->pipe;
    const uint8_t *at;
    for (ssize_t size; (size = nghttp2_session_mem_send(connection->session, &at)) != 0;) {
        if (size < 0) return false;
        buffer_append(&pipe->out, span_of(at, (size_t)size));
    }
    if (!http_pipe_write(pipe)) return false;
    bool waits = pipe->out.size > 0;
    if (waits != connection->waits_for_room) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (waits) event.events |= EPOLLOUT;
        epoll_ctl(epoll, EPOLL_CTL_MOD, pipe->fd, &event);
        connection->waits_for_room = waits;
    }
    return true;
}

static bool serve(int epoll, struct connection *connection)
{
    struct http_pipe *pipe = &connection->pipe;
    if (!http_pipe_read(pipe)) return false;
    if (nghttp2_session_mem_recv(connection->session, pipe->in.at, pipe->in.size) < 0) return false;
    buffer_clear(&pipe->in);
    return flush(epoll, connection);
}

static void welcome(int epoll, int listener)
{
    for (int fd; (fd = http_accept(listener)) >= 0;) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (connection == NULL) fail("no memory");
        http_pipe_init(&connection->pipe, fd);
        connection->session = session_new(connection);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.ptr = connection});
    }
}

static void part(struct connection *connection)
{
    nghttp2_session_del(connection->session);
    http_pipe_close(&connection->pipe);
    free(connection);
}

int main(int argc, char **argv)
{
    uint16_t port = 0;
    if (argc > 1) {
        if (argc > 2 || strcmp(argv[1], "--request-response") != 0) fail("unknown flags");
        mode = "REQUEST_RESPONSE";
    }
    int listener = http_listen(&port), epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || epoll < 0) fail("cannot listen");
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
    printf("%u\n", port);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int got = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < got; i++) {
            if (events[i].data.ptr == NULL)
                welcome(epoll, listener);
            else if (!serve(epoll, events[i].data.ptr))
                part(events[i].data.ptr);
        }
    }
}
