#include "base/text.h"

#include "base/utf8.h"

void text_append(struct buffer *out, const char *text)
{
    buffer_append(out, span_text(text));
}

void text_decimal(struct buffer *out, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (uint8_t)('0' + value % 10);
    while ((value /= 10) != 0);
    buffer_append(out, span_of(digits + at, sizeof digits - at));
}

void text_signed(struct buffer *out, int64_t value)
{
    if (value < 0) buffer_byte(out, '-');
    text_decimal(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_hex(struct buffer *out, uint64_t value, unsigned digits)
{
    uint8_t text[16];
    size_t at = sizeof text;
    do text[--at] = (uint8_t) "0123456789abcdef"[value & 15];
    while ((value >>= 4) != 0);
    while (sizeof text - at < digits && at > 0) text[--at] = '0';
    buffer_append(out, span_of(text + at, sizeof text - at));
}

void text_base64(struct buffer *out, struct span bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.at[i] << 16;
        if (left > 1) group |= (uint32_t)bytes.at[i + 1] << 8;
        if (left > 2) group |= bytes.at[i + 2];
        uint8_t text[4] = {(uint8_t)alphabet[group >> 18], (uint8_t)alphabet[group >> 12 & 63],
                           (uint8_t)(left > 1 ? alphabet[group >> 6 & 63] : '='),
                           (uint8_t)(left > 2 ? alphabet[group & 63] : '=')};
        buffer_append(out, span_of(text, sizeof text));
    }
}

/* Length of the UTF-8 character at the start; 0 when there is none. */
static size_t character_size(struct span bytes)
{
    for (size_t size = 1; size <= 4 && size <= bytes.size; size++)
        if (utf8_valid(span_of(bytes.at, size))) return size;
    return 0;
}

static void json_character(struct buffer *out, uint8_t byte)
{
    switch (byte) {
    case '"': text_append(out, "\\\""); return;
    case '\\': text_append(out, "\\\\"); return;
    case '\n': text_append(out, "\\n"); return;
    case '\r': text_append(out, "\\r"); return;
    case '\t': text_append(out, "\\t"); return;
    default: break;
    }
    if (byte >= 0x20 && byte != 0x7f) {
        buffer_byte(out, byte);
        return;
    }
    text_append(out, "\\u");
    text_hex(out, byte, 4);
}

void text_json_string(struct buffer *out, struct span bytes)
{
    buffer_byte(out, '"');
    while (bytes.size > 0) {
        size_t size = bytes.at[0] < 0x80 ? 1 : character_size(bytes);
        if (size == 0) {
            text_append(out, "\xef\xbf\xbd");
            size = 1;
        } else if (size == 1) {
            json_character(out, bytes.at[0]);
        } else {
            buffer_append(out, span_of(bytes.at, size));
        }
        bytes = span_from(bytes, size);
    }
    buffer_byte(out, '"');
}

void text_json_member(struct buffer *out, const char *name)
{
    if (out->size > 0 && out->at[out->size - 1] != '{') buffer_byte(out, ',');
    text_json_string(out, span_text(name));
    buffer_byte(out, ':');
}
