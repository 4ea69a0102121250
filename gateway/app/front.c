#include "app/front.h"

#include "admin/guard.h"
#include "app/openapi.h"
#include "app/state.h"
#include "os/log.h"

#include <stdio.h>
#include <unistd.h>

/* ---- Who may do what; tokens and topics are replaced by a reload in the gateway's thread ---- */

static bool allowed(struct gateway *gateway, struct http_request *request, enum token_verb verb,
                    struct span name_space)
{
    pthread_rwlock_rdlock(&gateway->shared);
    bool yes =
        guard_request(gateway->has_tokens ? &gateway->tokens : NULL, request, verb, name_space);
    pthread_rwlock_unlock(&gateway->shared);
    return yes;
}

static bool allow_ingress(void *context, struct http_request *request, enum ingress_access access,
                          struct span name_space)
{
    static const enum token_verb verbs[] = {
        [ACCESS_SEND] = TOKEN_SEND, [ACCESS_CALL] = TOKEN_CALL, [ACCESS_STATE] = TOKEN_STATE};
    return allowed(((struct front *)context)->gateway, request, verbs[access], name_space);
}

static bool allow_egress(void *context, struct http_request *request, struct span name_space)
{
    return allowed(((struct front *)context)->gateway, request, TOKEN_EGRESS, name_space);
}

/* ---- Handlers ---- */

static void handle_playground_egress(void *context, struct http_request *request)
{
    struct front *front = context;
    struct gateway *gateway = front->gateway;
    if (!allowed(gateway, request, TOKEN_EGRESS, SPAN_LITERAL("io.statefun.playground"))) return;
    pthread_rwlock_rdlock(&gateway->shared);
    front->playground.topics = gateway->topics;
    front->playground.topic_count = gateway->topic_count;
    playground_handle(&front->playground, request);
    pthread_rwlock_unlock(&gateway->shared);
}

static void handle_rest(void *context, struct http_request *request)
{
    struct front *front = context;
    static const struct http_header yaml = {{(const uint8_t *)"content-type", 12},
                                            {(const uint8_t *)"application/yaml", 16}};
    if (span_equal(request->path, SPAN_LITERAL("/openapi.yaml")) &&
        span_equal(request->method, SPAN_LITERAL("GET")))
        http_answer(request, 200, &yaml, 1, openapi_text());
    else
        egress_handle_last(&front->egress, request);
}

static void init_edges(struct front *front)
{
    struct ingress_options ingress = {.port = front->port,
                                      .loop = front->loop,
                                      .allow = allow_ingress,
                                      .allow_context = front,
                                      .next = handle_rest,
                                      .next_context = front};
    ingress_init(&front->ingress, &ingress);
    egress_init(&front->egress, front->port, front->loop);
    front->egress.allow = allow_egress;
    front->egress.allow_context = front;
    front->playground.port = front->port;
}

/* ---- Listeners ---- */

/* A Unix socket has no port, and one that the system does not tell is not number 0. */
void front_tell_listener(const char *what, const char *address, const struct listener *listener)
{
    uint16_t port = listener_port(listener);
    if (port != 0)
        LOG(LOG_INFO, "listening", LOG_TEXT("for", what), LOG_TEXT("address", address),
            LOG_NUMBER("port", port));
    else if (strncmp(address, "unix:", 5) == 0)
        LOG(LOG_INFO, "listening", LOG_TEXT("for", what), LOG_TEXT("address", address));
    else
        LOG(LOG_WARN, "listening", LOG_TEXT("for", what), LOG_TEXT("address", address),
            LOG_TEXT("why", "the system does not tell the port"));
}

static int listen_on(struct front *front, const char *what, const char *address,
                     http_handler *handler, void *context, const struct front *first,
                     struct errmsg *errmsg)
{
    const struct gateway_settings *settings = &front->gateway->settings.gateway;
    if (front->listener_count == FRONT_LISTENERS_MAX)
        return errmsg_set(errmsg, ERROR_TOO_LARGE, "more than %d ports", FRONT_LISTENERS_MAX);
    struct listener_options options = {
        .address = address,
        .handler = handler,
        .context = context,
        .share = first == NULL ? NULL : first->listeners[front->listener_count],
        .tls_cert = settings->tls_cert,
        .tls_key = settings->tls_key,
        .tls_client_ca = settings->tls_client_ca};
    struct listener *listener;
    int error = server_listen(front->server, &options, &listener, errmsg);
    if (error != 0) return error;
    front->listeners[front->listener_count++] = listener;
    if (first == NULL) front_tell_listener(what, address, listener);
    return 0;
}

/* The playground's ports stand on the host that --listen names, as the container's did. */
static void playground_address(char address[320], const struct gateway_settings *settings,
                               const struct port_settings *port)
{
    const char *listen = settings->listen;
    const char *colon = strrchr(listen, ':');
    if (port->host != NULL)
        snprintf(address, 320, "%s:%u", port->host, port->port);
    else if (strncmp(listen, "unix:", 5) == 0 || colon == NULL)
        snprintf(address, 320, "127.0.0.1:%u", port->port);
    else
        snprintf(address, 320, "%.*s:%u", (int)(colon - listen < 256 ? colon - listen : 256),
                 listen, port->port);
}

static int listen_all(struct front *front, const struct front *first, struct errmsg *errmsg)
{
    const struct settings *settings = &front->gateway->settings;
    char address[320];
    int error = listen_on(front, "data", settings->gateway.listen, ingress_handle, &front->ingress,
                          first, errmsg);
    for (size_t i = 0; error == 0 && i < settings->ingress_count; i++) {
        if (settings->ingresses[i].kind != INGRESS_PLAYGROUND) continue;
        playground_address(address, &settings->gateway, &settings->ingresses[i].port);
        error = listen_on(front, "playground ingress", address, ingress_playground_handle,
                          &front->ingress, first, errmsg);
    }
    for (size_t i = 0; error == 0 && i < settings->egress_count; i++) {
        if (settings->egresses[i].kind != EGRESS_SETTINGS_PLAYGROUND) continue;
        playground_address(address, &settings->gateway, &settings->egresses[i].port);
        error = listen_on(front, "playground egress", address, handle_playground_egress, front,
                          first, errmsg);
    }
    return error;
}

/* ---- Orders ---- */

static void obey(struct front *front)
{
    front->ingress.disk_hangs =
        atomic_load_explicit(&front->orders.disk_hangs, memory_order_relaxed);
    front->ingress.disk_full = atomic_load_explicit(&front->orders.disk_full, memory_order_relaxed);
    bool draining = atomic_load_explicit(&front->orders.draining, memory_order_relaxed);
    if (draining && !front->ingress.draining) egress_drain(&front->egress);
    front->ingress.draining = draining;
}

/* `drains` last: who sees it sees counts to which only less can be added. */
static void turn_ended(struct loop_turn_end *turn_end)
{
    struct front *front = CONTAINER_OF(turn_end, struct front, turn_end);
    atomic_store_explicit(&front->connections, server_connections(front->server),
                          memory_order_relaxed);
    atomic_store_explicit(&front->waiting, front->threaded ? way_waiting(&front->way) : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&front->reading, server_body_bytes(front->server) > 0,
                          memory_order_relaxed);
    atomic_store_explicit(&front->drains, front->ingress.draining, memory_order_release);
}

static void order_came(struct loop_signal *signal)
{
    obey(CONTAINER_OF(signal, struct front, ordered));
}

void front_order(struct front *front)
{
    const struct gateway *gateway = front->gateway;
    struct front_orders *orders = &front->orders;
    atomic_store_explicit(&orders->draining, gateway->drain != DRAIN_NOT, memory_order_relaxed);
    atomic_store_explicit(&orders->disk_full, gateway->disk_full, memory_order_relaxed);
    atomic_store_explicit(&orders->disk_hangs, gateway->disk_hangs, memory_order_relaxed);
    if (front->threaded)
        loop_signal_send(&front->ordered);
    else
        obey(front);
}

/* ---- Life ---- */

static void start_edges(struct front *front)
{
    init_edges(front);
    front->turn_end.run = turn_ended;
    loop_at_turn_end(front->loop, &front->turn_end);
}

int front_open(struct front *front, struct gateway *gateway, struct loop *loop,
               struct server *server, struct port *port, struct errmsg *errmsg)
{
    *front = (struct front){.gateway = gateway, .port = port, .loop = loop, .server = server};
    start_edges(front);
    return listen_all(front, NULL, errmsg);
}

int front_open_thread(struct front *front, struct gateway *gateway, const struct front *first,
                      struct errmsg *errmsg)
{
    *front = (struct front){.gateway = gateway, .threaded = true};
    front->loop = &front->own_loop;
    int error = loop_init(front->loop);
    if (error != 0) return errmsg_set(errmsg, error, "cannot make an event loop");
    error = server_open(&front->server, front->loop, &gateway->limits, errmsg);
    if (error != 0) goto close_loop;
    error = inbox_open(&front->inbox, front->loop);
    if (error != 0) {
        errmsg_set(errmsg, error, "cannot make an event descriptor");
        goto close_server;
    }
    error = way_open(&front->way, &front->inbox, &gateway->crew);
    if (error != 0) {
        errmsg_set(errmsg, error, "out of memory");
        goto close_inbox;
    }
    error = loop_signal_init(front->loop, &front->ordered, order_came);
    if (error != 0) {
        errmsg_set(errmsg, error, "cannot make an event descriptor");
        goto close_way;
    }
    front->port = front->way.port;
    start_edges(front);
    error = listen_all(front, first, errmsg);
    if (error == 0) return 0;
    loop_signal_close(front->loop, &front->ordered);
close_way:
    way_close(&front->way);
close_inbox:
    inbox_close(&front->inbox);
close_server:
    server_close(front->server);
close_loop:
    loop_close(front->loop);
    return error;
}

static void *serve(void *context)
{
    struct front *front = context;
    loop_touch(front->loop);
    while (!atomic_load_explicit(&front->orders.stop, memory_order_acquire)) {
        if (server_turn(front->server) == 0) continue;
        LOG_BARE(LOG_ERROR, "io_thread_failed");
        _exit(EXIT_FAILED);
    }
    /* Answers that the engine gave before it ended may have come in during the last turn. */
    (void)!loop_turn(front->loop, 0);
    server_drain(front->server);
    server_close(front->server);
    return NULL;
}

int front_start(struct front *front)
{
    if (!front->threaded) return 0;
    front->started = pthread_create(&front->thread, NULL, serve, front) == 0;
    return front->started ? 0 : ERROR_MEMORY;
}

void front_stop(struct front *front)
{
    if (!front->threaded || front->ended) return;
    front->ended = true;
    if (!front->started) {
        server_close(front->server);
        return;
    }
    atomic_store_explicit(&front->orders.stop, true, memory_order_release);
    loop_signal_send(&front->ordered);
    pthread_join(front->thread, NULL);
}

void front_close(struct front *front)
{
    list_remove(&front->turn_end.link);
    ingress_close(&front->ingress);
    if (!front->threaded) return;
    loop_signal_close(front->loop, &front->ordered);
    way_close(&front->way);
    inbox_close(&front->inbox);
    loop_close(front->loop);
}
