/*
 * Whose turn is it? h2o goes on with the requests that a client has sent in one go until there are
 * none, without a look at anybody else, and even when the client has gone: a connection can bring
 * hundred thousand of them. So a connection has a number of requests for each turn of the loop, and
 * all reads together have one too, for what they read is in memory before anybody knows its size.
 * The rest waits in line for the next turn, which then comes without sleep.
 */
#include "net/internal.h"

#include <poll.h>

enum {
    CONNECTION_REQUESTS_MAX = 32, /* of a connection in a turn */
    READS_MAX = 64,               /* of all together */
    READ_LARGE = 65536,           /* an answer that makes reads come one in a turn */
    LARGE_US = 10000000,          /* for so long after it */
};

void turn_open(struct server *server)
{
    list_init(&server->postponed);
    server->large_read_us = INT64_MIN / 2;
}

static uint32_t reads_max(const struct server *server)
{
    bool large = loop_now_us(server->loop) - server->large_read_us < LARGE_US;
    return large ? 1 : READS_MAX;
}

static bool is_read(const struct request *request)
{
    return span_equal(request->http.method, SPAN_LITERAL("GET"));
}

/* Counts it when there is room for it in this turn. */
static bool turn_takes(struct request *request)
{
    struct connection *connection = request->connection;
    struct server *server = connection->listener->server;
    bool read = is_read(request);
    if (connection->turn != server->turn) {
        connection->turn = server->turn;
        connection->turn_requests = 0;
    }
    if (connection->turn_requests >= CONNECTION_REQUESTS_MAX) return false;
    if (read && server->turn_reads >= reads_max(server)) return false;
    connection->turn_requests++;
    if (read) server->turn_reads++;
    return true;
}

static void handle(struct request *request)
{
    struct listener *listener = request->connection->listener;
    listener->handler(listener->context, &request->http);
}

static void postpone(struct request *request)
{
    list_append(&request->connection->listener->server->postponed, &request->postponed_link);
}

void turn_request(struct request *request)
{
    if (turn_takes(request))
        handle(request);
    else
        postpone(request);
}

void turn_answer(struct request *request, size_t size)
{
    struct server *server = request->connection->listener->server;
    if (size > READ_LARGE && is_read(request)) server->large_read_us = loop_now_us(server->loop);
}

/* For good, in both directions; a client that only ends its own may still wait for answers. */
static bool has_gone(const struct connection *connection)
{
    struct pollfd look = {.fd = h2o_socket_get_fd(connection->socket)};
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

static void resume(struct request *request)
{
    if (request->answered) return;
    if (!turn_takes(request))
        postpone(request);
    else if (has_gone(request->connection))
        request_abandon(request);
    else
        handle(request);
}

bool turn_waits(const struct server *server)
{
    return !list_empty(&server->postponed);
}

void turn_begin(struct server *server)
{
    struct list now;
    list_init(&now);
    server->turn++;
    server->turn_reads = 0;
    if (!turn_waits(server)) return;
    loop_touch(server->loop);
    while (!list_empty(&server->postponed)) {
        struct list *link = server->postponed.next;
        list_remove(link);
        list_append(&now, link);
    }
    /* Answering one may dispose of others: they leave the list by themselves. */
    while (!list_empty(&now)) {
        struct request *request = LIST_FIRST(&now, struct request, postponed_link);
        list_remove(&request->postponed_link);
        resume(request);
    }
}
