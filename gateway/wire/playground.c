/*
 * A scanner for one shape of JSON: an object of two strings. It has no recursion and no limit to
 * run into but the size of its input, and it copies text once, run by run.
 */
#include "wire/playground.h"

#include "base/utf8.h"
#include "wire/function.h"

struct scan {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    struct buffer *out;
    struct errmsg *errmsg;
};

/* Where a decoded string lies in the output; the buffer may still move. */
struct piece {
    size_t offset;
    size_t size;
    bool present;
};

enum { MEMBER_TOPIC, MEMBER_PAYLOAD, MEMBERS };

static const char *const member_names[MEMBERS] = {"topic", "payload"};

static int broken(struct scan *scan, const char *what)
{
    return errmsg_set(scan->errmsg, ERROR_MALFORMED,
                      "the JSON of an EgressRecord is broken at byte %zu: %s",
                      (size_t)(scan->at - scan->start), what);
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static bool take(struct scan *scan, uint8_t wanted)
{
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != wanted) return false;
    scan->at++;
    return true;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

/* The four digits after \u; -1 when they are not there. */
static int32_t scan_unit(struct scan *scan)
{
    if (scan->end - scan->at < 4) return -1;
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(scan->at[i]);
        if (digit < 0) return -1;
        unit = unit << 4 | digit;
    }
    scan->at += 4;
    return unit;
}

static void append_code_point(struct buffer *out, uint32_t code)
{
    if (code < 0x80) {
        buffer_byte(out, (uint8_t)code);
    } else if (code < 0x800) {
        buffer_byte(out, (uint8_t)(0xc0 | code >> 6));
        buffer_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        buffer_byte(out, (uint8_t)(0xe0 | code >> 12));
        buffer_byte(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
        buffer_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
    } else {
        buffer_byte(out, (uint8_t)(0xf0 | code >> 18));
        buffer_byte(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
        buffer_byte(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
        buffer_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
    }
}

/* After \u: one unit, or a high surrogate and its low one. */
static int scan_unicode(struct scan *scan)
{
    int32_t unit = scan_unit(scan);
    if (unit < 0) return broken(scan, "\\u needs four hexadecimal digits");
    if (unit < 0xd800 || unit > 0xdfff) {
        append_code_point(scan->out, (uint32_t)unit);
        return 0;
    }
    bool paired =
        unit < 0xdc00 && scan->end - scan->at >= 2 && scan->at[0] == '\\' && scan->at[1] == 'u';
    if (!paired) return broken(scan, "half of a surrogate pair");
    scan->at += 2;
    int32_t low = scan_unit(scan);
    if (low < 0xdc00 || low > 0xdfff) return broken(scan, "half of a surrogate pair");
    append_code_point(scan->out,
                      0x10000 + ((uint32_t)(unit - 0xd800) << 10 | (uint32_t)(low - 0xdc00)));
    return 0;
}

static int scan_escape(struct scan *scan)
{
    if (scan->at == scan->end) return broken(scan, "it ends within a string");
    uint8_t byte = *scan->at++;
    switch (byte) {
    case '"':
    case '\\':
    case '/': break;
    case 'b': byte = '\b'; break;
    case 'f': byte = '\f'; break;
    case 'n': byte = '\n'; break;
    case 'r': byte = '\r'; break;
    case 't': byte = '\t'; break;
    case 'u': return scan_unicode(scan);
    default: return broken(scan, "unknown escape");
    }
    buffer_byte(scan->out, byte);
    return 0;
}

/* A string, opening quote included, appended to the output. */
static int scan_string(struct scan *scan, const char *expected, struct piece *piece)
{
    if (!take(scan, '"')) return broken(scan, expected);
    size_t offset = scan->out->size;
    for (;;) {
        const uint8_t *run = scan->at;
        while (scan->at < scan->end && *scan->at != '"' && *scan->at != '\\' && *scan->at >= 0x20)
            scan->at++;
        buffer_append(scan->out, span_of(run, (size_t)(scan->at - run)));
        if (scan->at == scan->end) return broken(scan, "it ends within a string");
        if (*scan->at < 0x20)
            return broken(scan, "a control character in a string must be escaped");
        if (*scan->at++ == '"') break;
        int error = scan_escape(scan);
        if (error != 0) return error;
    }
    if (scan->out->failed)
        return errmsg_set(scan->errmsg, ERROR_MEMORY, "no memory for an EgressRecord");
    *piece = (struct piece){offset, scan->out->size - offset, true};
    return 0;
}

static int member_of(struct scan *scan, const struct piece *name)
{
    struct span text = span_of(span_from(buffer_span(scan->out), name->offset).at, name->size);
    for (int member = 0; member < MEMBERS; member++)
        if (span_equal(text, span_text(member_names[member]))) return member;
    return -1;
}

static int scan_member(struct scan *scan, struct piece pieces[MEMBERS])
{
    size_t before = scan->out->size;
    struct piece name = {0};
    int error = scan_string(scan, "the name of a member is expected", &name);
    if (error != 0) return error;
    int member = member_of(scan, &name);
    if (member < 0) return broken(scan, "only \"topic\" and \"payload\" are known here");
    if (pieces[member].present) return broken(scan, "this member is given twice");
    buffer_truncate(scan->out, before);
    if (!take(scan, ':')) return broken(scan, "':' is expected");
    return scan_string(scan, "topic and payload are strings", &pieces[member]);
}

static int scan_object(struct scan *scan, struct piece pieces[MEMBERS])
{
    if (!take(scan, '{')) return broken(scan, "'{' is expected");
    do {
        int error = scan_member(scan, pieces);
        if (error != 0) return error;
    } while (take(scan, ','));
    if (!take(scan, '}')) return broken(scan, "',' or '}' is expected");
    skip_space(scan);
    if (scan->at != scan->end) return broken(scan, "something follows the object");
    for (int member = 0; member < MEMBERS; member++)
        if (!pieces[member].present)
            return errmsg_set(scan->errmsg, ERROR_MALFORMED, "an EgressRecord without \"%s\"",
                              member_names[member]);
    return 0;
}

static int check_topic(const struct piece *topic, struct errmsg *errmsg)
{
    if (topic->size == 0)
        return errmsg_set(errmsg, ERROR_MALFORMED, "the topic of an EgressRecord is empty");
    if (topic->size > PLAYGROUND_TOPIC_SIZE_MAX)
        return errmsg_set(errmsg, ERROR_TOO_LARGE,
                          "the topic of an EgressRecord has %zu bytes, %d are allowed", topic->size,
                          PLAYGROUND_TOPIC_SIZE_MAX);
    return 0;
}

static int open_value(struct span typed_value, struct span *json, struct errmsg *errmsg)
{
    struct typed_value value;
    if (typed_value_parse(typed_value, &value) != 0)
        return errmsg_set(errmsg, ERROR_MALFORMED, "an egress record that is no TypedValue");
    if (!span_equal(value.type_name, PLAYGROUND_RECORD)) {
        struct span shown = value.type_name;
        if (shown.size > 128) shown.size = 128;
        return errmsg_set(
            errmsg, ERROR_MALFORMED,
            "the playground's egress takes io.statefun.playground/EgressRecord, not \"%.*s\"",
            SPAN_PRINT(shown));
    }
    if (!value.has_value)
        return errmsg_set(errmsg, ERROR_MALFORMED, "an EgressRecord without a value");
    if (!utf8_valid(value.value))
        return errmsg_set(errmsg, ERROR_MALFORMED,
                          "the JSON of an EgressRecord is not valid UTF-8");
    *json = value.value;
    return 0;
}

int playground_record_parse(struct span typed_value, struct buffer *bytes,
                            struct playground_record *record, struct errmsg *errmsg)
{
    struct span json = SPAN_EMPTY;
    int error = open_value(typed_value, &json, errmsg);
    if (error != 0) return error;
    static const uint8_t nothing[1];
    const uint8_t *start = json.size == 0 ? nothing : json.at;
    struct scan scan = {start, start, start + json.size, bytes, errmsg};
    struct piece pieces[MEMBERS] = {{0}};
    buffer_clear(bytes);
    error = scan_object(&scan, pieces);
    if (error == 0) error = check_topic(&pieces[MEMBER_TOPIC], errmsg);
    if (error != 0) return error;
    record->topic = span_of(bytes->at + pieces[MEMBER_TOPIC].offset, pieces[MEMBER_TOPIC].size);
    record->payload =
        pieces[MEMBER_PAYLOAD].size == 0
            ? SPAN_EMPTY
            : span_of(bytes->at + pieces[MEMBER_PAYLOAD].offset, pieces[MEMBER_PAYLOAD].size);
    return 0;
}
