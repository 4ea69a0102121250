/* The rows of several shards as those of one: what has to be read of them. */
#ifndef HOLDFAST_APP_GATHER_H
#define HOLDFAST_APP_GATHER_H

#include "app/switchboard.h"
#include "base/buffer.h"

/* The id of the last of the rows {"id":"…"}, one a line. */
void gather_last_id(struct span rows, struct buffer *id);
/* Rows of QUERY_FUNCTIONS: one for each function, with the sums. ERROR_MEMORY, ERROR_MALFORMED. */
int gather_sum_functions(struct buffer *rows) MUST_USE;

#endif
