/*
 * A page for people who open the operations side in a browser: the numbers that matter, no script,
 * nothing loaded from elsewhere. It renews itself every five seconds.
 */
#include "admin/internal.h"

#include "base/text.h"

static void append_html(struct buffer *out, struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        switch (text.at[i]) {
        case '<': text_append(out, "&lt;"); break;
        case '>': text_append(out, "&gt;"); break;
        case '&': text_append(out, "&amp;"); break;
        case '"': text_append(out, "&quot;"); break;
        default: buffer_byte(out, text.at[i]);
        }
    }
}

static void text_row(struct buffer *out, const char *name, struct span value)
{
    text_append(out, "<tr><th>");
    text_append(out, name);
    text_append(out, "</th><td>");
    append_html(out, value);
    text_append(out, "</td></tr>\n");
}

static void number_row(struct buffer *out, const char *name, uint64_t value)
{
    text_append(out, "<tr><th>");
    text_append(out, name);
    text_append(out, "</th><td class=n>");
    text_decimal(out, value);
    text_append(out, "</td></tr>\n");
}

static void number_cell(struct buffer *out, uint64_t value)
{
    text_append(out, "<td class=n>");
    text_decimal(out, value);
    text_append(out, "</td>");
}

static uint64_t sum_of(const uint64_t *values, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    return sum;
}

static const char *circuit_name(uint64_t circuit)
{
    return circuit == CIRCUIT_CLOSED ? "up" : circuit == CIRCUIT_PROBING ? "probing" : "down";
}

static void function_row(struct buffer *out, const struct sample_function *function)
{
    text_append(out, "<tr><td>");
    append_html(out, function->target);
    text_append(out, "</td><td>");
    text_append(out, circuit_name(function->circuit));
    text_append(out, "</td>");
    number_cell(out, function->keys);
    number_cell(out, function->mailbox_messages);
    number_cell(out, function->in_flight);
    number_cell(out, sum_of(function->calls, SAMPLE_RESULTS));
    number_cell(out, function->parked_addresses);
    text_append(out, "</tr>\n");
}

static void functions_table(struct buffer *out, const struct admin_sample *sample)
{
    text_append(out,
                "<h2>Functions</h2>\n<table>\n<tr><th>function</th><th>endpoint</th><th>keys</th>"
                "<th>waiting</th><th>in flight</th><th>calls</th><th>parked</th></tr>\n");
    for (size_t i = 0; i < sample->function_count; i++) function_row(out, &sample->functions[i]);
    text_append(out, "</table>\n");
}

static void egress_table(struct buffer *out, const struct admin_sample *sample)
{
    if (sample->egress_count == 0) return;
    text_append(out, "<h2>Egress</h2>\n<table>\n<tr><th>egress</th><th>waiting</th></tr>\n");
    for (size_t i = 0; i < sample->egress_count; i++) {
        text_append(out, "<tr><td>");
        append_html(out, sample->egresses[i].name);
        text_append(out, "</td>");
        number_cell(out, sample->egresses[i].waiting_records);
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table>\n");
}

static void status_table(struct buffer *out, struct admin *admin, const struct admin_sample *sample)
{
    struct errmsg why = {"not ready"};
    bool ready = admin->sources->ready(admin->sources->context, &why);
    text_append(out, "<table>\n");
    text_row(out, "status", ready ? SPAN_LITERAL("ready") : span_text(why.text));
    text_row(out, "version", span_text(admin->build.version));
    number_row(out, "messages accepted", sample->messages_accepted);
    number_row(out, "messages applied", sample->messages_applied);
    number_row(out, "delayed messages", sample->delayed_messages);
    number_row(out, "messages waiting", sample->mailbox_messages);
    number_row(out, "addresses with state", sample->keys);
    number_row(out, "parked addresses", sample->addresses[SAMPLE_PARKED]);
    number_row(out, "journal bytes", sample->journal_bytes);
    number_row(out, "resident memory bytes", sample->process.resident_bytes);
    text_append(out, "</table>\n");
}

static void append_page(struct buffer *out, struct admin *admin, const struct admin_sample *sample)
{
    text_append(out,
                "<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>Holdfast</title>\n"
                "<meta http-equiv=refresh content=5>\n"
                "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2em "
                "auto;max-width:60em;padding:0 1em;"
                "color-scheme:light dark}"
                "table{border-collapse:collapse}th,td{text-align:left;padding:.2em 1.2em .2em 0}"
                ".n{text-align:right;font-variant-numeric:tabular-nums}</style></head>\n"
                "<body><h1>Holdfast</h1>\n");
    status_table(out, admin, sample);
    functions_table(out, sample);
    egress_table(out, sample);
    text_append(
        out,
        "<p><a href=/v1/parked>parked addresses</a> · <a href=/v1/functions>functions</a> · "
        "<a href=/v1/shards>shards</a> · <a href=/v1/snapshot>snapshots</a> · "
        "<a href=/v1/config>settings</a> · <a href=/metrics>metrics</a></p>\n</body></html>\n");
}

void admin_page(struct admin *admin, struct http_request *request)
{
    struct admin_sample sample = {0};
    admin->sources->sample(admin->sources->context, &sample);
    struct buffer page;
    buffer_init(&page);
    append_page(&page, admin, &sample);
    const struct http_header headers[] = {
        {SPAN_LITERAL("content-type"), SPAN_LITERAL("text/html; charset=utf-8")},
        {SPAN_LITERAL("cache-control"), SPAN_LITERAL("no-store")},
        {SPAN_LITERAL("content-security-policy"),
         SPAN_LITERAL("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")},
    };
    if (page.failed)
        admin_answer_no_memory(request);
    else
        http_answer(request, 200, headers, 3, buffer_span(&page));
    buffer_close(&page);
}
