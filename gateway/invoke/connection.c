/* See connection.h. */
#include "invoke/connection.h"

#include "base/check.h"
#include "invoke/exchange.h"
#include "invoke/h2.h"
#include "invoke/room.h"

#include <stdlib.h>

enum { OUT_KEPT_MAX = 64 * 1024 };

static struct invoke *room_of(const struct connection *connection)
{
    return connection->origin->endpoint->invoke;
}

void connection_open(struct origin *origin, struct call *call)
{
    struct invoke *invoke = origin->endpoint->invoke;
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        origin_unreachable(origin, call, "out of memory for a connection");
        return;
    }
    connection->origin = origin;
    connection->call = call;
    if (call != NULL) call->connection = connection;
    connection->stream.fd = -1;
    connection->watch.fd = -1;
    connection->watch.ready = connection_ready;
    list_init(&connection->link);
    list_init(&connection->turn);
    list_init(&connection->dirty);
    list_init(&connection->resolve.link);
    buffer_init(&connection->out);
    http1_init(&connection->http1);
    list_append(&origin->others, &connection->link);
    origin->connection_count++;
    invoke->metrics.connections_open++;
    dial_begin(connection);
}

void connection_free(struct connection *connection)
{
    struct invoke *invoke = room_of(connection);
    list_remove(&connection->link);
    list_remove(&connection->dirty);
    list_remove(&connection->turn);
    resolve_cancel(&connection->resolve);
    loop_timer_clear(invoke->loop, &connection->timer);
    if (connection->h2 != NULL) h2_close(connection);
    if (connection->watch.fd >= 0) loop_remove(invoke->loop, &connection->watch);
    stream_close(&connection->stream);
    http1_close(&connection->http1);
    buffer_close(&connection->out);
    connection->origin->connection_count--;
    invoke->metrics.connections_open--;
    free(connection);
}

void connection_close(struct connection *connection)
{
    struct origin *origin = connection->origin;
    CHECK(connection->call == NULL);
    connection_free(connection);
    if (origin->endpoint->url.host_varies) {
        origin->endpoint->invoke->sweep = true;
        invoke_soon(origin->endpoint->invoke);
    }
    origin_lost(origin);
}

void connection_want(struct connection *connection, bool write)
{
    struct stream *stream = &connection->stream;
    bool wants_write = stream->wants_write || (write && !stream->wants_read);
    uint32_t wanted = LOOP_READ | (wants_write ? LOOP_WRITE : 0);
    CHECK(loop_want(room_of(connection)->loop, &connection->watch, wanted) == 0);
}

bool connection_flush(struct connection *connection)
{
    struct buffer *out = &connection->out;
    while (connection->out_sent < out->size) {
        struct span rest = span_from(buffer_span(out), connection->out_sent);
        ssize_t sent = stream_write(&connection->stream, rest);
        if (sent == STREAM_AGAIN) break;
        if (sent > 0) {
            connection->out_sent += (size_t)sent;
            room_of(connection)->metrics.bytes_out += (uint64_t)sent;
            continue;
        }
        connection->out_sent = 0;
        buffer_clear(out);
        connection_want(connection, false);
        return false;
    }
    bool done = connection->out_sent == out->size;
    if (done) {
        connection->out_sent = 0;
        buffer_clear(out);
        if (out->capacity > OUT_KEPT_MAX) buffer_close(out);
    }
    connection_want(connection, !done);
    return true;
}

/* Nothing should come now: whatever does is the end. TLS may have news of its own, such as new
 * tickets. */
static void idle_ready(struct connection *connection)
{
    struct invoke *invoke = room_of(connection);
    ssize_t size = stream_read(&connection->stream, invoke->input, sizeof invoke->input);
    if (size == STREAM_AGAIN)
        connection_want(connection, false);
    else
        connection_close(connection);
}

void connection_read(struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_RESOLVING:
    case CONNECTION_CONNECTING:
    case CONNECTION_SECURING: return;
    case CONNECTION_IDLE: idle_ready(connection); return;
    case CONNECTION_BUSY: exchange_read(connection); return;
    case CONNECTION_SHARED: h2_read(connection); return;
    }
}

void connection_ready(struct loop_watch *watch, uint32_t events)
{
    struct connection *connection = CONTAINER_OF(watch, struct connection, watch);
    switch (connection->state) {
    case CONNECTION_RESOLVING:
    case CONNECTION_CONNECTING:
    case CONNECTION_SECURING: dial_ready(connection); return;
    case CONNECTION_IDLE: idle_ready(connection); return;
    case CONNECTION_BUSY: exchange_ready(connection, events); return;
    case CONNECTION_SHARED: h2_ready(connection, events); return;
    }
}

void connection_established(struct connection *connection, bool h2)
{
    struct invoke *invoke = room_of(connection);
    struct origin *origin = connection->origin;
    loop_timer_clear(invoke->loop, &connection->timer);
    invoke->metrics.connections_opened++;
    connection->state = CONNECTION_BUSY;
    connection->stream.wants_read = connection->stream.wants_write = false;
    connection_want(connection, false);
    if (h2 && h2_open(connection) != 0) {
        struct call *call = connection->call;
        connection->call = NULL;
        connection_free(connection);
        origin_unreachable(origin, call, "out of memory for a connection");
        return;
    }
    if (h2) connection->state = CONNECTION_SHARED;
    origin_ready(origin, connection);
}
