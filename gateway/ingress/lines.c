/*
 * See lines.h: the life of the request. Its lines are gone through twice: who may send them, and
 * then they are sent, so that a request is refused as a whole. Both happen some lines at a time,
 * since everybody else of this thread waits meanwhile.
 */
#include "ingress/lines.h"

#include "base/text.h"

enum { TURN_LINES = 500, TURN_BYTES = 262144 };

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
    struct loop_timer timer; /* set while there are lines to go through */
    struct span rest;        /* of the body, this time */
    uint32_t number;         /* of the line before it */
    bool is_checked;         /* it is the second time */
    bool asked_access;
    struct line *lines;
    size_t count;   /* of lines that are not blank */
    size_t started; /* of these, the second time */
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

static void end_waiting(struct lines *lines)
{
    loop_timer_clear(lines->ingress->options.loop, &lines->timer);
    lines->ingress->waiting--;
    lines->request->gone = NULL;
}

static void client_gone(struct http_request *request)
{
    struct lines *lines = request->context;
    struct port *port = lines->ingress->options.port;
    end_waiting(lines);
    for (size_t i = 0; i < lines->started; i++) {
        struct shard_event event = {.kind = EVENT_DETACH,
                                    .waiter = waiter_of(&lines->lines[i].waiter)};
        if (lines->lines[i].waiting) port_submit(port, &event);
    }
}

/* For lines to be answered, or for the next turn. */
static void begin_waiting(struct lines *lines)
{
    lines->ingress->waiting++;
    lines->request->gone = client_gone;
}

/* Blank ones may be left to go through. */
static bool is_finished(const struct lines *lines)
{
    return lines->is_checked && lines->started == lines->count && lines->waiting == 0;
}

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
    lines->waiting--;
    if (!is_finished(lines)) return;
    end_waiting(lines);
    answer_lines(lines);
}

/* -- Going through the lines -- */

/* Starts from the first line. */
static void rewind_lines(struct lines *lines)
{
    lines->rest = lines->request->body;
    lines->number = 0;
}

/* False: the request has been answered, and is no more. */
static bool check_line(struct lines *lines, struct line_input *input, struct span text)
{
    struct shard_event event;
    if (is_blank(text)) return true;
    if (lines->count == BATCH_LINES_MAX) {
        http_problem(lines->request, 413, "too-many-lines", "A body has at most 100000 lines.",
                     SPAN_EMPTY, 0);
        return false;
    }
    lines->count++;
    if (lines->ingress->options.allow == NULL ||
        read_line(input, lines->kind, text, &event) != NULL)
        return true;
    lines->asked_access = true;
    return access_allowed(lines->ingress, lines->request, lines->kind->access, input->name_space);
}

/* Lines without an address are about nobody's namespace; when there are no others, the client has
 * to be somebody at least. */
static bool check_end(struct lines *lines)
{
    if (lines->count == 0) {
        http_problem(lines->request, 400, "no-lines", "The body has to have lines of JSON.",
                     SPAN_EMPTY, 0);
        return false;
    }
    if (!lines->asked_access &&
        !access_allowed(lines->ingress, lines->request, lines->kind->access, SPAN_EMPTY))
        return false;
    lines->lines = http_alloc(lines->request, lines->count * sizeof lines->lines[0]);
    memset(lines->lines, 0, lines->count * sizeof lines->lines[0]);
    lines->is_checked = true;
    rewind_lines(lines);
    return true;
}

static void start_line(struct lines *lines, struct line_input *input, struct span text)
{
    struct shard_event event;
    if (is_blank(text)) return;
    struct line *line = &lines->lines[lines->started++];
    const char *fault = read_line(input, lines->kind, text, &event);
    line->waiter.answer = line_answered;
    line->owner = lines;
    line->number = lines->number;
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

/* As many lines as one turn may have. False: the request has been answered, and is no more. */
static bool go_through(struct lines *lines, struct line_input *input)
{
    size_t bytes_left = lines->rest.size > TURN_BYTES ? lines->rest.size - TURN_BYTES : 0;
    struct span text;
    for (int i = 0; i < TURN_LINES && lines->rest.size > bytes_left; i++) {
        if (!next_line(&lines->rest, &text)) break;
        lines->number++;
        if (lines->is_checked)
            start_line(lines, input, text);
        else if (!check_line(lines, input, text))
            return false;
    }
    return lines->is_checked || lines->rest.size > 0 || check_end(lines);
}

/* The first time may answer the request, which takes the lines with it. */
static void take_turn(struct lines *lines)
{
    struct loop *loop = lines->ingress->options.loop;
    struct line_input input;
    input_init(&input);
    bool alive = go_through(lines, &input);
    input_close(&input);
    if (!alive) return;
    if (is_finished(lines)) {
        answer_lines(lines);
        return;
    }
    begin_waiting(lines);
    if (lines->rest.size > 0) loop_timer_set(loop, &lines->timer, loop_now_us(loop));
}

static void next_turn(struct loop_timer *timer)
{
    struct lines *lines = CONTAINER_OF(timer, struct lines, timer);
    end_waiting(lines);
    take_turn(lines);
}

void lines_handle(struct ingress *ingress, struct http_request *request,
                  const struct line_kind *kind)
{
    if (refuse_new_work(ingress, request)) return;
    struct lines *lines = http_alloc(request, sizeof *lines);
    *lines = (struct lines){
        .ingress = ingress, .request = request, .kind = kind, .timer = {.expired = next_turn}};
    rewind_lines(lines);
    request->context = lines;
    take_turn(lines);
}
