#include "egress/path.h"

bool egress_path_take(struct span *path, struct span *segment)
{
    if (path->size == 0 || path->at[0] != '/') return false;
    *path = span_from(*path, 1);
    const uint8_t *slash = path->size == 0 ? NULL : memchr(path->at, '/', path->size);
    size_t size = slash == NULL ? path->size : (size_t)(slash - path->at);
    *segment = span_of(path->at, size);
    *path = span_from(*path, size);
    return true;
}

bool egress_number_parse(struct span text, uint64_t max, uint64_t *number)
{
    if (text.size == 0) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t digit = (uint8_t)(text.at[i] - '0');
        if (digit > 9 || digit > max || value > (max - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

void egress_answer_method(struct http_request *request, const char *allowed)
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
