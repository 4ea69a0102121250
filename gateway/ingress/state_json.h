/* Cells as the shard lists them (shard/event.h, answer_rows), as JSON. */
#ifndef HOLDFAST_INGRESS_STATE_JSON_H
#define HOLDFAST_INGRESS_STATE_JSON_H

#include "base/buffer.h"

/* All values of one address: {"values":{"name":{"type":"…","version":"…","value":…}}}.
 * ERROR_MALFORMED. */
int state_json(struct buffer *out, struct span rows) MUST_USE;

/* One line each:
   {"type":"ns/type","id":"…","name":"…","value_type":"…","version":"…","written_at":ms, "value":…}.
   ERROR_MALFORMED. */
int export_json(struct buffer *out, struct span rows) MUST_USE;

#endif
