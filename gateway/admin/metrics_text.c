/* The table as Prometheus text: HELP, TYPE, then the samples of each metric together. */
#include "admin/metrics.h"

#include "base/check.h"
#include "base/text.h"

/* The labels of a line: that of its scope, that of its row, and a histogram's bound. Empty names
 * are left out. */
struct label {
    const char *name;
    struct span value;
};

struct line {
    const struct metric *metric;
    struct label scope;
    struct label row;
};

static void append_escaped(struct buffer *out, struct span value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.at[i];
        if (byte == '\n') {
            text_append(out, "\\n");
            continue;
        }
        if (byte == '"' || byte == '\\') buffer_byte(out, '\\');
        buffer_byte(out, byte);
    }
}

static void append_label(struct buffer *out, const struct label *label, bool *open)
{
    if (label->name == NULL) return;
    buffer_byte(out, *open ? ',' : '{');
    text_append(out, label->name);
    text_append(out, "=\"");
    append_escaped(out, label->value);
    buffer_byte(out, '"');
    *open = true;
}

/* name suffix {labels} and a space: the value follows. `bound` may be NULL. */
static void begin_line(struct buffer *out, const struct line *line, const char *suffix,
                       const struct label *bound)
{
    bool open = false;
    text_append(out, line->metric->name);
    text_append(out, suffix);
    append_label(out, &line->scope, &open);
    append_label(out, &line->row, &open);
    if (bound != NULL) append_label(out, bound, &open);
    text_append(out, open ? "} " : " ");
}

static void number_line(struct buffer *out, const struct line *line, const char *suffix,
                        uint64_t value)
{
    begin_line(out, line, suffix, NULL);
    text_decimal(out, value);
    buffer_byte(out, '\n');
}

/* Microseconds as seconds: exact, without floating point, no zeros at the end. */
static void append_seconds(struct buffer *out, uint64_t micros)
{
    text_decimal(out, micros / 1000000);
    uint64_t rest = micros % 1000000;
    if (rest == 0) return;
    buffer_byte(out, '.');
    for (uint64_t digit = 100000; rest > 0; rest %= digit, digit /= 10)
        buffer_byte(out, (uint8_t)('0' + rest / digit));
}

static void seconds_line(struct buffer *out, const struct line *line, const char *suffix,
                         uint64_t micros)
{
    begin_line(out, line, suffix, NULL);
    append_seconds(out, micros);
    buffer_byte(out, '\n');
}

static void bucket_line(struct buffer *out, const struct line *line, struct span bound,
                        uint64_t count)
{
    struct label label = {"le", bound};
    begin_line(out, line, "_bucket", &label);
    text_decimal(out, count);
    buffer_byte(out, '\n');
}

static void histogram_lines(struct buffer *out, const struct line *line,
                            const struct admin_histogram *histogram)
{
    bool seconds = line->metric->form == METRIC_TIMES;
    const struct admin_bounds *bounds = line->metric->bounds;
    uint64_t count = 0;
    struct buffer bound;
    buffer_init(&bound);
    for (size_t i = 0; i < bounds->count; i++) {
        count += histogram->buckets[i];
        buffer_clear(&bound);
        if (seconds)
            append_seconds(&bound, bounds->at[i]);
        else
            text_decimal(&bound, bounds->at[i]);
        bucket_line(out, line, buffer_span(&bound), count);
    }
    if (bound.failed) out->failed = true;
    buffer_close(&bound);
    count += histogram->buckets[bounds->count];
    bucket_line(out, line, SPAN_LITERAL("+Inf"), count);
    if (seconds)
        seconds_line(out, line, "_sum", histogram->sum);
    else
        number_line(out, line, "_sum", histogram->sum);
    number_line(out, line, "_count", count);
}

static void array_lines(struct buffer *out, struct line *line, const uint64_t *values)
{
    const struct metric *metric = line->metric;
    for (size_t i = 0; i < metric->label_count; i++) {
        line->row = (struct label){metric->label, span_text(metric->label_values[i])};
        number_line(out, line, "", values[i]);
    }
}

/* The lines of one field; `base` is the struct that it is in. */
static void field_lines(struct buffer *out, struct line *line, const void *base)
{
    const void *field = (const char *)base + line->metric->offset;
    switch (line->metric->form) {
    case METRIC_NUMBER: number_line(out, line, "", *(const uint64_t *)field); break;
    case METRIC_MICROS: seconds_line(out, line, "", *(const uint64_t *)field); break;
    case METRIC_AGE:
        if (*(const int64_t *)field >= 0)
            seconds_line(out, line, "", (uint64_t) * (const int64_t *)field);
        break;
    case METRIC_ARRAY: array_lines(out, line, field); break;
    case METRIC_SIZES:
    case METRIC_TIMES: histogram_lines(out, line, field); break;
    case METRIC_BUILD: CHECK(false); /* has no field */
    }
}

static void build_line(struct buffer *out, const struct metric *metric,
                       const struct admin_build *build)
{
    const struct label labels[] = {{"version", span_text(build->version)},
                                   {"commit", span_text(build->commit)},
                                   {"compiler", span_text(build->compiler)},
                                   {"options", span_text(build->options)}};
    bool open = false;
    text_append(out, metric->name);
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
        append_label(out, &labels[i], &open);
    text_append(out, "} 1\n");
}

static void shard_lines(struct buffer *out, struct line *line, const struct admin_sample *sample)
{
    struct buffer number;
    buffer_init(&number);
    for (size_t i = 0; i < sample->shard_count; i++) {
        buffer_clear(&number);
        text_decimal(&number, i);
        line->scope = (struct label){"shard", buffer_span(&number)};
        field_lines(out, line, &sample->shards[i]);
    }
    if (number.failed) out->failed = true;
    buffer_close(&number);
}

static void scope_lines(struct buffer *out, const struct metric *metric,
                        const struct admin_sample *sample)
{
    struct line line = {.metric = metric};
    switch (metric->scope) {
    case METRIC_PROCESS: field_lines(out, &line, sample); break;
    case METRIC_FUNCTION:
        for (size_t i = 0; i < sample->function_count; i++) {
            line.scope = (struct label){"function", sample->functions[i].target};
            field_lines(out, &line, &sample->functions[i]);
        }
        break;
    case METRIC_EGRESS:
        for (size_t i = 0; i < sample->egress_count; i++) {
            line.scope = (struct label){"egress", sample->egresses[i].name};
            field_lines(out, &line, &sample->egresses[i]);
        }
        break;
    case METRIC_SHARD: shard_lines(out, &line, sample); break;
    }
}

static const char *type_name(enum metric_type type)
{
    return type == METRIC_COUNTER ? "counter" : type == METRIC_GAUGE ? "gauge" : "histogram";
}

static void append_head(struct buffer *out, const struct metric *metric)
{
    text_append(out, "# HELP ");
    text_append(out, metric->name);
    buffer_byte(out, ' ');
    text_append(out, metric->help);
    text_append(out, "\n# TYPE ");
    text_append(out, metric->name);
    buffer_byte(out, ' ');
    text_append(out, type_name(metric->type));
    buffer_byte(out, '\n');
}

void metrics_text(struct buffer *out, const struct admin_sample *sample,
                  const struct admin_build *build)
{
    for (size_t i = 0; i < metrics_count; i++) {
        const struct metric *metric = &metrics_table[i];
        append_head(out, metric);
        if (metric->form == METRIC_BUILD)
            build_line(out, metric, build);
        else
            scope_lines(out, metric, sample);
    }
}

static void append_labels(struct buffer *out, const struct metric *metric)
{
    const char *scope = metric->scope == METRIC_FUNCTION ? "function"
                        : metric->scope == METRIC_EGRESS ? "egress"
                        : metric->scope == METRIC_SHARD  ? "shard"
                                                         : NULL;
    if (metric->form == METRIC_BUILD)
        text_append(out, "`version`, `commit`, `compiler`, `options`");
    if (scope != NULL) {
        buffer_byte(out, '`');
        text_append(out, scope);
        buffer_byte(out, '`');
    }
    if (metric->label == NULL) return;
    text_append(out, scope != NULL ? ", `" : "`");
    text_append(out, metric->label);
    buffer_byte(out, '`');
}

void metrics_document(struct buffer *out)
{
    text_append(out, "# Metrics\n\n"
                     "<!-- Generated from gateway/admin/metrics_table.c by unit_admin; see its "
                     "test for how to renew it. -->\n\n"
                     "`GET /metrics` on the operations side answers in the Prometheus text format "
                     "0.0.4. The number of\n"
                     "series never grows with keys: `function` is a target of module.yaml (a name, "
                     "or a namespace and a\n"
                     "star with all that it serves), `egress` is an egress of module.yaml or a "
                     "topic of the playground,\n`shard` a number below --shards. What has no "
                     "label `shard` is the sum over all of them.\n"
                     "Counters begin at 0 when the process starts.\n\n"
                     "| metric | type | unit | labels | meaning |\n"
                     "|---|---|---|---|---|\n");
    for (size_t i = 0; i < metrics_count; i++) {
        const struct metric *metric = &metrics_table[i];
        text_append(out, "| `");
        text_append(out, metric->name);
        text_append(out, "` | ");
        text_append(out, type_name(metric->type));
        text_append(out, " | ");
        text_append(out, metric->unit);
        text_append(out, " | ");
        append_labels(out, metric);
        text_append(out, " | ");
        text_append(out, metric->help);
        text_append(out, " |\n");
    }
}
