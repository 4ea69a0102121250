/*
 * Requests of many lines of JSON (batch and import): each line is an event of its own with a waiter
 * of its own; when all have been answered, so is the request, with one line for each in their
 * order. A bad line stops no other.
 */
#ifndef HOLDFAST_INGRESS_LINES_H
#define HOLDFAST_INGRESS_LINES_H

#include "ingress/json.h"
#include "ingress/room.h"

enum { LINE_MEMBERS_MAX = 12 };

/* One line, taken apart. What its event points to lives in the two buffers until the next line. */
struct line_input {
    struct span text;
    struct json_member members[LINE_MEMBERS_MAX];
    size_t member_count;
    struct buffer strings;  /* decoded; reserved up front, so that spans into it stay */
    struct buffer bytes;    /* the value */
    struct buffer argument; /* its TypedValue */
    struct span name_space; /* found by `read`: for access */
};

/* Fills the event from the members. NULL, or a text why not. */
typedef const char *line_read(struct line_input *input, struct shard_event *event);

struct line_kind {
    enum ingress_access access;
    line_read *read;
    /* The members of a good answer's line after "line" and "status", each with a comma before it.
     */
    int status;
    void (*tell)(struct buffer *out, const struct shard_answer *answer);
};

void lines_handle(struct ingress *ingress, struct http_request *request,
                  const struct line_kind *kind);

/* Decoded string of a member; empty with NULL `at` when it is not there. A text why not, or NULL.
 */
const char *line_string(struct line_input *input, const char *name, struct span *text);
/* The value and its type, from "value" or "base64" and the member that names the type. */
const char *line_value(struct line_input *input, const char *type_member, struct span *type_name);
/* Members other than these (ended by NULL) are a mistake. */
const char *line_only(struct line_input *input, const char *const *names);

#endif
