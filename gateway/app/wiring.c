/* Settings as the rooms want them, and which handler stands behind which listener. */
#include "app/state.h"

#include "admin/guard.h"
#include "os/limits.h"
#include "os/log.h"
#include "os/random.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEDUP_MEMORY_SHARE = 20, OUTBOX_MEMORY_SHARE = 4, REPLY_KEEP_MS = 600000 };

static uint64_t memory_budget(const struct settings *settings)
{
    if (settings->gateway.memory_bytes > 0) return settings->gateway.memory_bytes;
    return limits_memory_bytes() / 4 * 3;
}

static void shard_endpoint_of(const struct endpoint_settings *settings,
                              struct shard_endpoint *endpoint)
{
    *endpoint = (struct shard_endpoint){.pattern = settings->pattern,
                                        .window_max = settings->concurrency_max,
                                        .batch_count_max = settings->batch_count_max,
                                        .batch_bytes_max = settings->batch_bytes_max,
                                        .payload_bytes_max = settings->payload_bytes_max,
                                        .state_bytes_max = settings->state_bytes_max,
                                        .attempts_max = settings->attempts_max,
                                        .retry_for_ms = settings->retry_for_ms,
                                        .dispatch_durable = settings->dispatch_durable,
                                        .expose = settings->expose};
}

static void invoke_endpoint_of(const struct endpoint_settings *settings,
                               struct invoke_endpoint *endpoint)
{
    *endpoint =
        (struct invoke_endpoint){.pattern = settings->pattern,
                                 .url_template = settings->url.value,
                                 .call_ms = settings->call_ms,
                                 .connect_ms = settings->connect_ms,
                                 .idle_ms = settings->idle_ms,
                                 .pool_max = settings->pool_max,
                                 .payload_bytes_max = settings->payload_bytes_max,
                                 .h2_prior_knowledge = settings->h2_prior_knowledge,
                                 .trust_cacerts = settings->trust_cacerts,
                                 .client_cert = settings->client_cert,
                                 .client_key = settings->client_key,
                                 .client_key_password_file = settings->client_key_password_file};
}

/* ---- Egresses: a playground's topic is a queue of its own, "io.statefun.playground/egress/TOPIC".
 * ---- */

struct egress_names {
    struct shard_egress *egresses;
    size_t count;
    struct buffer text; /* of the topics' names */
};

static size_t count_egresses(const struct settings *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->egress_count; i++)
        count += 1 + settings->egresses[i].topic_count;
    return count;
}

static void add_egress(struct egress_names *names, const struct egress_settings *settings)
{
    enum egress_kind kind = settings->kind == EGRESS_SETTINGS_DISCARD      ? EGRESS_DISCARD
                            : settings->kind == EGRESS_SETTINGS_PLAYGROUND ? EGRESS_PLAYGROUND
                                                                           : EGRESS_PULL;
    names->egresses[names->count++] = (struct shard_egress){settings->id, kind};
    for (size_t i = 0; i < settings->topic_count; i++) {
        size_t begin = names->text.size;
        buffer_append(&names->text, settings->id);
        buffer_byte(&names->text, '/');
        buffer_append(&names->text, settings->topics[i]);
        /* The buffer may move: offsets now, addresses when it is complete. */
        names->egresses[names->count++] = (struct shard_egress){
            {(const uint8_t *)(uintptr_t)begin, names->text.size - begin}, EGRESS_PULL};
    }
}

static int make_egresses(const struct settings *settings, struct egress_names *names)
{
    *names = (struct egress_names){0};
    names->egresses = calloc(count_egresses(settings) + 1, sizeof *names->egresses);
    if (names->egresses == NULL) return ERROR_MEMORY;
    for (size_t i = 0; i < settings->egress_count; i++) add_egress(names, &settings->egresses[i]);
    size_t n = 0;
    for (size_t i = 0; i < settings->egress_count; i++) {
        n++;
        for (size_t j = 0; j < settings->egresses[i].topic_count; j++, n++)
            names->egresses[n].name.at = names->text.at + (uintptr_t)names->egresses[n].name.at;
    }
    return names->text.failed ? ERROR_MEMORY : 0;
}

static void close_egresses(struct egress_names *names)
{
    buffer_close(&names->text);
    free(names->egresses);
}

/* ---- Configure ---- */

static int configure_shard(struct gateway *gateway, const struct settings *settings,
                           const struct shard_endpoint *endpoints)
{
    struct egress_names names;
    uint64_t memory = memory_budget(settings);
    int error = make_egresses(settings, &names);
    struct shard_config config = {.endpoints = endpoints,
                                  .endpoint_count = settings->endpoint_count,
                                  .egresses = names.egresses,
                                  .egress_count = names.count,
                                  .memory_max = memory,
                                  .outbox_bytes_max = memory / OUTBOX_MEMORY_SHARE,
                                  .dedup_window_ms = settings->gateway.dedup_window_ms,
                                  .dedup_bytes_max = memory / DEDUP_MEMORY_SHARE,
                                  .reply_keep_ms = REPLY_KEEP_MS,
                                  .seed = random_u64()};
    if (error == 0) error = engine_configure(&gateway->engine, &config);
    close_egresses(&names);
    return error;
}

static void set_topics(struct gateway *gateway, const struct settings *settings)
{
    gateway->playground.topic_count = 0;
    for (size_t i = 0; i < settings->egress_count; i++) {
        if (settings->egresses[i].kind != EGRESS_SETTINGS_PLAYGROUND) continue;
        gateway->playground.topics = settings->egresses[i].topics;
        gateway->playground.topic_count = settings->egresses[i].topic_count;
    }
}

int wiring_configure(struct gateway *gateway, const struct settings *settings,
                     struct errmsg *errmsg)
{
    size_t count = settings->endpoint_count;
    struct invoke_endpoint *calls = calloc(count + 1, sizeof *calls);
    struct shard_endpoint *endpoints = calloc(count + 1, sizeof *endpoints);
    int error =
        calls == NULL || endpoints == NULL ? errmsg_set(errmsg, ERROR_MEMORY, "out of memory") : 0;
    for (size_t i = 0; error == 0 && i < count; i++) {
        invoke_endpoint_of(&settings->endpoints[i], &calls[i]);
        shard_endpoint_of(&settings->endpoints[i], &endpoints[i]);
    }
    if (error == 0) error = invoke_configure(gateway->engine.invoke, calls, count, errmsg);
    if (error == 0) {
        error = configure_shard(gateway, settings, endpoints);
        if (error != 0) errmsg_set(errmsg, error, "out of memory");
        set_topics(gateway, settings);
    }
    free(endpoints);
    free(calls);
    return error;
}

void wiring_stop_dispatch(struct gateway *gateway)
{
    struct settings none = gateway->settings;
    none.endpoint_count = 0;
    if (configure_shard(gateway, &none, NULL) != 0) LOG_BARE(LOG_ERROR, "out_of_memory");
}

/* ---- Listeners ---- */

static bool allow_ingress(void *context, struct http_request *request, enum ingress_access access,
                          struct span name_space)
{
    const struct gateway *gateway = context;
    static const enum token_verb verbs[] = {
        [ACCESS_SEND] = TOKEN_SEND, [ACCESS_CALL] = TOKEN_CALL, [ACCESS_STATE] = TOKEN_STATE};
    return guard_request(gateway->has_tokens ? &gateway->tokens : NULL, request, verbs[access],
                         name_space);
}

static bool allow_egress(void *context, struct http_request *request, struct span name_space)
{
    const struct gateway *gateway = context;
    return guard_request(gateway->has_tokens ? &gateway->tokens : NULL, request, TOKEN_EGRESS,
                         name_space);
}

static void egress_or_not_found(void *context, struct http_request *request)
{
    struct gateway *gateway = context;
    if (egress_handle(&gateway->egress, request)) return;
    http_problem(request, 404, "not-found",
                 "there is nothing at this path; see /openapi.yaml for what there is", SPAN_EMPTY,
                 0);
}

static int listen_on(struct gateway *gateway, const char *address, http_handler *handler,
                     void *context, struct listener **listener, struct errmsg *errmsg)
{
    const struct gateway_settings *settings = &gateway->settings.gateway;
    struct listener_options options = {.address = address,
                                       .handler = handler,
                                       .context = context,
                                       .tls_cert = settings->tls_cert,
                                       .tls_key = settings->tls_key,
                                       .tls_client_ca = settings->tls_client_ca};
    return server_listen(gateway->server, &options, listener, errmsg);
}

static void log_listening(const char *what, const char *address, const struct listener *listener)
{
    LOG(LOG_INFO, "listening", LOG_TEXT("for", what), LOG_TEXT("address", address),
        LOG_NUMBER("port", listener_port(listener)));
}

/* The playground's ports stand on the host that --listen names, as the container's did. */
static int listen_playground(struct gateway *gateway, const char *what,
                             const struct port_settings *port, http_handler *handler, void *context,
                             struct errmsg *errmsg)
{
    char address[300], host[256] = "127.0.0.1";
    const char *listen = gateway->settings.gateway.listen;
    const char *colon = strrchr(listen, ':');
    if (port->host != NULL)
        snprintf(host, sizeof host, "%s", port->host);
    else if (strncmp(listen, "unix:", 5) != 0 && colon != NULL)
        snprintf(host, sizeof host, "%.*s", (int)(colon - listen), listen);
    snprintf(address, sizeof address, "%s:%u", host, port->port);
    struct listener *listener;
    int error = listen_on(gateway, address, handler, context, &listener, errmsg);
    if (error == 0) log_listening(what, address, listener);
    return error;
}

int wiring_listen(struct gateway *gateway, struct errmsg *errmsg)
{
    const struct settings *settings = &gateway->settings;
    struct ingress_options ingress = {.port = &gateway->engine.port,
                                      .loop = &gateway->loop,
                                      .allow = allow_ingress,
                                      .allow_context = gateway,
                                      .next = egress_or_not_found,
                                      .next_context = gateway};
    ingress_init(&gateway->ingress, &ingress);
    egress_init(&gateway->egress, &gateway->engine.port, &gateway->loop);
    gateway->egress.allow = allow_egress;
    gateway->egress.allow_context = gateway;
    gateway->playground.port = &gateway->engine.port;
    int error = listen_on(gateway, settings->gateway.listen, ingress_handle, &gateway->ingress,
                          &gateway->data_listener, errmsg);
    if (error == 0)
        error = listen_on(gateway, settings->gateway.admin, admin_handle, &gateway->admin,
                          &gateway->admin_listener, errmsg);
    for (size_t i = 0; error == 0 && i < settings->ingress_count; i++)
        if (settings->ingresses[i].kind == INGRESS_PLAYGROUND)
            error = listen_playground(gateway, "playground ingress", &settings->ingresses[i].port,
                                      ingress_playground_handle, &gateway->ingress, errmsg);
    for (size_t i = 0; error == 0 && i < settings->egress_count; i++)
        if (settings->egresses[i].kind == EGRESS_SETTINGS_PLAYGROUND)
            error = listen_playground(gateway, "playground egress", &settings->egresses[i].port,
                                      playground_handle, &gateway->playground, errmsg);
    if (error != 0) return error;
    log_listening("data", settings->gateway.listen, gateway->data_listener);
    log_listening("admin", settings->gateway.admin, gateway->admin_listener);
    return 0;
}
