/* One request and its answer on an HTTP/1.1 connection. */
#ifndef HOLDFAST_INVOKE_EXCHANGE_H
#define HOLDFAST_INVOKE_EXCHANGE_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct call;

/* Sends the call. False: it has failed for want of memory, and the connection is as free as before.
 */
bool exchange_begin(struct connection *connection, struct call *call);
/* Something came, or the socket takes more. May close the connection. */
void exchange_ready(struct connection *connection, uint32_t events);
/* It is its turn to be read. May close the connection. */
void exchange_read(struct connection *connection);

#endif
