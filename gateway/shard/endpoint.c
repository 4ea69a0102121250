/* Endpoints: which one serves a type, how many calls it gets, and when it gets none. */
#include "base/check.h"
#include "shard/overlay.h"

#include <stdlib.h>

static int copy_span(struct span *copy, struct span original)
{
    uint8_t *bytes = malloc(original.size + 1);
    if (bytes == NULL) return ERROR_MEMORY;
    if (original.size > 0) memcpy(bytes, original.at, original.size);
    *copy = span_of(bytes, original.size);
    return 0;
}

static void free_endpoints(struct endpoint *endpoints, uint32_t count)
{
    for (uint32_t i = 0; endpoints != NULL && i < count; i++)
        free((void *)(uintptr_t)endpoints[i].config.pattern.at);
    free(endpoints);
}

static void free_egresses(struct egress *egresses, uint32_t count)
{
    for (uint32_t i = 0; egresses != NULL && i < count; i++)
        free((void *)(uintptr_t)egresses[i].name.at);
    free(egresses);
}

void endpoints_close(struct overlay *overlay)
{
    free_endpoints(overlay->endpoints, overlay->endpoint_count);
    free_egresses(overlay->egresses, overlay->egress_count);
}

static struct endpoint *find_pattern(struct overlay *overlay, struct span pattern)
{
    for (uint32_t i = 0; i < overlay->endpoint_count; i++)
        if (span_equal(overlay->endpoints[i].config.pattern, pattern))
            return &overlay->endpoints[i];
    return NULL;
}

/* What an endpoint of the same pattern had learnt goes on. */
static void init_endpoint(struct overlay *overlay, struct endpoint *endpoint,
                          const struct shard_endpoint *config, struct span pattern)
{
    struct endpoint *before = find_pattern(overlay, config->pattern);
    *endpoint = (struct endpoint){.config = *config, .window = config->window_max > 0};
    endpoint->config.pattern = pattern;
    list_init(&endpoint->ready);
    if (before == NULL) return;
    if (before->window > 0) endpoint->window = before->window;
    endpoint->failures = before->failures;
    memcpy(endpoint->results, before->results, sizeof endpoint->results);
    endpoint->open_until_ms = before->open_until_ms;
    if (endpoint->window > config->window_max) endpoint->window = config->window_max;
}

static int make_endpoints(struct overlay *overlay, const struct shard_config *config,
                          struct endpoint **made)
{
    struct endpoint *endpoints = calloc(config->endpoint_count + 1, sizeof *endpoints);
    if (endpoints == NULL) return ERROR_MEMORY;
    for (uint32_t i = 0; i < config->endpoint_count; i++) {
        struct span pattern;
        if (copy_span(&pattern, config->endpoints[i].pattern) != 0) {
            free_endpoints(endpoints, i);
            return ERROR_MEMORY;
        }
        init_endpoint(overlay, &endpoints[i], &config->endpoints[i], pattern);
    }
    *made = endpoints;
    return 0;
}

static int make_egresses(const struct shard_config *config, struct egress **made)
{
    struct egress *egresses = calloc(config->egress_count + 1, sizeof *egresses);
    if (egresses == NULL) return ERROR_MEMORY;
    for (uint32_t i = 0; i < config->egress_count; i++) {
        if (copy_span(&egresses[i].name, config->egresses[i].name) != 0) {
            free_egresses(egresses, i);
            return ERROR_MEMORY;
        }
        egresses[i].kind = config->egresses[i].kind;
    }
    *made = egresses;
    return 0;
}

/* Flights that are out keep counting for the endpoint that has their old one's pattern, if any. */
static void move_flights(struct overlay *overlay, struct endpoint *old)
{
    LIST_EACH (&overlay->states[FLIGHT_SENT], link) {
        struct flight *flight = CONTAINER_OF(link, struct flight, link);
        struct endpoint *now = flight->endpoint == UINT32_MAX
                                   ? NULL
                                   : find_pattern(overlay, old[flight->endpoint].config.pattern);
        flight->endpoint = now == NULL ? UINT32_MAX : (uint32_t)(now - overlay->endpoints);
        flight->alone = false;
        if (now != NULL) now->in_flight++;
    }
}

int endpoints_configure(struct shard *shard, const struct shard_config *config)
{
    struct overlay *overlay = &shard->overlay;
    struct endpoint *endpoints, *old = overlay->endpoints;
    struct egress *egresses;
    if (make_endpoints(overlay, config, &endpoints) != 0) return ERROR_MEMORY;
    if (make_egresses(config, &egresses) != 0) {
        free_endpoints(endpoints, (uint32_t)config->endpoint_count);
        return ERROR_MEMORY;
    }
    uint32_t old_count = overlay->endpoint_count;
    for (uint32_t i = 0; i < old_count; i++) { /* READY flights are settled anew by the caller */
        LIST_EACH (&old[i].ready, link) {
            list_remove(link);
            list_append(&overlay->states[FLIGHT_READY], link);
        }
    }
    overlay->endpoints = endpoints;
    overlay->endpoint_count = (uint32_t)config->endpoint_count;
    move_flights(overlay, old);
    free_endpoints(old, old_count);
    free_egresses(overlay->egresses, overlay->egress_count);
    overlay->egresses = egresses;
    overlay->egress_count = (uint32_t)config->egress_count;
    overlay->config = *config;
    overlay->config_version++;
    overlay->prng.state ^= config->seed;
    return 0;
}

static bool matches(struct span pattern, struct span type)
{
    if (pattern.size < 2 || pattern.at[pattern.size - 1] != '*') return span_equal(pattern, type);
    return span_starts_with(type, span_of(pattern.at, pattern.size - 1));
}

int32_t endpoint_match(const struct overlay *overlay, struct span type)
{
    int32_t found = -1;
    for (uint32_t i = 0; i < overlay->endpoint_count; i++) {
        struct span pattern = overlay->endpoints[i].config.pattern;
        if (span_equal(pattern, type)) return (int32_t)i;
        if (matches(pattern, type)) found = (int32_t)i;
    }
    return found;
}

int32_t endpoint_of(struct shard *shard, uint32_t type)
{
    struct function *function = image_find_function(&shard->image, type);
    if (function == NULL)
        return endpoint_match(&shard->overlay, dictionary_name(&shard->image, type));
    if (function->endpoint_version != shard->overlay.config_version) {
        function->endpoint = endpoint_match(&shard->overlay, dictionary_name(&shard->image, type));
        function->endpoint_version = shard->overlay.config_version;
    }
    return function->endpoint;
}

bool endpoint_has_room(const struct shard *shard, const struct endpoint *endpoint)
{
    return endpoint->in_flight < endpoint->window &&
           shard->overlay.now_ms >= endpoint->open_until_ms;
}

void endpoint_sent(struct endpoint *endpoint, struct flight *flight)
{
    endpoint->in_flight++;
    if (endpoint->alone != NULL) endpoint->alone->alone = false;
    flight->alone = endpoint->in_flight == 1;
    endpoint->alone = flight->alone ? flight : NULL;
}

void endpoint_done(struct endpoint *endpoint, struct flight *flight)
{
    CHECK(endpoint->in_flight > 0);
    endpoint->in_flight--;
    if (endpoint->alone == flight) endpoint->alone = NULL;
}

/* One call first (it may be at zero); then double per round trip. */
void endpoint_succeeded(struct endpoint *endpoint)
{
    endpoint->failures = 0;
    endpoint->open_until_ms = 0;
    if (endpoint->window < endpoint->config.window_max) endpoint->window++;
}

void endpoint_answered(struct endpoint *endpoint)
{
    endpoint->killer = NULL;
    endpoint->is_down = false;
}

bool endpoint_suspects(struct endpoint *endpoint, struct flight *flight)
{
    if (endpoint->killer == NULL) endpoint->killer = flight;
    if (endpoint->killer != flight) endpoint->is_down = true;
    return !endpoint->is_down;
}

int64_t backoff_ms(struct overlay *overlay, uint32_t failures)
{
    int64_t most_ms = RETRY_MOST_MS;
    if (failures < 10) most_ms = RETRY_FIRST_MS << failures;
    if (most_ms > RETRY_MOST_MS) most_ms = RETRY_MOST_MS;
    return most_ms / 2 + (int64_t)prng_below(&overlay->prng, (uint64_t)most_ms / 2 + 1);
}

/* Failures of calls that were out together count once: the circuit is open already. */
void endpoint_failed(struct shard *shard, struct endpoint *endpoint, int64_t retry_after_ms)
{
    struct overlay *overlay = &shard->overlay;
    bool open = overlay->now_ms < endpoint->open_until_ms;
    if (!open) endpoint->failures++;
    endpoint->window = endpoint->config.window_max > 0;
    int64_t wait_ms = open ? 0 : backoff_ms(overlay, endpoint->failures - 1);
    if (retry_after_ms > RETRY_AFTER_MOST_MS) retry_after_ms = RETRY_AFTER_MOST_MS;
    if (retry_after_ms > wait_ms) wait_ms = retry_after_ms;
    if (overlay->now_ms + wait_ms > endpoint->open_until_ms)
        endpoint->open_until_ms = overlay->now_ms + wait_ms;
}

const struct egress *egress_find(const struct overlay *overlay, struct span name)
{
    for (uint32_t i = 0; i < overlay->egress_count; i++)
        if (span_equal(overlay->egresses[i].name, name)) return &overlay->egresses[i];
    return NULL;
}
