/* Who may: asked by this room, answered by the app, which knows the tokens. */
#ifndef HOLDFAST_EGRESS_ALLOW_H
#define HOLDFAST_EGRESS_ALLOW_H

#include "net/server.h"

/* Whether the request may use egresses of the namespace; false: it has been answered (401, 403). */
typedef bool egress_allow(void *context, struct http_request *request, struct span name_space);

#endif
