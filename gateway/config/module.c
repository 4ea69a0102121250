#include "config/module.h"

#include "base/name.h"
#include "config/suggest.h"

/* ---- Growing arrays ---- */

static void *push(struct module *module, struct vector *vector, size_t size, size_t max,
                  struct place place, const char *what)
{
    if (vector->count == max) {
        problem_add(module->reading.problems, place, "more than %zu %s", max, what);
        return NULL;
    }
    if (vector->count == vector->capacity) {
        size_t capacity = vector->capacity == 0 ? 8 : vector->capacity * 2;
        void *items = arena_array(module->reading.arena, capacity, size);
        if (!items) return NULL;
        if (vector->count > 0) memcpy(items, vector->items, vector->count * size);
        vector->items = items;
        vector->capacity = capacity;
    }
    return (uint8_t *)vector->items + size * vector->count++;
}

void *module_push_endpoint(struct module *module, struct place place)
{
    return push(module, &module->endpoints, sizeof(struct endpoint_settings),
                SETTINGS_ENDPOINTS_MAX, place, "endpoints");
}

void *module_push_ingress(struct module *module, struct place place)
{
    return push(module, &module->ingresses, sizeof(struct ingress_settings), SETTINGS_INGRESSES_MAX,
                place, "ingresses");
}

void *module_push_egress(struct module *module, struct place place)
{
    return push(module, &module->egresses, sizeof(struct egress_settings), SETTINGS_EGRESSES_MAX,
                place, "egresses");
}

/* ---- Kinds ---- */

static const struct kind {
    const char *name;
    void (*read)(struct module *module, const struct document *document);
} kinds[] = {
    {"io.statefun.endpoints.v2/http", endpoint_read_v2},
    {"io.statefun.endpoints.v1/http", endpoint_read_v1},
    {"io.statefun.playground.v1/ingress", playground_read_ingress},
    {"io.statefun.playground.v1/egress", playground_read_egress},
    {"io.statefun.kafka.v1/ingress", kafka_read_ingress},
    {"io.statefun.kafka.v1/egress", kafka_read_egress},
    {"io.statefun.kinesis.v1/ingress", kinesis_read_ingress},
    {"io.statefun.kinesis.v1/egress", kinesis_read_egress},
    {"holdfast.v1/gateway", gateway_read},
    {"holdfast.v1/egress", pull_read_egress},
};

static void report_unknown(struct module *module, const struct document *document)
{
    struct problems *problems = module->reading.problems;
    struct problem *problem = problem_add(problems, document->kind_place, "unknown kind \"%.*s\"",
                                          SPAN_PRINT(field_shorten(document->kind)));
    struct suggestion suggestion = suggestion_for(document->kind);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        suggestion_offer(&suggestion, kinds[i].name);
    if (suggestion.best) {
        problem_hint(problem, "did you mean %s?", suggestion.best);
    } else if (!name_valid(document->kind)) {
        problem_hint(problem, "a kind looks like io.statefun.endpoints.v2/http");
    } else {
        problem_hint(problem, "kinds of embedded Java modules (custom binders) do not exist here: "
                              "send messages in with POST /v1/send, take records out with kind: "
                              "holdfast.v1/egress, and serve the functions over HTTP");
    }
}

void module_take(struct module *module, const struct document *document)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!span_equal(document->kind, span_text(kinds[i].name))) continue;
        kinds[i].read(module, document);
        return;
    }
    report_unknown(module, document);
}

/* ---- Documents ---- */

/* "spec" may be absent (then the reader's required fields complain), but not something else. */
static bool find_spec(struct module *module, struct node *root, struct node **spec)
{
    const struct node *any = tree_find(root, "spec");
    *spec = field_map(&module->reading, root, "spec");
    return !any || *spec;
}

static void report_kindless(struct module *module, const struct node *root)
{
    struct problem *problem =
        problem_add(module->reading.problems, root->place, "this document has no \"kind\"");
    if (tree_find(root, "version")) {
        problem_hint(problem, "a file of the format with \"version\" holds one document only");
    } else {
        problem_hint(problem, "for example  kind: io.statefun.endpoints.v2/http");
    }
}

static void read_document(struct module *module, struct node *root)
{
    struct problems *problems = module->reading.problems;
    if (root->kind == NODE_BROKEN) return;
    if (root->kind != NODE_MAP) {
        struct problem *problem =
            problem_add(problems, root->place,
                        "a document must be a map with \"kind\" and \"spec\", "
                        "but here is %s",
                        tree_kind_text(root));
        problem_hint(problem, "documents are separated by a line with ---");
        return;
    }
    const struct node *kind = tree_find(root, "kind");
    struct document document = {.place = root->place};
    if (!kind) {
        report_kindless(module, root);
    } else if (kind->kind == NODE_SCALAR) {
        document.kind = kind->text;
        document.kind_place = kind->place;
        if (find_spec(module, root, &document.spec)) module_take(module, &document);
    } else if (kind->kind != NODE_BROKEN) {
        problem_add(problems, kind->place, "\"kind\" must be a text, but here is %s",
                    tree_kind_text(kind));
    }
}

int module_read(struct module *module, const char *file, struct span text)
{
    struct tree tree;
    int error = tree_read(&tree, file, text, module->reading.arena, module->reading.problems);
    if (error == ERROR_MEMORY) return error;
    if (error) {
        module->file_failed = true;
        return 0;
    }
    if (tree.count == 1 && tree_find(tree.documents, "version")) {
        legacy_read(module, tree.documents);
    } else {
        for (struct node *root = tree.documents; root; root = root->next)
            read_document(module, root);
    }
    return module->reading.arena->failed ? ERROR_MEMORY : 0;
}
