/* See date.h. */
#include "invoke/date.h"

#include "invoke/field.h"

#include <time.h>

static bool number_at(struct span text, size_t at, size_t digits, int *number)
{
    uint64_t value;
    if (!field_number(span_of(text.at + at, digits), &value)) return false;
    *number = (int)value;
    return true;
}

bool date_parse(struct span text, int64_t *seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char frame[] = "ddd, dd mmm yyyy hh:mm:ss GMT";
    if (text.size != sizeof frame - 1) return false;
    for (size_t i = 0; i < text.size; i++)
        if ((frame[i] < 'a' || frame[i] > 'z') && text.at[i] != (uint8_t)frame[i]) return false;
    struct tm when = {.tm_mon = -1};
    for (int i = 0; i < 12; i++)
        if (memcmp(text.at + 8, months + 3 * i, 3) == 0) when.tm_mon = i;
    if (when.tm_mon < 0 || !number_at(text, 5, 2, &when.tm_mday) ||
        !number_at(text, 12, 4, &when.tm_year) || !number_at(text, 17, 2, &when.tm_hour) ||
        !number_at(text, 20, 2, &when.tm_min) || !number_at(text, 23, 2, &when.tm_sec))
        return false;
    when.tm_year -= 1900;
    *seconds = timegm(&when);
    return true;
}
