/* What the kinds of Kafka and Kinesis share: lists of properties, topics with targets. */
#include "config/module.h"

#include <strings.h>

static const struct field value_field = {.name = "a property", .kind = FIELD_GUARDED};

/* Names under which clients of Kafka and AWS take passwords and keys. */
static bool name_is_secret(struct span name)
{
    static const char *const parts[] = {"password",     "secret",     "jaas",
                                        "token",        "credential", "ssl.key",
                                        "keystore.key", "access.key", "accesskey"};
    char text[128];
    size_t size = name.size < sizeof text - 1 ? name.size : sizeof text - 1;
    memcpy(text, name.at, size);
    text[size] = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcasestr(text, parts[i])) return true;
    }
    return false;
}

static void read_property(struct reading *reading, const struct node *item,
                          struct property_settings *property)
{
    const struct node *entry = item->kind == NODE_MAP && item->count == 1 ? item->first : NULL;
    bool single = entry && (entry->kind == NODE_SCALAR || entry->kind == NODE_NULL);
    if (!single) {
        if (item->kind == NODE_BROKEN || (entry && entry->kind == NODE_BROKEN)) return;
        struct problem *problem = problem_add(reading->problems, item->place,
                                              "a property must be one name with one value");
        problem_hint(problem, "for example  - security.protocol: SASL_SSL");
        return;
    }
    struct field field = value_field;
    field.kind = name_is_secret(entry->key) ? FIELD_SECRET : FIELD_GUARDED;
    struct field_input input = {entry->place, field.name, entry->text, entry->written,
                                entry->from_environment};
    property->name = entry->key;
    (void)field_convert(reading, &field, &input, &property->value);
}

void connector_read_properties(struct reading *reading, const struct node *spec, const char *name,
                               const struct property_settings **properties, size_t *count)
{
    const struct node *list = field_list(reading, spec, name);
    *count = 0;
    *properties = NULL;
    if (!list) return;
    struct property_settings *made = arena_array(reading->arena, list->count, sizeof *made);
    if (!made) return;
    for (const struct node *item = list->first; item; item = item->next)
        read_property(reading, item, &made[(*count)++]);
    *properties = made;
}

const struct property_settings *connector_property(const struct property_settings *properties,
                                                   size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (span_equal(properties[i].name, span_text(name))) return &properties[i];
    }
    return NULL;
}

static void read_topic(struct reading *reading, const struct node *item, const char *name,
                       const char *what, struct topic_settings *topic)
{
    const struct field fields[] = {
        {.name = name,
         .kind = FIELD_TEXT,
         .offset = offsetof(struct topic_settings, name),
         .required = true},
        {.name = "valueType",
         .kind = FIELD_NAME,
         .offset = offsetof(struct topic_settings, value_type),
         .required = true,
         .example = "valueType: example/GreetRequest"},
    };
    topic->place = item->place;
    fields_read(reading, fields, FIELDS_COUNT(fields), item, item->place, what, topic);
    const struct node *targets = field_list(reading, item, "targets");
    topic->targets = field_texts(reading, targets, true, &topic->target_count);
    if (!tree_find(item, "targets") || (targets && targets->count == 0)) {
        field_missing(reading, item->place, what, "targets", "targets: [example/greeter]");
    }
}

const struct topic_settings *connector_read_topics(struct reading *reading,
                                                   const struct document *document,
                                                   const char *list_name, const char *name,
                                                   const char *what, size_t *count)
{
    *count = 0;
    const struct node *list = field_list(reading, document->spec, list_name);
    if (!tree_find(document->spec, list_name) || (list && list->count == 0))
        field_missing(reading, document->place, "an ingress", list_name, NULL);
    if (!list) return NULL;
    struct topic_settings *topics = arena_array(reading->arena, list->count, sizeof *topics);
    if (!topics) return NULL;
    for (const struct node *item = list->first; item; item = item->next) {
        if (item->kind == NODE_MAP) {
            read_topic(reading, item, name, what, &topics[(*count)++]);
        } else if (item->kind != NODE_BROKEN) {
            problem_add(reading->problems, item->place,
                        "an entry of \"%s\" must be a map, but here is %s", list_name,
                        tree_kind_text(item));
        }
    }
    return topics;
}
