/*
 * Everything the gateway was told, from module.yaml, flags and environment, typed and validated.
 * The owner of a settings value owns all that it points to, except the names of files: those are
 * borrowed from the caller of settings_load and must outlive the settings and the problems.
 *
 *     struct settings settings;
 *     struct problems problems;
 *     problems_init(&problems);
 *     if (settings_load(&settings, files, count, &flags, &problems)) { problems_print(&problems,
 * stderr); ... } if (settings_refuse_unbuilt(&settings, &problems)) ... settings_close(&settings);
 */
#ifndef HOLDFAST_CONFIG_SETTINGS_H
#define HOLDFAST_CONFIG_SETTINGS_H

#include "base/buffer.h"
#include "config/arena.h"
#include "config/flags.h"
#include "config/gateway.h"
#include "config/guarded.h"
#include "config/problem.h"

enum {
    SETTINGS_ENDPOINTS_MAX = 1024,
    SETTINGS_INGRESSES_MAX = 256,
    SETTINGS_EGRESSES_MAX = 1024,
    SETTINGS_BATCH_COUNT_MAX = 10000, /* a larger maxNumBatchRequests counts as this */
};

/* ---- Endpoints ---- */

enum endpoint_transport { TRANSPORT_ASYNC, TRANSPORT_OKHTTP };

struct endpoint_settings {
    struct place place;
    struct span pattern;     /* "ns/name" or "ns/" and a star; no two endpoints have the same */
    struct guarded_text url; /* template: http, https, http+unix, https+unix; {function.name} */
    enum endpoint_transport transport;
    bool h2_prior_knowledge;
    bool dispatch_durable;
    bool expose;
    uint32_t batch_count_max; /* 1..SETTINGS_BATCH_COUNT_MAX */
    uint32_t concurrency_max; /* calls in flight; not above pool_max unless h2_prior_knowledge */
    uint32_t pool_max;        /* connections */
    uint32_t attempts_max;    /* address failures until parked; 0 = by time only */
    int64_t retry_for_ms;
    int64_t call_ms;
    int64_t connect_ms;
    int64_t read_ms;  /* okhttp only, else 0; not applied: call_ms bounds the whole call */
    int64_t write_ms; /* the same */
    int64_t idle_ms;
    uint64_t batch_bytes_max; /* of several messages with the state; not above payload_bytes_max */
    uint64_t payload_bytes_max;
    uint64_t state_bytes_max;  /* 0 = no limit */
    const char *trust_cacerts; /* paths, or NULL */
    const char *client_cert;
    const char *client_key;
    const char *client_key_password_file;
};

/* ---- What the connectors share. They are read and checked, and not part of this version. ---- */

struct property_settings {
    struct span name;
    struct guarded_text value;
};

/* A Kafka topic or a Kinesis stream. */
struct topic_settings {
    struct place place;
    struct span name;
    struct span value_type;
    const struct span *targets; /* function types */
    size_t target_count;
};

enum startup_kind {
    STARTUP_LATEST,
    STARTUP_EARLIEST,
    STARTUP_GROUP_OFFSETS,    /* Kafka only */
    STARTUP_SPECIFIC_OFFSETS, /* Kafka only */
    STARTUP_DATE
};

struct offset_settings {
    struct span topic;
    uint32_t partition;
    int64_t offset;
};

struct startup_settings {
    enum startup_kind kind;
    int64_t date_ms; /* since 1970 */
    const struct offset_settings *offsets;
    size_t offset_count;
};

enum region_kind { REGION_DEFAULT, REGION_SPECIFIC, REGION_CUSTOM_ENDPOINT };
enum credentials_kind { CREDENTIALS_DEFAULT, CREDENTIALS_BASIC, CREDENTIALS_PROFILE };

struct aws_settings {
    enum region_kind region;
    struct span region_id;
    struct span endpoint;
    enum credentials_kind credentials;
    struct guarded_text access_key_id;
    struct guarded_text secret_access_key;
    struct span profile_name;
    const char *profile_path;
};

/* ---- Ingresses ---- */

enum ingress_kind { INGRESS_PLAYGROUND, INGRESS_KAFKA, INGRESS_KINESIS };

/* A port of the playground, in or out. */
struct port_settings {
    uint16_t port;    /* 0: any free one */
    const char *host; /* NULL: the one of gateway.listen */
};

struct kafka_ingress_settings {
    struct guarded_text address;
    struct guarded_text group;
    bool reset_earliest;
    struct startup_settings startup;
};

struct ingress_settings {
    struct place place;
    enum ingress_kind kind;
    struct span id;
    struct port_settings port;           /* playground */
    struct kafka_ingress_settings kafka; /* Kafka */
    struct startup_settings startup;     /* Kinesis */
    struct aws_settings aws;             /* Kinesis */
    const struct topic_settings *topics; /* topics or streams */
    size_t topic_count;
    const struct property_settings *properties;
    size_t property_count;
};

/* ---- Egresses ---- */

enum egress_settings_kind {
    EGRESS_SETTINGS_PULL,
    EGRESS_SETTINGS_DISCARD,
    EGRESS_SETTINGS_PLAYGROUND,
    EGRESS_SETTINGS_KAFKA,
    EGRESS_SETTINGS_KINESIS
};

enum delivery_kind { DELIVERY_AT_LEAST_ONCE, DELIVERY_EXACTLY_ONCE, DELIVERY_NONE };

struct kafka_egress_settings {
    struct guarded_text address;
    enum delivery_kind delivery;
    int64_t transaction_timeout_ms; /* 0: not given */
};

struct egress_settings {
    struct place place;
    enum egress_settings_kind kind;
    struct span id;
    struct port_settings port; /* playground */
    const struct span *topics; /* playground */
    size_t topic_count;
    struct kafka_egress_settings kafka;
    struct aws_settings aws;  /* Kinesis */
    uint32_t outstanding_max; /* Kinesis */
    const struct property_settings *properties;
    size_t property_count;
};

/* ---- All of it ---- */

struct settings {
    struct arena arena;
    struct gateway_settings gateway;
    const struct endpoint_settings *endpoints;
    size_t endpoint_count;
    const struct ingress_settings *ingresses;
    size_t ingress_count;
    const struct egress_settings *egresses;
    size_t egress_count;
};

/* A module file that is in memory already. */
struct settings_text {
    const char *name; /* borrowed */
    struct span text; /* read only during the call */
};

/*
 * Reads and merges module files. `flags` may be NULL: then neither flags nor the HOLDFAST_
 * variables count (${NAME} in the files always does). ERROR_INVALID with at least one new problem;
 * ERROR_MEMORY. After an error there is nothing to close.
 */
int settings_load(struct settings *settings, const char *const *files, size_t count,
                  const struct flags *flags, struct problems *problems) MUST_USE;
int settings_parse(struct settings *settings, const struct settings_text *texts, size_t count,
                   const struct flags *flags, struct problems *problems) MUST_USE;
void settings_close(struct settings *settings);

/* Valid, but this version cannot run it: a problem for each connector. ERROR_UNSUPPORTED. */
int settings_refuse_unbuilt(const struct settings *settings, struct problems *problems) MUST_USE;

/* What would run, for people. */
void settings_print(const struct settings *settings, FILE *out);
/* The same for programs: one JSON object, secrets as "***" or as the ${NAME} of the file. */
void settings_json(const struct settings *settings, struct buffer *out);

#endif
