/* How a connection comes to be: the name's addresses, one after the other, then TLS. See
 * connection.h. */
#include "base/check.h"
#include "invoke/room.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { LOCAL_RETRY_US = 10000 /* while the queue of a Unix socket is full */ };

static struct invoke *room_of(const struct connection *connection)
{
    return connection->origin->endpoint->invoke;
}

static void dial_failed(struct connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void dial_failed(struct connection *connection, const char *format, ...)
{
    struct origin *origin = connection->origin;
    struct call *call = connection->call;
    struct errmsg why;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why.text, sizeof why.text, format, arguments);
    va_end(arguments);
    connection->call = NULL;
    connection_free(connection);
    origin_unreachable(origin, call, why.text);
}

/* -- TLS -- */

static void secure_step(struct connection *connection)
{
    bool h2 = false;
    int result = stream_handshake(&connection->stream, &h2);
    if (result == 0) {
        connection_established(connection, h2);
    } else if (result == STREAM_AGAIN) {
        connection_want(connection, false);
    } else {
        struct errmsg why;
        stream_problem(&connection->stream, &why);
        dial_failed(connection, "%s: %s", connection->origin->host, why.text);
    }
}

static void connected(struct connection *connection)
{
    struct endpoint *endpoint = connection->origin->endpoint;
    if (endpoint->tls == NULL) {
        connection_established(connection, endpoint->h2_prior_knowledge);
        return;
    }
    const char *host = endpoint->url.local ? "localhost" : connection->origin->host;
    if (stream_secure(&connection->stream, endpoint->tls, host) != 0) {
        dial_failed(connection, "%s: TLS cannot begin", connection->origin->host);
        return;
    }
    connection->state = CONNECTION_SECURING;
    loop_timer_set(room_of(connection)->loop, &connection->timer, connection->connect_until_us);
    secure_step(connection);
}

/* -- Addresses -- */

static void dial_next(struct connection *connection);

static void forget_stream(struct connection *connection)
{
    if (connection->watch.fd >= 0) loop_remove(room_of(connection)->loop, &connection->watch);
    connection->watch.fd = -1;
    stream_close(&connection->stream);
}

static void address_failed(struct connection *connection, int error)
{
    snprintf(connection->problem, sizeof connection->problem, "%s", strerror(error));
    forget_stream(connection);
    dial_next(connection);
}

/* The time that is left is shared by the addresses that are left, so that one that swallows packets
   does not hide the others. */
static int64_t address_until_us(const struct connection *connection)
{
    int64_t now_us = loop_now_us(room_of(connection)->loop);
    int64_t left_us = connection->connect_until_us - now_us;
    size_t addresses = connection->addresses.count - connection->address_next + 1;
    return addresses > 1 ? now_us + left_us / (int64_t)addresses : connection->connect_until_us;
}

/* The stream has begun to connect with `result`. */
static void connect_begun(struct connection *connection, int result, int64_t until_us)
{
    struct loop *loop = room_of(connection)->loop;
    if (result == STREAM_BROKEN) {
        address_failed(connection, errno);
        return;
    }
    uint32_t wanted = result == 0 ? LOOP_READ : LOOP_WRITE;
    if (loop_add(loop, &connection->watch, connection->stream.fd, wanted) != 0) {
        connection->watch.fd = -1;
        dial_failed(connection, "%s: the loop takes no more connections", connection->origin->host);
        return;
    }
    connection->state = CONNECTION_CONNECTING;
    if (result == 0)
        connected(connection);
    else
        loop_timer_set(loop, &connection->timer, until_us);
}

static void dial_next(struct connection *connection)
{
    const struct url *url = &connection->origin->endpoint->url;
    if (url->local || connection->address_next == connection->addresses.count) {
        if (url->local)
            dial_failed(connection, "%s: %s", connection->origin->host, connection->problem);
        else
            dial_failed(connection, "%s:%u: %s", connection->origin->host, url->port,
                        connection->problem);
        return;
    }
    const union socket_address *address = &connection->addresses.at[connection->address_next++];
    int result = stream_connect(&connection->stream, address, url->port);
    int saved = errno;
    int64_t until_us = address_until_us(connection);
    errno = saved;
    connect_begun(connection, result, until_us);
}

static void dial_local(struct connection *connection)
{
    bool full;
    int result = stream_connect_local(&connection->stream, connection->origin->host, &full);
    struct loop *loop = room_of(connection)->loop;
    if (result == STREAM_BROKEN && full && loop_now_us(loop) < connection->connect_until_us) {
        loop_timer_set(loop, &connection->timer, loop_now_us(loop) + LOCAL_RETRY_US);
        return;
    }
    connect_begun(connection, result, connection->connect_until_us);
}

/* -- Beginning, time-out, progress -- */

static void resolved(struct resolve_waiter *waiter, const struct addresses *addresses,
                     const char *problem)
{
    struct connection *connection = CONTAINER_OF(waiter, struct connection, resolve);
    if (addresses == NULL) {
        dial_failed(connection, "%s: %s", connection->origin->host, problem);
        return;
    }
    connection->addresses = *addresses;
    dial_next(connection);
}

static void expired(struct loop_timer *timer)
{
    struct connection *connection = CONTAINER_OF(timer, struct connection, timer);
    struct origin *origin = connection->origin;
    long long ms = (long long)(origin->endpoint->connect_us / 1000);
    if (connection->state == CONNECTION_RESOLVING && origin->endpoint->url.local)
        dial_local(connection);
    else if (connection->state == CONNECTION_RESOLVING)
        dial_failed(connection, "%s: its name was not resolved within %lld ms", origin->host, ms);
    else if (connection->state == CONNECTION_CONNECTING)
        address_failed(connection, ETIMEDOUT);
    else
        dial_failed(connection, "%s: no TLS handshake within %lld ms", origin->host, ms);
}

void dial_begin(struct connection *connection)
{
    struct invoke *invoke = room_of(connection);
    struct span host = span_text(connection->origin->host);
    connection->state = CONNECTION_RESOLVING;
    connection->timer.expired = expired;
    connection->resolve.resolved = resolved;
    connection->connect_until_us =
        loop_now_us(invoke->loop) + connection->origin->endpoint->connect_us;
    if (connection->origin->endpoint->url.local) {
        dial_local(connection);
    } else if (resolve_now(&invoke->resolver, host, &connection->addresses)) {
        dial_next(connection);
    } else if (resolve_start(&invoke->resolver, host, &connection->resolve) != 0) {
        dial_failed(connection, "%s: its name cannot be resolved now", connection->origin->host);
    } else {
        loop_timer_set(invoke->loop, &connection->timer, connection->connect_until_us);
    }
}

void dial_ready(struct connection *connection)
{
    if (connection->state == CONNECTION_SECURING) {
        secure_step(connection);
        return;
    }
    int error = stream_connect_result(&connection->stream);
    if (error != 0)
        address_failed(connection, error);
    else
        connected(connection);
}
