/* See head.h. */
#include "net/head.h"

#include "base/utf8.h"

#include <strings.h>

struct head {
    unsigned lengths; /* Content-Length lines */
    unsigned codings; /* Transfer-Encoding lines */
    unsigned hosts;
    bool version_1_0;
    const char *wrong;
};

static struct head_verdict refused(const char *detail)
{
    return (struct head_verdict){.status = 400, .detail = detail};
}

static bool is_name(struct span name, const char *expected)
{
    return name.size == strlen(expected) &&
           strncasecmp((const char *)name.at, expected, name.size) == 0;
}

static struct span trimmed(struct span text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) text = span_from(text, 1);
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static bool only_digits(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < '0' || text.at[i] > '9') return false;
    return text.size > 0;
}

/* The next line without its end; takes it from `rest`. False when there is no whole line. */
static bool next_line(struct span *rest, struct span *line)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->at, '\n', rest->size);
    if (end == NULL) return false;
    size_t size = (size_t)(end - rest->at);
    *line = span_of(rest->at, size);
    *rest = span_from(*rest, size + 1);
    if (line->size > 0 && line->at[line->size - 1] == '\r') line->size--;
    return true;
}

static void read_header(struct head *head, struct span name, struct span value)
{
    if (is_name(name, "content-length")) {
        head->lengths++;
        if (!only_digits(value)) head->wrong = "Content-Length is not a number";
    } else if (is_name(name, "transfer-encoding")) {
        head->codings++;
        if (!is_name(value, "chunked"))
            head->wrong = "only Transfer-Encoding: chunked is understood";
    } else if (is_name(name, "host")) {
        head->hosts++;
    }
}

static void read_line(struct head *head, struct span line)
{
    const uint8_t *colon = memchr(line.at, ':', line.size);
    if (line.at[0] == ' ' || line.at[0] == '\t') {
        head->wrong = "a header is folded over several lines";
    } else if (!ascii_printable(line) && (memchr(line.at, '\r', line.size) != NULL ||
                                          memchr(line.at, 0, line.size) != NULL)) {
        head->wrong = "a header has a control character";
    } else if (colon == NULL || colon == line.at) {
        head->wrong = "a header has no name";
    } else {
        struct span name = span_of(line.at, (size_t)(colon - line.at));
        if (name.at[name.size - 1] == ' ' || name.at[name.size - 1] == '\t')
            head->wrong = "white space before the colon of a header";
        else
            read_header(head, name, trimmed(span_from(line, name.size + 1)));
    }
}

static const char *contradiction(const struct head *head)
{
    if (head->wrong != NULL) return head->wrong;
    if (head->lengths > 1) return "Content-Length is given more than once";
    if (head->codings > 1) return "Transfer-Encoding is given more than once";
    if (head->lengths > 0 && head->codings > 0)
        return "Content-Length and Transfer-Encoding are both given";
    if (head->codings > 0 && head->version_1_0) return "Transfer-Encoding in HTTP/1.0";
    if (head->hosts > 1) return "Host is given more than once";
    if (head->hosts == 0 && !head->version_1_0) return "Host is missing";
    return NULL;
}

static bool has_control(struct span text)
{
    if (ascii_printable(text)) return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < ' ' || text.at[i] == 0x7f) return true;
    return false;
}

/* What is before the next space; takes it and the space from `rest`. NULL `at`: no space. */
static struct span next_word(struct span *rest)
{
    const uint8_t *space = rest->size == 0 ? NULL : memchr(rest->at, ' ', rest->size);
    if (space == NULL) return SPAN_EMPTY;
    struct span word = span_of(rest->at, (size_t)(space - rest->at));
    *rest = span_from(*rest, word.size + 1);
    return word;
}

/* method SP target SP HTTP/1.x, and nothing else: h2o lets the method be empty. */
static bool request_line_good(struct span line)
{
    struct span rest = line;
    struct span method = next_word(&rest), target = next_word(&rest);
    return method.size > 0 && target.at != NULL && next_word(&rest).at == NULL &&
           !has_control(line);
}

static bool ends_with(struct span text, struct span end)
{
    return text.size >= end.size && span_equal(span_from(text, text.size - end.size), end);
}

struct head_verdict head_check(struct span bytes)
{
    struct span rest = bytes;
    struct span line = SPAN_EMPTY;
    struct head head = {0};
    /* An empty line before the request line is allowed (RFC 9112, 2.2). */
    while (next_line(&rest, &line) && line.size == 0) continue;
    head.version_1_0 = ends_with(line, SPAN_LITERAL(" HTTP/1.0"));
    if (!request_line_good(line)) head.wrong = "the request line has to be: method target version";
    for (;;) {
        if (!next_line(&rest, &line)) return refused("the head has no end");
        if (line.size == 0) break;
        read_line(&head, line);
    }
    if (bytes.size - rest.size > HEAD_SIZE_MAX)
        return (struct head_verdict){.status = 431,
                                     .detail = "the request line and headers are over 65536 bytes"};
    const char *detail = contradiction(&head);
    return detail == NULL ? (struct head_verdict){.chunked = head.codings > 0} : refused(detail);
}
