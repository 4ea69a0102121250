/* Settings as the rooms want them, and which handler stands behind which listener. */
#include "app/state.h"

#include "os/limits.h"
#include "os/log.h"
#include "os/random.h"

#include <stdlib.h>

enum {
    DEDUP_MEMORY_SHARE = 20,
    OUTBOX_MEMORY_SHARE = 4,
    ANSWERS_MEMORY_SHARE = 8, /* of functions, while they come in */
    REPLY_KEEP_MS = 600000,
};

uint64_t wiring_memory_budget(const struct settings *settings)
{
    if (settings->gateway.memory_bytes > 0) return settings->gateway.memory_bytes;
    /* Work under way may need up to five eighths more (shard/budget.h), answers and bodies that
       come in a quarter: together under 95 % of the limit. */
    return limits_memory_bytes() / 2;
}

/* What is for all shards together, for one of them: at least one, or it would stand still. */
static uint32_t share(uint32_t whole, const struct station *station)
{
    uint32_t count = station->crew->count;
    uint32_t part = whole / count + (station->number < whole % count);
    return part == 0 && whole > 0 ? 1 : part;
}

static void shard_endpoint_of(const struct endpoint_settings *settings,
                              const struct station *station, struct shard_endpoint *endpoint)
{
    *endpoint = (struct shard_endpoint){.pattern = settings->pattern,
                                        .window_max = share(settings->concurrency_max, station),
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
                               const struct station *station, struct invoke_endpoint *endpoint)
{
    *endpoint =
        (struct invoke_endpoint){.pattern = settings->pattern,
                                 .url_template = settings->url.value,
                                 .call_ms = settings->call_ms,
                                 .connect_ms = settings->connect_ms,
                                 .idle_ms = settings->idle_ms,
                                 .pool_max = share(settings->pool_max, station),
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

static int configure_calls(struct station *station, const struct settings *settings,
                           struct errmsg *errmsg)
{
    size_t count = settings->endpoint_count;
    struct invoke_endpoint *calls = calloc(count + 1, sizeof *calls);
    if (calls == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        invoke_endpoint_of(&settings->endpoints[i], station, &calls[i]);
    int error = invoke_configure(station->engine.invoke, calls, count, errmsg);
    free(calls);
    return error;
}

static int configure_shard(struct station *station, const struct settings *settings,
                           const struct egress_names *names, bool dispatch)
{
    size_t count = settings->endpoint_count;
    uint64_t memory = wiring_memory_budget(settings) / station->crew->count;
    struct shard_endpoint *endpoints = calloc(count + 1, sizeof *endpoints);
    if (endpoints == NULL) return ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        shard_endpoint_of(&settings->endpoints[i], station, &endpoints[i]);
        if (!dispatch) endpoints[i].window_max = 0;
    }
    struct shard_config config = {.endpoints = endpoints,
                                  .endpoint_count = count,
                                  .egresses = names->egresses,
                                  .egress_count = names->count,
                                  .memory_max = memory,
                                  .outbox_bytes_max = memory / OUTBOX_MEMORY_SHARE,
                                  .dedup_window_ms = settings->gateway.dedup_window_ms,
                                  .dedup_bytes_max = memory / DEDUP_MEMORY_SHARE,
                                  .reply_keep_ms = REPLY_KEEP_MS,
                                  .seed = random_u64()};
    invoke_bound(station->engine.invoke, memory / ANSWERS_MEMORY_SHARE);
    int error = engine_configure(&station->engine, &config);
    free(endpoints);
    return error;
}

static int configure_shards(struct crew *crew, const struct settings *settings, bool dispatch)
{
    struct egress_names names;
    int error = make_egresses(settings, &names);
    for (uint32_t i = 0; error == 0 && i < crew->count; i++)
        error = configure_shard(&crew->stations[i], settings, &names, dispatch);
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

/* The invoke rooms first: they are the ones to find fault with settings. Those that had taken them
 * are given the ones in force again, which they have had before. */
static int configure_all_calls(struct gateway *gateway, const struct settings *settings,
                               struct errmsg *errmsg)
{
    struct crew *crew = &gateway->crew;
    struct errmsg why;
    int error = 0;
    uint32_t done = 0;
    for (; error == 0 && done < crew->count; done += error == 0)
        error = configure_calls(&crew->stations[done], settings, errmsg);
    if (error == 0 || settings == &gateway->settings) return error;
    while (done > 0)
        if (configure_calls(&crew->stations[--done], &gateway->settings, &why) != 0)
            LOG(LOG_ERROR, "reload_left_in_part", LOG_NUMBER("shard", done),
                LOG_TEXT("why", why.text));
    return error;
}

int wiring_configure(struct gateway *gateway, const struct settings *settings,
                     struct errmsg *errmsg)
{
    struct crew *crew = &gateway->crew;
    for (uint32_t i = 0; i < crew->count; i++) engine_flush(&crew->stations[i].engine);
    int error = configure_all_calls(gateway, settings, errmsg);
    if (error != 0) return error;
    error = configure_shards(crew, settings, true);
    if (error != 0) errmsg_set(errmsg, error, "out of memory");
    set_topics(gateway, settings);
    return error;
}

/* The functions stay known: a message that an I/O thread let in just before the drain is accepted,
 * not told that no endpoint serves it. */
bool wiring_stop_dispatch(struct gateway *gateway)
{
    struct crew *crew = &gateway->crew;
    if (!crew_pause(crew)) return false;
    for (uint32_t i = 0; i < crew->count; i++) engine_flush(&crew->stations[i].engine);
    if (configure_shards(crew, &gateway->settings, false) != 0)
        LOG_BARE(LOG_ERROR, "out_of_memory");
    crew_resume(crew);
    return true;
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
    front_tell_listener("admin", settings->admin, gateway->admin_listener);
    return 0;
}

/* Below four cores the gateway's thread does it all: a thread more would only move the work and pay
 * for the way. */
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
    if (workers > 1) { /* each has a server of its own */
        gateway->limits.bodies_max /= workers;
        gateway->limits.connections_max /= (uint32_t)workers;
    }
    int error = 0;
    if (workers == 0) {
        error = front_open(&gateway->fronts[0], gateway, &gateway->loop, gateway->server,
                           gateway->port, errmsg);
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
