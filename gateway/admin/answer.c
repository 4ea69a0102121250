/* The few kinds of answers that the routes share. */
#include "admin/internal.h"

void admin_answer_text(struct http_request *request, int status, const char *content_type,
                       struct span text)
{
    const struct http_header headers[] = {
        {SPAN_LITERAL("content-type"), span_text(content_type)},
        {SPAN_LITERAL("cache-control"), SPAN_LITERAL("no-store")},
    };
    http_answer(request, status, headers, 2, text);
}

void admin_answer_no_memory(struct http_request *request)
{
    http_problem(request, 503, "out-of-memory", "The gateway is out of memory: try again.",
                 SPAN_EMPTY, 1);
}

void admin_answer_json(struct http_request *request, struct buffer *json)
{
    if (json->failed)
        admin_answer_no_memory(request);
    else
        admin_answer_text(request, 200, "application/json", buffer_span(json));
}

void admin_answer_method(struct http_request *request, const char *allowed)
{
    const struct http_header header = {SPAN_LITERAL("allow"), span_text(allowed)};
    const struct http_problem_document problem = {
        .status = 405,
        .code = "method-not-allowed",
        .detail = SPAN_LITERAL("The Allow header says which methods this path takes."),
        .headers = &header,
        .header_count = 1};
    http_problem_answer(request, &problem);
}

bool admin_path_take(struct span *path, struct span *segment)
{
    if (path->size == 0 || path->at[0] != '/') return false;
    *path = span_from(*path, 1);
    const uint8_t *slash = path->size == 0 ? NULL : memchr(path->at, '/', path->size);
    size_t size = slash == NULL ? path->size : (size_t)(slash - path->at);
    *segment = span_of(path->at, size);
    *path = span_from(*path, size);
    return true;
}
