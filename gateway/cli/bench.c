/* holdfast bench: how many calls, how fast, with this gateway and this function. */
#include "cli/load.h"

#include "base/quantity.h"
#include "base/text.h"
#include "cli/text_table.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct flag flag_table[] = {
    {"--connections", 'c', "N", "connections, each with one request at a time (16)", NULL, false},
    {"--duration", 'd', "TIME", "how long (10s)", NULL, false},
    {"--keys", 'k', "N", "ids bench-0 to bench-N, by chance (1000)", NULL, false},
    {"--rate", 'r', "N", "open loop: requests per second, whatever the answers (closed loop)", NULL,
     false},
    {"--send", 0, NULL, "only send: until it is durable, not until the reply", NULL, false},
    {"--type", 't', "NS/NAME", "type of the value (io.statefun.types/string)", NULL, false},
    FLAGS_DATA_SIDE,
    FLAG_TOKEN_FILE,
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

/* A number of a flag, 1 to max. 0: told. */
static uint64_t number_of(const struct flags *flags, const char *name, uint64_t otherwise,
                          uint64_t max)
{
    const char *text = flags_text(flags, name, NULL);
    char *end = NULL;
    if (text == NULL) return otherwise;
    uint64_t number = strtoull(text, &end, 10);
    if (*end == 0 && text[0] != '-' && number > 0 && number <= max) return number;
    usage_error(&command_bench, "%s is a number from 1 to %" PRIu64, name, max);
    return 0;
}

static bool read_options(const struct flags *flags, struct load_options *options)
{
    const char *duration = flags_text(flags, "--duration", NULL);
    int64_t duration_ms = 10000;
    if (duration != NULL &&
        (duration_parse(span_text(duration), &duration_ms) != 0 || duration_ms <= 0)) {
        usage_error(&command_bench, "--duration is a time such as 10s");
        return false;
    }
    options->duration_us = duration_ms * 1000;
    options->connections = (unsigned)number_of(flags, "--connections", 16, LOAD_CONNECTIONS_MAX);
    options->keys = number_of(flags, "--keys", 1000, UINT32_MAX);
    const char *rate = flags_text(flags, "--rate", NULL);
    if (rate != NULL) options->rate = (double)number_of(flags, "--rate", 0, 10000000);
    return options->connections > 0 && options->keys > 0 && (rate == NULL || options->rate > 0);
}

static void millis(struct text_table *table, const char *name, uint64_t us)
{
    char text[32];
    snprintf(text, sizeof text, "%.3f ms", (double)us / 1000);
    text_table_text(table, name);
    text_table_text(table, text);
}

static void number(struct text_table *table, const char *name, uint64_t value)
{
    text_table_text(table, name);
    text_table_number(table, value);
}

static void show(const struct load_options *options, const struct load_result *result)
{
    struct text_table table;
    char text[64];
    text_table_init(&table, NULL, 2);
    snprintf(text, sizeof text, options->rate > 0 ? "open loop, %.0f/s" : "closed loop",
             options->rate);
    text_table_text(&table, "load");
    text_table_text(&table, text);
    number(&table, "connections", options->connections);
    number(&table, "keys", options->keys);
    snprintf(text, sizeof text, "%.1f s", (double)result->took_us / 1e6);
    text_table_text(&table, "duration");
    text_table_text(&table, text);
    number(&table, "answered", result->done);
    snprintf(text, sizeof text, "%.0f", 1e6 * (double)result->done / (double)result->took_us);
    text_table_text(&table, "per second");
    text_table_text(&table, text);
    millis(&table, "p50", load_percentile(result, 0.5));
    millis(&table, "p90", load_percentile(result, 0.9));
    millis(&table, "p99", load_percentile(result, 0.99));
    millis(&table, "p99.9", load_percentile(result, 0.999));
    millis(&table, "longest", result->max_us);
    number(&table, "refused, full", result->full);
    number(&table, "other answers", result->failed);
    number(&table, "no answer", result->lost);
    text_table_print(&table, stdout);
    text_table_close(&table);
}

static void show_json(const struct load_options *options, const struct load_result *result)
{
    printf("{\"connections\":%u,\"keys\":%" PRIu64 ",\"rate\":%.0f,\"seconds\":%.3f,"
           "\"answered\":%" PRIu64 ",\"per_second\":%.1f,\"p50_us\":%" PRIu64 ",\"p90_us\":%" PRIu64
           ",\"p99_us\":%" PRIu64 ",\"p999_us\":%" PRIu64 ",\"max_us\":%" PRIu64
           ",\"full\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"lost\":%" PRIu64 "}\n",
           options->connections, options->keys, options->rate, (double)result->took_us / 1e6,
           result->done, 1e6 * (double)result->done / (double)result->took_us,
           load_percentile(result, 0.5), load_percentile(result, 0.9),
           load_percentile(result, 0.99), load_percentile(result, 0.999), result->max_us,
           result->full, result->failed, result->lost);
}

/* One request first: a wrong name or a gateway that is not there is told at once. */
static int probe(struct remote *remote, const struct load_options *options)
{
    struct buffer path;
    struct client_answer answer;
    buffer_init(&path);
    text_append(&path, options->path);
    text_append(&path, "bench-0");
    struct client_request request = {.method = "POST", .path = path_text(&path)};
    input_attach(options->value, &request, 0);
    int code = remote_ask(remote, &request, &answer);
    client_answer_close(&answer);
    buffer_close(&path);
    return code;
}

static int bench(struct remote *remote, const struct load_options *options)
{
    struct load_result *result = malloc(sizeof *result);
    int code = result == NULL ? EXIT_FAILED : probe(remote, options);
    if (code == EXIT_DONE && load_run(options, result) != 0) {
        fprintf(stderr, "holdfast bench: no memory for so many threads\n");
        code = EXIT_FAILED;
    }
    if (code == EXIT_DONE) {
        if (remote->json)
            show_json(options, result);
        else
            show(options, result);
        if (result->failed > 0)
            fprintf(stderr, "holdfast bench: some were answered with HTTP %d\n", result->status);
        if (result->failed + result->lost > 0 || result->done == 0) code = EXIT_FAILED;
    }
    free(result);
    return code;
}

static int run_with(struct remote *remote, const struct flags *flags,
                    const struct load_options *options)
{
    struct load_options load = *options;
    struct buffer path;
    struct input value;
    struct problems problems;
    problems_init(&problems);
    bool sends = flags_switch(flags, "--send", &problems);
    int code = input_read(&value, &command_bench, flags, 1, flags_text(flags, "--type", NULL));
    if (code != EXIT_DONE) return code;
    buffer_init(&path);
    text_append(&path, sends ? "/v1/send" : "/v1/call");
    if (!path_name(&path, flags->words[0])) {
        code = usage_error(&command_bench, "a function type is namespace/name, not \"%.80s\"",
                           flags->words[0]);
    } else {
        buffer_byte(&path, '/');
        load.path = path_text(&path);
        load.value = &value;
        load.address = remote->client.address;
        load.token = remote->client.token;
        code = load.path == NULL ? EXIT_FAILED : bench(remote, &load);
    }
    buffer_close(&path);
    input_close(&value);
    return code;
}

static int run(const struct flags *flags)
{
    struct remote remote;
    struct load_options options = {0};
    if (flags->word_count < 1 || flags->word_count > 2)
        return usage_error(&command_bench, "say a function type, and perhaps a value");
    if (!read_options(flags, &options)) return EXIT_USAGE;
    int code = remote_open(&remote, &command_bench, flags, REMOTE_DATA);
    if (code != EXIT_DONE) return code;
    code = run_with(&remote, flags, &options);
    remote_close(&remote);
    return code;
}

const struct command command_bench = {
    .name = "bench",
    .group = GROUP_WATCH,
    .summary = "load on a function, and a table of what came of it",
    .usage = "holdfast bench NS/TYPE [VALUE|-] [flags]",
    .example = "holdfast bench example/greeter hi --connections 32 --duration 30s",
    .flags = command_flags,
    .run = run,
};
