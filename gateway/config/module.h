/*
 * One or more module files being read: documents go to the reader of their kind, which appends what
 * it made. Inside of this room only.
 */
#ifndef HOLDFAST_CONFIG_MODULE_H
#define HOLDFAST_CONFIG_MODULE_H

#include "config/field.h"
#include "config/settings.h"

/* A growing array in an arena. */
struct vector {
    void *items;
    size_t count;
    size_t capacity;
};

struct module {
    struct reading reading;
    struct settings *settings;
    struct vector endpoints; /* struct endpoint_settings */
    struct vector ingresses; /* struct ingress_settings */
    struct vector egresses;  /* struct egress_settings */
    bool file_failed;        /* a file could not be used: what it would have held is missing */
};

/* Where a document or an entry of the old format stands, and its spec (NULL: none). */
struct document {
    struct place place;
    struct place kind_place;
    struct span kind;
    struct node *spec;
};

/* ERROR_MEMORY; problems are in the list. */
int module_read(struct module *module, const char *file, struct span text) MUST_USE;

/* Hands a document to the reader of its kind, or reports that there is none. */
void module_take(struct module *module, const struct document *document);

/* The format of StateFun 3.0 with one root; `root` has a "version". */
void legacy_read(struct module *module, struct node *root);

/* Zeroed; NULL when there is no memory, or more than `max` (then a problem is reported). */
void *module_push_endpoint(struct module *module, struct place place);
void *module_push_ingress(struct module *module, struct place place);
void *module_push_egress(struct module *module, struct place place);

/* The readers of the kinds. */
void endpoint_read_v1(struct module *module, const struct document *document);
void endpoint_read_v2(struct module *module, const struct document *document);
void playground_read_ingress(struct module *module, const struct document *document);
void playground_read_egress(struct module *module, const struct document *document);
void pull_read_egress(struct module *module, const struct document *document);
void kafka_read_ingress(struct module *module, const struct document *document);
void kafka_read_egress(struct module *module, const struct document *document);
void kinesis_read_ingress(struct module *module, const struct document *document);
void kinesis_read_egress(struct module *module, const struct document *document);
void gateway_read(struct module *module, const struct document *document);

/* Parts that Kafka and Kinesis share. */
void connector_read_properties(struct reading *reading, const struct node *spec, const char *name,
                               const struct property_settings **properties, size_t *count);
const struct topic_settings *connector_read_topics(struct reading *reading,
                                                   const struct document *document,
                                                   const char *list_name, const char *name,
                                                   const char *what, size_t *count);
/* The value of a property, or NULL. */
const struct property_settings *connector_property(const struct property_settings *properties,
                                                   size_t count, const char *name);
void startup_read(struct reading *reading, const struct node *spec, bool is_kafka,
                  struct startup_settings *startup);

/* Cross-checks after all files: duplicates, ports, protection, at least one endpoint. */
/* `file` is the first one, NULL when there is none. */
void settings_check(const struct module *module, const char *file);

/* The reader of gateway settings from flags and environment. */
void gateway_apply_flags(struct reading *reading, struct gateway_settings *gateway,
                         const struct flags *flags);
void gateway_defaults(struct gateway_settings *gateway);

#endif
