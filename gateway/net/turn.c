/*
 * Whose turn is it? h2o goes on with the requests that a client has sent in one go until there are
 * none, without a look at anybody else, and even when the client has gone: a connection can bring
 * a hundred thousand of them. So a connection has a number of requests for each turn of the loop.
 * And only so many reads are out at a time: what they have read waits in memory, for the disk as
 * well, and nobody knows its size before. The rest stands in line for the next turn, which then
 * comes without sleep. The same with connections that end, each with all of its requests.
 */
#include "net/internal.h"

#include "base/hash.h"
#include "os/clock.h"

enum {
    CONNECTION_REQUESTS_MAX = 16, /* of a connection in a turn */
    HANDLING_US_MAX = 500,        /* in a turn, of all together; one takes what it takes */
    /* Without an answer, of all together: one while answers are large, or nobody knows; one more
       with each small answer. */
    READS_MAX = 16,
    READ_FRESH_US = 2000,         /* one that is out for longer waits for news and does not count */
    READ_LARGE_FRESH_US = 100000, /* the same while answers are large: it may wait for the disk */
    READ_LARGE = 65536,           /* bytes of an answer */
    LARGE_US = 10000000,          /* so long after one they are large */
    UNKNOWN_US = 100000,          /* so long after the last answer nobody knows */
    CLOSINGS_MAX = 16, /* in a turn, requests counted; one connection takes what it takes */
};

void turn_open(struct server *server)
{
    list_init(&server->postponed);
    list_init(&server->reads);
    server->large_read_us = server->read_answered_us = INT64_MIN / 2;
    server->reads_max = 1;
}

static bool answers_are_large(const struct server *server)
{
    return loop_now_us(server->loop) - server->large_read_us < LARGE_US;
}

static uint32_t reads_max(const struct server *server)
{
    bool unknown = loop_now_us(server->loop) - server->read_answered_us > UNKNOWN_US;
    return unknown || answers_are_large(server) ? 1 : server->reads_max;
}

/* A read was answered with so many bytes. */
static void learn(struct server *server, size_t size)
{
    bool large = size > READ_LARGE;
    uint32_t most = reads_max(server);
    server->read_answered_us = loop_now_us(server->loop);
    if (large) server->large_read_us = server->read_answered_us;
    server->reads_max = large ? 1 : most < READS_MAX ? most + 1 : READS_MAX;
}

static void read_goes_out(struct server *server, struct request *request)
{
    request->out_us = loop_now_us(server->loop);
    list_append(&server->reads, &request->read_link);
    server->read_count++;
}

void turn_left(struct request *request)
{
    if (list_empty(&request->read_link)) return;
    list_remove(&request->read_link);
    request->connection->listener->server->read_count--;
}

static void forget_old_reads(struct server *server)
{
    int64_t most_us = answers_are_large(server) ? READ_LARGE_FRESH_US : READ_FRESH_US;
    int64_t fresh_us = loop_now_us(server->loop) - most_us;
    while (!list_empty(&server->reads)) {
        struct request *oldest = LIST_FIRST(&server->reads, struct request, read_link);
        if (oldest->out_us > fresh_us) return;
        turn_left(oldest);
    }
}

/* The first of its connection in this turn. */
static bool is_first(const struct request *request)
{
    return request->connection->turn != request->connection->listener->server->turn;
}

/* Counts it when its connection may have one more in this turn. */
static bool has_turn(struct request *request)
{
    struct connection *connection = request->connection;
    if (is_first(request)) connection->turn_requests = 0;
    connection->turn = connection->listener->server->turn;
    if (connection->listener->server->handling_us >= HANDLING_US_MAX) return false;
    if (connection->turn_requests >= CONNECTION_REQUESTS_MAX) return false;
    connection->turn_requests++;
    return true;
}

/* Counts a read when there is room for one. */
static bool may_go_out(struct request *request)
{
    struct server *server = request->connection->listener->server;
    if (!request_is_read(request)) return true;
    if (server->read_count >= reads_max(server)) return false;
    read_goes_out(server, request);
    return true;
}

/* -- Reads whose answers are known to be large -- */

static struct large_read *place_of(struct server *server, uint64_t hash)
{
    return &server->large_reads[hash % LARGE_READS];
}

/* What was large a moment ago and has no room now need not be put together to find that out. */
static bool is_too_large_now(struct request *request)
{
    struct server *server = request->connection->listener->server;
    if (!answers_are_large(server) || !request_is_read(request)) return false;
    uint64_t hash = hash_bytes(request->http.path);
    const struct large_read *known = place_of(server, hash);
    return known->hash == hash && loop_now_us(server->loop) - known->at_us < LARGE_US &&
           !answers_fit(request->connection, known->size);
}

static void remember_large(struct request *request, size_t size)
{
    struct server *server = request->connection->listener->server;
    uint64_t hash = hash_bytes(request->http.path);
    *place_of(server, hash) = (struct large_read){hash, size, loop_now_us(server->loop)};
}

/* -- Handing out -- */

static void handle(struct request *request)
{
    struct listener *listener = request->connection->listener;
    struct server *server = listener->server;
    int64_t begun_us = clock_mono_us();
    listener->handler(listener->context, &request->http);
    server->handling_us += clock_mono_us() - begun_us;
}

static void postpone(struct request *request)
{
    list_append(&request->connection->listener->server->postponed, &request->postponed_link);
}

void turn_request(struct request *request)
{
    if (!has_turn(request))
        postpone(request);
    else if (is_too_large_now(request))
        request_refuse_large(request);
    else if (!may_go_out(request))
        postpone(request);
    else
        handle(request);
}

void turn_answer(struct request *request, size_t size)
{
    if (!request_is_read(request)) return;
    learn(request->connection->listener->server, size);
    if (size > READ_LARGE) remember_large(request, size);
}

/* h2o asks for readable sockets, and one that has ended stays one. */
bool turn_may_close(const struct connection *connection)
{
    struct server *server = connection->listener->server;
    if (server->closings >= CLOSINGS_MAX) return false;
    server->closings++;
    LIST_EACH (&connection->requests, link) server->closings++;
    return true;
}

static void resume(struct request *request)
{
    if (request->answered) return;
    if (request->connection->gone)
        request_abandon(request);
    else
        turn_request(request);
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
    server->handling_us = 0;
    forget_old_reads(server);
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
