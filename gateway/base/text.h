/* Numbers, base64 and JSON strings as text, appended to a buffer. No locale, no printf. */
#ifndef HOLDFAST_BASE_TEXT_H
#define HOLDFAST_BASE_TEXT_H

#include "base/buffer.h"

void text_append(struct buffer *out, const char *text);
void text_decimal(struct buffer *out, uint64_t value);
void text_signed(struct buffer *out, int64_t value);
/* Lower case, `digits` wide at least. */
void text_hex(struct buffer *out, uint64_t value, unsigned digits);
/* RFC 4648 with padding. */
void text_base64(struct buffer *out, struct span bytes);
/* With its quotes (RFC 8259). Bytes that are not UTF-8 become U+FFFD. */
void text_json_string(struct buffer *out, struct span bytes);
/* ,"name": with the comma unless the last byte is '{'. */
void text_json_member(struct buffer *out, const char *name);

#endif
