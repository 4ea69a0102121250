/*
 * How much memory may requests take before they are whole, which is before anybody has asked who
 * sent them? h2o bounds each body, not their sum. So its read callback is called through ours,
 * which knows afterwards what the connection holds. When the sum is over the limit, room is made:
 * who has gone quiet goes first, then the newest of the large. HTTP/1 is told 503 and HTTP/2
 * REFUSED_STREAM, by h2o, whose limit for a body is lowered while it reads from such a connection.
 */
#include "net/internal.h"

#include "base/buffer.h"
#include "net/frames.h"

#include <stdio.h>

enum {
    BODIES_MAX = 268435456,
    HEAD_ROOM = 1048576,   /* beside the largest body: its head, and what others have begun */
    SMALL = 16384,         /* of HTTP/2: not worth to be refused */
    FLAG_END_STREAM = 1,   /* of HTTP/2 */
    DATA_SIZE_MAX = 16384, /* of a frame of it */
    QUIET_US = 1000000,    /* without a byte: has stalled */
    LINGER_US = 2000000,   /* for who is refused to notice, before the connection is reset */
};

void bodies_open(struct server *server)
{
    struct server_limits *limits = &server->limits;
    size_t least = limits->body_max + HEAD_ROOM;
    if (limits->bodies_max == 0) limits->bodies_max = BODIES_MAX;
    if (limits->bodies_max < least) limits->bodies_max = least;
    server->connection_bodies_max = 2 * least < limits->bodies_max ? 2 * least : limits->bodies_max;
    list_init(&server->uploads);
    list_init(&server->unhooked);
}

/* -- Counting -- */

/* A buffer that has shrunk keeps its memory; it grows by doubling, so half of it was in use. */
static size_t buffer_held(const h2o_buffer_t *buffer)
{
    if (buffer->size == 0) return 0;
    return buffer->size > buffer->capacity / 2 ? buffer->size : buffer->capacity / 2;
}

static size_t count_held(const struct connection *connection)
{
    size_t input = buffer_held(connection->socket->input);
    if (connection->refusal != NULL || connection->cut) return 0;
    if (connection->frames != NULL) return connection->frames->held + input;
    return list_empty(&connection->requests) ? input : 0;
}

static void set_held(struct connection *connection, size_t held)
{
    struct server *server = connection->listener->server;
    if (held > 0 && connection->held == 0) {
        list_append(&server->uploads, &connection->upload_link);
        server->upload_count++;
    } else if (held == 0 && connection->held > 0) {
        list_remove(&connection->upload_link);
        server->upload_count--;
    }
    server->body_bytes = server->body_bytes - connection->held + held;
    connection->held = held;
}

/* -- Making room -- */

static h2o_iovec_t refusal_text(void)
{
    struct buffer body;
    static const char head[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "connection: close\r\nretry-after: 1\r\n"
                               "content-type: application/problem+json\r\n"
                               "content-length: %zu\r\n\r\n%.*s";
    struct http_problem_document problem = {
        .status = 503,
        .code = "full",
        .detail = SPAN_LITERAL("The gateway has no room for this body now: try again.")};
    char *text = NULL;
    buffer_init(&body);
    problem_encode(&body, &problem);
    int size = asprintf(&text, head, body.size, (int)body.size, (const char *)body.at);
    buffer_close(&body);
    return size < 0 ? h2o_iovec_init(NULL, 0) : h2o_iovec_init(text, (size_t)size);
}

static void read_ready(h2o_socket_t *socket, const char *error);

static void refusal_sent(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = socket->on_close.data;
    if (error != NULL)
        connection_cut(connection);
    else
        shutdown(h2o_socket_get_fd(socket), SHUT_WR);
}

/* A reset would overtake the answer: so it is read on for a while, into nothing. */
static void refuse(struct connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    struct loop *loop = connection->listener->server->loop;
    bool listens = connection->frames == NULL && socket->_cb.read == read_ready;
    h2o_iovec_t text = {NULL, 0};
    if (listens && !h2o_socket_is_writing(socket)) text = refusal_text();
    connection->refusal = text.base;
    if (text.base == NULL) {
        connection_cut(connection);
    } else {
        h2o_buffer_consume(&socket->input, socket->input->size);
        loop_timer_set(loop, &connection->watchdog, loop_now_us(loop) + LINGER_US);
        h2o_socket_write(socket, &text, 1, refusal_sent);
    }
    set_held(connection, 0);
}

/* Of those that hold about their share or more: the one that has been quiet for longest, else the
   newest that h2o does not refuse by itself. */
static struct connection *find_victim(const struct server *server)
{
    size_t share = server->body_bytes / server->upload_count / 2;
    int64_t quiet_us = loop_now_us(server->loop) - QUIET_US;
    struct connection *quiet = NULL;
    struct connection *newest = NULL;
    LIST_EACH (&server->uploads, link) {
        struct connection *connection = CONTAINER_OF(link, struct connection, upload_link);
        if (connection->held < share) continue;
        if (connection->received_us < quiet_us) {
            quiet_us = connection->received_us;
            quiet = connection;
        }
        if (connection->frames == NULL) newest = connection;
    }
    return quiet != NULL ? quiet : newest;
}

static bool over(const struct server *server)
{
    return server->body_bytes > server->limits.bodies_max;
}

static void make_room(struct server *server, struct connection *reader)
{
    while (over(server)) {
        struct connection *victim = find_victim(server);
        if (victim == NULL && reader->frames == NULL && reader->held > 0) victim = reader;
        if (victim == NULL) return;
        refuse(victim);
    }
}

/* -- Reading -- */

/* What HTTP/2 may let a body grow to now. */
static size_t upload_max(const struct connection *connection)
{
    const struct server *server = connection->listener->server;
    size_t most = server->limits.body_max;
    bool short_of_room = over(server) || connection->held > server->connection_bodies_max;
    if (connection->frames == NULL || !short_of_room || most < SMALL) return most;
    return connection->held > SMALL ? 1 : SMALL;
}

/* HTTP/2 is what begins with its preface; h2o consumes nothing before it knows. False: no memory.
 */
static bool know_protocol(struct connection *connection)
{
    const h2o_buffer_t *input = connection->socket->input;
    if (connection->protocol_known || input->size < 4) return true;
    connection->protocol_known = true;
    if (memcmp(input->bytes, "PRI ", 4) != 0) return true;
    connection->frames = calloc(1, sizeof *connection->frames);
    return connection->frames != NULL;
}

/* h2o resets a stream whose body grows over the limit as refused, which invites to send all of it
   again. So the body ends with the frame that is too much, h2o is let have that, and the request is
   answered with 413; or h2o resets the stream because more comes, or less than was announced: that
   invites nobody. */
static void end_body(struct connection *connection, uint8_t *head)
{
    head[4] |= FLAG_END_STREAM;
    connection->ends_body = true;
}

/* Frames of unknown types are taken out of the input: h2o writes a line to stderr for each. They
   are still there from their first byte, for h2o consumes whole frames. */
static void read_frames(struct connection *connection, size_t at)
{
    h2o_buffer_t *input = connection->socket->input;
    struct frames *frames = connection->frames;
    size_t kept = at;
    while (at < input->size) {
        struct span bytes = span_of(input->bytes + at, input->size - at);
        size_t body_max = connection->listener->server->limits.body_max;
        size_t taken = frames_next(frames, bytes, upload_max(connection), body_max);
        if (kept != at) memmove(input->bytes + kept, input->bytes + at, taken);
        at += taken;
        kept += taken;
        if (frames->foreign_size <= kept) kept -= frames->foreign_size;
        if (frames->oversize > 0 && frames->oversize <= kept)
            end_body(connection, (uint8_t *)input->bytes + kept - frames->oversize);
    }
    input->size = kept;
}

/* The newest bytes are the last ones of the input. In 2.2.5 `bytes_read` counts those of one read,
   whatever its comment says. */
static void follow_frames(struct connection *connection)
{
    const h2o_socket_t *socket = connection->socket;
    struct span input = span_of(socket->input->bytes, socket->input->size);
    bool first = connection->frames->preface_read == 0;
    size_t fresh = first ? input.size : socket->bytes_read;
    if (fresh > input.size) return;
    read_frames(connection, input.size - fresh);
    connection_count_frames(connection); /* before h2o acts on them, or never does */
}

/* Ours in front of h2o's. While h2o does not read there is nothing to hook. */
static void hook(struct connection *connection)
{
    h2o_socket_cb *read = &connection->socket->_cb.read;
    if (*read != read_ready && *read != NULL) {
        connection->read = *read;
        *read = read_ready;
    }
    if (*read != NULL || !list_empty(&connection->requests))
        list_remove(&connection->unhooked_link);
    else
        bodies_unhooked(connection);
    set_held(connection, count_held(connection));
}

static void read_ready(h2o_socket_t *socket, const char *error)
{
    struct connection *connection = socket->on_close.data;
    struct server *server = connection->listener->server;
    if (error != NULL && !turn_may_close(connection)) return;
    if (connection->refusal != NULL && error == NULL) {
        h2o_buffer_consume(&socket->input, socket->input->size);
        return;
    }
    loop_touch(server->loop);
    connection->received_us = loop_now_us(server->loop);
    connection->read_total += socket->bytes_read;
    if (error == NULL && !know_protocol(connection)) connection_cut(connection);
    if (error == NULL && connection->frames != NULL) follow_frames(connection);
    if (error == NULL && connection->cut) {
        /* h2o is told by the end of the connection, which comes next. */
        h2o_buffer_consume(&socket->input, socket->input->size);
        set_held(connection, 0);
        return;
    }
    server->config.max_request_entity_size = upload_max(connection);
    if (connection->ends_body)
        server->config.max_request_entity_size = server->limits.body_max + DATA_SIZE_MAX;
    connection->ends_body = false;
    if (connection->held == 0 && list_empty(&connection->requests)) spares_use(server);
    server->reading = connection;
    connection->read(socket, error);
    server->config.max_request_entity_size = server->limits.body_max;
    if (server->reading == NULL) return;
    server->reading = NULL;
    hook(connection);
    waiting_begin(connection);
    make_room(server, connection);
}

void bodies_hook(struct server *server)
{
    LIST_EACH (&server->unhooked, link) hook(CONTAINER_OF(link, struct connection, unhooked_link));
}

/* -- Connections -- */

void bodies_unhooked(struct connection *connection)
{
    if (connection->socket->_cb.read != read_ready && list_empty(&connection->unhooked_link))
        list_append(&connection->listener->server->unhooked, &connection->unhooked_link);
}

void bodies_connection_init(struct connection *connection)
{
    list_init(&connection->unhooked_link);
    list_init(&connection->upload_link);
    bodies_unhooked(connection);
}

void bodies_connection_close(struct connection *connection)
{
    struct server *server = connection->listener->server;
    set_held(connection, 0);
    list_remove(&connection->unhooked_link);
    if (server->reading == connection) server->reading = NULL;
    free(connection->frames);
    free(connection->refusal);
}
