/*
 * Fields of a YAML map, read by a table: name, type, bounds, where it goes. A field that is absent
 * leaves its default alone; fields that no table names are ignored, as StateFun does.
 */
#ifndef HOLDFAST_CONFIG_FIELD_H
#define HOLDFAST_CONFIG_FIELD_H

#include "config/tree.h"

enum { FIELD_TEXTS_MAX = 4096 }; /* entries of one list of texts */

enum field_kind {
    FIELD_TEXT,     /* struct span */
    FIELD_GUARDED,  /* struct guarded_text; shown as in the file */
    FIELD_SECRET,   /* struct guarded_text; shown as *** unless it is a ${NAME} of the file */
    FIELD_PATH,     /* const char *; "file:" is taken off, "classpath:" is refused */
    FIELD_ADDRESS,  /* const char *; where to listen */
    FIELD_NAME,     /* struct span; "ns/name" */
    FIELD_PATTERN,  /* struct span; "ns/name", or a star for the name */
    FIELD_URL,      /* struct guarded_text; url template */
    FIELD_PORT,     /* uint16_t */
    FIELD_COUNT,    /* uint32_t */
    FIELD_NUMBER,   /* int64_t */
    FIELD_SIZE,     /* uint64_t */
    FIELD_DURATION, /* int64_t milliseconds */
    FIELD_SWITCH,   /* bool */
    FIELD_CHOICE,   /* an enum: the index in choices */
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset; /* in the struct that is filled */
    bool required;
    int64_t min;
    int64_t max;                /* 0: no maximum */
    const char *const *choices; /* ends with NULL */
    const char *example;        /* for hints: "functions: example/greeter" */
};

struct reading {
    struct arena *arena;
    struct problems *problems;
};

/* A value to convert; from a node, a flag or a variable. */
struct field_input {
    struct place place;
    const char *name;    /* how messages call it */
    struct span text;    /* ends with a NUL */
    struct span written; /* what messages may show */
    bool from_environment;
};

/* False after a problem. */
bool field_convert(struct reading *reading, const struct field *field,
                   const struct field_input *input, void *target);

/* `what` is for messages: "an endpoint". A map that is NULL counts as empty; `place` says where. */
void fields_read(struct reading *reading, const struct field *fields, size_t count,
                 const struct node *map, struct place place, const char *what, void *target);

/* A member that must be a map or a list: NULL when absent or broken; a wrong type is a problem. */
struct node *field_map(struct reading *reading, const struct node *map, const char *name);
struct node *field_list(struct reading *reading, const struct node *map, const char *name);

/* A list of texts as an array of spans. `is_name`: each must be a function type. */
const struct span *field_texts(struct reading *reading, const struct node *list, bool is_name,
                               size_t *count);

/* A required member is not there. */
void field_missing(struct reading *reading, struct place place, const char *what, const char *name,
                   const char *example);

/* For messages: the first bytes of a text, in quotes where they are printed. */
struct span field_shorten(struct span text);

#define FIELDS_COUNT(table) (sizeof(table) / sizeof *(table))

#endif
