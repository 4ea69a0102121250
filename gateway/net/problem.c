/* Errors as people and programs read them: application/problem+json (RFC 9457). */
#include "net/internal.h"

#include "base/buffer.h"
#include "base/check.h"
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

void problem_encode(struct buffer *out, const struct http_problem_document *problem)
{
    buffer_byte(out, '{');
    member_text(out, "type", SPAN_LITERAL("about:blank"));
    member_text(out, "title", span_text(status_reason(problem->status)));
    text_json_member(out, "status");
    text_decimal(out, (uint64_t)problem->status);
    member_text(out, "code", span_text(problem->code));
    member_text(out, "detail", problem->detail);
    if (problem->address.size > 0) member_text(out, "address", problem->address);
    if (problem->members.size > 0) buffer_byte(out, ',');
    buffer_append(out, problem->members);
    text_append(out, "}\n");
}

void http_problem_answer(struct http_request *request, const struct http_problem_document *problem)
{
    struct buffer body;
    char seconds[16];
    size_t count = 0;
    struct http_header headers[HTTP_PROBLEM_HEADERS_MAX + 2];
    CHECK(problem->header_count <= HTTP_PROBLEM_HEADERS_MAX);
    headers[count++] = (struct http_header){SPAN_LITERAL("content-type"),
                                            SPAN_LITERAL("application/problem+json")};
    if (problem->retry_after_s > 0) {
        int digits = snprintf(seconds, sizeof seconds, "%d", problem->retry_after_s);
        headers[count++] =
            (struct http_header){SPAN_LITERAL("retry-after"), span_of(seconds, (size_t)digits)};
    }
    for (size_t i = 0; i < problem->header_count; i++) headers[count++] = problem->headers[i];
    buffer_init(&body);
    problem_encode(&body, problem);
    if (body.failed) buffer_truncate(&body, 0);
    http_answer(request, problem->status, headers, count, buffer_span(&body));
    buffer_close(&body);
}

void http_problem(struct http_request *request, int status, const char *code, const char *detail,
                  struct span address, int retry_after_s)
{
    struct http_problem_document problem = {.status = status,
                                            .code = code,
                                            .detail = span_text(detail),
                                            .address = address,
                                            .retry_after_s = retry_after_s};
    http_problem_answer(request, &problem);
}
