/* ${NAME} and ${NAME:-default} in scalars. What comes from the environment stays text, never YAML.
 */
#include "config/tree.h"

#include "base/buffer.h"

#include <ctype.h>
#include <stdlib.h>

enum { VARIABLE_SIZE_MAX = 128 };

/* One "${...}"; spans point into the scalar. */
struct reference {
    struct span name;
    struct span fallback;
    bool has_fallback;
    size_t size; /* with "${" and "}" */
};

static bool name_byte(uint8_t byte, bool first)
{
    return byte == '_' || isalpha(byte) || (!first && isdigit(byte));
}

static size_t name_size(struct span text)
{
    size_t size = 0;
    while (size < text.size && name_byte(text.at[size], size == 0)) size++;
    return size;
}

/* Position of the brace that closes, with braces inside balanced: a default may hold
 * {function.name}. */
static bool closing_brace(struct span text, size_t *position)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '{') depth++;
        if (text.at[i] != '}') continue;
        if (depth-- > 0) continue;
        *position = i;
        return true;
    }
    return false;
}

/* `text` begins with "${". */
static bool parse_reference(struct span text, struct reference *reference)
{
    struct span inside = span_from(text, 2);
    size_t end = 0;
    if (!closing_brace(inside, &end)) return false;
    inside.size = end;
    size_t size = name_size(inside);
    if (size == 0 || size > VARIABLE_SIZE_MAX) return false;
    struct span rest = span_from(inside, size);
    reference->name = span_of(inside.at, size);
    reference->has_fallback = span_starts_with(rest, SPAN_LITERAL(":-"));
    reference->fallback = span_from(rest, 2);
    reference->size = end + 3;
    return rest.size == 0 || reference->has_fallback;
}

static const char *variable(struct span name)
{
    char text[VARIABLE_SIZE_MAX + 1];
    memcpy(text, name.at, name.size);
    text[name.size] = 0;
    return getenv(text);
}

static void report_bad(const struct node *scalar, struct span at, struct problems *problems)
{
    struct span shown = span_of(at.at, at.size < 40 ? at.size : 40);
    struct problem *problem =
        problem_add(problems, scalar->place, "\"%.*s\" is no reference to an environment variable",
                    SPAN_PRINT(shown));
    if (span_starts_with(at, SPAN_LITERAL("${function.name}"))) {
        problem_hint(problem, "the place of the function's name is {function.name}, without $");
    } else {
        problem_hint(problem, "write ${NAME} or ${NAME:-default}; a literal ${ is written $${");
    }
}

static bool append_reference(struct node *scalar, const struct reference *reference,
                             struct buffer *out, struct problems *problems)
{
    const char *value = variable(reference->name);
    if (reference->has_fallback && (!value || !*value)) {
        buffer_append(out, reference->fallback);
        return true;
    }
    if (!value) {
        struct problem *problem =
            problem_add(problems, scalar->place, "the environment variable %.*s is not set",
                        SPAN_PRINT(reference->name));
        problem_hint(problem, "set it, or give a default: ${%.*s:-value}",
                     SPAN_PRINT(reference->name));
        return false;
    }
    scalar->from_environment = true;
    buffer_append(out, span_text(value));
    return true;
}

/* One step from `at`; the number of bytes used, 0 after a problem. */
static size_t expand_one(struct node *scalar, struct span at, struct buffer *out,
                         struct problems *problems)
{
    if (span_starts_with(at, SPAN_LITERAL("$${"))) {
        buffer_append(out, SPAN_LITERAL("${"));
        return 3;
    }
    if (!span_starts_with(at, SPAN_LITERAL("${"))) {
        buffer_byte(out, at.at[0]);
        return 1;
    }
    struct reference reference;
    if (!parse_reference(at, &reference)) {
        report_bad(scalar, at, problems);
        return 0;
    }
    return append_reference(scalar, &reference, out, problems) ? reference.size : 0;
}

static bool expand(struct node *scalar, struct buffer *out, struct problems *problems)
{
    for (size_t i = 0; i < scalar->written.size;) {
        size_t used = expand_one(scalar, span_from(scalar->written, i), out, problems);
        if (used == 0) return false;
        i += used;
        if (out->size > TREE_SCALAR_SIZE_MAX) {
            problem_add(problems, scalar->place, "a value is longer than %d bytes",
                        TREE_SCALAR_SIZE_MAX);
            return false;
        }
    }
    return true;
}

bool tree_interpolate(struct node *scalar, struct arena *arena, struct problems *problems)
{
    scalar->text = scalar->written;
    if (scalar->written.size == 0 || !memchr(scalar->written.at, '$', scalar->written.size))
        return true;
    struct buffer out;
    buffer_init(&out);
    bool good = expand(scalar, &out, problems);
    if (good) scalar->text = arena_copy(arena, buffer_span(&out));
    if (out.failed) arena->failed = true;
    buffer_close(&out);
    return good;
}
