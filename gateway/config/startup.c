/* startupPosition of Kafka and Kinesis ingresses. */
#include "config/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const kafka_kinds[] = {"latest",           "earliest", "group-offsets",
                                          "specific-offsets", "date",     NULL};
static const char *const kinesis_kinds[] = {"latest", "earliest", "date", NULL};
static const enum startup_kind kinesis_meaning[] = {STARTUP_LATEST, STARTUP_EARLIEST, STARTUP_DATE};

_Static_assert(sizeof(enum startup_kind) == sizeof(int), "FIELD_CHOICE writes an int");

struct calendar {
    int year, month, day, hour, minute, second, millisecond;
    char sign;
    int zone_hour, zone_minute;
};

static bool scan(const char *text, struct calendar *date)
{
    int used = 0;
    int got = sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d.%3d %c%2d%2d%n", &date->year, &date->month,
                     &date->day, &date->hour, &date->minute, &date->second, &date->millisecond,
                     &date->sign, &date->zone_hour, &date->zone_minute, &used);
    return got == 10 && text[used] == 0 && (date->sign == '+' || date->sign == '-');
}

static bool in_range(const struct calendar *date)
{
    return date->year >= 1970 && date->month >= 1 && date->month <= 12 && date->day >= 1 &&
           date->day <= 31 && date->hour >= 0 && date->hour <= 23 && date->minute >= 0 &&
           date->minute <= 59 && date->second >= 0 && date->second <= 60 &&
           date->millisecond >= 0 && date->zone_hour >= 0 && date->zone_hour <= 18 &&
           date->zone_minute >= 0 && date->zone_minute <= 59;
}

/* yyyy-MM-dd HH:mm:ss.SSS Z */
static bool parse_date(const char *text, int64_t *milliseconds)
{
    struct calendar date;
    if (!scan(text, &date) || !in_range(&date)) return false;
    struct tm fields = {.tm_year = date.year - 1900,
                        .tm_mon = date.month - 1,
                        .tm_mday = date.day,
                        .tm_hour = date.hour,
                        .tm_min = date.minute,
                        .tm_sec = date.second};
    int64_t zone = (int64_t)date.zone_hour * 3600 + date.zone_minute * 60;
    int64_t seconds = (int64_t)timegm(&fields) - (date.sign == '-' ? -zone : zone);
    *milliseconds = seconds * 1000 + date.millisecond;
    return true;
}

static void read_date(struct reading *reading, const struct node *position,
                      struct startup_settings *startup)
{
    const struct node *node = tree_find(position, "date");
    static const char example[] = "date: 2024-02-01 04:15:00.000 +0000";
    if (!node) {
        field_missing(reading, position->place, "a startupPosition of type date", "date", example);
    } else if (node->kind == NODE_SCALAR &&
               parse_date((const char *)node->text.at, &startup->date_ms)) {
        return;
    } else if (node->kind != NODE_BROKEN) {
        struct problem *problem =
            problem_add(reading->problems, node->place,
                        "\"date\" must have the form yyyy-MM-dd HH:mm:ss.SSS Z");
        problem_hint(problem, "for example  %s", example);
    }
}

/* "topic/partition: offset", the topic may hold no '/'. */
static bool parse_offset(const struct node *entry, struct offset_settings *offset)
{
    const uint8_t *slash = entry->key.size > 0 ? memchr(entry->key.at, '/', entry->key.size) : NULL;
    if (!slash || entry->kind != NODE_SCALAR || slash == entry->key.at) return false;
    char *end = NULL;
    const char *partition = (const char *)slash + 1;
    long number = strtol(partition, &end, 10);
    if (*partition < '0' || *partition > '9' || *end != 0 || number > INT32_MAX) return false;
    const char *text = (const char *)entry->text.at;
    long long value = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != 0) return false;
    offset->topic = span_of(entry->key.at, (size_t)(slash - entry->key.at));
    offset->partition = (uint32_t)number;
    offset->offset = value;
    return true;
}

static void read_offsets(struct reading *reading, const struct node *position,
                         struct startup_settings *startup)
{
    static const char example[] = "offsets: [ names/0: 1293 ]";
    const struct node *list = field_list(reading, position, "offsets");
    if (!tree_find(position, "offsets"))
        field_missing(reading, position->place, "a startupPosition of type specific-offsets",
                      "offsets", example);
    if (!list) return;
    struct offset_settings *offsets = arena_array(reading->arena, list->count, sizeof *offsets);
    if (!offsets) return;
    for (const struct node *item = list->first; item; item = item->next) {
        if (item->kind == NODE_MAP && item->count == 1 &&
            parse_offset(item->first, &offsets[startup->offset_count])) {
            startup->offset_count++;
        } else if (item->kind != NODE_BROKEN) {
            struct problem *problem = problem_add(reading->problems, item->place,
                                                  "an offset must be topic/partition: number");
            problem_hint(problem, "for example  %s", example);
        }
    }
    startup->offsets = offsets;
}

void startup_read(struct reading *reading, const struct node *spec, bool is_kafka,
                  struct startup_settings *startup)
{
    const struct node *position = field_map(reading, spec, "startupPosition");
    if (!position) return;
    struct field field = {.name = "type",
                          .kind = FIELD_CHOICE,
                          .required = true,
                          .choices = is_kafka ? kafka_kinds : kinesis_kinds,
                          .example = "type: earliest"};
    int kind = 0;
    fields_read(reading, &field, 1, position, position->place, "a startupPosition", &kind);
    startup->kind = is_kafka ? (enum startup_kind)kind : kinesis_meaning[kind];
    if (startup->kind == STARTUP_DATE) read_date(reading, position, startup);
    if (startup->kind == STARTUP_SPECIFIC_OFFSETS) read_offsets(reading, position, startup);
}
