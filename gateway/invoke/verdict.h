/*
 * What a complete answer means for the shard. The rules: success is 2xx, content-type
 * application/octet-stream and a body that parses. Everything else is a failure that names its
 * reason, above all the empty 200 that servers send who put the status into a header: taken as a
 * success, it would lose messages in silence.
 */
#ifndef HOLDFAST_INVOKE_VERDICT_H
#define HOLDFAST_INVOKE_VERDICT_H

#include "invoke/answer.h"
#include "shard/event.h"
#include "wire/bundle.h"

/* Fills everything but the flight. `response` and `text` are the caller's memory for what the
 * outcome points to. */
void verdict_of(const struct answer *answer, struct function_response *response,
                struct errmsg *text, struct event_response *outcome);

/* The same for one part of an answer to many addresses, which is not BUNDLE_UNDONE; its result may
 * have so many bytes. */
void verdict_of_part(const struct bundle_outcome *part, size_t bytes_max,
                     struct function_response *response, struct errmsg *text,
                     struct event_response *outcome);

/* For an answer that could not be read to its end because body_add or body_end failed with `error`.
 */
void verdict_of_body_error(const struct answer *answer, int error, struct errmsg *text,
                           struct event_response *outcome);

#endif
