/* Percent-encoding (RFC 3986, 2.1). */
#ifndef HOLDFAST_NET_PERCENT_H
#define HOLDFAST_NET_PERCENT_H

#include "base/error.h"
#include "base/span.h"

/* `out` has room for encoded.size bytes. `plus` = '+' stands for a space, as in queries.
   ERROR_MALFORMED: a '%' without two hexadecimal digits. */
int percent_decode(struct span encoded, bool plus, uint8_t *out, size_t *size) MUST_USE;

#endif
