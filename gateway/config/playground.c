/* The playground's kinds, and our own egress of any id. */
#include "config/module.h"

#include "base/name.h"
#include "config/url.h"

static const struct field ingress_fields[] = {
    {.name = "port",
     .kind = FIELD_PORT,
     .offset = offsetof(struct ingress_settings, port.port),
     .required = true,
     .example = "port: 8090"},
    {.name = "host", .kind = FIELD_PATH, .offset = offsetof(struct ingress_settings, port.host)},
};

static const struct field egress_fields[] = {
    {.name = "port",
     .kind = FIELD_PORT,
     .offset = offsetof(struct egress_settings, port.port),
     .required = true,
     .example = "port: 8091"},
    {.name = "host", .kind = FIELD_PATH, .offset = offsetof(struct egress_settings, port.host)},
};

static const char *const pull_types[] = {"pull", "discard", NULL};

static const struct field pull_fields[] = {
    {.name = "id",
     .kind = FIELD_NAME,
     .offset = offsetof(struct egress_settings, id),
     .required = true,
     .example = "id: example/invoices"},
    {.name = "type",
     .kind = FIELD_CHOICE,
     .offset = offsetof(struct egress_settings, kind),
     .required = true,
     .choices = pull_types,
     .example = "type: pull"},
};

_Static_assert(sizeof(enum egress_settings_kind) == sizeof(int), "FIELD_CHOICE writes an int");
_Static_assert(EGRESS_SETTINGS_PULL == 0 && EGRESS_SETTINGS_DISCARD == 1, "order of pull_types");

static void check_host(struct module *module, const struct node *spec,
                       const struct port_settings *port)
{
    if (!port->host) return;
    const char *fault = listen_host_fault(span_text(port->host));
    if (!fault) return;
    const struct node *node = tree_find(spec, "host");
    problem_add(module->reading.problems, node->place, "\"host\" %s: \"%.*s\"", fault,
                SPAN_PRINT(field_shorten(node->written)));
}

void playground_read_ingress(struct module *module, const struct document *document)
{
    struct ingress_settings *ingress = module_push_ingress(module, document->place);
    if (!ingress) return;
    ingress->place = document->place;
    ingress->kind = INGRESS_PLAYGROUND;
    ingress->id = SPAN_LITERAL("io.statefun.playground/ingress");
    fields_read(&module->reading, ingress_fields, FIELDS_COUNT(ingress_fields), document->spec,
                document->place, "a playground ingress", ingress);
    check_host(module, document->spec, &ingress->port);
}

/* A topic becomes a path of the egress port: GET /topic. */
static void check_topics(struct module *module, const struct node *list,
                         const struct egress_settings *egress)
{
    if (!list) return;
    const struct node *node = list->first;
    for (size_t i = 0; i < egress->topic_count; i++, node = node->next) {
        while (node->kind == NODE_NULL) node = node->next;
        for (size_t j = 0; j < i; j++) {
            if (egress->topics[i].size == 0 || !span_equal(egress->topics[i], egress->topics[j]))
                continue;
            problem_add(module->reading.problems, node->place,
                        "the topic \"%.*s\" stands here twice",
                        SPAN_PRINT(field_shorten(node->written)));
            break;
        }
    }
}

void playground_read_egress(struct module *module, const struct document *document)
{
    struct reading *reading = &module->reading;
    struct egress_settings *egress = module_push_egress(module, document->place);
    if (!egress) return;
    egress->place = document->place;
    egress->kind = EGRESS_SETTINGS_PLAYGROUND;
    egress->id = SPAN_LITERAL("io.statefun.playground/egress");
    fields_read(reading, egress_fields, FIELDS_COUNT(egress_fields), document->spec,
                document->place, "a playground egress", egress);
    check_host(module, document->spec, &egress->port);
    const struct node *topics = field_list(reading, document->spec, "topics");
    egress->topics = field_texts(reading, topics, false, &egress->topic_count);
    check_topics(module, topics, egress);
}

void pull_read_egress(struct module *module, const struct document *document)
{
    struct egress_settings *egress = module_push_egress(module, document->place);
    if (!egress) return;
    egress->place = document->place;
    fields_read(&module->reading, pull_fields, FIELDS_COUNT(pull_fields), document->spec,
                document->place, "an egress", egress);
    if (span_starts_with(egress->id, NAME_RESERVED)) {
        problem_add(module->reading.problems, tree_find(document->spec, "id")->place,
                    "the namespace \"holdfast\" is reserved");
    }
}
