/*
 * The playground's HTTP ingress, made durable: any method on /namespace/type/id, the body is the
 * message. As there, Content-Type: application/vnd.<ns>/<name> names the type and everything else
 * is io.statefun.types/string with the body as it is (not wrapped), and a header "Status" tells how
 * it went. Other than there, the status line tells it too, parameters of the content type are left
 * out of the name, and 200 means durable.
 */
#include "ingress/room.h"

#include "base/text.h"
#include "wire/function.h"

#include <stdio.h>
#include <strings.h>

#define VENDOR "application/vnd."

static void answer_status(struct http_request *request, int status, const char *code,
                          struct span detail, struct span subject, int retry_after_s)
{
    char digits[8];
    int size = snprintf(digits, sizeof digits, "%d", status);
    struct http_header header = {SPAN_LITERAL("status"), span_of(digits, (size_t)size)};
    struct http_problem_document problem = {.status = status,
                                            .code = code,
                                            .detail = detail,
                                            .address = subject,
                                            .retry_after_s = retry_after_s,
                                            .headers = &header,
                                            .header_count = 1};
    if (status == 200)
        http_answer(request, status, &header, 1, SPAN_EMPTY);
    else
        http_problem_answer(request, &problem);
}

/* Exactly three segments, none of them empty. */
static bool split_path(struct span path, struct span parts[3])
{
    for (int i = 0; i < 3; i++) {
        if (path.size < 2 || path.at[0] != '/') return false;
        struct span rest = span_from(path, 1);
        const uint8_t *end = memchr(rest.at, '/', rest.size);
        parts[i] = end == NULL ? rest : span_of(rest.at, (size_t)(end - rest.at));
        path = span_of(rest.at + parts[i].size, rest.size - parts[i].size);
    }
    return path.size == 0;
}

/* The parts decoded and joined; false: answered. */
static bool read_target(struct http_request *request, struct target *target)
{
    struct span parts[3];
    bool whole = split_path(request->path, parts);
    for (int i = 0; whole && i < 3; i++) whole = http_decode(request, parts[i], &parts[i]) == 0;
    if (!whole) {
        answer_status(request, 400, "malformed-path",
                      SPAN_LITERAL("The path has to be /namespace/type/id, percent-encoded."),
                      request->path, 0);
        return false;
    }
    const char *fault = target_join(request, parts[0], parts[1], parts[2], target);
    if (http_header(request, "idempotency-key").size > KEY_SIZE_MAX)
        fault = "Idempotency-Key has to have 1 to 255 bytes.";
    if (fault != NULL)
        answer_status(request, 400, "invalid-address", span_text(fault), target->subject, 0);
    return fault == NULL;
}

static struct span type_of(struct http_request *request)
{
    struct span media_type = http_header(request, "content-type");
    size_t start = strlen(VENDOR);
    if (media_type.size <= start || strncasecmp((const char *)media_type.at, VENDOR, start) != 0)
        return TYPE_STRING;
    struct span name = span_from(media_type, start);
    const uint8_t *end = memchr(name.at, ';', name.size);
    if (end != NULL) name.size = (size_t)(end - name.at);
    while (name.size > 0 && name.at[name.size - 1] == ' ') name.size--;
    return name_valid(name) ? name : TYPE_STRING;
}

static void accepted(struct exchange *exchange, const struct shard_answer *answer)
{
    (void)answer;
    answer_status(exchange->request, 200, NULL, SPAN_EMPTY, SPAN_EMPTY, 0);
}

static void refused(struct exchange *exchange, const struct refusal *refusal)
{
    answer_status(exchange->request, refusal->status, refusal->code, refusal->detail,
                  exchange->subject, refusal->retry_after_s);
}

static void submit(struct ingress *ingress, struct http_request *request,
                   const struct target *target)
{
    struct buffer argument;
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .message = {.target = target->address, .delay_ms = -1}};
    buffer_init(&argument);
    typed_value_encode(&argument, type_of(request), request->body);
    if (argument.failed) {
        answer_status(request, 503, "full",
                      SPAN_LITERAL("The gateway is out of memory: try again."), target->subject, 1);
    } else {
        struct exchange *exchange = exchange_make(ingress, request, target->subject);
        exchange->done = accepted;
        exchange->refused = refused;
        event.message.argument = buffer_span(&argument);
        event.message.key = http_header(request, "idempotency-key");
        exchange_submit(exchange, &event);
    }
    buffer_close(&argument);
}

void ingress_playground_handle(void *context, struct http_request *request)
{
    struct ingress *ingress = context;
    struct target target;
    if (ingress->draining || ingress->disk_full) {
        answer_status(request, 503, ingress->draining ? "draining" : "disk-full",
                      SPAN_LITERAL("The gateway does not accept messages now: try again."),
                      SPAN_EMPTY, 1);
        return;
    }
    if (!read_target(request, &target)) return;
    if (access_allowed(ingress, request, ACCESS_SEND, target.name_space))
        submit(ingress, request, &target);
}
