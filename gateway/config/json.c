/* The settings as one JSON object, for /v1/config and --output json. */
#include "config/settings.h"

#include "base/text.h"

static void member_text(struct buffer *out, const char *name, struct span text)
{
    text_json_member(out, name);
    text_json_string(out, text);
}

static void member_path(struct buffer *out, const char *name, const char *path)
{
    text_json_member(out, name);
    if (path) {
        text_json_string(out, span_text(path));
    } else {
        text_append(out, "null");
    }
}

static void member_number(struct buffer *out, const char *name, uint64_t number)
{
    text_json_member(out, name);
    text_decimal(out, number);
}

static void member_switch(struct buffer *out, const char *name, bool value)
{
    text_json_member(out, name);
    text_append(out, value ? "true" : "false");
}

static void member_place(struct buffer *out, const struct place *place)
{
    if (!place->file) return;
    text_json_member(out, "from");
    text_append(out, "{");
    member_path(out, "file", place->file);
    if (place->line > 0) {
        member_number(out, "line", place->line);
        member_number(out, "column", place->column);
    }
    text_append(out, "}");
}

static void separate(struct buffer *out, size_t i)
{
    if (i > 0) buffer_byte(out, ',');
}

static void member_list(struct buffer *out, const char *name, const struct span *texts,
                        size_t count)
{
    text_json_member(out, name);
    buffer_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        separate(out, i);
        text_json_string(out, texts[i]);
    }
    buffer_byte(out, ']');
}

/* ---- Parts ---- */

static void write_endpoint_times(const struct endpoint_settings *endpoint, struct buffer *out)
{
    member_number(out, "call_ms", (uint64_t)endpoint->call_ms);
    member_number(out, "connect_ms", (uint64_t)endpoint->connect_ms);
    member_number(out, "idle_ms", (uint64_t)endpoint->idle_ms);
    member_number(out, "retry_attempts", endpoint->attempts_max);
    member_number(out, "retry_for_ms", (uint64_t)endpoint->retry_for_ms);
}

static void write_endpoint(const struct endpoint_settings *endpoint, struct buffer *out)
{
    text_append(out, "{");
    member_text(out, "functions", endpoint->pattern);
    member_text(out, "url", endpoint->url.shown);
    member_path(out, "transport", endpoint->transport == TRANSPORT_ASYNC ? "async" : "okhttp");
    member_switch(out, "http2", endpoint->h2_prior_knowledge);
    member_path(out, "dispatch", endpoint->dispatch_durable ? "durable" : "early");
    member_switch(out, "expose", endpoint->expose);
    member_number(out, "batch_count_max", endpoint->batch_count_max);
    member_number(out, "batch_bytes_max", endpoint->batch_bytes_max);
    member_number(out, "payload_bytes_max", endpoint->payload_bytes_max);
    member_number(out, "state_bytes_max", endpoint->state_bytes_max);
    member_number(out, "concurrency", endpoint->concurrency_max);
    member_number(out, "pool_size", endpoint->pool_max);
    write_endpoint_times(endpoint, out);
    member_path(out, "trust_cacerts", endpoint->trust_cacerts);
    member_path(out, "client_cert", endpoint->client_cert);
    member_path(out, "client_key", endpoint->client_key);
    member_path(out, "client_key_password_file", endpoint->client_key_password_file);
    member_place(out, &endpoint->place);
    text_append(out, "}");
}

static void member_properties(struct buffer *out, const struct property_settings *properties,
                              size_t count)
{
    text_json_member(out, "properties");
    text_append(out, "{");
    for (size_t i = 0; i < count; i++)
        member_text(out, (const char *)properties[i].name.at, properties[i].value.shown);
    text_append(out, "}");
}

static void member_port(struct buffer *out, const struct port_settings *port)
{
    member_path(out, "host", port->host);
    member_number(out, "port", port->port);
}

static void write_ingress(const struct ingress_settings *ingress, struct buffer *out)
{
    static const char *const kinds[] = {"playground", "kafka", "kinesis"};
    text_append(out, "{");
    member_text(out, "id", ingress->id);
    member_path(out, "kind", kinds[ingress->kind]);
    if (ingress->kind == INGRESS_PLAYGROUND) {
        member_port(out, &ingress->port);
    } else {
        member_text(out, "address", ingress->kafka.address.shown);
        member_properties(out, ingress->properties, ingress->property_count);
    }
    member_place(out, &ingress->place);
    text_append(out, "}");
}

static void write_egress(const struct egress_settings *egress, struct buffer *out)
{
    static const char *const kinds[] = {"pull", "discard", "playground", "kafka", "kinesis"};
    text_append(out, "{");
    member_text(out, "id", egress->id);
    member_path(out, "kind", kinds[egress->kind]);
    if (egress->kind == EGRESS_SETTINGS_PLAYGROUND) {
        member_port(out, &egress->port);
        member_list(out, "topics", egress->topics, egress->topic_count);
    } else if (egress->kind >= EGRESS_SETTINGS_KAFKA) {
        member_text(out, "address", egress->kafka.address.shown);
        member_properties(out, egress->properties, egress->property_count);
    }
    member_place(out, &egress->place);
    text_append(out, "}");
}

static void write_gateway(const struct gateway_settings *gateway, struct buffer *out)
{
    text_append(out, "{");
    member_path(out, "data", gateway->data);
    member_path(out, "listen", gateway->listen);
    member_path(out, "admin", gateway->admin);
    member_number(out, "workers", gateway->workers);
    member_number(out, "shards", gateway->shards);
    member_number(out, "memory_bytes", gateway->memory_bytes);
    member_path(out, "log", gateway->log == LOG_AS_JSON ? "json" : "text");
    member_path(out, "log_level", log_level_name(gateway->log_level));
    member_number(out, "drain_ms", (uint64_t)gateway->drain_ms);
    member_number(out, "snapshot_every_ms", (uint64_t)gateway->snapshot_every_ms);
    member_number(out, "snapshot_bytes", gateway->snapshot_bytes);
    member_number(out, "dedup_window_ms", (uint64_t)gateway->dedup_window_ms);
    member_path(out, "token_file", gateway->token_file);
    member_path(out, "tls_cert", gateway->tls_cert);
    member_path(out, "tls_key", gateway->tls_key);
    member_path(out, "tls_client_ca", gateway->tls_client_ca);
    member_switch(out, "unprotected", gateway->unprotected);
    member_place(out, &gateway->place);
    text_append(out, "}");
}

void settings_json(const struct settings *settings, struct buffer *out)
{
    text_append(out, "{");
    text_json_member(out, "gateway");
    write_gateway(&settings->gateway, out);
    text_json_member(out, "endpoints");
    text_append(out, "[");
    for (size_t i = 0; i < settings->endpoint_count; i++) {
        separate(out, i);
        write_endpoint(&settings->endpoints[i], out);
    }
    text_append(out, "]");
    text_json_member(out, "ingresses");
    text_append(out, "[");
    for (size_t i = 0; i < settings->ingress_count; i++) {
        separate(out, i);
        write_ingress(&settings->ingresses[i], out);
    }
    text_append(out, "]");
    text_json_member(out, "egresses");
    text_append(out, "[");
    for (size_t i = 0; i < settings->egress_count; i++) {
        separate(out, i);
        write_egress(&settings->egresses[i], out);
    }
    text_append(out, "]}");
}
