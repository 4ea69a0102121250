/* What stands between a listener and its handlers: tokens, and pages of other sites. */
#ifndef HOLDFAST_ADMIN_GUARD_H
#define HOLDFAST_ADMIN_GUARD_H

#include "admin/token.h"
#include "net/server.h"

/*
 * True: go on. False: the request has been answered with 401 (and WWW-Authenticate) or 403.
 * `tokens` NULL or empty: the listener has none, everybody may. Name_space as in token_allows.
 */
bool guard_request(const struct tokens *tokens, struct http_request *request, enum token_verb verb,
                   struct span name_space) MUST_USE;

/*
 * A browser sends along pages of any site what looks like a plain POST: a request that changes
 * something and comes from another origin is answered with 403. False: answered.
 */
bool guard_origin(struct http_request *request) MUST_USE;

#endif
