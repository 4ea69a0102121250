/* See value.h. */
#include "ingress/value.h"

#include "base/check.h"
#include "base/name.h"
#include "base/utf8.h"
#include "wire/function.h"

#include <ctype.h>
#include <strings.h>

#define VENDOR "application/vnd."

static bool starts_with_text(struct span text, const char *start)
{
    size_t size = strlen(start);
    return text.size >= size && strncasecmp((const char *)text.at, start, size) == 0;
}

static bool is_text(struct span text, const char *other)
{
    return text.size == strlen(other) && starts_with_text(text, other);
}

/* "a/b; c=d" is "a/b" without its parameters. */
static struct span without_parameters(struct span media_type)
{
    const uint8_t *end = media_type.size == 0 ? NULL : memchr(media_type.at, ';', media_type.size);
    size_t size = end == NULL ? media_type.size : (size_t)(end - media_type.at);
    while (size > 0 && media_type.at[size - 1] == ' ') size--;
    return span_of(media_type.at, size);
}

/* Of text/plain: anything but UTF-8 would have to be converted first. */
static bool is_utf8_charset(struct span media_type)
{
    static const char parameter[] = "charset=";
    for (size_t i = 0; i + strlen(parameter) <= media_type.size; i++) {
        struct span rest = span_from(media_type, i);
        if (!starts_with_text(rest, parameter)) continue;
        struct span value = without_parameters(span_from(rest, strlen(parameter)));
        return is_text(value, "utf-8") || is_text(value, "\"utf-8\"") || is_text(value, "us-ascii");
    }
    return true;
}

/* Media types are the same in any case, names are not. */
static struct span lower(struct http_request *request, struct span text)
{
    uint8_t *copy = http_alloc(request, text.size);
    for (size_t i = 0; i < text.size; i++) copy[i] = (uint8_t)tolower(text.at[i]);
    return span_of(copy, text.size);
}

static struct span type_of_media(struct http_request *request, struct span media_type)
{
    struct span plain = without_parameters(media_type);
    struct span vendor = span_from(plain, strlen(VENDOR));
    if (starts_with_text(plain, VENDOR) && vendor.size > 0 &&
        memchr(vendor.at, '/', vendor.size) != NULL)
        return vendor;
    if (is_text(plain, "text/plain")) return TYPE_STRING;
    return lower(request, plain);
}

static bool refuse(struct http_request *request, struct span subject, int status, const char *code,
                   const char *detail)
{
    http_problem(request, status, code, detail, subject, 0);
    return false;
}

static bool read_type(struct http_request *request, struct span subject, struct span media_type,
                      struct span *type_name)
{
    struct span given = http_header(request, "holdfast-type");
    *type_name = given.at != NULL        ? given
                 : media_type.at == NULL ? SPAN_LITERAL("application/octet-stream")
                                         : type_of_media(request, media_type);
    if (name_valid(*type_name)) return true;
    if (given.at != NULL)
        return refuse(request, subject, 400, "invalid-type",
                      "Holdfast-Type has to be namespace/name, at most 256 bytes.");
    return refuse(request, subject, 415, "invalid-type",
                  "Content-Type has to be a media type, or application/vnd.<namespace>/<name>.");
}

bool value_read(struct http_request *request, struct span subject, struct buffer *scratch,
                struct value *value)
{
    struct span media_type = http_header(request, "content-type");
    if (!read_type(request, subject, media_type, &value->type_name)) return false;
    value->bytes = request->body;
    value->loan = NULL;
    if (!span_equal(value->type_name, TYPE_STRING) ||
        !is_text(without_parameters(media_type), "text/plain"))
        return true;
    if (!is_utf8_charset(media_type))
        return refuse(request, subject, 415, "unsupported-charset", "Text has to be UTF-8.");
    if (!utf8_valid(request->body))
        return refuse(request, subject, 400, "invalid-text",
                      "The body is text/plain but not valid UTF-8.");
    string_wrapper_encode(scratch, request->body);
    if (scratch->failed)
        return refuse(request, subject, 503, "full", "The gateway is out of memory: try again.");
    value->bytes = buffer_span(scratch);
    return true;
}

/* -- Answers -- */

static bool looks_like_media_type(struct span type_name)
{
    static const char kinds[][12] = {"application", "text",  "image",     "audio",  "video",
                                     "font",        "model", "multipart", "message"};
    const uint8_t *slash = type_name.size == 0 ? NULL : memchr(type_name.at, '/', type_name.size);
    if (slash == NULL || slash - type_name.at >= (ptrdiff_t)sizeof kinds[0]) return false;
    struct span kind = span_of(type_name.at, (size_t)(slash - type_name.at));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (span_equal(kind, span_text(kinds[i]))) return true;
    return false;
}

struct span value_media_type(struct http_request *request, struct value *value)
{
    struct span text;
    if (span_equal(value->type_name, TYPE_STRING) &&
        string_wrapper_parse(value->bytes, &text) == 0) {
        value->bytes = text;
        return SPAN_LITERAL("text/plain; charset=utf-8");
    }
    if (looks_like_media_type(value->type_name)) return value->type_name;
    size_t size = strlen(VENDOR) + value->type_name.size;
    uint8_t *media_type = http_alloc(request, size);
    memcpy(media_type, VENDOR, strlen(VENDOR));
    if (value->type_name.size > 0)
        memcpy(media_type + strlen(VENDOR), value->type_name.at, value->type_name.size);
    return span_of(media_type, size);
}

static void return_loan(void *context)
{
    shard_loan_return(context);
}

void value_answer(struct http_request *request, struct value value, const struct http_header *more,
                  size_t count)
{
    struct http_header headers[6];
    CHECK(count <= 4);
    struct span media_type = value_media_type(request, &value);
    headers[0] = (struct http_header){SPAN_LITERAL("content-type"), media_type};
    headers[1] = (struct http_header){SPAN_LITERAL("holdfast-type"), value.type_name};
    for (size_t i = 0; i < count; i++) headers[2 + i] = more[i];
    if (value.loan == NULL) {
        http_answer(request, 200, headers, 2 + count, value.bytes);
        return;
    }
    shard_loan_keep(value.loan);
    http_answer_lent(request, 200, headers, 2 + count, value.bytes, return_loan, value.loan);
}
