/*
 * Bodies and typed values. A body says its type by Holdfast-Type: ns/name, else by Content-Type:
 * application/vnd.<ns>/<name>, else text/plain is io.statefun.types/string (wrapped as the SDKs
 * expect), else the media type itself is the type name; without both headers
 * application/octet-stream. Answers mirror it: a body sent back with both of its headers is the
 * same value again.
 */
#ifndef HOLDFAST_INGRESS_VALUE_H
#define HOLDFAST_INGRESS_VALUE_H

#include "base/buffer.h"
#include "net/server.h"
#include "shard/event.h"

struct value {
    struct span type_name;
    struct span bytes;
    struct shard_loan *loan; /* of an answer's bytes; NULL: there is none */
};

/* The type of `request` and its body as the bytes of a value; `scratch` is kept until the value has
   been used. False: answered with 400 or 415, naming the subject. */
bool value_read(struct http_request *request, struct span subject, struct buffer *scratch,
                struct value *value);

/* Answers 200 with the value and its type, and `more` headers (at most four). */
void value_answer(struct http_request *request, struct value value, const struct http_header *more,
                  size_t count);

/* Headers of the type: content-type (in memory of the request) and whether the text has been
 * unwrapped. */
struct span value_media_type(struct http_request *request, struct value *value);

#endif
