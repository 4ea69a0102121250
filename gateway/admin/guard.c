#include "admin/guard.h"

static void answer_unauthorized(struct http_request *request, const char *code, struct span detail)
{
    const struct http_header challenge = {SPAN_LITERAL("www-authenticate"), SPAN_LITERAL("Bearer")};
    const struct http_problem_document problem = {
        .status = 401, .code = code, .detail = detail, .headers = &challenge, .header_count = 1};
    http_problem_answer(request, &problem);
}

bool guard_request(const struct tokens *tokens, struct http_request *request, enum token_verb verb,
                   struct span name_space)
{
    if (tokens == NULL || tokens->count == 0) return true;
    switch (token_allows(tokens, http_header(request, "authorization"), verb, name_space)) {
    case TOKEN_ALLOWED: return true;
    case TOKEN_MISSING:
        answer_unauthorized(
            request, "token-missing",
            SPAN_LITERAL("This listener wants a token: send the header Authorization: "
                         "Bearer TOKEN."));
        return false;
    case TOKEN_UNKNOWN:
        answer_unauthorized(request, "token-unknown",
                            SPAN_LITERAL("The token is not in the token file of this gateway."));
        return false;
    case TOKEN_FORBIDDEN: break;
    }
    http_problem(request, 403, "token-forbidden",
                 "The token is known, but its line in the token file does not allow this verb or "
                 "this namespace.",
                 SPAN_EMPTY, 0);
    return false;
}

/* "https://host:port" without its scheme. */
static struct span authority_of(struct span origin)
{
    for (size_t i = 0; i + 3 <= origin.size; i++)
        if (memcmp(origin.at + i, "://", 3) == 0) return span_from(origin, i + 3);
    return SPAN_EMPTY;
}

bool guard_origin(struct http_request *request)
{
    struct span origin = http_header(request, "origin");
    if (origin.at == NULL) return true;
    struct span authority = authority_of(origin);
    if (authority.size > 0 && span_equal(authority, http_header(request, "host"))) return true;
    http_problem(request, 403, "foreign-origin",
                 "A page of another site may not change anything here.", SPAN_EMPTY, 0);
    return false;
}
