/*
 * One line per event on stderr: a stable event name, a level, and fields. Never the payload of a
 * message or a secret; ids and addresses are fine. Any thread; never allocates, never waits for
 * anything but the write.
 *
 *     LOG(LOG_INFO, "journal_opened", LOG_TEXT("dir", path), LOG_NUMBER("epoch", epoch));
 *     2026-11-24T13:00:00.000Z info  journal_opened dir=/data epoch=3
 *     {"time":"2026-11-24T13:00:00.000Z","level":"info","event":"journal_opened","dir":"/data","epoch":3}
 */
#ifndef HOLDFAST_OS_LOG_H
#define HOLDFAST_OS_LOG_H

#include "base/span.h"

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_kind { LOG_KIND_END, LOG_KIND_SPAN, LOG_KIND_SIGNED, LOG_KIND_UNSIGNED, LOG_KIND_HEX };

enum {
    LOG_LINE_MAX = 8192, /* bytes; fields that do not fit are left out and the line says cut=true */
    LOG_VALUE_MAX = 512, /* bytes of a text before escaping; a longer one ends in "..." */
};

struct log_field {
    const char *name; /* snake_case */
    enum log_kind kind;
    struct span text;
    uint64_t number;
};

/* Before the threads start. Without it: text, from info on. */
void log_init(enum log_format format);
/* The least level that is written. */
void log_level_set(enum log_level least);

/* `fields` ends with one of kind LOG_KIND_END. */
void log_event(enum log_level level, const char *event, const struct log_field *fields);

/* The same line into memory, without its end of line; gives back its size. For tests. */
size_t log_line(char line[LOG_LINE_MAX], enum log_format format, int64_t wall_us,
                enum log_level level, const char *event, const struct log_field *fields);

/* C17 wants at least one field behind LOG; an event without fields is a LOG_BARE. */
#define LOG(level, event, ...)                                                                     \
    log_event(level, event, (const struct log_field[]){__VA_ARGS__, LOG_END})
#define LOG_BARE(level, event) log_event(level, event, (const struct log_field[]){LOG_END})

#define LOG_END ((struct log_field){NULL, LOG_KIND_END, SPAN_EMPTY, 0})
/* A C string; NULL shows as empty. */
#define LOG_TEXT(name, value) log_field_text(name, value)
#define LOG_SPAN(name, value) ((struct log_field){name, LOG_KIND_SPAN, value, 0})
#define LOG_NUMBER(name, value)                                                                    \
    ((struct log_field){name, LOG_KIND_SIGNED, SPAN_EMPTY, (uint64_t)(value)})
/* For what may be above INT64_MAX. */
#define LOG_UNSIGNED(name, value) ((struct log_field){name, LOG_KIND_UNSIGNED, SPAN_EMPTY, value})
/* 16 digits, as text in JSON: lineages. */
#define LOG_HEX(name, value) ((struct log_field){name, LOG_KIND_HEX, SPAN_EMPTY, value})

static inline struct log_field log_field_text(const char *name, const char *value)
{
    return LOG_SPAN(name, span_text(value == NULL ? "" : value));
}

#endif
