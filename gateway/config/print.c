/* What would run, as tables for people. */
#include "config/settings.h"

enum { COLUMN_SIZE_MAX = 256 };

/* Texts of the file go to a terminal: no control characters. */
static void clean(char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f) *text = '?';
    }
}

static const char *duration_text(int64_t milliseconds, char *out, size_t size)
{
    static const struct {
        int64_t factor;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (units[i].factor > 1 && (milliseconds % units[i].factor != 0 || milliseconds == 0)) i++;
    snprintf(out, size, "%lld%s", (long long)(milliseconds / units[i].factor), units[i].unit);
    return out;
}

static const char *size_text(uint64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    size_t i = 0;
    while (i < 3 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    snprintf(out, size, "%llu%s", (unsigned long long)bytes, units[i]);
    return out;
}

/* ---- Tables ---- */

enum { TABLE_COLUMNS_MAX = 10 };

struct table_row {
    char cells[TABLE_COLUMNS_MAX][COLUMN_SIZE_MAX];
};

/* Two passes over the same rows: the first measures, the second prints. */
struct table_writer {
    FILE *out;
    bool measuring;
    size_t columns;
    int widths[TABLE_COLUMNS_MAX];
};

static void write_row(struct table_writer *writer, struct table_row *row)
{
    if (!writer->measuring) fputs(" ", writer->out);
    for (size_t i = 0; i < writer->columns; i++) {
        clean(row->cells[i]);
        int length = (int)strlen(row->cells[i]);
        if (writer->measuring) {
            if (length > writer->widths[i]) writer->widths[i] = length;
        } else if (i + 1 == writer->columns) {
            fprintf(writer->out, " %s\n", row->cells[i]);
        } else {
            fprintf(writer->out, " %-*s ", writer->widths[i], row->cells[i]);
        }
    }
}

#define CELL(row, i, ...) snprintf((row)->cells[i], COLUMN_SIZE_MAX, __VA_ARGS__)

static void write_place(struct table_row *row, size_t i, const struct place *place)
{
    if (!place->file) {
        CELL(row, i, "default");
    } else if (place->line == 0) {
        CELL(row, i, "%s", place->file);
    } else {
        CELL(row, i, "%s:%u", place->file, place->line);
    }
}

typedef void write_rows(const struct settings *settings, struct table_writer *writer);

static void write_table(const struct settings *settings, const char *title, size_t columns,
                        write_rows *rows, FILE *out)
{
    struct table_writer writer = {.out = out, .measuring = true, .columns = columns};
    rows(settings, &writer);
    writer.measuring = false;
    fprintf(out, "%s\n", title);
    rows(settings, &writer);
    fputc('\n', out);
}

/* ---- Contents ---- */

static void write_endpoints(const struct settings *settings, struct table_writer *writer)
{
    struct table_row row = {
        {"FUNCTIONS", "URL", "CALL", "BATCH", "CONCURRENCY", "DISPATCH", "FROM"}};
    write_row(writer, &row);
    for (size_t i = 0; i < settings->endpoint_count; i++) {
        const struct endpoint_settings *endpoint = &settings->endpoints[i];
        char text[32];
        CELL(&row, 0, "%.*s", SPAN_PRINT(endpoint->pattern));
        CELL(&row, 1, "%.*s", SPAN_PRINT(endpoint->url.shown));
        CELL(&row, 2, "%s", duration_text(endpoint->call_ms, text, sizeof text));
        CELL(&row, 3, "%u", endpoint->batch_count_max);
        CELL(&row, 4, "%u", endpoint->concurrency_max);
        CELL(&row, 5, "%s%s", endpoint->dispatch_durable ? "durable" : "early",
             endpoint->expose ? "" : ", internal");
        write_place(&row, 6, &endpoint->place);
        write_row(writer, &row);
    }
}

/* A cell with a list: "kafka:9092: orders, refunds"; cut where the cell ends. */
static void append(struct table_row *row, size_t i, const char *between, struct span text)
{
    char *cell = row->cells[i];
    size_t used = strlen(cell);
    snprintf(cell + used, COLUMN_SIZE_MAX - used, "%s%.*s", between, SPAN_PRINT(text));
}

static void print_port(struct table_row *row, size_t i, const struct port_settings *port)
{
    if (port->host) {
        CELL(row, i, "%s:%u", port->host, port->port);
    } else {
        CELL(row, i, "port %u", port->port);
    }
}

static void print_source(struct table_row *row, size_t i, const struct ingress_settings *ingress)
{
    if (ingress->kind == INGRESS_PLAYGROUND) {
        print_port(row, i, &ingress->port);
        return;
    }
    struct span address = ingress->kafka.address.shown;
    CELL(row, i, "%.*s", SPAN_PRINT(address));
    for (size_t j = 0; j < ingress->topic_count; j++) {
        const char *between = j > 0 ? ", " : address.size > 0 ? ": " : "";
        append(row, i, between, ingress->topics[j].name);
    }
}

static const char *const ingress_names[] = {"playground", "kafka", "kinesis"};
static const char *const egress_names[] = {"pull", "discard", "playground", "kafka", "kinesis"};

static void write_ingresses(const struct settings *settings, struct table_writer *writer)
{
    struct table_row row = {{"INGRESS", "KIND", "AT", "FROM"}};
    write_row(writer, &row);
    for (size_t i = 0; i < settings->ingress_count; i++) {
        const struct ingress_settings *ingress = &settings->ingresses[i];
        CELL(&row, 0, "%.*s", SPAN_PRINT(ingress->id));
        CELL(&row, 1, "%s", ingress_names[ingress->kind]);
        print_source(&row, 2, ingress);
        write_place(&row, 3, &ingress->place);
        write_row(writer, &row);
    }
}

static void print_egress_target(struct table_row *row, size_t i,
                                const struct egress_settings *egress)
{
    switch (egress->kind) {
    case EGRESS_SETTINGS_PLAYGROUND:
        print_port(row, i, &egress->port);
        for (size_t j = 0; j < egress->topic_count; j++)
            append(row, i, j > 0 ? ", " : ": ", egress->topics[j]);
        break;
    case EGRESS_SETTINGS_PULL: CELL(row, i, "/v1/egress/%.*s", SPAN_PRINT(egress->id)); break;
    case EGRESS_SETTINGS_KAFKA:
        CELL(row, i, "%.*s", SPAN_PRINT(egress->kafka.address.shown));
        break;
    default: CELL(row, i, "-"); break;
    }
}

static void write_egresses(const struct settings *settings, struct table_writer *writer)
{
    struct table_row row = {{"EGRESS", "KIND", "AT", "FROM"}};
    write_row(writer, &row);
    for (size_t i = 0; i < settings->egress_count; i++) {
        const struct egress_settings *egress = &settings->egresses[i];
        CELL(&row, 0, "%.*s", SPAN_PRINT(egress->id));
        CELL(&row, 1, "%s", egress_names[egress->kind]);
        print_egress_target(&row, 2, egress);
        write_place(&row, 3, &egress->place);
        write_row(writer, &row);
    }
}

static void write_setting(const struct gateway_settings *gateway, struct table_writer *writer,
                          enum gateway_setting setting, const char *name, const char *value)
{
    struct table_row row = {{""}};
    CELL(&row, 0, "%s", name);
    CELL(&row, 1, "%s", value ? value : "-");
    write_place(&row, 2, &gateway->origins[setting].place);
    write_row(writer, &row);
}

static void write_numbers(const struct gateway_settings *gateway, struct table_writer *writer)
{
    char text[32];
    snprintf(text, sizeof text, "%u", gateway->workers);
    write_setting(gateway, writer, GATEWAY_WORKERS, "workers",
                  gateway->workers ? text : "automatic");
    snprintf(text, sizeof text, "%u", gateway->shards);
    write_setting(gateway, writer, GATEWAY_SHARDS, "shards", text);
    size_text(gateway->memory_bytes, text, sizeof text);
    write_setting(gateway, writer, GATEWAY_MEMORY, "memory",
                  gateway->memory_bytes ? text : "automatic");
    write_setting(gateway, writer, GATEWAY_DRAIN, "drain",
                  duration_text(gateway->drain_ms, text, sizeof text));
    write_setting(gateway, writer, GATEWAY_SNAPSHOT_EVERY, "snapshotEvery",
                  duration_text(gateway->snapshot_every_ms, text, sizeof text));
    write_setting(gateway, writer, GATEWAY_SNAPSHOT_BYTES, "snapshotBytes",
                  size_text(gateway->snapshot_bytes, text, sizeof text));
    write_setting(gateway, writer, GATEWAY_DEDUP_WINDOW, "dedupWindow",
                  duration_text(gateway->dedup_window_ms, text, sizeof text));
}

static void write_gateway(const struct settings *settings, struct table_writer *writer)
{
    const struct gateway_settings *gateway = &settings->gateway;
    struct table_row row = {{"GATEWAY", "VALUE", "FROM"}};
    write_row(writer, &row);
    write_setting(gateway, writer, GATEWAY_DATA, "data", gateway->data);
    write_setting(gateway, writer, GATEWAY_LISTEN, "listen", gateway->listen);
    write_setting(gateway, writer, GATEWAY_ADMIN, "admin", gateway->admin);
    write_numbers(gateway, writer);
    write_setting(gateway, writer, GATEWAY_LOG, "log",
                  gateway->log == LOG_AS_JSON ? "json" : "text");
    write_setting(gateway, writer, GATEWAY_LOG_LEVEL, "logLevel",
                  log_level_name(gateway->log_level));
    write_setting(gateway, writer, GATEWAY_TOKEN_FILE, "tokenFile", gateway->token_file);
    write_setting(gateway, writer, GATEWAY_TLS_CERT, "tlsCert", gateway->tls_cert);
    write_setting(gateway, writer, GATEWAY_TLS_KEY, "tlsKey", gateway->tls_key);
    write_setting(gateway, writer, GATEWAY_TLS_CLIENT_CA, "tlsClientCa", gateway->tls_client_ca);
    write_setting(gateway, writer, GATEWAY_UNPROTECTED, "unprotected",
                  gateway->unprotected ? "true" : "false");
}

void settings_print(const struct settings *settings, FILE *out)
{
    write_table(settings, "Functions", 7, write_endpoints, out);
    if (settings->ingress_count > 0) write_table(settings, "In", 4, write_ingresses, out);
    if (settings->egress_count > 0) write_table(settings, "Out", 4, write_egresses, out);
    write_table(settings, "Process", 3, write_gateway, out);
}
