/* Kinds io.statefun.kafka.v1/ingress and /egress: read and checked in full, run by a later version.
 */
#include "config/module.h"

static const char *const resets[] = {"latest", "earliest", NULL};
static const char *const deliveries[] = {"at-least-once", "exactly-once", "none", NULL};

_Static_assert(sizeof(enum delivery_kind) == sizeof(int), "FIELD_CHOICE writes an int");

static const struct field ingress_fields[] = {
    {.name = "id",
     .kind = FIELD_NAME,
     .offset = offsetof(struct ingress_settings, id),
     .required = true,
     .example = "id: example/names"},
    {.name = "address",
     .kind = FIELD_GUARDED,
     .offset = offsetof(struct ingress_settings, kafka.address)},
    {.name = "consumerGroupId",
     .kind = FIELD_GUARDED,
     .offset = offsetof(struct ingress_settings, kafka.group)},
};

static const struct field egress_fields[] = {
    {.name = "id",
     .kind = FIELD_NAME,
     .offset = offsetof(struct egress_settings, id),
     .required = true,
     .example = "id: example/greets"},
    {.name = "address",
     .kind = FIELD_GUARDED,
     .offset = offsetof(struct egress_settings, kafka.address)},
};

/* A named field wins over its property; one of the two must be there. */
static void need_either(struct reading *reading, const struct document *document,
                        struct guarded_text *value, const char *name,
                        const struct property_settings *property, const char *property_name)
{
    const struct node *node = tree_find(document->spec, name);
    if (value->value.size > 0 || (node && node->kind != NODE_SCALAR)) return;
    if (!node && property) {
        *value = property->value;
        return;
    }
    struct place place = node ? node->place : document->place;
    struct problem *problem =
        problem_add(reading->problems, place, "a Kafka kind needs \"%s\"", name);
    problem_hint(problem, "or %s among its properties", property_name);
}

void kafka_read_ingress(struct module *module, const struct document *document)
{
    struct reading *reading = &module->reading;
    struct ingress_settings *ingress = module_push_ingress(module, document->place);
    if (!ingress) return;
    ingress->place = document->place;
    ingress->kind = INGRESS_KAFKA;
    fields_read(reading, ingress_fields, FIELDS_COUNT(ingress_fields), document->spec,
                document->place, "a Kafka ingress", ingress);
    connector_read_properties(reading, document->spec, "properties", &ingress->properties,
                              &ingress->property_count);
    need_either(
        reading, document, &ingress->kafka.address, "address",
        connector_property(ingress->properties, ingress->property_count, "bootstrap.servers"),
        "bootstrap.servers");
    need_either(reading, document, &ingress->kafka.group, "consumerGroupId",
                connector_property(ingress->properties, ingress->property_count, "group.id"),
                "group.id");
    ingress->topics = connector_read_topics(reading, document, "topics", "topic", "a Kafka topic",
                                            &ingress->topic_count);
    const struct field reset = {
        .name = "autoOffsetResetPosition", .kind = FIELD_CHOICE, .choices = resets};
    int position = 0;
    fields_read(reading, &reset, 1, document->spec, document->place, "", &position);
    ingress->kafka.reset_earliest = position == 1;
    startup_read(reading, document->spec, true, &ingress->kafka.startup);
}

/* exactly-once takes transactionTimeout, a duration, or the older transactionTimeoutMillis, a
 * number. */
static void read_delivery(struct reading *reading, const struct document *document,
                          struct kafka_egress_settings *kafka)
{
    const struct node *semantic = field_map(reading, document->spec, "deliverySemantic");
    const struct field fields[] = {
        {.name = "type",
         .kind = FIELD_CHOICE,
         .required = true,
         .choices = deliveries,
         .offset = offsetof(struct kafka_egress_settings, delivery),
         .example = "type: exactly-once"},
        {.name = "transactionTimeoutMillis",
         .kind = FIELD_NUMBER,
         .min = 1,
         .max = INT32_MAX,
         .offset = offsetof(struct kafka_egress_settings, transaction_timeout_ms)},
        {.name = "transactionTimeout",
         .kind = FIELD_DURATION,
         .min = 1,
         .offset = offsetof(struct kafka_egress_settings, transaction_timeout_ms)},
    };
    if (semantic) {
        fields_read(reading, fields, FIELDS_COUNT(fields), semantic, semantic->place,
                    "a deliverySemantic", kafka);
    }
}

void kafka_read_egress(struct module *module, const struct document *document)
{
    struct reading *reading = &module->reading;
    struct egress_settings *egress = module_push_egress(module, document->place);
    if (!egress) return;
    egress->place = document->place;
    egress->kind = EGRESS_SETTINGS_KAFKA;
    fields_read(reading, egress_fields, FIELDS_COUNT(egress_fields), document->spec,
                document->place, "a Kafka egress", egress);
    connector_read_properties(reading, document->spec, "properties", &egress->properties,
                              &egress->property_count);
    need_either(reading, document, &egress->kafka.address, "address",
                connector_property(egress->properties, egress->property_count, "bootstrap.servers"),
                "bootstrap.servers");
    read_delivery(reading, document, &egress->kafka);
}
