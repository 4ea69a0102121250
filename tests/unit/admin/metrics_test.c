/* /metrics is what a Prometheus server would accept, and docs/metrics.md says the same as the code.
 */
#include "admin/metrics.h"
#include "admin/process.h"
#include "shard/metrics.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const struct admin_build build = {"0.1.0", "abc\"1\\2\n3", "gcc 12", "release", 1, 1};

static struct sample_function functions[2];
static const struct sample_egress egresses[] = {{{(const uint8_t *)"shop/out", 8}, 5, 500}};

/* The text for a sample, 0-terminated; freed by the caller. */
static char *print(const struct admin_sample *sample)
{
    struct buffer out;
    buffer_init(&out);
    metrics_text(&out, sample, &build);
    buffer_byte(&out, 0);
    cr_assert(!out.failed);
    return (char *)out.at;
}

static struct admin_sample rich_sample(void)
{
    struct admin_sample sample = {.ready = 1, .messages_accepted = 12345678901234567890u};
    functions[0] =
        (struct sample_function){.target = SPAN_LITERAL("shop/cart"), .circuit = CIRCUIT_OPEN};
    functions[1] = (struct sample_function){.target = SPAN_LITERAL("sh\"op/*")};
    admin_histogram_add(&functions[0].call_us, &admin_bounds_micros, 100);
    admin_histogram_add(&functions[0].call_us, &admin_bounds_micros, 101);
    admin_histogram_add(&functions[0].call_us, &admin_bounds_micros, 300000000);
    admin_histogram_add(&sample.commit_records, &admin_bounds_counts, 3);
    functions[0].calls[0] = 7;
    sample.functions = functions;
    sample.function_count = 2;
    sample.egresses = egresses;
    sample.egress_count = 1;
    sample.snapshot_age_us = 1500000;
    sample.recovery_us = 1;
    admin_process_sample(&sample.process);
    return sample;
}

/* ---- A reader of the format, after prometheus.io/docs/instrumenting/exposition_formats ---- */

static const char *skip_name(const char *at)
{
    cr_assert(isalpha(*at) || *at == '_', "a name at: %.40s", at);
    while (isalnum(*at) || *at == '_' || *at == ':') at++;
    return at;
}

static const char *skip_labels(const char *at)
{
    if (*at != '{') return at;
    do {
        at = skip_name(at + 1);
        cr_assert_eq(*at++, '=');
        cr_assert_eq(*at++, '"');
        while (*at != '"') {
            cr_assert_neq(*at, '\n', "a raw line end in a label");
            if (*at == '\\') {
                at++;
                cr_assert(*at == '\\' || *at == '"' || *at == 'n');
            }
            at++;
        }
        at++;
    } while (*at == ',');
    cr_assert_eq(*at, '}', "at: %.40s", at);
    return at + 1;
}

/* One sample line; gives back its value. */
static double read_sample(const char *line, char name[128])
{
    const char *end = skip_name(line);
    snprintf(name, 128, "%.*s", (int)(end - line), line);
    end = skip_labels(end);
    cr_assert_eq(*end, ' ', "at: %.40s", end);
    char *rest;
    double value = strtod(end + 1, &rest);
    cr_assert_eq(*rest, '\0', "after the value: %.40s", rest);
    return value;
}

/* "# HELP name text" or "# TYPE name type": the name. */
static void read_comment(const char *line, const char *word, char name[128], char rest[2048])
{
    cr_assert_eq(sscanf(line,
                        word[0] == 'H' ? "# HELP %127s %2047[^\n]" : "# TYPE %127s %2047[^\n]",
                        name, rest),
                 2, "%s", line);
}

static bool belongs(const char *sample, const char *family, const char *type)
{
    if (strcmp(sample, family) == 0) return strcmp(type, "histogram") != 0;
    size_t size = strlen(family);
    if (strcmp(type, "histogram") != 0 || strncmp(sample, family, size) != 0) return false;
    return strcmp(sample + size, "_bucket") == 0 || strcmp(sample + size, "_sum") == 0 ||
           strcmp(sample + size, "_count") == 0;
}

static char *next_line(char **text)
{
    char *line = *text;
    char *end = strchr(line, '\n');
    cr_assert_not_null(end, "the last line has no end");
    *end = '\0';
    *text = end + 1;
    return line;
}

/* Returns the number of sample lines. */
static int check_format(char *text)
{
    char family[128] = "", type[2048] = "", name[128], rest[2048];
    int families = 0, samples = 0;
    while (*text != '\0') {
        char *line = next_line(&text);
        if (strncmp(line, "# HELP", 6) == 0) {
            read_comment(line, "HELP", family, rest);
            read_comment(next_line(&text), "TYPE", name, type);
            cr_assert_str_eq(name, family);
            cr_assert(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
                      strcmp(type, "histogram") == 0);
            families++;
        } else {
            read_sample(line, name);
            cr_assert(belongs(name, family, type), "%s under %s", name, family);
            samples++;
        }
    }
    cr_assert_eq(families, (int)metrics_count);
    return samples;
}

Test(metrics, the_format)
{
    struct admin_sample sample = rich_sample();
    char *text = print(&sample);
    cr_assert_gt(check_format(text), (int)metrics_count);
    free(text);
}

Test(metrics, the_format_of_nothing)
{
    struct admin_sample sample = {.snapshot_age_us = -1};
    char *text = print(&sample);
    cr_assert_null(strstr(text, "\nholdfast_snapshot_age_seconds "), "no age without a snapshot");
    cr_assert_gt(check_format(text), 60);
    free(text);
}

static void has_line(const char *text, const char *line)
{
    char whole[512];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    cr_assert_not_null(strstr(text, whole), "%s", line);
}

Test(metrics, the_values)
{
    struct admin_sample sample = rich_sample();
    char *text = print(&sample);
    has_line(
        text,
        "holdfast_build_info{version=\"0.1.0\",commit=\"abc\\\"1\\\\2\\n3\",compiler=\"gcc 12\","
        "options=\"release\"} 1");
    has_line(text, "holdfast_messages_accepted_total 12345678901234567890");
    has_line(text, "holdfast_function_attempts_total{function=\"shop/cart\",result=\"ok\"} 7");
    has_line(text,
             "holdfast_function_attempts_total{function=\"sh\\\"op/*\",result=\"handshake\"} 0");
    has_line(text, "holdfast_circuit_state{function=\"shop/cart\"} 2");
    has_line(text, "holdfast_egress_waiting_records{egress=\"shop/out\"} 5");
    has_line(text, "holdfast_snapshot_age_seconds 1.5");
    has_line(text, "holdfast_recovery_seconds 0.000001");
    free(text);
}

Test(metrics, histograms_are_cumulative)
{
    struct admin_sample sample = rich_sample();
    char *text = print(&sample);
#define CART "holdfast_function_invocation_seconds_bucket{function=\"shop/cart\",le="
    has_line(text, CART "\"0.0001\"} 1");
    has_line(text, CART "\"0.00025\"} 2");
    has_line(text, CART "\"120\"} 2");
    has_line(text, CART "\"+Inf\"} 3");
    has_line(text, "holdfast_function_invocation_seconds_sum{function=\"shop/cart\"} 300.000201");
    has_line(text, "holdfast_function_invocation_seconds_count{function=\"shop/cart\"} 3");
    has_line(text, "holdfast_journal_commit_records_bucket{le=\"2\"} 0");
    has_line(text, "holdfast_journal_commit_records_bucket{le=\"4\"} 1");
    has_line(text, "holdfast_journal_commit_records_sum 3");
    free(text);
}

Test(metrics, what_a_shard_counts)
{
    struct shard_metrics shard = {.messages_accepted = 3, .parked_now = 2, .batch_messages = 5000};
    shard.results[7] = 4;
    shard.batch_size[METRICS_BATCH_BUCKETS - 1] = 1;
    shard.batch_size[0] = 2;
    shard.invocation_ms[METRICS_SECONDS_BUCKETS - 1] = 1;
    shard.invocation_ms[1] = 6;
    shard.invocation_ms_total = 20000;
    struct admin_sample sample = {.snapshot_age_us = -1};
    admin_sample_shard(&sample, &shard);
    admin_sample_shard(&sample, &shard); /* two shards */
    char *text = print(&sample);
    has_line(text, "holdfast_messages_accepted_total 6");
    has_line(text, "holdfast_parked_addresses 4");
    has_line(text, "holdfast_attempts_total{result=\"handshake\"} 8");
    has_line(text, "holdfast_batch_messages_bucket{le=\"1\"} 4");
    has_line(text, "holdfast_batch_messages_bucket{le=\"512\"} 4");
    has_line(text, "holdfast_batch_messages_bucket{le=\"+Inf\"} 6");
    has_line(text, "holdfast_batch_messages_sum 10000");
    has_line(text, "holdfast_invocation_seconds_bucket{le=\"0.001\"} 0");
    has_line(text, "holdfast_invocation_seconds_bucket{le=\"0.002\"} 12");
    has_line(text, "holdfast_invocation_seconds_bucket{le=\"16.384\"} 12");
    has_line(text, "holdfast_invocation_seconds_bucket{le=\"+Inf\"} 14");
    has_line(text, "holdfast_invocation_seconds_sum 40");
    free(text);
}

/* The last bucket of the shard is "larger": it needs one bound fewer than it has buckets. */
Test(metrics, the_bounds_are_those_of_the_shard)
{
    cr_assert_eq(admin_bounds_batch.count, METRICS_BATCH_BUCKETS - 1);
    cr_assert_eq(admin_bounds_millis.count, METRICS_SECONDS_BUCKETS - 1);
    const struct admin_bounds *all[] = {&admin_bounds_micros, &admin_bounds_millis,
                                        &admin_bounds_batch, &admin_bounds_counts};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_leq(all[i]->count, ADMIN_BOUNDS_MAX);
        for (size_t j = 1; j < all[i]->count; j++) cr_assert_gt(all[i]->at[j], all[i]->at[j - 1]);
    }
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

Test(metrics, names_follow_the_rules)
{
    for (size_t i = 0; i < metrics_count; i++) {
        const struct metric *metric = &metrics_table[i];
        cr_assert(strncmp(metric->name, "holdfast_", 9) == 0 ||
                  strncmp(metric->name, "process_", 8) == 0);
        cr_assert_eq(metric->type == METRIC_COUNTER, ends_with(metric->name, "_total"), "%s",
                     metric->name);
        bool times = metric->form == METRIC_TIMES || metric->form == METRIC_MICROS ||
                     metric->form == METRIC_AGE;
        if (times) cr_assert_not_null(strstr(metric->name, "_seconds"), "%s", metric->name);
        bool histogram = metric->form == METRIC_TIMES || metric->form == METRIC_SIZES;
        cr_assert_eq(histogram, metric->type == METRIC_HISTOGRAM, "%s", metric->name);
        cr_assert_eq(histogram, metric->bounds != NULL, "%s", metric->name);
        cr_assert_null(strpbrk(metric->help, "\n\\|"), "%s", metric->name);
        cr_assert(ends_with(metric->help, "."), "%s: a sentence", metric->name);
        for (size_t j = 0; j < i; j++) cr_assert_str_neq(metric->name, metrics_table[j].name);
    }
}

Test(metrics, the_process)
{
    struct sample_process process;
    admin_process_sample(&process);
    cr_assert_gt(process.resident_bytes, 100000);
    cr_assert_gt(process.virtual_bytes, process.resident_bytes);
    cr_assert_gt(process.open_files, 2);
    cr_assert_gt(process.open_files_max, process.open_files);
    cr_assert_gt(process.start_us, 1577836800000000u, "after 2020");
    FILE *more = fopen("/dev/null", "r");
    struct sample_process again;
    admin_process_sample(&again);
    cr_assert_eq(again.open_files, process.open_files + 1);
    fclose(more);
}

/* docs/metrics.md is generated: HOLDFAST_UPDATE_DOCS=1 unit_admin --filter 'metrics/the_document'
 * renews it. */
Test(metrics, the_document)
{
    char path[1024];
    snprintf(path, sizeof path, "%s", __FILE__);
    char *root = strstr(path, "tests/unit/admin/");
    cr_assert_not_null(root);
    strcpy(root, "docs/metrics.md");

    struct buffer expected;
    buffer_init(&expected);
    metrics_document(&expected);
    if (getenv("HOLDFAST_UPDATE_DOCS") != NULL) {
        FILE *out = fopen(path, "w");
        cr_assert_not_null(out);
        cr_assert_eq(fwrite(expected.at, 1, expected.size, out), expected.size);
        fclose(out);
    }
    static char found[65536];
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in, "%s", path);
    size_t size = fread(found, 1, sizeof found, in);
    fclose(in);
    cr_assert(span_equal(span_of(found, size), buffer_span(&expected)),
              "docs/metrics.md is stale: HOLDFAST_UPDATE_DOCS=1 unit_admin --filter "
              "'metrics/the_document'");
    buffer_close(&expected);
}
