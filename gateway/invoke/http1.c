/* See http1.h. */
#include "invoke/http1.h"

#include "invoke/field.h"

enum {
    STATUS_LINE,
    HEADER_LINE,
    BODY_LENGTH,
    BODY_CLOSE,
    CHUNK_SIZE,
    CHUNK_DATA,
    CHUNK_CRLF,
    TRAILER_LINE,
    ENDED,
};

enum { CHUNK_DIGITS_MAX = 15, LINE_KEPT_MAX = 4096 };

void http1_init(struct http1 *http1)
{
    *http1 = (struct http1){0};
    buffer_init(&http1->line);
    http1_begin(http1);
}

void http1_close(struct http1 *http1)
{
    buffer_close(&http1->line);
}

static void begin_head(struct http1 *http1)
{
    http1->state = STATUS_LINE;
    http1->status = 0;
    http1->minor_0 = http1->has_length = http1->chunked = false;
    http1->keep_alive_said = http1->close_said = false;
    http1->left = 0;
    http1->keep_alive_s = -1;
}

void http1_begin(struct http1 *http1)
{
    if (http1->line.capacity > LINE_KEPT_MAX) buffer_close(&http1->line);
    buffer_clear(&http1->line);
    http1->head_bytes = 0;
    http1->header_count = 0;
    http1->problem = NULL;
    begin_head(http1);
}

static bool bad(struct http1 *http1, const char *problem)
{
    http1->problem = problem;
    return false;
}

/*
 * The next line without its CRLF. False: there is none yet, or `problem` is set. A line that came
 * in one piece is not copied. The line is valid until the next one is taken.
 */
static bool take_line(struct http1 *http1, struct span *input, struct span *line)
{
    const uint8_t *end = input->size == 0 ? NULL : memchr(input->at, '\n', input->size);
    size_t size = end == NULL ? input->size : (size_t)(end - input->at) + 1;
    http1->head_bytes += size;
    if (http1->head_bytes > ANSWER_HEAD_BYTES_MAX) return bad(http1, "its head has no end");
    struct span part = span_of(input->at, size);
    *input = span_from(*input, size);
    if (end == NULL || http1->line.size > 0) {
        buffer_append(&http1->line, part);
        if (http1->line.failed) return bad(http1, "out of memory");
        if (end == NULL) return false;
        part = buffer_span(&http1->line);
        http1->line.size = 0; /* the bytes stay where they are until the next append */
    }
    if (part.size < 2 || part.at[part.size - 2] != '\r')
        return bad(http1, "a line of its head does not end in CR LF");
    *line = span_of(part.at, part.size - 2);
    return true;
}

/* HTTP/1.x SP 3DIGIT [SP reason] */
static bool status_line(struct http1 *http1, struct span line)
{
    uint64_t status;
    bool good = line.size >= 12 && span_starts_with(line, SPAN_LITERAL("HTTP/1.")) &&
                (line.at[7] == '0' || line.at[7] == '1') && line.at[8] == ' ' &&
                field_number(span_of(line.at + 9, 3), &status) && status >= 100 &&
                (line.size == 12 || line.at[12] == ' ') && field_is_value(line);
    if (!good) return bad(http1, "it does not begin with an HTTP/1.0 or HTTP/1.1 status line");
    http1->minor_0 = line.at[7] == '0';
    http1->status = (unsigned)status;
    if (http1->status == 101) return bad(http1, "it switches protocols, which nobody asked for");
    http1->state = HEADER_LINE;
    return true;
}

static void connection_header(struct http1 *http1, struct span value)
{
    struct span element;
    while (field_element(&value, &element)) {
        if (field_equal(element, SPAN_LITERAL("close"))) http1->close_said = true;
        if (field_equal(element, SPAN_LITERAL("keep-alive"))) http1->keep_alive_said = true;
    }
}

static void keep_alive_header(struct http1 *http1, struct span value)
{
    struct span element;
    uint64_t seconds;
    while (field_element(&value, &element)) {
        struct span name = field_before(element, '=');
        if (!field_equal(field_trim(name), SPAN_LITERAL("timeout"))) continue;
        if (field_number(field_trim(span_from(element, name.size + 1)), &seconds))
            http1->keep_alive_s = seconds > 86400 ? 86400 : (int64_t)seconds;
    }
}

/* The headers that say where the answer ends and whether another may follow. */
static bool framing_header(struct http1 *http1, struct span name, struct span value)
{
    if (field_equal(name, SPAN_LITERAL("content-length"))) {
        if (http1->has_length) return bad(http1, "it has two content-length headers");
        if (!field_number(value, &http1->left))
            return bad(http1, "its content-length is no number");
        http1->has_length = true;
    } else if (field_equal(name, SPAN_LITERAL("transfer-encoding"))) {
        if (http1->chunked || http1->minor_0 || !field_equal(value, SPAN_LITERAL("chunked")))
            return bad(http1, "its transfer-encoding is not just chunked");
        http1->chunked = true;
    } else if (field_equal(name, SPAN_LITERAL("connection"))) {
        connection_header(http1, value);
    } else if (field_equal(name, SPAN_LITERAL("keep-alive"))) {
        keep_alive_header(http1, value);
    }
    return true;
}

static bool split_header(struct http1 *http1, struct span line, struct span *name,
                         struct span *value)
{
    if (++http1->header_count > ANSWER_HEADERS_MAX) return bad(http1, "it has too many headers");
    if (line.at[0] == ' ' || line.at[0] == '\t') return bad(http1, "it has a folded header");
    *name = field_before(line, ':');
    if (name->size == line.size || !field_is_token(*name))
        return bad(http1, "it has a header without a proper name");
    *value = field_trim(span_from(line, name->size + 1));
    if (!field_is_value(*value)) return bad(http1, "it has a control character in a header");
    return true;
}

static enum http1_event head_end(struct http1 *http1, struct answer *answer)
{
    if (http1->status < 200) {
        begin_head(http1);
        return HTTP1_MORE;
    }
    answer->status = http1->status;
    if (http1->has_length && http1->chunked) {
        http1->problem = "it has both content-length and chunks";
        return HTTP1_BAD;
    }
    if (http1->status == 204 || http1->status == 304)
        http1->state = ENDED;
    else if (http1->chunked)
        http1->state = CHUNK_SIZE;
    else if (!http1->has_length)
        http1->state = BODY_CLOSE;
    else
        http1->state = http1->left == 0 ? ENDED : BODY_LENGTH;
    answer->unframed = http1->state == BODY_CLOSE;
    return HTTP1_HEAD;
}

/* chunk-size [ chunk-ext ] */
static bool chunk_size(struct http1 *http1, struct span line)
{
    struct span digits = field_trim(field_before(line, ';'));
    if (digits.size == 0 || digits.size > CHUNK_DIGITS_MAX || !field_is_value(line))
        return bad(http1, "it has a chunk without a proper size");
    uint64_t size = 0;
    for (size_t i = 0; i < digits.size; i++) {
        uint8_t c = digits.at[i] | 0x20;
        unsigned digit = c >= '0' && c <= '9' ? c - (unsigned)'0' : c - (unsigned)'a' + 10;
        bool good = (digits.at[i] >= '0' && digits.at[i] <= '9') || (c >= 'a' && c <= 'f');
        if (!good) return bad(http1, "it has a chunk without a proper size");
        size = size << 4 | digit;
    }
    http1->left = size;
    http1->state = size == 0 ? TRAILER_LINE : CHUNK_DATA;
    /* Only what surrounds the size counts as head: a long body may have any number of chunks. */
    http1->head_bytes -= digits.size + 2;
    return true;
}

/* The CR LF after a chunk's data. */
static bool chunk_end(struct http1 *http1, struct span line)
{
    if (line.size != 0) return bad(http1, "it has a chunk longer than its size");
    http1->head_bytes -= 2;
    http1->state = CHUNK_SIZE;
    return true;
}

static bool header_line(struct http1 *http1, struct span line, struct answer *answer,
                        int64_t wall_us)
{
    struct span name, value;
    if (!split_header(http1, line, &name, &value)) return false;
    if (http1->state == TRAILER_LINE) return true; /* nothing that matters may come so late */
    if (!framing_header(http1, name, value)) return false;
    if (http1->status >= 200) answer_header(answer, name, value, wall_us);
    return true;
}

/* HTTP1_MORE: go on with the next line. */
static enum http1_event take_head(struct http1 *http1, struct span line, struct answer *answer,
                                  int64_t wall_us)
{
    bool good = true;
    switch (http1->state) {
    case STATUS_LINE: good = status_line(http1, line); break;
    case CHUNK_SIZE: good = chunk_size(http1, line); break;
    case CHUNK_CRLF: good = chunk_end(http1, line); break;
    default:
        if (line.size > 0) {
            good = header_line(http1, line, answer, wall_us);
        } else if (http1->state == HEADER_LINE) {
            return head_end(http1, answer);
        } else {
            http1->state = ENDED;
            return HTTP1_END;
        }
    }
    return good ? HTTP1_MORE : HTTP1_BAD;
}

static enum http1_event take_body(struct http1 *http1, struct span *input, struct span *piece,
                                  bool *last)
{
    bool close = http1->state == BODY_CLOSE;
    size_t size = close || http1->left > input->size ? input->size : (size_t)http1->left;
    *piece = span_of(input->at, size);
    *input = span_from(*input, size);
    *last = false;
    if (close) return HTTP1_BODY;
    http1->left -= size;
    if (http1->left == 0) {
        *last = http1->state == BODY_LENGTH;
        http1->state = *last ? ENDED : CHUNK_CRLF;
    }
    return HTTP1_BODY;
}

enum http1_event http1_next(struct http1 *http1, struct span *input, struct answer *answer,
                            int64_t wall_us, struct span *piece, bool *last)
{
    for (;;) {
        if (http1->state == ENDED) return HTTP1_END;
        if (input->size == 0) return HTTP1_MORE;
        if (http1->state == BODY_LENGTH || http1->state == BODY_CLOSE || http1->state == CHUNK_DATA)
            return take_body(http1, input, piece, last);
        struct span line;
        if (!take_line(http1, input, &line)) return http1->problem ? HTTP1_BAD : HTTP1_MORE;
        enum http1_event event = take_head(http1, line, answer, wall_us);
        if (event != HTTP1_MORE) return event;
    }
}

bool http1_ended(const struct http1 *http1, const struct answer *answer)
{
    return http1->state == BODY_CLOSE && answer->body.sent > 0;
}

bool http1_untouched(const struct http1 *http1)
{
    return http1->state == STATUS_LINE && http1->head_bytes == 0;
}

bool http1_reusable(const struct http1 *http1)
{
    if (http1->close_said) return false;
    return http1->minor_0 ? http1->keep_alive_said : true;
}
