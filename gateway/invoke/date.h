/* The date format of HTTP: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7, the form that servers
 * must send). */
#ifndef HOLDFAST_INVOKE_DATE_H
#define HOLDFAST_INVOKE_DATE_H

#include "base/span.h"

/* Seconds since 1970. */
bool date_parse(struct span text, int64_t *seconds);

#endif
