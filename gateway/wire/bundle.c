/* See bundle.h: the gateway's side. */
#include "wire/bundle.h"

#include "base/check.h"
#include "wire/bundle_fields.h"

enum { STATUS_MIN = 300, STATUS_MAX = 599 };

static size_t content_size(const struct bundle_part *part, size_t to_function)
{
    return proto_bytes_size(to_function) + proto_text_size(part->id.size) + 1 +
           proto_varint_size(part->attempt) + proto_text_size(part->traceparent.size);
}

size_t bundle_part_size(const struct bundle_part *part)
{
    return proto_bytes_size(content_size(part, function_request_size(part->request)));
}

void bundle_part_encode(struct buffer *out, const struct bundle_part *part)
{
    size_t to_function = function_request_size(part->request);
    size_t content = content_size(part, to_function);
    if (buffer_reserve(out, proto_bytes_size(content)) != 0) return;
    uint8_t *start = out->at + out->size;
    uint8_t *at = proto_put_head(start, BUNDLE_ELEMENT, content);
    at = proto_put_text(at, INVOCATION_ID, part->id);
    at = proto_put_number(at, INVOCATION_ATTEMPT, part->attempt);
    at = proto_put_text(at, INVOCATION_TRACEPARENT, part->traceparent);
    at = proto_put_head(at, INVOCATION_TO_FUNCTION, to_function);
    out->size += (size_t)(at - start);
    function_request_encode(out, part->request);
    CHECK(out->size == (size_t)(start - out->at) + proto_bytes_size(content));
}

static int take_number(const struct proto_field *field, const char *name, uint64_t max,
                       uint64_t *value, struct errmsg *errmsg)
{
    int error = proto_take_varint(field, name, value, errmsg);
    if (error != 0 || *value <= max) return error;
    return errmsg_set(errmsg, ERROR_MALFORMED, "%s: over %llu", name, (unsigned long long)max);
}

static int failure_decode(struct span bytes, struct bundle_outcome *outcome, struct errmsg *errmsg)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    uint64_t status = 0, delay_ms = 0;
    int error;
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        switch (field.number) {
        case FAILURE_STATUS:
            error = take_number(&field, "status", STATUS_MAX, &status, errmsg);
            break;
        case FAILURE_TEXT: error = proto_take_text(&field, "text", &outcome->text, errmsg); break;
        case FAILURE_RETRY_AFTER:
            error = take_number(&field, "retry_after_ms", FUNCTION_TIME_MS_MAX, &delay_ms, errmsg);
            break;
        default: break;
        }
        if (error < 0) return error;
    }
    if (error < 0) return error;
    if (status < STATUS_MIN) return errmsg_set(errmsg, ERROR_MALFORMED, "status: not 300 to 599");
    outcome->status = (uint32_t)status;
    outcome->retry_after_ms = delay_ms == 0 ? -1 : (int64_t)delay_ms;
    return 0;
}

/* The last member of the oneof wins. One that is given in two parts would have to be put together;
   nobody writes that. */
static int take_kind(enum bundle_outcome_kind kind, struct bundle_outcome *outcome,
                     struct errmsg *errmsg)
{
    if (outcome->kind == kind) return errmsg_set(errmsg, ERROR_MALFORMED, ": given twice");
    outcome->kind = kind;
    return 0;
}

static int take_result(const struct proto_field *field, struct bundle_outcome *outcome,
                       struct errmsg *errmsg)
{
    int error = take_kind(BUNDLE_RESULT, outcome, errmsg);
    return error != 0 ? error : proto_take_bytes(field, "from_function", &outcome->result, errmsg);
}

static int take_failure(const struct proto_field *field, struct bundle_outcome *outcome,
                        struct errmsg *errmsg)
{
    struct span bytes;
    int error = take_kind(BUNDLE_FAILURE, outcome, errmsg);
    if (error != 0) return error;
    error = proto_take_bytes(field, "failure", &bytes, errmsg);
    if (error == 0) error = failure_decode(bytes, outcome, errmsg);
    return error == 0 ? 0 : proto_within(errmsg, error, "failure", PROTO_NO_INDEX);
}

static int outcome_decode(struct span bytes, struct bundle_outcome *outcome, struct errmsg *errmsg)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    uint64_t index = 0;
    int error;
    *outcome = (struct bundle_outcome){.kind = BUNDLE_UNDONE, .retry_after_ms = -1};
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        switch (field.number) {
        case OUTCOME_INDEX: error = take_number(&field, "index", UINT32_MAX, &index, errmsg); break;
        case OUTCOME_FROM_FUNCTION: error = take_result(&field, outcome, errmsg); break;
        case OUTCOME_FAILURE: error = take_failure(&field, outcome, errmsg); break;
        default: break;
        }
        if (error < 0) return error;
    }
    outcome->index = (uint32_t)index;
    return error;
}

int bundle_outcome_take(struct span *bytes, struct bundle_outcome *outcome, struct errmsg *errmsg)
{
    struct span content;
    int got = bundle_element_take(bytes, &content, errmsg);
    if (got <= 0) return got;
    int error = outcome_decode(content, outcome, errmsg);
    return error == 0 ? 1 : proto_within(errmsg, error, "outcome", PROTO_NO_INDEX);
}
