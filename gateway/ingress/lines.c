/* See lines.h: the life of the request. */
#include "ingress/lines.h"

#include "base/text.h"

struct lines;

struct line {
    struct port_waiter waiter; /* first */
    struct lines *owner;
    uint32_t number; /* from 1, as an editor counts */
    bool waiting;
    struct span result; /* of the answer: one JSON object and a line end */
};

struct lines {
    struct ingress *ingress;
    struct http_request *request;
    const struct line_kind *kind;
    struct line *lines;
    size_t count;
    size_t waiting;
};

/* -- Taking the body apart -- */

static bool next_line(struct span *rest, struct span *line)
{
    if (rest->size == 0) return false;
    const uint8_t *end = memchr(rest->at, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->at);
    *line = span_of(rest->at, size);
    *rest = span_from(*rest, end == NULL ? size : size + 1);
    return true;
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.at[i] != ' ' && line.at[i] != '\t' && line.at[i] != '\r') return false;
    return true;
}

/* Of lines that are not blank. */
static size_t count_lines(struct span body)
{
    size_t count = 0;
    struct span line;
    while (next_line(&body, &line)) count += !is_blank(line);
    return count;
}

static const char *read_line(struct line_input *input, const struct line_kind *kind,
                             struct span text, struct shard_event *event)
{
    input->text = text;
    input->name_space = SPAN_EMPTY;
    buffer_clear(&input->strings);
    buffer_clear(&input->bytes);
    buffer_clear(&input->argument);
    *event = (struct shard_event){0};
    if (buffer_reserve(&input->strings, text.size) != 0) return "out of memory";
    switch (json_read_object(text, input->members, LINE_MEMBERS_MAX, &input->member_count)) {
    case 0: return kind->read(input, event);
    case ERROR_TOO_LARGE: return "the line has too many members or is nested too deep";
    default: return "the line is not a JSON object in UTF-8";
    }
}

static void input_init(struct line_input *input)
{
    *input = (struct line_input){0};
    buffer_init(&input->strings);
    buffer_init(&input->bytes);
    buffer_init(&input->argument);
}

static void input_close(struct line_input *input)
{
    buffer_close(&input->strings);
    buffer_close(&input->bytes);
    buffer_close(&input->argument);
}

/* -- Results -- */

static void begin_result(struct buffer *out, const struct line *line, int status)
{
    text_append(out, "{\"line\":");
    text_decimal(out, line->number);
    text_json_member(out, "status");
    text_decimal(out, (uint64_t)status);
}

static void tell_refusal(struct buffer *out, const struct refusal *refusal, struct span message_id)
{
    text_json_member(out, "code");
    text_json_string(out, span_text(refusal->code));
    text_json_member(out, "detail");
    text_json_string(out, refusal->detail);
    if (message_id.size == 0) return;
    text_json_member(out, "message");
    text_json_string(out, message_id);
}

/* Kept in memory of the request. */
static void end_result(struct line *line, struct buffer *out)
{
    text_append(out, "}\n");
    if (!out->failed) {
        uint8_t *copy = http_alloc(line->owner->request, out->size);
        memcpy(copy, out->at, out->size);
        line->result = span_of(copy, out->size);
    }
    buffer_close(out);
}

static void refuse_line(struct line *line, const struct refusal *refusal, struct span message_id)
{
    struct buffer out;
    buffer_init(&out);
    begin_result(&out, line, refusal->status);
    tell_refusal(&out, refusal, message_id);
    end_result(line, &out);
}

static void answer_lines(struct lines *lines)
{
    struct buffer body;
    struct http_header type = {SPAN_LITERAL("content-type"), SPAN_LITERAL("application/x-ndjson")};
    buffer_init(&body);
    for (size_t i = 0; i < lines->count; i++) {
        if (lines->lines[i].result.size == 0) body.failed = true;
        buffer_append(&body, lines->lines[i].result);
    }
    if (body.failed)
        http_problem(
            lines->request, 503, "full",
            "The gateway is out of memory; what became of the lines is not known: repeat them "
            "with their keys.",
            SPAN_EMPTY, 1);
    else
        http_answer(lines->request, 200, &type, 1, buffer_span(&body));
    buffer_close(&body);
}

/* -- Waiting -- */

static void line_answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct line *line = CONTAINER_OF(waiter, struct line, waiter);
    struct lines *lines = line->owner;
    struct refusal refusal;
    line->waiting = false;
    if (refusal_of(lines->ingress, answer, &refusal)) {
        refuse_line(line, &refusal, answer->message_id);
    } else {
        struct buffer out;
        buffer_init(&out);
        begin_result(&out, line, lines->kind->status);
        lines->kind->tell(&out, answer);
        end_result(line, &out);
    }
    if (--lines->waiting > 0) return;
    lines->ingress->waiting--;
    lines->request->gone = NULL;
    answer_lines(lines);
}

static void client_gone(struct http_request *request)
{
    struct lines *lines = request->context;
    struct port *port = lines->ingress->options.port;
    lines->ingress->waiting--;
    for (size_t i = 0; i < lines->count; i++) {
        struct shard_event event = {.kind = EVENT_DETACH,
                                    .waiter = waiter_of(&lines->lines[i].waiter)};
        if (lines->lines[i].waiting) port_submit(port, &event);
    }
}

static void start_line(struct lines *lines, struct line_input *input, struct line *line,
                       struct span text)
{
    struct shard_event event;
    const char *fault = read_line(input, lines->kind, text, &event);
    line->waiter.answer = line_answered;
    line->owner = lines;
    if (fault != NULL) {
        struct refusal refusal = {400, "invalid-line", span_text(fault), 0};
        refuse_line(line, &refusal, SPAN_EMPTY);
        return;
    }
    line->waiting = true;
    lines->waiting++;
    event.waiter = waiter_of(&line->waiter);
    port_submit(lines->ingress->options.port, &event);
}

static void start(struct lines *lines)
{
    struct line_input input;
    struct span rest = lines->request->body;
    struct span text;
    size_t i = 0;
    input_init(&input);
    for (uint32_t number = 1; next_line(&rest, &text); number++) {
        if (is_blank(text)) continue;
        lines->lines[i].number = number;
        start_line(lines, &input, &lines->lines[i++], text);
    }
    input_close(&input);
}

/* Before anything is submitted, so that a request is refused as a whole. Lines without an address
   are about nobody's namespace; when there are no others, the client has to be somebody at least.
 */
static bool all_allowed(struct ingress *ingress, struct http_request *request,
                        const struct line_kind *kind)
{
    struct line_input input;
    struct shard_event event;
    struct span rest = request->body;
    struct span text;
    size_t asked = 0;
    bool allowed = true;
    if (ingress->options.allow == NULL) return true;
    input_init(&input);
    while (allowed && next_line(&rest, &text)) {
        if (is_blank(text) || read_line(&input, kind, text, &event) != NULL) continue;
        allowed = access_allowed(ingress, request, kind->access, input.name_space);
        asked++;
    }
    input_close(&input);
    return asked > 0 ? allowed : access_allowed(ingress, request, kind->access, SPAN_EMPTY);
}

static bool count_good(struct http_request *request, size_t count)
{
    if (count > 0 && count <= BATCH_LINES_MAX) return true;
    if (count == 0)
        http_problem(request, 400, "no-lines", "The body has to have lines of JSON.", SPAN_EMPTY,
                     0);
    else
        http_problem(request, 413, "too-many-lines", "A body has at most 100000 lines.", SPAN_EMPTY,
                     0);
    return false;
}

void lines_handle(struct ingress *ingress, struct http_request *request,
                  const struct line_kind *kind)
{
    size_t count = count_lines(request->body);
    if (refuse_new_work(ingress, request) || !count_good(request, count)) return;
    if (!all_allowed(ingress, request, kind)) return;
    struct lines *lines = http_alloc(request, sizeof *lines);
    *lines = (struct lines){.ingress = ingress, .request = request, .kind = kind, .count = count};
    lines->lines = http_alloc(request, count * sizeof lines->lines[0]);
    memset(lines->lines, 0, count * sizeof lines->lines[0]);
    start(lines);
    if (lines->waiting == 0) {
        answer_lines(lines);
        return;
    }
    ingress->waiting++;
    request->context = lines;
    request->gone = client_gone;
}
