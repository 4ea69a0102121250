/*
 * Typed values as JSON and back. Shown as JSON is only what can be written back to the same bytes:
 * io.statefun.types string, bool, int, long, float and double, and JSON values, which are embedded
 * byte for byte. Everything else is base64.
 */
#ifndef HOLDFAST_INGRESS_TYPED_JSON_H
#define HOLDFAST_INGRESS_TYPED_JSON_H

#include "base/buffer.h"
#include "ingress/json.h"

/* Appends "value":… or "base64":"…", with a comma before unless it is the first. */
void typed_json_append(struct buffer *out, struct span type_name, struct span bytes);

/* The bytes of a value of the type from its JSON, appended. For types of ours the JSON has to fit;
   the bytes of every other type are the JSON text itself. A text why not, or NULL. */
const char *typed_json_read(struct span type_name, const struct json_member *value,
                            struct buffer *out);

/* Appends the decoded bytes. ERROR_MALFORMED. */
int base64_decode(struct span text, struct buffer *out) MUST_USE;

#endif
