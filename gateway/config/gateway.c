#include "config/gateway.h"

#include "config/module.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS };

static const char *const log_formats[] = {"text", "json", NULL};

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};

_Static_assert(sizeof(enum log_choice) == sizeof(int), "FIELD_CHOICE writes an int");
_Static_assert(sizeof(enum log_least) == sizeof(int), "FIELD_CHOICE writes an int");

const char *log_level_name(enum log_least level)
{
    return log_levels[level];
}

#define AT(member) offsetof(struct gateway_settings, member)

/* How each setting is read; names come from GATEWAY_SETTINGS. */
static const struct field shapes[GATEWAY_SETTING_COUNT] = {
    [GATEWAY_DATA] = {.kind = FIELD_PATH, .offset = AT(data)},
    [GATEWAY_LISTEN] = {.kind = FIELD_ADDRESS, .offset = AT(listen), .example = "127.0.0.1:7400"},
    [GATEWAY_ADMIN] = {.kind = FIELD_ADDRESS, .offset = AT(admin), .example = "127.0.0.1:7401"},
    [GATEWAY_WORKERS] = {.kind = FIELD_COUNT, .offset = AT(workers), .max = 256},
    [GATEWAY_SHARDS] = {.kind = FIELD_COUNT, .offset = AT(shards), .min = 1, .max = 256},
    [GATEWAY_MEMORY] = {.kind = FIELD_SIZE, .offset = AT(memory_bytes), .min = 1 << 20},
    [GATEWAY_LOG] = {.kind = FIELD_CHOICE, .offset = AT(log), .choices = log_formats},
    [GATEWAY_LOG_LEVEL] = {.kind = FIELD_CHOICE, .offset = AT(log_level), .choices = log_levels},
    [GATEWAY_DRAIN] = {.kind = FIELD_DURATION, .offset = AT(drain_ms)},
    [GATEWAY_SNAPSHOT_EVERY] = {.kind = FIELD_DURATION, .offset = AT(snapshot_every_ms), .min = 1},
    [GATEWAY_SNAPSHOT_BYTES] = {.kind = FIELD_SIZE, .offset = AT(snapshot_bytes), .min = 1},
    [GATEWAY_DEDUP_WINDOW] = {.kind = FIELD_DURATION, .offset = AT(dedup_window_ms), .min = 1},
    [GATEWAY_TOKEN_FILE] = {.kind = FIELD_PATH, .offset = AT(token_file)},
    [GATEWAY_TLS_CERT] = {.kind = FIELD_PATH, .offset = AT(tls_cert)},
    [GATEWAY_TLS_KEY] = {.kind = FIELD_PATH, .offset = AT(tls_key)},
    [GATEWAY_TLS_CLIENT_CA] = {.kind = FIELD_PATH, .offset = AT(tls_client_ca)},
    [GATEWAY_UNPROTECTED] = {.kind = FIELD_SWITCH, .offset = AT(unprotected)},
};

static const char *const yaml_names[GATEWAY_SETTING_COUNT] = {
#define YAML_NAME(id, yaml, ...) yaml,
    GATEWAY_SETTINGS(YAML_NAME)
#undef YAML_NAME
};

/* --module first, the settings after it. */
static const struct flag flag_table[] = {
    {"--module", 'm', "FILE", "module.yaml; may be repeated", "HOLDFAST_MODULE", true},
#define FLAG(id, yaml, flag, environment, argument, help)                                          \
    {flag, 0, argument, help, environment, false},
    GATEWAY_SETTINGS(FLAG)
#undef FLAG
    /* Not a setting: what a start does once. */
    {"--restore", 0, "DIR", "start from this savepoint, in a new --data", "HOLDFAST_RESTORE",
     false},
};

const struct flag *gateway_flags(size_t *count)
{
    *count = sizeof flag_table / sizeof *flag_table;
    return flag_table;
}

void gateway_defaults(struct gateway_settings *gateway)
{
    *gateway = (struct gateway_settings){
        .data = "./holdfast-data",
        .log_level = LOG_FROM_INFO,
        .listen = "127.0.0.1:7400",
        .admin = "127.0.0.1:7401",
        .shards = 1,
        .drain_ms = 25 * SECOND_MS,
        .snapshot_every_ms = 15 * MINUTE_MS,
        .snapshot_bytes = 64 << 20,
        .dedup_window_ms = 10 * MINUTE_MS,
    };
}

static void refuse_second(struct module *module, const struct document *document)
{
    const struct place *first = &module->settings->gateway.place;
    problem_add(module->reading.problems, document->place,
                "a second document of kind holdfast.v1/gateway; the first is %s:%u", first->file,
                first->line);
}

void gateway_read(struct module *module, const struct document *document)
{
    struct gateway_settings *gateway = &module->settings->gateway;
    if (gateway->place.file) {
        refuse_second(module, document);
        return;
    }
    gateway->place = document->place;
    for (size_t i = 0; i < GATEWAY_SETTING_COUNT; i++) {
        struct field field = shapes[i];
        field.name = yaml_names[i];
        fields_read(&module->reading, &field, 1, document->spec, document->place, "the gateway",
                    gateway);
        const struct node *node = tree_find(document->spec, yaml_names[i]);
        if (node) gateway->origins[i] = (struct origin){ORIGIN_FILE, node->place};
    }
}

static void apply_flag(struct reading *reading, struct gateway_settings *gateway,
                       const struct flags *flags, size_t i)
{
    const struct flag *flag = &flag_table[i + 1];
    struct place place;
    const char *text = flags_text(flags, flag->name, &place);
    if (!text) return;
    struct field field = shapes[i];
    field.name = yaml_names[i];
    struct span span = span_text(text);
    bool is_flag = place.file == flag->name;
    struct field_input input = {place, place.file, span, span, false};
    (void)field_convert(reading, &field, &input, (uint8_t *)gateway + field.offset);
    gateway->origins[i] = (struct origin){is_flag ? ORIGIN_FLAG : ORIGIN_ENVIRONMENT, place};
}

void gateway_apply_flags(struct reading *reading, struct gateway_settings *gateway,
                         const struct flags *flags)
{
    for (size_t i = 0; i < GATEWAY_SETTING_COUNT; i++) apply_flag(reading, gateway, flags, i);
}
