#include "config/field.h"

#include "base/name.h"
#include "config/url.h"

enum { SHOWN_SIZE_MAX = 80 };

struct span field_shorten(struct span text)
{
    return span_of(text.at, text.size < SHOWN_SIZE_MAX ? text.size : SHOWN_SIZE_MAX);
}

static bool wrong_type(struct reading *reading, const char *name, const char *wanted,
                       const struct node *node)
{
    if (node->kind == NODE_BROKEN) return false;
    problem_add(reading->problems, node->place, "\"%s\" must be %s, but here is %s", name, wanted,
                tree_kind_text(node));
    return false;
}

static void read_one(struct reading *reading, const struct field *field, const struct node *node,
                     void *target)
{
    if (node->kind != NODE_SCALAR) {
        if (wrong_type(reading, field->name, "a single value", node)) return;
        return;
    }
    struct field_input input = {node->place, field->name, node->text, node->written,
                                node->from_environment};
    (void)field_convert(reading, field, &input, (uint8_t *)target + field->offset);
}

void field_missing(struct reading *reading, struct place place, const char *what, const char *name,
                   const char *example)
{
    struct problem *problem = problem_add(reading->problems, place, "%s needs \"%s\"", what, name);
    if (example) problem_hint(problem, "for example  %s", example);
}

void fields_read(struct reading *reading, const struct field *fields, size_t count,
                 const struct node *map, struct place place, const char *what, void *target)
{
    for (size_t i = 0; i < count; i++) {
        const struct node *node = tree_find(map, fields[i].name);
        if (node) {
            read_one(reading, &fields[i], node, target);
        } else if (fields[i].required) {
            field_missing(reading, place, what, fields[i].name, fields[i].example);
        }
    }
}

static struct node *member(struct reading *reading, const struct node *map, const char *name,
                           enum node_kind kind, const char *wanted)
{
    struct node *node = tree_find(map, name);
    if (!node || node->kind == kind) return node;
    wrong_type(reading, name, wanted, node);
    return NULL;
}

struct node *field_map(struct reading *reading, const struct node *map, const char *name)
{
    return member(reading, map, name, NODE_MAP, "a map (name: value lines)");
}

struct node *field_list(struct reading *reading, const struct node *map, const char *name)
{
    return member(reading, map, name, NODE_LIST, "a list (lines that begin with -)");
}

const struct span *field_texts(struct reading *reading, const struct node *list, bool is_name,
                               size_t *count)
{
    *count = 0;
    if (!list) return NULL;
    if (list->count > FIELD_TEXTS_MAX) {
        problem_add(reading->problems, list->place, "more than %d entries in this list",
                    FIELD_TEXTS_MAX);
        return NULL;
    }
    struct span *texts = arena_array(reading->arena, list->count, sizeof *texts);
    if (!texts) return NULL;
    struct field field = {(const char *)list->key.at, is_name ? FIELD_NAME : FIELD_TEXT,
                          .offset = 0};
    for (const struct node *node = list->first; node; node = node->next) {
        if (node->kind == NODE_NULL) {
            problem_add(reading->problems, node->place, "an entry of this list is empty");
            continue;
        }
        read_one(reading, &field, node, &texts[(*count)++]);
    }
    return texts;
}
