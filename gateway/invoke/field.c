/* See field.h. */
#include "invoke/field.h"

struct span field_trim(struct span text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = span_of(text.at + 1, text.size - 1);
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool field_equal(struct span a, struct span b)
{
    if (a.size != b.size) return false;
    if (span_equal(a, b)) return true; /* mostly they are written alike */
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.at[i]) != lower(b.at[i])) return false;
    return true;
}

struct span field_before(struct span text, char mark)
{
    const uint8_t *at = text.size == 0 ? NULL : memchr(text.at, mark, text.size);
    return at == NULL ? text : span_of(text.at, (size_t)(at - text.at));
}

bool field_number(struct span text, uint64_t *number)
{
    if (text.size == 0 || text.size > 18) return false;
    *number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        *number = *number * 10 + (uint64_t)(text.at[i] - '0');
    }
    return true;
}

bool field_element(struct span *list, struct span *element)
{
    if (list->size == 0) return false;
    struct span head = field_before(*list, ',');
    *list = span_from(*list, head.size + 1);
    *element = field_trim(head);
    return true;
}

/* RFC 9110 5.6.2, as a bit set of the ASCII characters. */
static bool token_byte(uint8_t c)
{
    static const uint32_t set[4] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};
    return c < 128 && (set[c / 32] >> (c % 32) & 1) != 0;
}

bool field_is_token(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!token_byte(text.at[i])) return false;
    return text.size > 0;
}

bool field_is_value(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.at[i] < ' ' && text.at[i] != '\t') || text.at[i] == 0x7f) return false;
    return true;
}
