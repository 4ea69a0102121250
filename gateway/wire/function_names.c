/* Function types and other names: joined from two halves, and checked with a reason for people. */
#include "wire/function_fields.h"

#include "base/utf8.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 4080 };

struct function_names_block {
    struct function_names_block *next;
    uint8_t bytes[BLOCK_BYTES];
};

void function_names_init(struct function_names *names)
{
    *names = (struct function_names){0};
}

void function_names_close(struct function_names *names)
{
    for (struct function_names_block *block = names->first, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    function_names_init(names);
}

void function_names_clear(struct function_names *names)
{
    names->current = names->first;
    names->used = 0;
    names->last = SPAN_EMPTY;
}

static int next_block(struct function_names *names)
{
    struct function_names_block *next = names->current == NULL ? NULL : names->current->next;
    if (next == NULL) {
        next = malloc(sizeof *next);
        if (next == NULL) return ERROR_MEMORY;
        next->next = NULL;
        if (names->current == NULL)
            names->first = next;
        else
            names->current->next = next;
    }
    names->current = next;
    names->used = 0;
    return 0;
}

static bool is_last(const struct function_names *names, struct span name_space, struct span type)
{
    struct span last = names->last;
    return last.size > 0 && last.size == name_space.size + 1 + type.size &&
           last.at[name_space.size] == '/' && span_starts_with(last, name_space) &&
           span_equal(span_from(last, name_space.size + 1), type);
}

static int too_long(const char *field, size_t size_max, struct errmsg *errmsg)
{
    return errmsg_set(errmsg, ERROR_TOO_LARGE, "%s: more than %zu bytes", field, size_max);
}

static int empty_half(const char *field, struct errmsg *errmsg)
{
    return errmsg_set(errmsg, ERROR_MALFORMED, "%s: empty", field);
}

int function_names_join(struct function_names *names, struct span name_space, struct span type,
                        struct span *joined, struct errmsg *errmsg)
{
    if (is_last(names, name_space, type)) {
        *joined = names->last;
        return 0;
    }
    if (name_space.size == 0) return empty_half("namespace", errmsg);
    if (type.size == 0) return empty_half("type", errmsg);
    if (name_space.size >= NAME_SIZE_MAX || type.size >= NAME_SIZE_MAX - name_space.size)
        return too_long("type with its namespace", NAME_SIZE_MAX, errmsg);
    size_t size = name_space.size + 1 + type.size;
    if (names->current == NULL || BLOCK_BYTES - names->used < size) {
        int error = next_block(names);
        if (error != 0) return errmsg_set(errmsg, error, ": %s", error_text(error));
    }
    uint8_t *at = names->current->bytes + names->used;
    memcpy(at, name_space.at, name_space.size);
    at[name_space.size] = '/';
    memcpy(at + name_space.size + 1, type.at, type.size);
    int error = type_name_check(span_of(at, size), "type with its namespace", errmsg);
    if (error != 0) return error;
    names->used += size;
    names->last = span_of(at, size);
    *joined = names->last;
    return 0;
}

int type_name_check(struct span name, const char *field, struct errmsg *errmsg)
{
    if (name.size > NAME_SIZE_MAX) return too_long(field, NAME_SIZE_MAX, errmsg);
    if (name_valid(name)) return 0;
    return errmsg_set(errmsg, ERROR_MALFORMED, "%s: %s", field,
                      name.size == 0 ? "empty" : "not a name of the form namespace/name");
}

int state_name_check(struct span name, const char *field, struct errmsg *errmsg)
{
    if (name.size == 0) return empty_half(field, errmsg);
    if (name.size > NAME_SIZE_MAX) return too_long(field, NAME_SIZE_MAX, errmsg);
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] < 0x20 || name.at[i] == 0x7f)
            return errmsg_set(errmsg, ERROR_MALFORMED, "%s: has a control character", field);
    }
    return 0;
}

int token_check(struct span token, const char *field, struct errmsg *errmsg)
{
    if (token.size == 0) return empty_half(field, errmsg);
    if (token.size > TOKEN_SIZE_MAX) return too_long(field, TOKEN_SIZE_MAX, errmsg);
    if (memchr(token.at, 0, token.size) != NULL)
        return errmsg_set(errmsg, ERROR_MALFORMED, "%s: has a NUL byte", field);
    return 0;
}
