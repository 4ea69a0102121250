/* Precedence, several files, protection, and defaults that others rely on. */
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static struct settings settings;
static struct problems problems;

/* The words are copied: settings and problems may point to them after the array has gone. */
static int parse_with(const char *text, int argc, char *const *words)
{
    static char *argv[16];
    cr_assert_leq(argc, 16);
    for (int i = 0; i < argc; i++) argv[i] = words[i];
    size_t count = 0;
    struct flags flags;
    const struct flag *table = gateway_flags(&count);
    problems_init(&problems);
    int error = flags_parse(&flags, table, count, argc, argv, &problems);
    cr_assert_eq(error, 0);
    struct settings_text source = {"module.yaml", span_text(text)};
    return settings_parse(&settings, &source, 1, &flags, &problems);
}

#define WITH(text, ...)                                                                            \
    parse_with(text, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)),                      \
               (char *[]){__VA_ARGS__})

static const char *with_gateway(const char *fields)
{
    static char text[1024];
    snprintf(text, sizeof text, "%skind: holdfast.v1/gateway\nspec:\n%s", endpoint_document("a/*"),
             fields);
    return text;
}

static bool message_is(size_t i, const char *message)
{
    return i < problems.count && strcmp(problems.items[i].message, message) == 0;
}

Test(settings, defaults)
{
    cr_assert_eq(parse_text(&settings, endpoint_document("a/*"), &problems), 0);
    const struct gateway_settings *gateway = &settings.gateway;
    cr_expect_str_eq(gateway->data, "./holdfast-data");
    cr_expect_str_eq(gateway->listen, "127.0.0.1:7400");
    cr_expect_str_eq(gateway->admin, "127.0.0.1:7401");
    cr_expect_eq(gateway->workers, 0);
    cr_expect_eq(gateway->shards, 1);
    cr_expect_eq(gateway->memory_bytes, 0);
    cr_expect_eq(gateway->drain_ms, 25000);
    cr_expect_eq(gateway->snapshot_every_ms, 900000);
    cr_expect_eq(gateway->snapshot_bytes, 64 << 20);
    cr_expect_eq(gateway->dedup_window_ms, 600000);
    cr_expect_null(gateway->token_file);
    cr_expect_not(gateway->unprotected);
    const struct endpoint_settings *endpoint = &settings.endpoints[0];
    cr_expect_eq(endpoint->call_ms, 120000);
    cr_expect_eq(endpoint->connect_ms, 20000);
    cr_expect_eq(endpoint->idle_ms, 15000);
    cr_expect_eq(endpoint->pool_max, 1024);
    cr_expect_eq(endpoint->concurrency_max, 256);
    cr_expect_eq(endpoint->batch_count_max, 1000);
    cr_expect_eq(endpoint->batch_bytes_max, 900 * 1024);
    cr_expect_eq(endpoint->payload_bytes_max, 33554432);
    cr_expect_eq(endpoint->retry_for_ms, 120000);
    cr_expect_eq(endpoint->attempts_max, 0);
    cr_expect(endpoint->expose);
    settings_close(&settings);
}

static const struct endpoint_settings *one_endpoint(const char *fields)
{
    static char text[1024];
    snprintf(text, sizeof text,
             "kind: io.statefun.endpoints.v2/http\n"
             "spec: {functions: a/b, urlPathTemplate: http://f, %s}\n",
             fields);
    int error = parse_text(&settings, text, &problems);
    cr_assert_eq(error, 0, "%s: %s", fields, problems.items[0].message);
    return &settings.endpoints[0];
}

Test(settings, batch_count_is_bounded)
{
    static const struct {
        const char *fields;
        uint32_t count;
    } cases[] = {{"maxNumBatchRequests: 1", 1},
                 {"maxNumBatchRequests: 0", 1000},
                 {"maxNumBatchRequests: -1", 1000},
                 {"maxNumBatchRequests: \"500\"", 500},
                 {"maxNumBatchRequests: 10000", 10000},
                 {"maxNumBatchRequests: 2147483647", SETTINGS_BATCH_COUNT_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(one_endpoint(cases[i].fields)->batch_count_max, cases[i].count, "%s",
                     cases[i].fields);
        settings_close(&settings);
    }
}

Test(settings, connections_bound_the_calls_of_http1_only)
{
    cr_expect_eq(one_endpoint("transport: {pool_size: 3}")->concurrency_max, 3);
    settings_close(&settings);
    cr_expect_eq(one_endpoint("http2: true, transport: {pool_size: 3}")->concurrency_max, 256);
    settings_close(&settings);
}

Test(settings, durations)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"5", 5},        {"5ms", 5},          {"2s", 2000},
                 {"2 sec", 2000}, {"3min", 180000},    {"3m", 180000},
                 {"1h", 3600000}, {"1 day", 86400000}, {"1days", 86400000},
                 {"10us", 1},     {"30seconds", 30000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char fields[128];
        snprintf(fields, sizeof fields, "transport: {call: %s}", cases[i].text);
        cr_expect_eq(one_endpoint(fields)->call_ms, cases[i].ms, "%s", cases[i].text);
        settings_close(&settings);
    }
}

Test(settings, flag_before_environment_before_file_before_default)
{
    const char *text = with_gateway("  data: file\n  listen: 127.0.0.1:1\n  admin: 127.0.0.1:2\n");
    setenv("HOLDFAST_DATA", "environment", 1);
    setenv("HOLDFAST_LISTEN", "127.0.0.1:3", 1);
    setenv("HOLDFAST_LOG", "", 1);
    cr_assert_eq(WITH(text, "--data", "flag"), 0);
    cr_expect_str_eq(settings.gateway.data, "flag");
    cr_expect_eq(settings.gateway.origins[GATEWAY_DATA].kind, ORIGIN_FLAG);
    cr_expect_str_eq(settings.gateway.listen, "127.0.0.1:3");
    cr_expect_eq(settings.gateway.origins[GATEWAY_LISTEN].kind, ORIGIN_ENVIRONMENT);
    cr_expect_str_eq(settings.gateway.origins[GATEWAY_LISTEN].place.file, "HOLDFAST_LISTEN");
    cr_expect_str_eq(settings.gateway.admin, "127.0.0.1:2");
    cr_expect_eq(settings.gateway.origins[GATEWAY_ADMIN].kind, ORIGIN_FILE);
    cr_expect_eq(settings.gateway.log, LOG_AS_TEXT);
    cr_expect_eq(settings.gateway.log_level, LOG_FROM_INFO);
    cr_expect_eq(settings.gateway.origins[GATEWAY_LOG].kind, ORIGIN_DEFAULT);
    settings_close(&settings);
}

Test(settings, without_flags_the_environment_does_not_count)
{
    setenv("HOLDFAST_DATA", "environment", 1);
    cr_assert_eq(parse_text(&settings, endpoint_document("a/*"), &problems), 0);
    cr_expect_str_eq(settings.gateway.data, "./holdfast-data");
    settings_close(&settings);
}

Test(settings, bad_flags_and_variables_name_themselves)
{
    setenv("HOLDFAST_DRAIN", "soon", 1);
    cr_assert_eq(WITH(endpoint_document("a/*"), "--listen", "here", "--workers=-1"), ERROR_INVALID);
    char *text = problems_text(&problems);
    cr_expect_str_eq(text,
                     "--listen: error: needs a port from 0 to 65535 after the host: \"here\"\n"
                     "  hint: for example  127.0.0.1:7400\n"
                     "--workers: error: must be a number from 0 to 256, but is \"-1\"\n"
                     "HOLDFAST_DRAIN: error: must be a duration such as 500ms, 30s or 2min, but "
                     "is \"soon\"\n",
                     "%s", text);
    free(text);
}

Test(settings, an_open_listener_needs_protection)
{
    const char *text = endpoint_document("a/*");
    cr_expect_eq(WITH(text, "--listen", "0.0.0.0:7400"), ERROR_INVALID);
    cr_expect(message_is(0, "listen can be reached from other machines, but nothing protects it"));
    cr_expect_eq(WITH(text, "--admin", "gateway.internal:1"), ERROR_INVALID);
    static const char *const good[] = {"127.0.0.2:0", "[::1]:0", "localhost:0", "unix:/tmp/x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect_eq(WITH(text, "--listen", (char *)good[i]), 0, "%s", good[i]);
        settings_close(&settings);
    }
    cr_expect_eq(WITH(text, "--listen", "0.0.0.0:7400", "--token-file", "tokens"), 0);
    settings_close(&settings);
    cr_expect_eq(WITH(text, "--listen", "0.0.0.0:7400", "--unprotected"), 0);
    settings_close(&settings);
    cr_expect_eq(WITH(text, "--listen", "0.0.0.0:7400", "--unprotected=false"), ERROR_INVALID);
}

Test(settings, tls_files_come_together)
{
    const char *text = endpoint_document("a/*");
    cr_expect_eq(WITH(text, "--tls-key", "k"), ERROR_INVALID);
    cr_expect_str_eq(problems.items[0].place.file, "--tls-key");
    cr_expect_eq(WITH(text, "--tls-client-ca", "c"), ERROR_INVALID);
    cr_expect_str_eq(problems.items[0].place.file, "--tls-client-ca");
    cr_expect_eq(WITH(text, "--tls-key", "k", "--tls-cert", "c", "--tls-client-ca", "c"), 0);
    settings_close(&settings);
}

/* ---- Files ---- */

static void write_temporary(char *path, const char *text)
{
    strcpy(path, "/tmp/holdfast-config-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

Test(settings, files_are_merged_and_duplicates_name_both)
{
    char a[64], b[64], c[64], expected[256];
    write_temporary(a, endpoint_document("a/*"));
    write_temporary(b, endpoint_document("b/*"));
    write_temporary(c, endpoint_document("a/*"));
    problems_init(&problems);
    const char *const two[] = {a, b}, *const three[] = {a, b, c};
    cr_assert_eq(settings_load(&settings, two, 2, NULL, &problems), 0);
    cr_expect_eq(settings.endpoint_count, 2);
    cr_expect_str_eq(settings.endpoints[1].place.file, b);
    settings_close(&settings);
    cr_expect_eq(settings_load(&settings, three, 3, NULL, &problems), ERROR_INVALID);
    snprintf(expected, sizeof expected, "an endpoint for \"a/*\" is defined twice; first at %s:1",
             a);
    cr_expect_str_eq(problems.items[0].message, expected);
    cr_expect_str_eq(problems.items[0].place.file, c);
    unlink(a);
    unlink(b);
    unlink(c);
}

Test(settings, files_that_cannot_be_read)
{
    problems_init(&problems);
    const char *const files[] = {"/nowhere/module.yaml", "/"};
    cr_expect_eq(settings_load(&settings, files, 2, NULL, &problems), ERROR_INVALID);
    cr_expect(message_is(0, "the file cannot be read: No such file or directory"));
    cr_expect(message_is(1, "the file cannot be read: Is a directory"));
    problems_init(&problems);
    cr_expect_eq(settings_load(&settings, NULL, 0, NULL, &problems), ERROR_INVALID);
    cr_expect(message_is(0, "no module.yaml was given"));
}

Test(settings, secrets_are_not_shown)
{
    setenv("TEST_SECRET", "hunter2", 1);
    char text[1024];
    snprintf(text, sizeof text,
             "%skind: io.statefun.endpoints.v2/http\n"
             "spec: {functions: b/*, urlPathTemplate: 'http://f/?code=${TEST_SECRET}'}\n---\n"
             "kind: io.statefun.kafka.v1/egress\n"
             "spec:\n  id: a/b\n  address: k:1\n  properties:\n    - sasl.jaas.config: hunter2\n"
             "    - other: ${TEST_SECRET}\n",
             endpoint_document("a/*"));
    cr_assert_eq(parse_text(&settings, text, &problems), 0);
    struct buffer json;
    buffer_init(&json);
    settings_json(&settings, &json);
    buffer_byte(&json, 0);
    cr_expect_not(strstr((char *)json.at, "hunter2"), "%s", json.at);
    cr_expect(strstr((char *)json.at, "code=${TEST_SECRET}"));
    cr_expect(strstr((char *)json.at, "\"sasl.jaas.config\":\"***\""));
    cr_expect(span_equal(settings.endpoints[1].url.value, SPAN_LITERAL("http://f/?code=hunter2")));
    cr_expect(span_equal(settings.egresses[0].properties[0].value.value, SPAN_LITERAL("hunter2")));
    buffer_close(&json);
    settings_close(&settings);
}

Test(settings, connectors_are_valid_and_refused)
{
    char text[1024];
    snprintf(text, sizeof text,
             "%skind: io.statefun.kafka.v1/egress\nspec: {id: a/b, address: 'k:1'}\n",
             endpoint_document("a/*"));
    cr_assert_eq(parse_text(&settings, text, &problems), 0);
    cr_expect_eq(settings_refuse_unbuilt(&settings, &problems), ERROR_UNSUPPORTED);
    cr_expect_eq(problems.items[0].place.line, 4);
    settings_close(&settings);
    cr_assert_eq(parse_text(&settings, endpoint_document("a/*"), &problems), 0);
    cr_expect_eq(settings_refuse_unbuilt(&settings, &problems), 0);
    settings_close(&settings);
}
