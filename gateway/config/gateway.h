/*
 * Settings of the process itself. One table (GATEWAY_SETTINGS) makes the fields of the struct's
 * YAML kind `holdfast.v1/gateway`, the flags of `holdfast run` and the HOLDFAST_ variables.
 * Precedence: flag > environment > module.yaml > default.
 */
#ifndef HOLDFAST_CONFIG_GATEWAY_H
#define HOLDFAST_CONFIG_GATEWAY_H

#include "config/flags.h"

#include <stdint.h>

enum log_choice { LOG_AS_TEXT, LOG_AS_JSON };
enum log_least { LOG_FROM_DEBUG, LOG_FROM_INFO, LOG_FROM_WARN, LOG_FROM_ERROR };

/* Where a value came from. */
enum origin_kind { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_FLAG };

struct origin {
    enum origin_kind kind;
    struct place place;
};

/* X(id, yaml name, flag, environment, argument, help): one per setting, in the order of the help
 * text. */
#define GATEWAY_SETTINGS(X)                                                                        \
    X(DATA, "data", "--data", "HOLDFAST_DATA", "DIR", "data directory (./holdfast-data)")          \
    X(LISTEN, "listen", "--listen", "HOLDFAST_LISTEN", "ADDR",                                     \
      "where messages come in (127.0.0.1:7400)")                                                   \
    X(ADMIN, "admin", "--admin", "HOLDFAST_ADMIN", "ADDR",                                         \
      "health, metrics, operator verbs (127.0.0.1:7401)")                                          \
    X(WORKERS, "workers", "--workers", "HOLDFAST_WORKERS", "N",                                    \
      "I/O threads (0: from the number of cores)")                                                 \
    X(SHARDS, "shards", "--shards", "HOLDFAST_SHARDS", "N",                                        \
      "shards, fixed at the first start (1)")                                                      \
    X(MEMORY, "memory", "--memory", "HOLDFAST_MEMORY", "SIZE",                                     \
      "memory budget (50 % of the limit)")                                                         \
    X(LOG, "log", "--log", "HOLDFAST_LOG", "FORMAT", "text or json (text)")                        \
    X(LOG_LEVEL, "logLevel", "--log-level", "HOLDFAST_LOG_LEVEL", "LEVEL",                         \
      "least logged: debug, info, warn, error (info)")                                             \
    X(DRAIN, "drain", "--drain", "HOLDFAST_DRAIN", "TIME", "time to finish on SIGTERM (25s)")      \
    X(SNAPSHOT_EVERY, "snapshotEvery", "--snapshot-every", "HOLDFAST_SNAPSHOT_EVERY", "TIME",      \
      "longest time between snapshots (15min)")                                                    \
    X(SNAPSHOT_BYTES, "snapshotBytes", "--snapshot-bytes", "HOLDFAST_SNAPSHOT_BYTES", "SIZE",      \
      "journal size that starts a snapshot (64MiB)")                                               \
    X(DEDUP_WINDOW, "dedupWindow", "--dedup-window", "HOLDFAST_DEDUP_WINDOW", "TIME",              \
      "how long an idempotency key is known (10min)")                                              \
    X(TOKEN_FILE, "tokenFile", "--token-file", "HOLDFAST_TOKEN_FILE", "FILE",                      \
      "bearer tokens that may use the API")                                                        \
    X(TLS_CERT, "tlsCert", "--tls-cert", "HOLDFAST_TLS_CERT", "FILE", "certificate chain (PEM)")   \
    X(TLS_KEY, "tlsKey", "--tls-key", "HOLDFAST_TLS_KEY", "FILE", "its private key (PEM)")         \
    X(TLS_CLIENT_CA, "tlsClientCa", "--tls-client-ca", "HOLDFAST_TLS_CLIENT_CA", "FILE",           \
      "clients need a certificate of this CA")                                                     \
    X(UNPROTECTED, "unprotected", "--unprotected", "HOLDFAST_UNPROTECTED", NULL,                   \
      "listen beyond this machine without token or TLS")

enum gateway_setting {
#define GATEWAY_ID(id, ...) GATEWAY_##id,
    GATEWAY_SETTINGS(GATEWAY_ID)
#undef GATEWAY_ID
        GATEWAY_SETTING_COUNT
};

/* The level as settings name it. */
const char *log_level_name(enum log_least level);

struct gateway_settings {
    struct place place; /* of the holdfast.v1/gateway document; file NULL: there is none */
    const char *data;
    const char *listen; /* "host:port", "[v6]:port" or "unix:/path" */
    const char *admin;
    uint32_t workers; /* 0: automatic */
    uint32_t shards;
    uint64_t memory_bytes; /* 0: automatic, 50 % of the cgroup's or the host's limit */
    enum log_choice log;
    enum log_least log_level;
    int64_t drain_ms;
    int64_t snapshot_every_ms;
    uint64_t snapshot_bytes;
    int64_t dedup_window_ms;
    const char *token_file; /* paths, or NULL */
    const char *tls_cert;
    const char *tls_key;
    const char *tls_client_ca;
    bool unprotected;
    struct origin origins[GATEWAY_SETTING_COUNT];
};

/* The flags of `holdfast run`: --module first, then those of GATEWAY_SETTINGS. */
const struct flag *gateway_flags(size_t *count);

#endif
