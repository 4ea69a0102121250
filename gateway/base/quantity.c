#include "base/quantity.h"

enum { UNIT_SIZE_MAX = 16 };

struct unit {
    const char *name; /* lower case */
    uint64_t factor;
};

/* In nanoseconds. */
static const struct unit duration_units[] = {
    {"", 1000000},
    {"ms", 1000000},
    {"milli", 1000000},
    {"millis", 1000000},
    {"millisecond", 1000000},
    {"milliseconds", 1000000},
    {"s", 1000000000},
    {"sec", 1000000000},
    {"secs", 1000000000},
    {"second", 1000000000},
    {"seconds", 1000000000},
    {"m", 60000000000},
    {"min", 60000000000},
    {"minute", 60000000000},
    {"minutes", 60000000000},
    {"h", 3600000000000},
    {"hour", 3600000000000},
    {"hours", 3600000000000},
    {"d", 86400000000000},
    {"day", 86400000000000},
    {"days", 86400000000000},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* micro sign */
    {"\xce\xbcs", 1000}, /* greek mu, which keyboards write */
    {"micro", 1000},
    {"micros", 1000},
    {"microsecond", 1000},
    {"microseconds", 1000},
    {"ns", 1},
    {"nano", 1},
    {"nanos", 1},
    {"nanosecond", 1},
    {"nanoseconds", 1},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"", 1},          {"b", 1},           {"k", 1 << 10},   {"kb", 1000},
    {"kib", 1 << 10}, {"m", 1 << 20},     {"mb", 1000000},  {"mib", 1 << 20},
    {"g", 1 << 30},   {"gb", 1000000000}, {"gib", 1 << 30}, {NULL, 0},
};

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static struct span trim(struct span text)
{
    while (text.size > 0 && is_space(text.at[0])) text = span_from(text, 1);
    while (text.size > 0 && is_space(text.at[text.size - 1])) text.size--;
    return text;
}

static const struct unit *find_unit(const struct unit *units, struct span name)
{
    uint8_t lower[UNIT_SIZE_MAX];
    if (name.size > sizeof lower) return NULL;
    for (size_t i = 0; i < name.size; i++) {
        bool upper = name.at[i] >= 'A' && name.at[i] <= 'Z';
        lower[i] = (uint8_t)(upper ? name.at[i] + ('a' - 'A') : name.at[i]);
    }
    for (; units->name != NULL; units++)
        if (span_equal(span_text(units->name), span_of(lower, name.size))) return units;
    return NULL;
}

/* Splits "12 unit"; the text is checked to its end before the number may be too large. */
static int parse(struct span text, const struct unit *units, uint64_t *number, uint64_t *factor)
{
    text = trim(text);
    bool overflow = false;
    size_t digits = 0;
    *number = 0;
    for (; digits < text.size && text.at[digits] >= '0' && text.at[digits] <= '9'; digits++) {
        overflow = overflow || __builtin_mul_overflow(*number, 10u, number) ||
                   __builtin_add_overflow(*number, (uint64_t)(text.at[digits] - '0'), number);
    }
    const struct unit *unit = find_unit(units, trim(span_from(text, digits)));
    if (digits == 0 || unit == NULL) return ERROR_MALFORMED;
    *factor = unit->factor;
    return overflow ? ERROR_TOO_LARGE : 0;
}

int duration_parse(struct span text, int64_t *milliseconds)
{
    const uint64_t ns_per_ms = 1000000;
    uint64_t number, factor, value;
    int error = parse(text, duration_units, &number, &factor);
    if (error != 0) return error;
    if (factor >= ns_per_ms) {
        if (__builtin_mul_overflow(number, factor / ns_per_ms, &value)) return ERROR_TOO_LARGE;
    } else {
        uint64_t divisor = ns_per_ms / factor;
        value = number / divisor + (number % divisor != 0);
    }
    if (value > INT64_MAX) return ERROR_TOO_LARGE;
    *milliseconds = (int64_t)value;
    return 0;
}

int size_parse(struct span text, uint64_t *bytes)
{
    uint64_t number, factor;
    int error = parse(text, size_units, &number, &factor);
    if (error != 0) return error;
    return __builtin_mul_overflow(number, factor, bytes) ? ERROR_TOO_LARGE : 0;
}
