/*
 * The metrics: one table of what each is called, means and comes from. /metrics is printed from it
 * and docs/metrics.md is generated from it, so that the two cannot disagree.
 */
#ifndef HOLDFAST_ADMIN_METRICS_H
#define HOLDFAST_ADMIN_METRICS_H

#include "admin/sample.h"
#include "base/buffer.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* What the field's struct is: one sample line for each. */
enum metric_scope {
    METRIC_PROCESS,  /* struct admin_sample */
    METRIC_FUNCTION, /* struct sample_function, label function */
    METRIC_EGRESS,   /* struct sample_egress, label egress */
    METRIC_SHARD,    /* struct sample_shard, label shard */
};

/* What the field is. */
enum metric_form {
    METRIC_NUMBER, /* uint64_t */
    METRIC_MICROS, /* uint64_t microseconds, shown as seconds */
    METRIC_AGE,    /* the same, int64_t; negative: not shown */
    METRIC_ARRAY,  /* uint64_t[label_count], label `label` */
    METRIC_SIZES,  /* struct admin_histogram over `bounds` */
    METRIC_TIMES,  /* the same of microseconds, shown as seconds */
    METRIC_BUILD,  /* no field: 1, with the build's labels */
};

struct metric {
    const char *name;
    enum metric_type type;
    const char *unit;
    const char *help;
    enum metric_scope scope;
    enum metric_form form;
    size_t offset; /* of the field, in the struct of its scope */
    const char *label;
    const char *const *label_values; /* METRIC_ARRAY */
    size_t label_count;
    const struct admin_bounds *bounds; /* histograms */
};

extern const struct metric metrics_table[];
extern const size_t metrics_count;

/* Which program this is: static texts. */
struct admin_build {
    const char *version;
    const char *commit;
    const char *compiler;
    const char *options; /* "release", "asan"… */
    uint32_t journal_format;
    uint32_t snapshot_format;
};

/* Prometheus text format 0.0.4. Sticky failure as in buffer.h. */
void metrics_text(struct buffer *out, const struct admin_sample *sample,
                  const struct admin_build *build);
/* docs/metrics.md. */
void metrics_document(struct buffer *out);

#endif
