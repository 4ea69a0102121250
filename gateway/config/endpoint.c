/*
 * Kinds io.statefun.endpoints.v2/http and v1/http. Defaults are those of StateFun's code, which
 * differ from its documentation: the async transport is the default of v2, and a `timeouts` map on
 * it takes the place of the flat fields with the defaults of the okhttp transport.
 */
#include "config/module.h"

enum { KIB = 1024, MIB = 1024 * 1024, SECOND = 1000, MINUTE = 60 * SECOND };

static const char *const transports[] = {"io.statefun.transports.v1/async",
                                         "io.statefun.transports.v1/okhttp", NULL};
static const char *const dispatches[] = {"early", "durable", NULL};

/* Fields that need a second look before they fit into the settings. */
struct raw_endpoint {
    struct endpoint_settings made;
    int64_t batch_count;
    enum { DISPATCH_EARLY, DISPATCH_DURABLE } dispatch;
};

#define SPEC(member) offsetof(struct raw_endpoint, made.member)

static const struct field spec_fields[] = {
    {.name = "functions",
     .kind = FIELD_PATTERN,
     .offset = SPEC(pattern),
     .required = true,
     .example = "functions: example/*"},
    {.name = "urlPathTemplate",
     .kind = FIELD_URL,
     .offset = SPEC(url),
     .required = true,
     .example = "urlPathTemplate: http://functions:8000/statefun"},
    {.name = "maxNumBatchRequests",
     .kind = FIELD_NUMBER,
     .offset = offsetof(struct raw_endpoint, batch_count),
     .min = INT64_MIN},
    {.name = "dispatch",
     .kind = FIELD_CHOICE,
     .offset = offsetof(struct raw_endpoint, dispatch),
     .choices = dispatches},
    {.name = "http2", .kind = FIELD_SWITCH, .offset = SPEC(h2_prior_knowledge)},
    {.name = "expose", .kind = FIELD_SWITCH, .offset = SPEC(expose)},
    {.name = "concurrency",
     .kind = FIELD_COUNT,
     .offset = SPEC(concurrency_max),
     .min = 1,
     .max = 65536},
    {.name = "stateMaxBytes", .kind = FIELD_SIZE, .offset = SPEC(state_bytes_max)},
    {.name = "batchMaxBytes", .kind = FIELD_SIZE, .offset = SPEC(batch_bytes_max), .min = 1},
};

static const struct field retry_fields[] = {
    {.name = "attempts", .kind = FIELD_COUNT, .offset = SPEC(attempts_max), .max = 1000000},
    {.name = "for", .kind = FIELD_DURATION, .offset = SPEC(retry_for_ms)},
};

static const struct field transport_fields[] = {
    {.name = "pool_ttl", .kind = FIELD_DURATION, .offset = SPEC(idle_ms), .min = 1},
    {.name = "pool_size", .kind = FIELD_COUNT, .offset = SPEC(pool_max), .min = 1, .max = 65536},
    {.name = "payload_max_bytes",
     .kind = FIELD_SIZE,
     .offset = SPEC(payload_bytes_max),
     .min = 1,
     .max = INT32_MAX},
    {.name = "trust_cacerts", .kind = FIELD_PATH, .offset = SPEC(trust_cacerts)},
    {.name = "client_cert", .kind = FIELD_PATH, .offset = SPEC(client_cert)},
    {.name = "client_key", .kind = FIELD_PATH, .offset = SPEC(client_key)},
    {.name = "client_key_password", .kind = FIELD_PATH, .offset = SPEC(client_key_password_file)},
};

/* The first two are also the flat fields of the async transport. */
static const struct field time_fields[] = {
    {.name = "call", .kind = FIELD_DURATION, .offset = SPEC(call_ms), .min = 1},
    {.name = "connect", .kind = FIELD_DURATION, .offset = SPEC(connect_ms), .min = 1},
    {.name = "read", .kind = FIELD_DURATION, .offset = SPEC(read_ms), .min = 1},
    {.name = "write", .kind = FIELD_DURATION, .offset = SPEC(write_ms), .min = 1},
};

static const struct field type_field = {
    .name = "type", .kind = FIELD_CHOICE, .offset = SPEC(transport), .choices = transports};

_Static_assert(sizeof(enum endpoint_transport) == sizeof(int), "FIELD_CHOICE writes an int");

static void set_defaults(struct raw_endpoint *raw)
{
    struct endpoint_settings *made = &raw->made;
    made->expose = true;
    made->concurrency_max = 256;
    made->pool_max = 1024;
    made->idle_ms = 15 * SECOND;
    made->retry_for_ms = 2 * MINUTE;
    made->batch_bytes_max = 900 * KIB; /* a stock Python server refuses more than 1 MiB */
    made->payload_bytes_max = 32 * MIB;
    raw->batch_count = 1000;
}

static void set_okhttp_times(struct endpoint_settings *made)
{
    made->call_ms = 1 * MINUTE;
    made->connect_ms = 10 * SECOND;
    made->read_ms = 10 * SECOND;
    made->write_ms = 10 * SECOND;
}

static void read_fields(struct module *module, const struct field *fields, size_t count,
                        const struct node *map, struct raw_endpoint *raw)
{
    fields_read(&module->reading, fields, count, map, raw->made.place, "an endpoint", raw);
}

static void read_times(struct module *module, const struct node *holder, struct raw_endpoint *raw)
{
    struct endpoint_settings *made = &raw->made;
    const struct node *times = field_map(&module->reading, holder, "timeouts");
    if (made->transport == TRANSPORT_OKHTTP) {
        set_okhttp_times(made);
        read_fields(module, time_fields, FIELDS_COUNT(time_fields), times, raw);
        return;
    }
    made->call_ms = times ? 1 * MINUTE : 2 * MINUTE;
    made->connect_ms = times ? 10 * SECOND : 20 * SECOND;
    read_fields(module, time_fields, 2, times ? times : holder, raw);
}

static void check_client_files(struct module *module, const struct node *transport,
                               const struct endpoint_settings *made)
{
    if (!made->client_cert == !made->client_key) return;
    struct problem *problem =
        problem_add(module->reading.problems, transport->place,
                    "\"client_cert\" and \"client_key\" must be given together");
    problem_hint(problem, "%s is missing", made->client_cert ? "client_key" : "client_cert");
}

static void read_transport(struct module *module, const struct document *document,
                           struct raw_endpoint *raw)
{
    const struct node *transport = field_map(&module->reading, document->spec, "transport");
    read_fields(module, &type_field, 1, transport, raw);
    read_fields(module, transport_fields, FIELDS_COUNT(transport_fields), transport, raw);
    read_times(module, transport, raw);
    if (transport) check_client_files(module, transport, &raw->made);
}

/*
 * maxNumBatchRequests was never a limit of a batch in StateFun: it is the backlog at which
 * everything stops. Here a full backlog stops nobody, so it is what its name says; 0 and less, "no
 * back-pressure", give our default.
 */
static uint32_t batch_count(int64_t given)
{
    if (given <= 0) return 1000;
    return given > SETTINGS_BATCH_COUNT_MAX ? SETTINGS_BATCH_COUNT_MAX : (uint32_t)given;
}

static void finish(struct module *module, struct raw_endpoint *raw)
{
    struct endpoint_settings *made = &raw->made;
    made->batch_count_max = batch_count(raw->batch_count);
    made->dispatch_durable = raw->dispatch == DISPATCH_DURABLE;
    if (made->batch_bytes_max > made->payload_bytes_max)
        made->batch_bytes_max = made->payload_bytes_max;
    if (!made->h2_prior_knowledge && made->concurrency_max > made->pool_max)
        made->concurrency_max = made->pool_max;
    struct endpoint_settings *kept = module_push_endpoint(module, made->place);
    if (kept) *kept = *made;
}

static void begin(struct module *module, const struct document *document, struct raw_endpoint *raw)
{
    memset(raw, 0, sizeof *raw);
    raw->made.place = document->place;
    set_defaults(raw);
    read_fields(module, spec_fields, FIELDS_COUNT(spec_fields), document->spec, raw);
    const struct node *retry = field_map(&module->reading, document->spec, "retry");
    read_fields(module, retry_fields, FIELDS_COUNT(retry_fields), retry, raw);
}

void endpoint_read_v2(struct module *module, const struct document *document)
{
    struct raw_endpoint raw;
    begin(module, document, &raw);
    read_transport(module, document, &raw);
    finish(module, &raw);
}

void endpoint_read_v1(struct module *module, const struct document *document)
{
    struct raw_endpoint raw;
    begin(module, document, &raw);
    raw.made.transport = TRANSPORT_OKHTTP;
    read_times(module, document->spec, &raw);
    finish(module, &raw);
}
