/* Settings as the rooms want them, and which handler stands behind which listener. */
#include "app/state.h"

#include "os/limits.h"
#include "os/log.h"
#include "os/random.h"

#include <stdlib.h>

enum { DEDUP_MEMORY_SHARE = 20, OUTBOX_MEMORY_SHARE = 4, REPLY_KEEP_MS = 600000 };

uint64_t wiring_memory_budget(const struct settings *settings)
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
    uint64_t memory = wiring_memory_budget(settings);
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
    gateway->topic_count = 0;
    for (size_t i = 0; i < settings->egress_count; i++) {
        if (settings->egresses[i].kind != EGRESS_SETTINGS_PLAYGROUND) continue;
        gateway->topics = settings->egresses[i].topics;
        gateway->topic_count = settings->egresses[i].topic_count;
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
    engine_flush(&gateway->engine);
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

/* The functions stay known: a message that an I/O thread let in just before the drain is accepted,
 * not told that no endpoint serves it. */
void wiring_stop_dispatch(struct gateway *gateway)
{
    const struct settings *settings = &gateway->settings;
    struct shard_endpoint *endpoints = calloc(settings->endpoint_count + 1, sizeof *endpoints);
    int error = endpoints == NULL ? ERROR_MEMORY : 0;
    for (size_t i = 0; error == 0 && i < settings->endpoint_count; i++) {
        shard_endpoint_of(&settings->endpoints[i], &endpoints[i]);
        endpoints[i].window_max = 0;
    }
    engine_flush(&gateway->engine);
    if (error == 0) error = configure_shard(gateway, settings, endpoints);
    if (error != 0) LOG_BARE(LOG_ERROR, "out_of_memory");
    free(endpoints);
}

/* ---- Listeners ---- */

static int listen_admin(struct gateway *gateway, struct errmsg *errmsg)
{
    const struct gateway_settings *settings = &gateway->settings.gateway;
    struct listener_options options = {.address = settings->admin,
                                       .handler = admin_handle,
                                       .context = &gateway->admin,
                                       .tls_cert = settings->tls_cert,
                                       .tls_key = settings->tls_key,
                                       .tls_client_ca = settings->tls_client_ca};
    int error = server_listen(gateway->server, &options, &gateway->admin_listener, errmsg);
    if (error != 0) return error;
    LOG(LOG_INFO, "listening", LOG_TEXT("for", "admin"), LOG_TEXT("address", settings->admin),
        LOG_NUMBER("port", listener_port(gateway->admin_listener)));
    return 0;
}

/* Below four cores the engine does it all: a thread more would only move the work and pay for the
 * way. */
static size_t worker_count(const struct settings *settings)
{
    if (settings->gateway.origins[GATEWAY_WORKERS].kind != ORIGIN_DEFAULT &&
        settings->gateway.workers > 0)
        return settings->gateway.workers < FRONTS_MAX ? settings->gateway.workers : FRONTS_MAX;
    unsigned cores = limits_cores();
    return cores < 4 ? 0 : cores / 4;
}

int wiring_listen(struct gateway *gateway, struct errmsg *errmsg)
{
    size_t workers = worker_count(&gateway->settings);
    if (workers > 1) gateway->limits.bodies_max /= workers; /* each has a server of its own */
    int error = 0;
    if (workers == 0) {
        error = front_open(&gateway->fronts[0], gateway, &gateway->loop, gateway->server,
                           &gateway->engine.port, errmsg);
        if (error == 0) gateway->front_count = 1;
    }
    for (size_t i = 0; error == 0 && i < workers; i++) {
        error = front_open_thread(&gateway->fronts[i], gateway, i == 0 ? NULL : &gateway->fronts[0],
                                  errmsg);
        if (error == 0) gateway->front_count++;
    }
    if (error == 0) error = listen_admin(gateway, errmsg);
    for (size_t i = 0; error == 0 && i < gateway->front_count; i++) {
        error = front_start(&gateway->fronts[i]);
        if (error != 0) errmsg_set(errmsg, error, "cannot start an I/O thread");
    }
    return error;
}

void wiring_order(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->front_count; i++) front_order(&gateway->fronts[i]);
}
