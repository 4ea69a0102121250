/*
 * JSON (RFC 8259) by extents: where the members of an object are and what they are, without turning
 * numbers into doubles or texts into other texts. What a user sent is what the function gets, byte
 * for byte.
 */
#ifndef HOLDFAST_INGRESS_JSON_H
#define HOLDFAST_INGRESS_JSON_H

#include "base/buffer.h"

enum { JSON_DEPTH_MAX = 200 };

enum json_kind {
    JSON_IS_STRING,
    JSON_IS_NUMBER,
    JSON_IS_OBJECT,
    JSON_IS_ARRAY,
    JSON_IS_BOOL,
    JSON_IS_NULL
};

struct json_member {
    struct span name;  /* as written, without its quotes */
    struct span value; /* as written, without white space around it */
    enum json_kind kind;
};

/* True when the text is one JSON value, in UTF-8, with nothing but white space around it. */
bool json_valid(struct span text);

/* The members of an object that is the whole text, which is checked to its end.
   ERROR_MALFORMED; ERROR_TOO_LARGE: more than `max` members, or nested too deep. */
int json_read_object(struct span text, struct json_member *members, size_t max,
                     size_t *count) MUST_USE;

/* Appends the text that a string value stands for; never longer than the value. ERROR_MALFORMED: a
   half of a surrogate pair. */
int json_read_string(struct span value, struct buffer *out) MUST_USE;

#endif
