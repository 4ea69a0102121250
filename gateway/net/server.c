/*
 * The server: h2o's loop, ours inside it, and the listeners and connections on them. Both loops
 * share one thread and one sleep: h2o sleeps, and our loop's descriptor is one of those that wake
 * it.
 */
#include "net/internal.h"

#include <errno.h>
#include <signal.h>

enum {
    CLOSE_MS_MAX = 3000, /* h2o keeps some timers for up to a second */
    CLOSE_STEP_MS = 10,
    ANSWER_MS_MAX = 200,         /* for the last answers to get out */
    TIMEOUTS_SAFE_MS = 86400000, /* since 1970: longer than any of h2o's */
    STREAMS_MAX = 256, /* requests of an HTTP/2 connection at a time; calls wait for long */
};

/* -- Time-outs of h2o -- */

static h2o_timeout_t *timeout_at(struct server *server, size_t index)
{
    h2o_context_t *context = &server->context;
    h2o_timeout_t *const timeouts[H2O_TIMEOUTS] = {
        &context->zero_timeout,       &context->one_sec_timeout,
        &context->hundred_ms_timeout, &context->handshake_timeout,
        &context->http1.req_timeout,  &context->http2.idle_timeout,
        &context->proxy.io_timeout,   &context->http2.graceful_shutdown_timeout,
    };
    return timeouts[index];
}

static void remember_timeouts(struct server *server)
{
    for (size_t i = 0; i < H2O_TIMEOUTS; i++)
        server->timeouts_ms[i] = timeout_at(server, i)->timeout;
}

/* h2o subtracts them from the wall clock: in the first minutes of 1970, where a machine without a
   clock is, the difference is negative, wraps, and all of them have always expired. */
static void fit_timeouts(struct server *server)
{
    uint64_t now_ms = h2o_now(server->events);
    if (now_ms > TIMEOUTS_SAFE_MS && server->timeouts_fit) return;
    server->timeouts_fit = now_ms > TIMEOUTS_SAFE_MS;
    for (size_t i = 0; i < H2O_TIMEOUTS; i++) {
        uint64_t wanted_ms = server->timeouts_ms[i];
        timeout_at(server, i)->timeout = wanted_ms < now_ms ? wanted_ms : now_ms;
    }
}

static void loop_ready(h2o_socket_t *socket, const char *error)
{
    (void)error;
    struct server *server = socket->data;
    int failed = loop_turn(server->loop, 0);
    if (failed != 0) server->turn_error = failed;
}

/* Our loop's descriptor is duplicated because h2o closes what it was given. ERROR_IO. */
static int join_loop(struct server *server)
{
    int fd = dup(loop_fd(server->loop));
    if (fd < 0) return ERROR_IO;
    server->loop_socket = h2o_evloop_socket_create(server->events, fd, H2O_SOCKET_FLAG_DONT_READ);
    server->loop_socket->data = server;
    h2o_socket_read_start(server->loop_socket, loop_ready);
    return 0;
}

static void configure(struct server *server)
{
    h2o_globalconf_t *config = &server->config;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(NULL, 0); /* see refusal.c */
    config->max_request_entity_size = server->limits.body_max;
    /* A backstop only: connection.c has the time-outs that we promise. */
    config->http1.req_timeout =
        (uint64_t)(server->limits.idle_timeout_ms + 2 * server->limits.head_timeout_ms);
    config->http2.idle_timeout = (uint64_t)server->limits.idle_timeout_ms;
    config->http2.max_concurrent_requests_per_connection = STREAMS_MAX;
    h2o_hostconf_t *host =
        h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    request_handler_register(server, path);
    refusal_filter_register(server, path);
    request_handler_register(server, &host->fallback_path);
    refusal_filter_register(server, &host->fallback_path);
}

int server_open(struct server **opened, struct loop *loop, const struct server_limits *limits,
                struct errmsg *errmsg)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    server->loop = loop;
    server->limits = *limits;
    list_init(&server->listeners);
    list_init(&server->connections);
    bodies_open(server);
    answers_open(server);
    turn_open(server);
    signal(SIGPIPE, SIG_IGN);
    /* Bodies stay in memory: h2o would put large ones into /tmp. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    int error = hangup_open(server);
    if (error != 0) goto free_server;
    configure(server);
    server->events = h2o_evloop_create();
    error = join_loop(server);
    if (error != 0) goto dispose_events;
    h2o_context_init(&server->context, server->events, &server->config);
    remember_timeouts(server);
    *opened = server;
    return 0;
dispose_events:
    h2o_evloop_destroy(server->events);
    h2o_config_dispose(&server->config);
    hangup_close(server);
free_server:
    free(server);
    return errmsg_set(errmsg, error, "cannot start the HTTP server: %s", error_text(error));
}

/* Callbacks that became due outside h2o's run would wait for the next event: then we do not sleep.
 */
static bool has_pending(const struct server *server)
{
    return turn_waits(server) || server->loop->touched ||
           server->events->_pending_as_server != NULL || server->events->_pending_as_client != NULL;
}

static int run_events(struct server *server, int32_t wait_ms)
{
    errno = 0;
    server->closings = 0;
    fit_timeouts(server);
    bodies_hook(server);
    spares_turn();
    if (h2o_evloop_run(server->events, wait_ms) != 0 && errno != EINTR) return ERROR_IO;
    return server->turn_error;
}

int server_turn(struct server *server)
{
    turn_begin(server);
    int error = run_events(server, has_pending(server) ? 0 : INT32_MAX);
    if (error != 0) return error;
    /* Handlers have touched the loop: what they asked for goes out at the end of its turn. */
    return server->loop->touched ? loop_turn(server->loop, 0) : 0;
}

void server_drain(struct server *server)
{
    if (server->draining) return;
    server->draining = true;
    LIST_EACH (&server->listeners, link) listener_stop(CONTAINER_OF(link, struct listener, link));
    h2o_context_request_shutdown(&server->context);
    LIST_EACH (&server->connections, connection_link) {
        struct connection *connection = CONTAINER_OF(connection_link, struct connection, link);
        if (connection_idle(connection)) connection_cut(connection);
    }
}

uint32_t server_connections(const struct server *server)
{
    return server->connection_count;
}

size_t server_body_bytes(const struct server *server)
{
    return server->body_bytes;
}

/* -- Closing -- */

/* What a handler has may be done already: "try again" would do it twice. Its client hears nothing,
 * as if the process had been killed. */
static void dismiss(struct request *request)
{
    bool handed_out = list_empty(&request->postponed_link);
    if (handed_out && !request_is_read(request)) {
        connection_cut(request->connection);
        request_abandon(request);
    } else {
        request_dismiss(request);
    }
}

static void dismiss_requests(struct server *server)
{
    LIST_EACH (&server->connections, link) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        LIST_EACH (&connection->requests, request_link) {
            struct request *request = CONTAINER_OF(request_link, struct request, link);
            if (!request->answered) dismiss(request);
        }
    }
}

static bool answers_on_their_way(const struct server *server)
{
    LIST_EACH (&server->connections, link)
        if (!list_empty(&CONTAINER_OF(link, struct connection, link)->requests)) return true;
    return false;
}

/* Who reads gets the answer; nobody else is waited for. */
static void end_connections(struct server *server)
{
    dismiss_requests(server);
    for (int waited_ms = 0; waited_ms < ANSWER_MS_MAX; waited_ms += CLOSE_STEP_MS)
        if (!answers_on_their_way(server) || run_events(server, CLOSE_STEP_MS) != 0) break;
    LIST_EACH (&server->connections, link)
        connection_cut(CONTAINER_OF(link, struct connection, link));
}

static bool timeouts_empty(struct server *server)
{
    for (size_t i = 0; i < H2O_TIMEOUTS; i++) {
        const h2o_timeout_t *timeout = timeout_at(server, i);
        if (timeout->_entries.next != &timeout->_entries) return false;
    }
    return true;
}

/* h2o asserts that nothing is left; when something is, its memory is left too, as the process ends.
 */
static bool settle(struct server *server)
{
    h2o_timeout_entry_t *shutdown_timer = &server->context.http2._graceful_shutdown_timeout;
    if (server->draining && h2o_timeout_is_linked(shutdown_timer))
        h2o_timeout_unlink(shutdown_timer);
    for (int waited_ms = 0; waited_ms < CLOSE_MS_MAX; waited_ms += CLOSE_STEP_MS) {
        bool idle = server->connection_count == 0 && timeouts_empty(server) && !has_pending(server);
        if (run_events(server, idle ? 0 : CLOSE_STEP_MS) != 0) return false;
        server->loop->touched = false;
        if (idle) return true;
    }
    return false;
}

/* h2o 2.2 destroys its queue and forgets its memory. */
static void dispose_context(struct server *server)
{
    h2o_multithread_queue_t *queue = server->context.queue;
    h2o_context_dispose(&server->context);
    if (H2O_VERSION_MAJOR == 2 && H2O_VERSION_MINOR == 2) free(queue);
}

void server_close(struct server *server)
{
    server->closing = true;
    LIST_EACH (&server->listeners, link) listener_stop(CONTAINER_OF(link, struct listener, link));
    h2o_socket_read_stop(server->loop_socket);
    h2o_socket_close(server->loop_socket);
    end_connections(server);
    bool settled = settle(server);
    LIST_EACH (&server->listeners, listener_link)
        listener_free(CONTAINER_OF(listener_link, struct listener, link));
    hangup_close(server);
    spares_close(server);
    if (!settled) return;
    dispose_context(server);
    h2o_config_dispose(&server->config);
    h2o_evloop_destroy(server->events);
    free(server);
}
