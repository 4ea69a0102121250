/* Which keys there are, and the export of all state. */
#include "ingress/room.h"

#include "base/text.h"
#include "ingress/state_json.h"

enum { EXPORT_PAGE = 500 }; /* cells asked for at a time */

static bool limit_read(struct http_request *request, uint32_t otherwise, uint32_t *limit)
{
    struct span text = http_query(request, "limit");
    uint64_t number = 0;
    *limit = otherwise;
    if (text.at == NULL) return true;
    for (size_t i = 0; i < text.size && number <= KEYS_LIMIT_MAX; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') number = UINT32_MAX;
        number = number * 10 + (uint64_t)(text.at[i] & 15);
    }
    *limit = (uint32_t)number;
    if (text.size > 0 && number > 0 && number <= KEYS_LIMIT_MAX) return true;
    http_problem(request, 400, "invalid-query", "limit has to be a number from 1 to 10000.",
                 request->path, 0);
    return false;
}

/* -- Keys -- */

/* Rows are JSON, one object per line; the page is their array. */
static void append_rows(struct buffer *out, struct span rows)
{
    for (size_t i = 0; i < rows.size; i++) {
        if (rows.at[i] != '\n')
            buffer_byte(out, rows.at[i]);
        else if (i + 1 < rows.size)
            buffer_byte(out, ',');
    }
}

static void answer_keys(struct exchange *exchange, const struct shard_answer *answer)
{
    struct buffer body;
    buffer_init(&body);
    text_append(&body, "{\"keys\":[");
    append_rows(&body, answer->body);
    buffer_byte(&body, ']');
    if (answer->next.size > 0) {
        text_json_member(&body, "next");
        text_json_string(&body, answer->next);
    }
    text_append(&body, "}\n");
    answer_json(exchange->request, 200, NULL, 0, &body);
}

void keys_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    struct target target;
    struct shard_event event = {.kind = EVENT_QUERY, .query = {.kind = QUERY_KEYS}};
    /* Any id will do to check the type. */
    if (!target_read(request, parts[0], parts[1], SPAN_LITERAL("-"), &target)) return;
    if (!access_allowed(ingress, request, ACCESS_STATE, target.name_space)) return;
    if (!limit_read(request, KEYS_LIMIT, &event.query.limit)) return;
    event.query.address.type = target.address.type;
    event.query.after = http_query(request, "after");
    struct exchange *exchange = exchange_make(ingress, request, target.address.type);
    exchange->done = answer_keys;
    exchange_submit(exchange, &event);
}

/* -- Export: page after page, until all is told or the answer is as large as it may be -- */

struct export
{
    struct exchange *exchange;
    struct shard_event event;
    struct buffer lines;
    struct buffer cursor; /* of the next page, as the shard gave it */
    uint32_t left;        /* cells that may still be told */
};

static void export_close(void *context)
{
    struct export *export = context;
    buffer_close(&export->lines);
    buffer_close(&export->cursor);
}

/* The cursor is bytes of the shard's own; over HTTP it is hexadecimal. */
static struct span cursor_text(struct http_request *request, struct span cursor)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *text = http_alloc(request, 2 * cursor.size);
    for (size_t i = 0; i < cursor.size; i++) {
        text[2 * i] = (uint8_t)digits[cursor.at[i] >> 4];
        text[2 * i + 1] = (uint8_t)digits[cursor.at[i] & 15];
    }
    return span_of(text, 2 * cursor.size);
}

static bool cursor_read(struct http_request *request, struct buffer *cursor)
{
    struct span text = http_query(request, "after");
    bool good = text.size % 2 == 0;
    for (size_t i = 0; good && i < text.size; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = memchr(digits, text.at[i], 16);
        good = digit != NULL;
        if (good && i % 2 == 0) buffer_byte(cursor, (uint8_t)((digit - digits) << 4));
        if (good && i % 2 == 1) cursor->at[cursor->size - 1] |= (uint8_t)(digit - digits);
        good = good && !cursor->failed;
    }
    if (!good)
        http_problem(request, 400, "invalid-query",
                     "after has to be the Holdfast-Next of another export.", request->path, 0);
    return good;
}

static void export_submit(struct export *export)
{
    export->event.query.after = buffer_span(&export->cursor);
    export->event.query.limit = export->left < EXPORT_PAGE ? export->left : EXPORT_PAGE;
    exchange_submit(export->exchange, &export->event);
}

static void export_more(struct loop_timer *timer)
{
    struct exchange *exchange = CONTAINER_OF(timer, struct exchange, timer);
    export_submit(exchange->context);
}

/* Takes lines and cursor: the export's memory is the request's, which ends with the answer. */
static void export_answer(struct http_request *request, struct buffer lines, struct buffer cursor)
{
    struct http_header headers[] = {
        {SPAN_LITERAL("content-type"), SPAN_LITERAL("application/x-ndjson")},
        {SPAN_LITERAL("holdfast-next"), cursor_text(request, buffer_span(&cursor))}};
    if (lines.failed || cursor.failed)
        http_problem(request, 503, "full", "The gateway is out of memory: use ?limit=.", SPAN_EMPTY,
                     1);
    else
        http_answer(request, 200, headers, cursor.size > 0 ? 2 : 1, buffer_span(&lines));
    buffer_close(&lines);
    buffer_close(&cursor);
}

static void export_page(struct exchange *exchange, const struct shard_answer *answer)
{
    struct export *export = exchange->context;
    struct loop *loop = exchange->ingress->options.loop;
    if (export_json(&export->lines, answer->body) != 0) export->lines.failed = true;
    buffer_clear(&export->cursor);
    buffer_append(&export->cursor, answer->next);
    export->left -= export->event.query.limit;
    if (answer->next.size == 0 || export->left == 0 || export->lines.failed ||
        export->lines.size >= EXPORT_BYTES_MAX) {
        export_answer(exchange->request, export->lines, export->cursor);
        return;
    }
    /* The port does not take events from within an answer. */
    exchange_resume(exchange);
    exchange->timer.expired = export_more;
    loop_timer_set(loop, &exchange->timer, loop_now_us(loop));
}

void export_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    (void)parts;
    struct export *export;
    struct span type = http_query(request, "type");
    if (!access_allowed(ingress, request, ACCESS_STATE, SPAN_EMPTY)) return;
    if (type.size > 0 && !name_valid(type)) {
        http_problem(request, 400, "invalid-query", "type has to be namespace/name.", type, 0);
        return;
    }
    export = http_alloc(request, sizeof *export);
    *export = (struct export){.event = {.kind = EVENT_QUERY, .query = {.kind = QUERY_EXPORT}}};
    buffer_init(&export->lines);
    buffer_init(&export->cursor);
    if (!limit_read(request, UINT32_MAX, &export->left) || !cursor_read(request, &export->cursor)) {
        export_close(export);
        return;
    }
    export->event.query.address.type = type;
    export->exchange = exchange_make(ingress, request, type);
    export->exchange->context = export;
    export->exchange->close = export_close;
    export->exchange->done = export_page;
    export_submit(export);
}
