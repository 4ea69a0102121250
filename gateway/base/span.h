/* A run of bytes that somebody else owns. The currency of every room: nothing here copies. */
#ifndef HOLDFAST_BASE_SPAN_H
#define HOLDFAST_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *at; /* may be NULL when size is 0 */
    size_t size;       /* bytes */
};

#define SPAN_LITERAL(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})
#define SPAN_EMPTY ((struct span){NULL, 0})

static inline struct span span_of(const void *at, size_t size)
{
    return (struct span){(const uint8_t *)at, size};
}

static inline struct span span_text(const char *text)
{
    return span_of(text, strlen(text));
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* The same bytes in the same place. False says nothing. */
static inline bool span_same(struct span a, struct span b)
{
    return a.at == b.at && a.size == b.size;
}

/* Order of bytes, shorter first on a common prefix: < 0, 0 or > 0. */
static inline int span_compare(struct span a, struct span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.at, b.at, common);
    if (order != 0) return order;
    return (a.size > b.size) - (a.size < b.size);
}

static inline bool span_starts_with(struct span whole, struct span prefix)
{
    return whole.size >= prefix.size &&
           (prefix.size == 0 || memcmp(whole.at, prefix.at, prefix.size) == 0);
}

/* The part from `from` to the end; empty when `from` is beyond it. */
static inline struct span span_from(struct span whole, size_t from)
{
    return from >= whole.size ? SPAN_EMPTY : span_of(whole.at + from, whole.size - from);
}

/* The arguments of a printf "%.*s". */
#define SPAN_PRINT(s) (int)(s).size, (s).size == 0 ? "" : (const char *)(s).at

#endif
