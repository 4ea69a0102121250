/* The routes that need a few lines each. */
#include "admin/internal.h"

#include "base/text.h"

static void answer_check(struct http_request *request, bool passed, const char *name,
                         struct errmsg *why)
{
    struct buffer text;
    buffer_init(&text);
    if (http_query(request, "verbose").at != NULL) {
        text_append(&text, passed ? "[+]" : "[-]");
        text_append(&text, name);
        text_append(&text, passed ? " ok\n" : " failed: ");
    }
    text_append(&text, passed ? "ok" : why->text);
    buffer_byte(&text, '\n');
    if (text.failed)
        admin_answer_no_memory(request);
    else
        admin_answer_text(request, passed ? 200 : 503, "text/plain; charset=utf-8",
                          buffer_span(&text));
    buffer_close(&text);
}

void admin_livez(struct admin *admin, struct http_request *request)
{
    struct errmsg why = {"not live"};
    answer_check(request, admin->sources->live(admin->sources->context, &why), "live", &why);
}

void admin_readyz(struct admin *admin, struct http_request *request)
{
    struct errmsg why = {"not ready"};
    answer_check(request, admin->sources->ready(admin->sources->context, &why), "ready", &why);
}

void admin_version(struct admin *admin, struct http_request *request)
{
    const struct admin_build *build = &admin->build;
    struct buffer json;
    buffer_init(&json);
    buffer_byte(&json, '{');
    text_json_member(&json, "version");
    text_json_string(&json, span_text(build->version));
    text_json_member(&json, "commit");
    text_json_string(&json, span_text(build->commit));
    text_json_member(&json, "compiler");
    text_json_string(&json, span_text(build->compiler));
    text_json_member(&json, "options");
    text_json_string(&json, span_text(build->options));
    text_json_member(&json, "journal_format");
    text_decimal(&json, build->journal_format);
    text_json_member(&json, "snapshot_format");
    text_decimal(&json, build->snapshot_format);
    buffer_byte(&json, '}');
    admin_answer_json(request, &json);
    buffer_close(&json);
}

void admin_metrics(struct admin *admin, struct http_request *request)
{
    struct admin_sample sample = {0};
    admin->sources->sample(admin->sources->context, &sample);
    struct buffer text;
    buffer_init(&text);
    metrics_text(&text, &sample, &admin->build);
    if (text.failed)
        admin_answer_no_memory(request);
    else
        admin_answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8",
                          buffer_span(&text));
    buffer_close(&text);
}

static void query(struct admin *admin, struct http_request *request, enum query_kind kind,
                  const char *noun)
{
    struct shard_event event = {.kind = EVENT_QUERY};
    event.query.kind = kind;
    event.query.limit = ADMIN_LIMIT_MAX;
    event.query.after = http_query(request, "after");
    struct ask *ask = admin_ask(admin, request, admin_answer_rows);
    ask->noun = noun;
    admin_ask_submit(ask, &event);
}

void admin_functions(struct admin *admin, struct http_request *request)
{
    query(admin, request, QUERY_FUNCTIONS, "functions");
}

void admin_shards(struct admin *admin, struct http_request *request)
{
    query(admin, request, QUERY_STATUS, "shards");
}

void admin_egress(struct admin *admin, struct http_request *request)
{
    query(admin, request, QUERY_EGRESS, "egress");
}

void admin_config(struct admin *admin, struct http_request *request)
{
    struct buffer json;
    buffer_init(&json);
    admin->sources->config_json(admin->sources->context, &json);
    admin_answer_json(request, &json);
    buffer_close(&json);
}
