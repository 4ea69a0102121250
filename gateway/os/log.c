#include "os/log.h"

#include "base/utf8.h"
#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { TAIL_SIZE = 32 }; /* kept free for the end of the line: cut=true, }, \n */

static enum log_format chosen_format = LOG_FORMAT_TEXT;
static enum log_level least_level = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(enum log_format format)
{
    chosen_format = format;
}

void log_level_set(enum log_level least)
{
    least_level = least;
}

struct line {
    char *at;
    size_t size;
    size_t size_max;
    bool full; /* something did not fit */
    bool json;
};

static void put(struct line *line, const void *bytes, size_t size)
{
    if (size > line->size_max - line->size) {
        line->full = true;
        return;
    }
    memcpy(line->at + line->size, bytes, size);
    line->size += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* -- Values -- */

/* Bytes of the character at the start if it can be printed as it is, else 0. */
static size_t printable_size(struct span text)
{
    uint8_t first = text.at[0];
    if (first < 0x20 || first == 0x7f) return 0;
    for (size_t size = 1; size <= 4 && size <= text.size; size++) {
        if (!utf8_valid(span_of(text.at, size))) continue;
        bool is_c1 = size == 2 && first == 0xc2 && text.at[1] < 0xa0; /* terminals obey these too */
        return is_c1 ? 0 : size;
    }
    return 0;
}

/* JSON has no escape for a byte: one that is no UTF-8 becomes U+FFFD. */
static void put_escaped(struct line *line, uint8_t byte)
{
    char escape[8];
    if (byte == '\n')
        put_text(line, "\\n");
    else if (!line->json)
        put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\x%02x", byte));
    else if (byte >= 0x80)
        put_text(line, "\\ufffd");
    else
        put(line, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", byte));
}

static void put_quoted(struct line *line, struct span text)
{
    bool cut = text.size > LOG_VALUE_MAX;
    if (cut) text.size = LOG_VALUE_MAX;
    put_text(line, "\"");
    while (text.size > 0) {
        size_t size = printable_size(text);
        if (cut && size == 0 && text.size < 4) break; /* maybe the cut went through a character */
        if (size == 0) put_escaped(line, text.at[0]);
        if (text.at[0] == '"' || text.at[0] == '\\') put_text(line, "\\");
        put(line, text.at, size);
        text = span_from(text, size == 0 ? 1 : size);
    }
    put_text(line, cut ? "...\"" : "\"");
}

static bool is_plain(struct span text)
{
    if (text.size == 0 || text.size > LOG_VALUE_MAX) return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '\\' || byte == '=') return false;
    }
    return true;
}

static void put_number(struct line *line, const struct log_field *field)
{
    char digits[32];
    int size = 0;
    if (field->kind == LOG_KIND_SIGNED)
        size = snprintf(digits, sizeof digits, "%lld", (long long)(int64_t)field->number);
    else if (field->kind == LOG_KIND_UNSIGNED)
        size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)field->number);
    else
        size = snprintf(digits, sizeof digits, line->json ? "\"%016llx\"" : "%016llx",
                        (unsigned long long)field->number);
    put(line, digits, (size_t)size);
}

/* A field is in the line as a whole or not at all. */
static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->size;
    put_text(line, line->json ? ",\"" : " ");
    put_text(line, field->name);
    put_text(line, line->json ? "\":" : "=");
    if (field->kind != LOG_KIND_SPAN)
        put_number(line, field);
    else if (!line->json && is_plain(field->text))
        put(line, field->text.at, field->text.size);
    else
        put_quoted(line, field->text);
    if (line->full) line->size = before;
}

/* -- Lines -- */

static void put_time(struct line *line, int64_t wall_us)
{
    char text[64];
    time_t seconds = wall_us / 1000000;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    put(line, text, size);
    put(line, text, (size_t)snprintf(text, sizeof text, ".%03dZ", (int)(wall_us / 1000 % 1000)));
}

static void put_head(struct line *line, int64_t wall_us, enum log_level level, const char *event)
{
    if (line->json) put_text(line, "{\"time\":\"");
    put_time(line, wall_us);
    put_text(line, line->json ? "\",\"level\":\"" : " ");
    put_text(line, level_names[level]);
    if (!line->json) put(line, "      ", 6 - strlen(level_names[level]));
    if (line->json) put_text(line, "\",\"event\":\"");
    put_text(line, event);
    if (line->json) put_text(line, "\"");
}

size_t log_line(char at[LOG_LINE_MAX], enum log_format format, int64_t wall_us,
                enum log_level level, const char *event, const struct log_field *fields)
{
    bool json = format == LOG_FORMAT_JSON;
    struct line line = {.at = at, .size_max = LOG_LINE_MAX - TAIL_SIZE, .json = json};
    put_head(&line, wall_us, level, event);
    for (; fields->kind != LOG_KIND_END && !line.full; fields++) put_field(&line, fields);
    line.size_max = LOG_LINE_MAX - 1;
    if (line.full) put_text(&line, json ? ",\"cut\":true" : " cut=true");
    if (json) put_text(&line, "}");
    return line.size;
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
    if (level < least_level) return;
    int saved = errno;
    char line[LOG_LINE_MAX];
    size_t size = log_line(line, chosen_format, clock_wall_us(), level, event, fields);
    line[size++] = '\n';
    /* One write per line, so that lines of several threads do not mix. Nobody is left to tell of a
     * failure. */
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written;
    errno = saved;
}
