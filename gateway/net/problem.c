/* Errors as people and programs read them: application/problem+json (RFC 9457). */
#include "net/internal.h"

#include "base/buffer.h"
#include "base/text.h"

#include <stdio.h>

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {302, "Found"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

const char *status_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return status < 400 ? "OK" : "Error";
}

static void member_text(struct buffer *out, const char *name, struct span value)
{
    text_json_member(out, name);
    text_json_string(out, value);
}

void problem_encode(struct buffer *out, int status, const char *code, const char *detail,
                    struct span address)
{
    buffer_byte(out, '{');
    member_text(out, "type", SPAN_LITERAL("about:blank"));
    member_text(out, "title", span_text(status_reason(status)));
    text_json_member(out, "status");
    text_decimal(out, (uint64_t)status);
    member_text(out, "code", span_text(code));
    member_text(out, "detail", span_text(detail));
    if (address.size > 0) member_text(out, "address", address);
    text_append(out, "}\n");
}

void http_problem(struct http_request *request, int status, const char *code, const char *detail,
                  struct span address, int retry_after_s)
{
    struct buffer body;
    char seconds[16];
    struct http_header headers[] = {
        {SPAN_LITERAL("content-type"), SPAN_LITERAL("application/problem+json")},
        {SPAN_LITERAL("retry-after"), SPAN_EMPTY},
    };
    buffer_init(&body);
    problem_encode(&body, status, code, detail, address);
    if (body.failed) buffer_truncate(&body, 0);
    int digits = snprintf(seconds, sizeof seconds, "%d", retry_after_s);
    headers[1].value = span_of(seconds, (size_t)digits);
    http_answer(request, status, headers, retry_after_s > 0 ? 2 : 1, buffer_span(&body));
    buffer_close(&body);
}
