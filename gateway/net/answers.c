/*
 * How much memory may answers take until their clients have read them? A large answer costs a
 * client one small request. When the sum is over the limit, room is made: who reads too slowly is
 * cut. If that is not enough, a large answer to a read is not given now (503); that to anything
 * else, which has been done and cannot be taken back, is lost with its connection.
 */
#include "net/internal.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum {
    SMALL = 16384,                /* always given */
    LOOK_US = 100000,             /* not more often than this */
    PATIENCE_US = 1000000,        /* so long nobody is slow */
    BYTES_PER_SECOND_MIN = 65536, /* when there is no room */
};

void answers_open(struct server *server)
{
    list_init(&server->answers);
    server->answers_looked_us = INT64_MIN / 2;
}

uint64_t answers_taken(const struct connection *connection)
{
    int queued = 0;
    if (ioctl(h2o_socket_get_fd(connection->socket), SIOCOUTQ, &queued) != 0) queued = 0;
    size_t written = connection->socket->bytes_written;
    return written > (size_t)queued ? written - (size_t)queued : 0;
}

static void look_at(struct connection *connection, int64_t now_us)
{
    connection->answers_seen = answers_taken(connection);
    connection->answers_seen_us = now_us;
}

/* -- Counting -- */

static void hold(struct connection *connection, size_t size)
{
    struct server *server = connection->listener->server;
    if (size == 0) return; /* nothing to be released by: it would be put in line again */
    if (connection->answers_held == 0) list_append(&server->answers, &connection->answers_link);
    if (connection->answers_held <= SMALL && connection->answers_held + size > SMALL)
        look_at(connection, loop_now_us(server->loop));
    connection->answers_held += size;
    server->answer_bytes += size;
}

void answers_release(struct connection *connection, size_t size)
{
    /* Who has been cut holds nothing any more. */
    if (size > connection->answers_held) size = connection->answers_held;
    connection->listener->server->answer_bytes -= size;
    connection->answers_held -= size;
    if (connection->answers_held == 0) list_remove(&connection->answers_link);
}

void answers_connection_init(struct connection *connection)
{
    list_init(&connection->answers_link);
}

void answers_connection_close(struct connection *connection)
{
    answers_release(connection, connection->answers_held);
}

/* -- Making room -- */

/* Since the last look, which was long enough ago. */
static bool is_slow(struct connection *connection, int64_t now_us)
{
    int64_t elapsed_us = now_us - connection->answers_seen_us;
    if (elapsed_us < PATIENCE_US) return false;
    uint64_t before = connection->answers_seen;
    look_at(connection, now_us);
    uint64_t wanted = (uint64_t)elapsed_us * BYTES_PER_SECOND_MIN / 1000000;
    return connection->answers_seen - before < wanted;
}

static void cut_slow(struct server *server)
{
    int64_t now_us = loop_now_us(server->loop);
    if (now_us - server->answers_looked_us < LOOK_US) return;
    server->answers_looked_us = now_us;
    LIST_EACH (&server->answers, link) {
        struct connection *connection = CONTAINER_OF(link, struct connection, answers_link);
        if (connection->answers_held <= SMALL || !is_slow(connection, now_us)) continue;
        connection_abort(connection);
        answers_release(connection, connection->answers_held);
    }
}

bool answers_fit(const struct connection *connection, size_t size)
{
    struct server *server = connection->listener->server;
    if (server->answer_bytes + size <= server->limits.bodies_max) return true;
    cut_slow(server);
    return server->answer_bytes + size <= server->limits.bodies_max;
}

bool answers_hold(struct connection *connection, size_t size)
{
    if (!answers_fit(connection, size) && size > SMALL) return false;
    hold(connection, size);
    return true;
}
