/* See lines.h: the members of a line. */
#include "ingress/lines.h"

#include "base/name.h"
#include "ingress/typed_json.h"
#include "wire/function.h"

static const struct json_member *member_of(const struct line_input *input, const char *name)
{
    struct span wanted = span_text(name);
    for (size_t i = 0; i < input->member_count; i++)
        if (span_equal(input->members[i].name, wanted)) return &input->members[i];
    return NULL;
}

const char *line_string(struct line_input *input, const char *name, struct span *text)
{
    const struct json_member *member = member_of(input, name);
    size_t start = input->strings.size;
    *text = SPAN_EMPTY;
    if (member == NULL) return NULL;
    if (member->kind != JSON_IS_STRING) return "a name, key, token or delay has to be a string";
    if (json_read_string(member->value, &input->strings) != 0)
        return "a string has half of a surrogate pair";
    if (input->strings.failed) return "out of memory";
    *text = span_of(input->strings.at + start, input->strings.size - start);
    return NULL;
}

const char *line_only(struct line_input *input, const char *const *names)
{
    for (size_t i = 0; i < input->member_count; i++) {
        const char *const *name = names;
        while (*name != NULL && !span_equal(input->members[i].name, span_text(*name))) name++;
        if (*name == NULL) return "there is a member of an unknown name";
        if (member_of(input, *name) != &input->members[i]) return "a member is given twice";
    }
    return NULL;
}

static const char *default_type(const struct line_input *input, struct span *type_name)
{
    *type_name = member_of(input, "base64") != NULL ? SPAN_LITERAL("application/octet-stream")
                                                    : SPAN_LITERAL("application/json");
    return NULL;
}

static const char *read_base64(struct line_input *input)
{
    struct span text;
    const char *fault = line_string(input, "base64", &text);
    if (fault != NULL) return fault;
    return base64_decode(text, &input->bytes) == 0 ? NULL
                                                   : "base64 has to be RFC 4648 with padding";
}

const char *line_value(struct line_input *input, const char *type_member, struct span *type_name)
{
    const struct json_member *value = member_of(input, "value");
    bool is_base64 = member_of(input, "base64") != NULL;
    const char *fault = line_string(input, type_member, type_name);
    if (fault == NULL && type_name->at == NULL) fault = default_type(input, type_name);
    if (fault != NULL) return fault;
    if (!name_valid(*type_name)) return "the type of the value has to be namespace/name";
    if ((value != NULL) == is_base64) return "there has to be either value or base64";
    fault = is_base64 ? read_base64(input) : typed_json_read(*type_name, value, &input->bytes);
    if (fault != NULL) return fault;
    return input->bytes.failed ? "out of memory" : NULL;
}
