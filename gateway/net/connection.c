/*
 * A client connection and what we tolerate on it. h2o bounds single phases; two things it leaves
 * open are guarded here. Slow clients: a connection on which nothing gets on (a head or body that
 * trickles, an answer that nobody reads) is cut after one to two time-outs. Floods: a client that
 * keeps taking its requests back (CVE-2023-44487), makes us reset them (CVE-2025-8671) or sends
 * frames that carry nothing (PING, SETTINGS, empty DATA) is cut when its bucket is full.
 */
#include "net/internal.h"

#include "net/frames.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

enum {
    ANSWER_BYTES_PER_SECOND_MIN = 1024, /* that a client has to read */
    RESETS_MAX = 200,       /* in a row; each may count as the frame and as the request */
    RESETS_PER_SECOND = 20, /* forgiven */
    OVERHEAD_MAX = 10000,   /* frames that carry nothing, in a row */
    OVERHEAD_PER_SECOND = 1000,
    OVERHEAD_PER_ANSWER = 50,
    OVERHEAD_OF_REFUSED = 10, /* a request that h2o did not let in, or that was taken back early */
    STREAMS_OPEN_MAX = 100,   /* h2o's limit: so many may be on their way */
    OVERHEAD_PER_WRITTEN = 1024, /* bytes that are worth a WINDOW_UPDATE */
    FIELDS_MAX = 256,            /* of a request over HTTP/2; h2o lets HTTP/1 have 100 */
    FRAME_HEAD_SIZE = 9,
    UNSENT_MAX = 128 * 1024, /* that the system takes beyond what is on its way */
};

static struct server *server_of(const struct connection *connection)
{
    return connection->listener->server;
}

/* -- Slow clients -- */

static int64_t idle_us(const struct server *server)
{
    return server->limits.idle_timeout_ms * 1000;
}

static void watch_for(struct connection *connection, int64_t duration_us)
{
    struct loop *loop = server_of(connection)->loop;
    loop_timer_set(loop, &connection->watchdog, loop_now_us(loop) + duration_us);
}

static int64_t sample_us(const struct server *server)
{
    int64_t head_us = server->limits.head_timeout_ms * 1000;
    return head_us < idle_us(server) ? head_us : idle_us(server);
}

void connection_progress(struct connection *connection)
{
    connection->progress_us = loop_now_us(server_of(connection)->loop);
    connection->read_seen = connection->read_total;
    connection->suspect = false;
}

/* Has the peer taken something worth the name since the last look? PING and windows of a byte keep
   no answer alive. What was given just now has not been looked at for long enough. */
static bool answer_moves(struct connection *connection)
{
    struct server *server = server_of(connection);
    int64_t period_us = sample_us(server);
    uint64_t taken = answers_taken(connection);
    uint64_t moved = taken - connection->taken_seen;
    connection->taken_seen = taken;
    return moved >= (uint64_t)(period_us * ANSWER_BYTES_PER_SECOND_MIN / 1000000) ||
           loop_now_us(server->loop) - connection->progress_us < period_us;
}

/* The system has an answer that the client has not taken, though h2o is done with it. */
static bool is_unread(const struct connection *connection)
{
    return connection->socket->bytes_written > answers_taken(connection);
}

static void judge_answering(struct connection *connection)
{
    if (answer_moves(connection)) {
        watch_for(connection, sample_us(server_of(connection)));
    } else {
        connection_abort(connection);
    }
}

static void judge_quiet(struct connection *connection)
{
    struct server *server = server_of(connection);
    int64_t left_us = connection->progress_us + idle_us(server) - loop_now_us(server->loop);
    if (left_us <= 0) {
        connection_cut(connection);
    } else {
        watch_for(connection, left_us < sample_us(server) ? left_us : sample_us(server));
    }
}

/* Some of a request has come: it may take one more time-out until the request is whole. */
static void judge_asking(struct connection *connection)
{
    if (connection->suspect) {
        connection_cut(connection);
    } else {
        connection->suspect = true;
        watch_for(connection, server_of(connection)->limits.head_timeout_ms * 1000);
    }
}

static void watchdog_expired(struct loop_timer *timer)
{
    struct connection *connection = CONTAINER_OF(timer, struct connection, watchdog);
    if (connection->refusal != NULL) {
        connection_cut(connection);
    } else if (connection->waiting > 0) {
        watch_for(connection, sample_us(server_of(connection)));
    } else if (!list_empty(&connection->requests) || is_unread(connection)) {
        judge_answering(connection);
    } else if (connection->read_total == connection->read_seen) {
        judge_quiet(connection);
    } else {
        judge_asking(connection);
    }
}

/* -- Rapid reset, and other floods of HTTP/2 -- */

/* Adds to what has not leaked out yet. False: it runs over. */
static bool pour(struct bucket *bucket, uint64_t drops, int64_t per_second, uint64_t most,
                 int64_t now_us)
{
    int64_t elapsed_us = now_us - bucket->at_us;
    if (elapsed_us > 1000000000) elapsed_us = 1000000000; /* no overflow */
    uint64_t leaked = (uint64_t)(elapsed_us * per_second / 1000000);
    if (leaked > 0) {
        bucket->level -= leaked < bucket->level ? leaked : bucket->level;
        bucket->at_us = now_us;
    }
    bucket->level += drops;
    return bucket->level <= most;
}

static void count_resets(struct connection *connection, uint64_t count)
{
    int64_t now_us = loop_now_us(server_of(connection)->loop);
    if (!pour(&connection->resets, count, RESETS_PER_SECOND, RESETS_MAX, now_us))
        connection_cut(connection);
}

void connection_count_reset(struct connection *connection)
{
    count_resets(connection, 1);
}

/* What its traffic has earned since the last look. */
static uint64_t earned(struct connection *connection)
{
    uint64_t written = connection->socket->bytes_written - connection->written_seen;
    uint64_t frames = written / OVERHEAD_PER_WRITTEN;
    connection->written_seen += frames * OVERHEAD_PER_WRITTEN;
    frames += (uint64_t)connection->answered * OVERHEAD_PER_ANSWER;
    connection->answered = 0;
    return frames;
}

/* Requests that have begun and never came to anything, since the last look. */
static uint64_t refused(struct connection *connection)
{
    uint64_t known = connection->dispatched + STREAMS_OPEN_MAX;
    uint64_t begun = connection->frames->begun;
    uint64_t refused = begun > known ? begun - known : 0;
    uint64_t fresh = refused > connection->refused_seen ? refused - connection->refused_seen : 0;
    connection->refused_seen += fresh;
    return fresh;
}

void connection_count_frames(struct connection *connection)
{
    struct frames *frames = connection->frames;
    struct bucket *overhead = &connection->overhead;
    uint64_t credit = earned(connection);
    overhead->level -= credit < overhead->level ? credit : overhead->level;
    uint64_t drops = frames->overhead + refused(connection) * OVERHEAD_OF_REFUSED;
    if (!pour(overhead, drops, OVERHEAD_PER_SECOND, OVERHEAD_MAX,
              loop_now_us(server_of(connection)->loop)))
        connection_cut(connection);
    if (frames->resets > 0) count_resets(connection, frames->resets);
    if (frames->fields_max > FIELDS_MAX) connection_cut(connection);
    frames->overhead = frames->resets = 0;
}

/* -- Life -- */

/* h2o goes on with the frames that have come, one by one, until nothing is left of them: only that
   which it is at may stay. */
static void drop_frames(struct connection *connection)
{
    h2o_buffer_t *input = connection->socket->input;
    if (connection->frames == NULL || input->size < FRAME_HEAD_SIZE) return;
    const uint8_t *head = (const uint8_t *)input->bytes;
    size_t size = FRAME_HEAD_SIZE + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
    if (size < input->size) input->size = size;
}

void connection_cut(struct connection *connection)
{
    connection->cut = true;
    drop_frames(connection);
    shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
}

void connection_abort(struct connection *connection)
{
    struct linger reset = {.l_onoff = 1};
    int fd = h2o_socket_get_fd(connection->socket);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    connection_cut(connection);
}

bool connection_idle(const struct connection *connection)
{
    return list_empty(&connection->requests) && connection->socket->input->size == 0;
}

static bool is_loopback_4(uint32_t address)
{
    return (ntohl(address) >> 24) == 127;
}

static bool peer_trusted(h2o_socket_t *socket)
{
    struct sockaddr_storage peer = {0};
    if (h2o_socket_getpeername(socket, (struct sockaddr *)(void *)&peer) == 0) return false;
    const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)&peer;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)&peer;
    switch (peer.ss_family) {
    case AF_UNIX: return true;
    case AF_INET: return is_loopback_4(four->sin_addr.s_addr);
    case AF_INET6:
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
            return is_loopback_4(six->sin6_addr.s6_addr32[3]);
        return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
    default: return false;
    }
}

/* A large answer is given to the system bit by bit: all at once it would be copied all at once, and
   be held where nobody counts it until the client reads. What is on its way does not count, so a
   long way is no slower. Where that cannot be set it is not needed: Unix sockets are small. */
static void bound_unsent(h2o_socket_t *socket)
{
    int most = UNSENT_MAX;
    (void)setsockopt(h2o_socket_get_fd(socket), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
}

static void socket_closed(void *data)
{
    struct connection *connection = data;
    struct server *server = server_of(connection);
    /* h2o disposes of a connection's requests before its socket. */
    LIST_EACH (&connection->requests, link) {
        struct request *request = CONTAINER_OF(link, struct request, link);
        list_remove(&request->postponed_link);
        turn_left(request);
        request->connection = NULL;
        list_remove(link);
    }
    loop_timer_clear(server->loop, &connection->watchdog);
    bodies_connection_close(connection);
    answers_connection_close(connection);
    list_remove(&connection->link);
    server->connection_count--;
    free(connection);
}

void connection_accept(struct listener *listener, h2o_socket_t *socket)
{
    struct server *server = listener->server;
    struct connection *connection = NULL;
    if (server->connection_count < server->limits.connections_max)
        connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        h2o_socket_close(socket);
        return;
    }
    connection->listener = listener;
    connection->socket = socket;
    connection->trusted = listener->accept.ssl_ctx != NULL || peer_trusted(socket);
    connection->watchdog.expired = watchdog_expired;
    list_init(&connection->requests);
    answers_connection_init(connection);
    bound_unsent(socket);
    list_append(&server->connections, &connection->link);
    server->connection_count++;
    socket->on_close.cb = socket_closed;
    socket->on_close.data = connection;
    connection_progress(connection);
    connection->resets.at_us = connection->overhead.at_us = connection->progress_us;
    watch_for(connection, sample_us(server));
    hangup_watch(connection);
    bodies_connection_init(connection);
    h2o_accept(&listener->accept, socket);
}
