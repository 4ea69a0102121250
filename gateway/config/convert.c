/* Text to typed values, one converter for each field_kind. */
#include "config/field.h"

#include "base/name.h"
#include "base/quantity.h"
#include "config/guarded.h"
#include "config/url.h"

#include <ctype.h>

struct conversion {
    struct reading *reading;
    const struct field *field;
    const struct field_input *input;
};

/* The name in front of a message; none where the place says it already, as for a flag. */
static void print_name(const struct conversion *c, char *out, size_t size)
{
    bool known = c->input->name == c->input->place.file;
    snprintf(out, size, "%s%s%s", known ? "" : "\"", known ? "" : c->input->name,
             known ? "" : "\" ");
}

static bool add_example(const struct conversion *c, struct problem *problem)
{
    if (c->field->example) problem_hint(problem, "for example  %s", c->field->example);
    return false;
}

/* "port" must be ..., but is "x" */
static bool refuse(const struct conversion *c, const char *wanted)
{
    char name[64];
    print_name(c, name, sizeof name);
    return add_example(c, problem_add(c->reading->problems, c->input->place,
                                      "%smust be %s, but is \"%.*s\"", name, wanted,
                                      SPAN_PRINT(field_shorten(c->input->written))));
}

/* "urlPathTemplate" has a bad port: "x" */
static bool refuse_fault(const struct conversion *c, const char *fault)
{
    char name[64];
    print_name(c, name, sizeof name);
    return add_example(c, problem_add(c->reading->problems, c->input->place, "%s%s: \"%.*s\"", name,
                                      fault, SPAN_PRINT(field_shorten(c->input->written))));
}

/* ---- Texts ---- */

static bool convert_text(const struct conversion *c, struct span *target)
{
    if (c->input->text.size == 0) return refuse(c, "a text that is not empty");
    *target = c->input->text;
    return true;
}

static bool convert_guarded(const struct conversion *c, struct guarded_text *target)
{
    bool hidden = c->field->kind == FIELD_SECRET && !c->input->from_environment;
    target->value = c->input->text;
    target->shown = hidden ? SPAN_LITERAL("***") : c->input->written;
    return true;
}

/* Java wrote file:/x and file:///x for the same file. */
static struct span without_file_scheme(struct span path)
{
    struct span scheme = SPAN_LITERAL("file:");
    if (!span_starts_with(path, scheme)) return path;
    path = span_from(path, scheme.size);
    return span_starts_with(path, SPAN_LITERAL("//")) ? span_from(path, 2) : path;
}

static bool convert_path(const struct conversion *c, const char **target)
{
    struct span path = without_file_scheme(c->input->text);
    if (span_starts_with(path, SPAN_LITERAL("classpath:"))) {
        struct problem *problem =
            problem_add(c->reading->problems, c->input->place,
                        "\"%s\" names a resource of a Java class path", c->input->name);
        problem_hint(problem,
                     "there is none here: put the file beside module.yaml and give its path");
        return false;
    }
    if (path.size == 0) return refuse(c, "the path of a file");
    *target = (const char *)path.at;
    return true;
}

static bool convert_address(const struct conversion *c, const char **target)
{
    const char *fault = listen_address_fault(c->input->text);
    if (fault) return refuse_fault(c, fault);
    *target = (const char *)c->input->text.at;
    return true;
}

static bool convert_name(const struct conversion *c, struct span *target)
{
    if (!name_valid(c->input->text)) return refuse(c, "of the form namespace/name");
    *target = c->input->text;
    return true;
}

static bool convert_pattern(const struct conversion *c, struct span *target)
{
    struct span text = c->input->text;
    const uint8_t *star = text.size == 0 ? NULL : memchr(text.at, '*', text.size);
    bool whole = star && text.size >= 3 && star == text.at + text.size - 1 && star[-1] == '/';
    if (star && !whole)
        return refuse(c, "namespace/name or namespace/*: a star stands for a whole name only");
    if (!name_valid(text)) return refuse(c, "of the form namespace/name or namespace/*");
    if (span_starts_with(text, NAME_RESERVED))
        return refuse_fault(c, "is in the namespace \"holdfast\", which is reserved");
    *target = text;
    return true;
}

static bool convert_url(const struct conversion *c, struct guarded_text *target)
{
    const char *fault = url_template_fault(c->input->text);
    if (fault && c->input->text.size > 0 && memchr(c->input->text.at, '@', c->input->text.size)) {
        /* Not shown: it may hold a password. */
        problem_add(c->reading->problems, c->input->place, "\"%s\" %s", c->input->name, fault);
        return false;
    }
    if (fault) return refuse_fault(c, fault);
    return convert_guarded(c, target);
}

/* ---- Numbers ---- */

static bool parse_integer(struct span text, int64_t *number)
{
    bool negative = text.size > 0 && text.at[0] == '-';
    if (negative) text = span_from(text, 1);
    *number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit(text.at[i])) return false;
        int64_t digit = text.at[i] - '0';
        if (__builtin_mul_overflow(*number, 10, number)) return false;
        if (__builtin_add_overflow(*number, digit, number)) return false;
    }
    if (negative) *number = -*number;
    return text.size > 0;
}

static bool in_bounds(const struct field *field, int64_t number)
{
    return number >= field->min && (field->max == 0 || number <= field->max);
}

static bool convert_integer(const struct conversion *c, int64_t *number)
{
    const struct field *field = c->field;
    if (parse_integer(c->input->text, number) && in_bounds(field, *number)) return true;
    char wanted[96] = "a number";
    if (field->max > 0) {
        snprintf(wanted, sizeof wanted, "a number from %lld to %lld", (long long)field->min,
                 (long long)field->max);
    }
    return refuse(c, wanted);
}

static bool convert_port(const struct conversion *c, uint16_t *target)
{
    int64_t number = 0;
    struct field field = *c->field;
    field.min = 0;
    field.max = UINT16_MAX;
    struct conversion bounded = {c->reading, &field, c->input};
    if (!convert_integer(&bounded, &number)) return false;
    *target = (uint16_t)number;
    return true;
}

static bool convert_count(const struct conversion *c, uint32_t *target)
{
    int64_t number = 0;
    struct field field = *c->field;
    if (field.max == 0) field.max = UINT32_MAX;
    struct conversion bounded = {c->reading, &field, c->input};
    if (!convert_integer(&bounded, &number)) return false;
    *target = (uint32_t)number;
    return true;
}

static bool convert_size(const struct conversion *c, uint64_t *target)
{
    uint64_t bytes = 0;
    int error = size_parse(c->input->text, &bytes);
    if (error || bytes > INT64_MAX) return refuse(c, "a size such as 65536, 64KiB or 1GiB");
    if (!in_bounds(c->field, (int64_t)bytes)) {
        char wanted[96];
        const struct field *field = c->field;
        int length =
            snprintf(wanted, sizeof wanted, "a size of at least %lld bytes", (long long)field->min);
        if (field->max > 0) {
            snprintf(wanted + length, sizeof wanted - (size_t)length, " and at most %lld",
                     (long long)field->max);
        }
        return refuse(c, wanted);
    }
    *target = bytes;
    return true;
}

static bool convert_duration(const struct conversion *c, int64_t *target)
{
    int64_t milliseconds = 0;
    if (duration_parse(c->input->text, &milliseconds))
        return refuse(c, "a duration such as 500ms, 30s or 2min");
    if (milliseconds < c->field->min) return refuse(c, "a duration above zero");
    *target = milliseconds;
    return true;
}

/* ---- Words ---- */

static bool word_is(struct span text, const char *word)
{
    struct span wanted = span_text(word);
    if (text.size != wanted.size) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (tolower(text.at[i]) != wanted.at[i]) return false;
    }
    return true;
}

static bool convert_switch(const struct conversion *c, bool *target)
{
    bool yes = word_is(c->input->text, "true") || word_is(c->input->text, "1");
    bool no = word_is(c->input->text, "false") || word_is(c->input->text, "0");
    if (!yes && !no) return refuse(c, "true or false");
    *target = yes;
    return true;
}

static void list_choices(const char *const *choices, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; choices[i] && used < size; i++) {
        const char *between = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
        int length = snprintf(out + used, size - used, "%s%s", between, choices[i]);
        if (length > 0) used += (size_t)length;
    }
}

/* Every enum that is filled here has the size of an int: gcc and clang, and checked where it
 * matters. */
static bool convert_choice(const struct conversion *c, void *target)
{
    for (int i = 0; c->field->choices[i]; i++) {
        if (!span_equal(c->input->text, span_text(c->field->choices[i]))) continue;
        memcpy(target, &i, sizeof i);
        return true;
    }
    char wanted[256];
    list_choices(c->field->choices, wanted, sizeof wanted);
    return refuse(c, wanted);
}

bool field_convert(struct reading *reading, const struct field *field,
                   const struct field_input *input, void *target)
{
    const struct conversion conversion = {reading, field, input};
    const struct conversion *c = &conversion;
    switch (field->kind) {
    case FIELD_TEXT: return convert_text(c, target);
    case FIELD_GUARDED:
    case FIELD_SECRET: return convert_guarded(c, target);
    case FIELD_PATH: return convert_path(c, target);
    case FIELD_ADDRESS: return convert_address(c, target);
    case FIELD_NAME: return convert_name(c, target);
    case FIELD_PATTERN: return convert_pattern(c, target);
    case FIELD_URL: return convert_url(c, target);
    case FIELD_PORT: return convert_port(c, target);
    case FIELD_COUNT: return convert_count(c, target);
    case FIELD_NUMBER: return convert_integer(c, target);
    case FIELD_SIZE: return convert_size(c, target);
    case FIELD_DURATION: return convert_duration(c, target);
    case FIELD_SWITCH: return convert_switch(c, target);
    case FIELD_CHOICE: return convert_choice(c, target);
    }
    return false;
}
