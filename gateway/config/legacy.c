/*
 * The format of StateFun 3.0: one root with version "3.0" and all endpoints, ingresses and egresses
 * under module.spec. Each entry is turned into the document that 3.1 and later would hold. The
 * formats of 2.x describe another protocol and are refused with the way out.
 */
#include "config/module.h"

static const struct conversion {
    const char *old;
    const char *kind;
} conversions[] = {
    {"http", "io.statefun.endpoints.v1/http"},
    {"io.statefun.kafka/ingress", "io.statefun.kafka.v1/ingress"},
    {"io.statefun.kafka/egress", "io.statefun.kafka.v1/egress"},
    {"io.statefun.kinesis/ingress", "io.statefun.kinesis.v1/ingress"},
    {"io.statefun.kinesis/egress", "io.statefun.kinesis.v1/egress"},
};

/* What the three lists of module.spec have in common, and where they differ. */
struct section {
    const char *list;  /* "endpoints" */
    const char *entry; /* "endpoint" */
    const char *type;  /* the field of meta that names the kind */
    bool has_id;       /* meta.id moves into the spec */
};

static const struct section sections[] = {
    {"endpoints", "endpoint", "kind", false},
    {"ingresses", "ingress", "type", true},
    {"egresses", "egress", "type", true},
};

static struct span convert(struct span old)
{
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        if (span_equal(old, span_text(conversions[i].old))) return span_text(conversions[i].kind);
    }
    return old;
}

static void move_id(struct module *module, const struct node *meta, struct document *document)
{
    const struct node *id = tree_find(meta, "id");
    if (!id) return;
    struct node *spec = document->spec;
    if (!spec) spec = arena_alloc(module->reading.arena, sizeof *spec);
    struct node *copy = arena_alloc(module->reading.arena, sizeof *copy);
    if (!spec || !copy) return;
    if (!document->spec) {
        spec->kind = NODE_MAP;
        spec->place = document->place;
    }
    *copy = *id;
    tree_prepend(spec, copy, "id");
    document->spec = spec;
}

static void read_entry(struct module *module, const struct section *section, struct node *item)
{
    struct reading *reading = &module->reading;
    struct node *entry = field_map(reading, item, section->entry);
    struct node *meta = field_map(reading, entry, "meta");
    const struct node *type = tree_find(meta, section->type);
    if (item->kind == NODE_BROKEN) return;
    if (!type || type->kind != NODE_SCALAR) {
        struct problem *problem =
            problem_add(reading->problems, item->place, "this entry of \"%s\" has no %s.meta.%s",
                        section->list, section->entry, section->type);
        problem_hint(problem,
                     "the newer format is easier: one document with kind and spec for each; "
                     "see docs/configuration.md");
        return;
    }
    struct document document = {
        .place = entry->place, .kind_place = type->place, .kind = convert(type->text)};
    document.spec = field_map(reading, entry, "spec");
    if (section->has_id) move_id(module, meta, &document);
    module_take(module, &document);
}

static bool is_remote(struct module *module, const struct node *body)
{
    const struct node *type = tree_find(field_map(&module->reading, body, "meta"), "type");
    if (!type || type->kind != NODE_SCALAR || span_equal(type->text, SPAN_LITERAL("remote")))
        return true;
    struct problem *problem = problem_add(module->reading.problems, type->place,
                                          "a module of type \"%.*s\" cannot run here",
                                          SPAN_PRINT(field_shorten(type->text)));
    problem_hint(problem,
                 "only remote modules are supported: embedded Java functions must be served "
                 "over HTTP");
    return false;
}

static void refuse_version(struct module *module, const struct node *version)
{
    struct problem *problem = problem_add(module->reading.problems, version->place,
                                          "module.yaml of version \"%.*s\" is not supported",
                                          SPAN_PRINT(field_shorten(version->text)));
    if (version->text.size > 0 && (version->text.at[0] == '1' || version->text.at[0] == '2')) {
        problem_hint(problem,
                     "formats 1.0 and 2.x belong to another protocol: move the functions to an "
                     "SDK of StateFun 3.x and describe them as kind: "
                     "io.statefun.endpoints.v2/http; see docs/compatibility.md");
    } else {
        problem_hint(problem,
                     "leave \"version\" out and use documents with \"kind\" and \"spec\", or "
                     "version: \"3.0\"");
    }
}

void legacy_read(struct module *module, struct node *root)
{
    struct reading *reading = &module->reading;
    const struct node *version = tree_find(root, "version");
    if (version->kind != NODE_SCALAR) {
        if (version->kind != NODE_BROKEN)
            problem_add(reading->problems, version->place,
                        "\"version\" must be a text such as \"3.0\"");
        return;
    }
    if (!span_equal(version->text, SPAN_LITERAL("3.0"))) {
        refuse_version(module, version);
        return;
    }
    struct node *body = field_map(reading, root, "module");
    if (!tree_find(root, "module"))
        field_missing(reading, root->place, "a file of version \"3.0\"", "module", NULL);
    if (!body || !is_remote(module, body)) return;
    struct node *spec = field_map(reading, body, "spec");
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        struct node *list = field_list(reading, spec, sections[i].list);
        for (struct node *item = list ? list->first : NULL; item; item = item->next)
            read_entry(module, &sections[i], item);
    }
}
