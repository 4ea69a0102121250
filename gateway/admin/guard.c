#include "admin/guard.h"

/* The host of "host:port", without brackets. */
static struct span host_of(const char *address)
{
    struct span whole = span_text(address);
    if (whole.size > 0 && whole.at[0] == '[') {
        const uint8_t *end = memchr(whole.at, ']', whole.size);
        return end == NULL ? whole : span_of(whole.at + 1, (size_t)(end - whole.at - 1));
    }
    const char *colon = strrchr(address, ':');
    return colon == NULL ? whole : span_of(whole.at, (size_t)(colon - address));
}

/* Four numbers, the first of them 127: "127.example.org" is somebody else. */
static bool is_loopback_v4(struct span host)
{
    if (!span_starts_with(host, SPAN_LITERAL("127."))) return false;
    size_t dots = 0;
    for (size_t i = 0; i < host.size; i++) {
        if (host.at[i] == '.')
            dots++;
        else if (host.at[i] < '0' || host.at[i] > '9')
            return false;
    }
    return dots == 3;
}

bool guard_is_local(const char *address)
{
    if (span_starts_with(span_text(address), SPAN_LITERAL("unix:"))) return true;
    struct span host = host_of(address);
    return is_loopback_v4(host) || span_equal(host, SPAN_LITERAL("::1")) ||
           span_equal(host, SPAN_LITERAL("localhost"));
}

int guard_listener(const struct guard_facts *facts, struct errmsg *errmsg)
{
    if (facts->has_tokens || facts->has_client_ca || facts->unprotected) return 0;
    if (guard_is_local(facts->address)) return 0;
    return errmsg_set(errmsg, ERROR_REFUSED,
                      "%s %s can be reached from other machines: give --token-file FILE or "
                      "--tls-client-ca FILE, or say --unprotected if something else guards it",
                      facts->flag, facts->address);
}

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
