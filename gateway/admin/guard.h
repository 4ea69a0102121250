/* What stands between a listener and its handlers: protected mode, tokens, and pages of other
 * sites. */
#ifndef HOLDFAST_ADMIN_GUARD_H
#define HOLDFAST_ADMIN_GUARD_H

#include "admin/token.h"
#include "net/server.h"

/* What protects a listener, for guard_listener. */
struct guard_facts {
    const char *flag;    /* for messages: "--listen" */
    const char *address; /* "127.0.0.1:7400", "[::1]:0", "unix:/path", ":7400" */
    bool has_tokens;
    bool has_client_ca;
    bool unprotected; /* --unprotected was given */
};

/* Only this machine can reach it: 127.0.0.0/8, [::1], localhost, a Unix socket. */
bool guard_is_local(const char *address);

/*
 * Protected mode: a listener that others can reach needs tokens, client certificates or the
 * explicit wish to have neither. ERROR_REFUSED, with what to do in errmsg.
 */
int guard_listener(const struct guard_facts *facts, struct errmsg *errmsg) MUST_USE;

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
