/* See json.h. */
#include "ingress/json.h"

#include "base/utf8.h"

struct scan {
    const uint8_t *at;
    const uint8_t *end;
    int error;
};

static void scan_value(struct scan *scan, unsigned depth, enum json_kind *kind);

static void fail(struct scan *scan, int error)
{
    if (scan->error == 0) scan->error = error;
    scan->at = scan->end; /* so that every loop ends */
}

static uint8_t peek(const struct scan *scan)
{
    return scan->at < scan->end ? *scan->at : 0;
}

static bool take(struct scan *scan, uint8_t byte)
{
    if (peek(scan) != byte || scan->at == scan->end) return false;
    scan->at++;
    return true;
}

static void must_take(struct scan *scan, uint8_t byte)
{
    if (!take(scan, byte)) fail(scan, ERROR_MALFORMED);
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) != NULL && *scan->at != 0)
        scan->at++;
}

static void scan_word(struct scan *scan, const char *word)
{
    for (; *word != 0; word++) must_take(scan, (uint8_t)*word);
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static void scan_digits(struct scan *scan)
{
    if (!is_digit(peek(scan))) fail(scan, ERROR_MALFORMED);
    while (is_digit(peek(scan))) scan->at++;
}

static void scan_number(struct scan *scan)
{
    take(scan, '-');
    if (!take(scan, '0')) scan_digits(scan);
    if (take(scan, '.')) scan_digits(scan);
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+')) take(scan, '-');
        scan_digits(scan);
    }
}

static int hex_digit(uint8_t byte)
{
    if (is_digit(byte)) return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static void scan_escape(struct scan *scan)
{
    uint8_t kind = peek(scan);
    if (kind == 0 || strchr("\"\\/bfnrtu", kind) == NULL) {
        fail(scan, ERROR_MALFORMED);
        return;
    }
    scan->at++;
    for (int i = 0; kind == 'u' && i < 4; i++) {
        if (hex_digit(peek(scan)) < 0) fail(scan, ERROR_MALFORMED);
        if (scan->error == 0) scan->at++;
    }
}

static void scan_string(struct scan *scan)
{
    must_take(scan, '"');
    while (scan->at < scan->end && *scan->at != '"') {
        uint8_t byte = *scan->at++;
        if (byte == '\\')
            scan_escape(scan);
        else if (byte < 0x20)
            fail(scan, ERROR_MALFORMED);
    }
    must_take(scan, '"');
}

static void scan_array(struct scan *scan, unsigned depth)
{
    enum json_kind kind;
    must_take(scan, '[');
    skip_space(scan);
    if (take(scan, ']')) return;
    do scan_value(scan, depth, &kind);
    while (take(scan, ','));
    must_take(scan, ']');
}

/* One "name": value with the white space around it. */
static struct json_member scan_member(struct scan *scan, unsigned depth)
{
    struct json_member member = {SPAN_EMPTY, SPAN_EMPTY, JSON_IS_NULL};
    skip_space(scan);
    const uint8_t *start = scan->at;
    scan_string(scan);
    if (scan->error == 0) member.name = span_of(start + 1, (size_t)(scan->at - start) - 2);
    skip_space(scan);
    must_take(scan, ':');
    skip_space(scan);
    start = scan->at;
    scan_value(scan, depth, &member.kind);
    const uint8_t *end = scan->at;
    while (end > start && strchr(" \t\r\n", end[-1]) != NULL) end--;
    member.value = span_of(start, (size_t)(end - start));
    return member;
}

static void scan_object(struct scan *scan, unsigned depth)
{
    must_take(scan, '{');
    skip_space(scan);
    if (take(scan, '}')) return;
    do scan_member(scan, depth);
    while (take(scan, ','));
    must_take(scan, '}');
}

/* A value and the white space around it. */
static void scan_value(struct scan *scan, unsigned depth, enum json_kind *kind)
{
    if (depth >= JSON_DEPTH_MAX) fail(scan, ERROR_TOO_LARGE);
    skip_space(scan);
    switch (peek(scan)) {
    case '"':
        *kind = JSON_IS_STRING;
        scan_string(scan);
        break;
    case '{':
        *kind = JSON_IS_OBJECT;
        scan_object(scan, depth + 1);
        break;
    case '[':
        *kind = JSON_IS_ARRAY;
        scan_array(scan, depth + 1);
        break;
    case 't':
        *kind = JSON_IS_BOOL;
        scan_word(scan, "true");
        break;
    case 'f':
        *kind = JSON_IS_BOOL;
        scan_word(scan, "false");
        break;
    case 'n':
        *kind = JSON_IS_NULL;
        scan_word(scan, "null");
        break;
    default:
        *kind = JSON_IS_NUMBER;
        scan_number(scan);
        break;
    }
    skip_space(scan);
}

static struct scan scan_of(struct span text)
{
    struct scan scan = {text.at, text.at == NULL ? NULL : text.at + text.size, 0};
    if (text.size == 0 || !utf8_valid(text)) fail(&scan, ERROR_MALFORMED);
    return scan;
}

static int scan_end(const struct scan *scan)
{
    if (scan->error != 0) return scan->error;
    return scan->at == scan->end ? 0 : ERROR_MALFORMED;
}

bool json_valid(struct span text)
{
    enum json_kind kind;
    struct scan scan = scan_of(text);
    scan_value(&scan, 0, &kind);
    return scan_end(&scan) == 0;
}

int json_read_object(struct span text, struct json_member *members, size_t max, size_t *count)
{
    struct scan scan = scan_of(text);
    *count = 0;
    skip_space(&scan);
    must_take(&scan, '{');
    skip_space(&scan);
    if (!take(&scan, '}')) {
        do {
            struct json_member member = scan_member(&scan, 1);
            if (*count == max) fail(&scan, ERROR_TOO_LARGE);
            if (scan.error == 0) members[(*count)++] = member;
        } while (take(&scan, ','));
        must_take(&scan, '}');
    }
    skip_space(&scan);
    return scan_end(&scan);
}

/* -- Strings: the value has been scanned, so that its escapes are whole. -- */

static uint32_t read_unit(const uint8_t *digits)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) unit = unit << 4 | (uint32_t)hex_digit(digits[i]);
    return unit;
}

static void append_character(struct buffer *out, uint32_t character)
{
    if (character < 0x80) {
        buffer_byte(out, (uint8_t)character);
    } else if (character < 0x800) {
        buffer_byte(out, (uint8_t)(0xc0 | character >> 6));
        buffer_byte(out, (uint8_t)(0x80 | (character & 63)));
    } else if (character < 0x10000) {
        buffer_byte(out, (uint8_t)(0xe0 | character >> 12));
        buffer_byte(out, (uint8_t)(0x80 | (character >> 6 & 63)));
        buffer_byte(out, (uint8_t)(0x80 | (character & 63)));
    } else {
        buffer_byte(out, (uint8_t)(0xf0 | character >> 18));
        buffer_byte(out, (uint8_t)(0x80 | (character >> 12 & 63)));
        buffer_byte(out, (uint8_t)(0x80 | (character >> 6 & 63)));
        buffer_byte(out, (uint8_t)(0x80 | (character & 63)));
    }
}

/* The escape at `at`, behind its backslash; gives where it ends, NULL for half a pair. */
static const uint8_t *append_escape(struct buffer *out, const uint8_t *at, const uint8_t *end)
{
    static const char names[] = "bfnrt";
    static const char bytes[] = "\b\f\n\r\t";
    if (*at != 'u') {
        const char *name = strchr(names, *at);
        buffer_byte(out, name == NULL ? *at : (uint8_t)bytes[name - names]);
        return at + 1;
    }
    uint32_t unit = read_unit(at + 1);
    at += 5;
    if (unit >= 0xdc00 && unit < 0xe000) return NULL;
    if (unit >= 0xd800 && unit < 0xdc00) {
        if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return NULL;
        uint32_t low = read_unit(at + 2);
        if (low < 0xdc00 || low >= 0xe000) return NULL;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
    }
    append_character(out, unit);
    return at;
}

int json_read_string(struct span value, struct buffer *out)
{
    const uint8_t *at = value.at + 1;
    const uint8_t *end = value.at + value.size - 1;
    while (at < end) {
        if (*at != '\\') {
            buffer_byte(out, *at++);
            continue;
        }
        at = append_escape(out, at + 1, end);
        if (at == NULL) return ERROR_MALFORMED;
    }
    return 0;
}
