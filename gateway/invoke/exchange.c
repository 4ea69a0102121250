/* See exchange.h. */
#include "invoke/exchange.h"

#include "base/check.h"
#include "invoke/request.h"
#include "invoke/room.h"

#include <stdio.h>

enum { KEEP_ALIVE_MARGIN_US = 1000000 };

static struct invoke *room_of(const struct connection *connection)
{
    return connection->origin->endpoint->invoke;
}

/* What the socket does not take stays with the connection; its buffer is exchanged, not copied. */
static void send_scratch(struct connection *connection, struct buffer *scratch)
{
    struct invoke *invoke = room_of(connection);
    ssize_t sent = stream_write(&connection->stream, buffer_span(scratch));
    if (sent == STREAM_BROKEN) connection->write_broken = true; /* reading will say more */
    if (sent > 0) invoke->metrics.bytes_out += (uint64_t)sent;
    if (sent == STREAM_BROKEN || (size_t)(sent < 0 ? 0 : sent) == scratch->size) {
        if (scratch->capacity > SCRATCH_KEPT_MAX) buffer_close(scratch);
        return;
    }
    struct buffer swap = connection->out;
    connection->out = *scratch;
    connection->out_sent = sent < 0 ? 0 : (size_t)sent;
    *scratch = swap;
    connection_want(connection, true);
}

static void encode(struct buffer *out, const struct origin *origin, struct call *call)
{
    const struct url *url = &call->endpoint->url;
    if (call->bundle != NULL)
        request_encode_bundle(out, url, origin->host, call);
    else
        request_encode(out, url, origin->fixed_head, call->invocation);
}

bool exchange_begin(struct connection *connection, struct call *call)
{
    struct invoke *invoke = room_of(connection);
    struct buffer *scratch = &invoke->scratch;
    buffer_clear(scratch);
    encode(scratch, connection->origin, call);
    if (scratch->failed) {
        buffer_close(scratch);
        call_fail(call, OUTCOME_OVERLOADED, "out of memory for the request");
        return false;
    }
    CHECK(connection->call == NULL);
    connection->state = CONNECTION_BUSY;
    connection->call = call;
    call->connection = connection;
    call->place = CALL_SENT;
    call_expects(call);
    http1_begin(&connection->http1);
    call_sent(call);
    send_scratch(connection, scratch);
    return true;
}

/* The connection is of no use any more, and the call has no answer. */
static void exchange_lost(struct connection *connection, enum outcome outcome, const char *why)
{
    struct call *call = connection->call;
    struct origin *origin = connection->origin;
    bool untouched = http1_untouched(&connection->http1);
    bool again = outcome == OUTCOME_LOST && connection->was_idle && untouched && !call->retried;
    if (outcome == OUTCOME_LOST && untouched && !connection->was_idle && connection->stream.refused)
        outcome = OUTCOME_UNREACHABLE;
    connection->call = NULL;
    /* The retry goes first: the pool's place that this connection leaves is for it. */
    if (again)
        origin_retry(origin, call);
    else
        call_fail(call, outcome, "%s", why);
    connection_close(connection);
}

/* How long the connection may be idle: our own limit, or less than what the server says. */
static int64_t idle_us(const struct connection *connection)
{
    int64_t idle = connection->origin->endpoint->idle_us;
    if (connection->http1.keep_alive_s < 0) return idle;
    int64_t said = connection->http1.keep_alive_s * 1000000;
    said -= said / 2 < KEEP_ALIVE_MARGIN_US ? said / 2 : KEEP_ALIVE_MARGIN_US;
    return said < idle ? said : idle;
}

/* The answer is complete, or as much of it as we want. The last thing done here is to tell the
 * outcome. */
static void exchange_end(struct connection *connection, bool reusable, int body_error)
{
    struct call *call = connection->call;
    int64_t idle = idle_us(connection);
    connection->call = NULL;
    bool sent = connection->out_sent == connection->out.size && !connection->write_broken;
    if (reusable && sent && idle > 0 && http1_reusable(&connection->http1)) {
        connection->idle_until_us = loop_now_us(room_of(connection)->loop) + idle;
        connection->was_idle = true;
        origin_free(connection->origin, connection);
    } else {
        connection_close(connection);
    }
    call_answered(call, body_error);
}

/* A body that is known to be too long need not be read. */
static int head_read(const struct connection *connection, struct answer *answer)
{
    const struct http1 *http1 = &connection->http1;
    answer_head(answer);
    bool too_long = http1->has_length && http1->left > answer->body.bytes_max;
    return too_long && answer_is_result(answer) && !answer->body.flows ? ERROR_TOO_LARGE : 0;
}

static void exchange_take(struct connection *connection, struct span input)
{
    struct answer *answer = &connection->call->answer;
    int64_t wall_us = room_of(connection)->loop->wall_us;
    for (;;) {
        struct span piece;
        bool last = false;
        int error = 0;
        switch (http1_next(&connection->http1, &input, answer, wall_us, &piece, &last)) {
        case HTTP1_MORE: return;
        case HTTP1_HEAD: error = head_read(connection, answer); break;
        case HTTP1_BODY: error = call_heard(connection->call, piece, last); break;
        case HTTP1_END: exchange_end(connection, input.size == 0, 0); return;
        case HTTP1_BAD: {
            char why[160];
            snprintf(why, sizeof why, "the answer is not proper HTTP/1.1: %s",
                     connection->http1.problem);
            exchange_lost(connection, OUTCOME_BAD_ANSWER, why);
            return;
        }
        }
        if (error != 0) {
            exchange_end(connection, false, error);
            return;
        }
    }
}

static void exchange_eof(struct connection *connection)
{
    struct answer *answer = &connection->call->answer;
    if (http1_ended(&connection->http1, answer))
        exchange_end(connection, false, 0);
    else if (http1_untouched(&connection->http1))
        exchange_lost(connection, OUTCOME_LOST, "the connection was closed before an answer");
    else
        exchange_lost(connection, OUTCOME_LOST, "the connection was closed within the answer");
}

void exchange_read(struct connection *connection)
{
    struct invoke *invoke = room_of(connection);
    ssize_t size = stream_read(&connection->stream, invoke->input, sizeof invoke->input);
    if (size == STREAM_AGAIN) {
        connection_want(connection, connection->out_sent < connection->out.size);
    } else if (size == STREAM_BROKEN) {
        struct errmsg why, text;
        stream_problem(&connection->stream, &why);
        errmsg_set(&text, 0, "the connection broke %s: %s",
                   http1_untouched(&connection->http1) ? "before an answer" : "within the answer",
                   why.text);
        exchange_lost(connection, OUTCOME_LOST, text.text);
    } else if (size == 0) {
        exchange_eof(connection);
    } else {
        invoke->metrics.bytes_in += (uint64_t)size;
        share_take(invoke, (size_t)size);
        exchange_take(connection, span_of(invoke->input, (size_t)size));
    }
}

void exchange_ready(struct connection *connection, uint32_t events)
{
    bool unsent = connection->out_sent < connection->out.size;
    if ((events & LOOP_WRITE) != 0 && unsent && !connection_flush(connection))
        connection->write_broken = true;
    /* A writable socket is also worth a read when it is TLS that has something to say. */
    if ((events & (LOOP_READ | LOOP_ERROR)) == 0 && connection->stream.tls == NULL) return;
    if (share_may_read(room_of(connection), connection)) exchange_read(connection);
}
