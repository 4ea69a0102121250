/* See bundle.h: the function's side. */
#include "base/check.h"
#include "wire/bundle.h"
#include "wire/bundle_fields.h"

static int invocation_decode(struct span bytes, struct bundle_invocation *invocation,
                             struct errmsg *errmsg)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    uint64_t attempt = 0;
    int error;
    *invocation = (struct bundle_invocation){0};
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        switch (field.number) {
        case INVOCATION_TO_FUNCTION:
            error = proto_take_bytes(&field, "to_function", &invocation->to_function, errmsg);
            break;
        case INVOCATION_ID: error = proto_take_text(&field, "id", &invocation->id, errmsg); break;
        case INVOCATION_ATTEMPT:
            error = proto_take_varint(&field, "attempt", &attempt, errmsg);
            break;
        case INVOCATION_TRACEPARENT:
            error = proto_take_text(&field, "traceparent", &invocation->traceparent, errmsg);
            break;
        default: break;
        }
        if (error < 0) return error;
    }
    invocation->attempt = (uint32_t)attempt;
    return error;
}

int bundle_invocation_take(struct span *bytes, struct bundle_invocation *invocation,
                           struct errmsg *errmsg)
{
    struct span content;
    int got = bundle_element_take(bytes, &content, errmsg);
    if (got == 0 && bytes->size > 0)
        return errmsg_set(errmsg, ERROR_MALFORMED, "invocations: cut off");
    if (got <= 0) return got;
    int error = invocation_decode(content, invocation, errmsg);
    return error == 0 ? 1 : proto_within(errmsg, error, "invocation", PROTO_NO_INDEX);
}

static size_t number_size(uint64_t value)
{
    return value == 0 ? 0 : 1 + proto_varint_size(value);
}

static uint8_t *number_put(uint8_t *at, unsigned number, uint64_t value)
{
    return value == 0 ? at : proto_put_number(at, number, value);
}

static uint64_t retry_after(const struct bundle_outcome *outcome)
{
    return outcome->retry_after_ms < 0 ? 0 : (uint64_t)outcome->retry_after_ms;
}

static size_t failure_size(const struct bundle_outcome *outcome)
{
    return number_size(outcome->status) + proto_text_size(outcome->text.size) +
           number_size(retry_after(outcome));
}

static size_t outcome_size(const struct bundle_outcome *outcome)
{
    size_t size = number_size(outcome->index);
    if (outcome->kind == BUNDLE_RESULT) size += proto_bytes_size(outcome->result.size);
    if (outcome->kind == BUNDLE_FAILURE) size += proto_bytes_size(failure_size(outcome));
    return size;
}

static uint8_t *failure_put(uint8_t *at, const struct bundle_outcome *outcome)
{
    at = proto_put_head(at, OUTCOME_FAILURE, failure_size(outcome));
    at = number_put(at, FAILURE_STATUS, outcome->status);
    at = proto_put_text(at, FAILURE_TEXT, outcome->text);
    return number_put(at, FAILURE_RETRY_AFTER, retry_after(outcome));
}

void bundle_outcome_encode(struct buffer *out, const struct bundle_outcome *outcome)
{
    size_t content = outcome_size(outcome);
    size_t size = proto_bytes_size(content);
    if (buffer_reserve(out, size) != 0) return;
    uint8_t *start = out->at + out->size;
    uint8_t *at = proto_put_head(start, BUNDLE_ELEMENT, content);
    at = number_put(at, OUTCOME_INDEX, outcome->index);
    if (outcome->kind == BUNDLE_RESULT)
        at = proto_put_bytes(at, OUTCOME_FROM_FUNCTION, outcome->result);
    if (outcome->kind == BUNDLE_FAILURE) at = failure_put(at, outcome);
    CHECK((size_t)(at - start) == size);
    out->size += size;
}
