/* See answer.h. */
#include "invoke/answer.h"

#include "invoke/date.h"
#include "invoke/field.h"
#include "invoke/offer.h"
#include "wire/bundle.h"

void answer_init(struct answer *answer)
{
    *answer = (struct answer){0};
    body_init(&answer->body);
    answer_begin(answer, 0);
}

void answer_close(struct answer *answer)
{
    body_close(&answer->body);
}

void answer_begin(struct answer *answer, size_t body_max)
{
    answer->status = 0;
    answer->has_type = answer->is_octet_stream = answer->coding_unknown = answer->unframed = false;
    answer->is_bundle = answer->of_bundle = false;
    answer->retry_after_ms = -1;
    answer->offered = 0;
    answer->content_type[0] = answer->content_encoding[0] = 0;
    answer->location[0] = answer->status_header[0] = 0;
    body_begin(&answer->body, body_max);
    answer->body.excerpt_max = ANSWER_EXCERPT_MAX;
}

/* Only printable ASCII is kept: these texts go to logs and terminals. */
static void keep_text(char text[ANSWER_TEXT_MAX], struct span value)
{
    size_t size = value.size < ANSWER_TEXT_MAX ? value.size : ANSWER_TEXT_MAX - 1;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = value.at[i];
        text[i] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    text[size] = 0;
}

/* A second content-type makes the answer none that we understand. */
static void content_type(struct answer *answer, struct span value)
{
    struct span type = field_trim(field_before(value, ';'));
    answer->is_octet_stream =
        !answer->has_type && field_equal(type, SPAN_LITERAL("application/octet-stream"));
    answer->is_bundle = !answer->has_type && field_equal(type, SPAN_LITERAL(BUNDLE_CONTENT_TYPE));
    answer->has_type = true;
    keep_text(answer->content_type, value);
}

static void content_encoding(struct answer *answer, struct span value)
{
    bool repeated = answer->content_encoding[0] != 0;
    keep_text(answer->content_encoding, value);
    if (repeated)
        answer->coding_unknown = true;
    else if (field_equal(value, SPAN_LITERAL("gzip")) || field_equal(value, SPAN_LITERAL("x-gzip")))
        answer->body.coding = BODY_GZIP;
    else if (field_equal(value, SPAN_LITERAL("deflate")))
        answer->body.coding = BODY_DEFLATE;
    else if (!field_equal(value, SPAN_LITERAL("identity")))
        answer->coding_unknown = true;
}

/* Seconds, or a date. */
static void retry_after(struct answer *answer, struct span value, int64_t wall_us)
{
    uint64_t seconds;
    int64_t at_s, delay_ms;
    if (field_number(value, &seconds)) {
        delay_ms = seconds > ANSWER_RETRY_AFTER_MS_MAX / 1000 ? ANSWER_RETRY_AFTER_MS_MAX
                                                              : (int64_t)seconds * 1000;
    } else if (date_parse(value, &at_s)) {
        int64_t now_s = wall_us / 1000000;
        int64_t delay_s = at_s > now_s ? at_s - now_s : 0;
        delay_ms =
            delay_s > ANSWER_RETRY_AFTER_MS_MAX / 1000 ? ANSWER_RETRY_AFTER_MS_MAX : delay_s * 1000;
    } else {
        return;
    }
    answer->retry_after_ms = delay_ms;
}

/* A list, which may come in several lines. */
static void accept_post(struct answer *answer, struct span value)
{
    uint32_t offered = offer_parse(value);
    if (offered > 0) answer->offered = offered;
}

void answer_header(struct answer *answer, struct span name, struct span value, int64_t wall_us)
{
    /* The size of the name sorts out nearly all headers without a comparison of texts. */
    switch (name.size) {
    case 6:
        if (field_equal(name, SPAN_LITERAL("status"))) keep_text(answer->status_header, value);
        return;
    case 8:
        if (field_equal(name, SPAN_LITERAL("location"))) keep_text(answer->location, value);
        return;
    case 11:
        if (field_equal(name, SPAN_LITERAL("retry-after"))) retry_after(answer, value, wall_us);
        if (field_equal(name, SPAN_LITERAL("accept-post"))) accept_post(answer, value);
        return;
    case 12:
        if (field_equal(name, SPAN_LITERAL("content-type"))) content_type(answer, value);
        return;
    case 16:
        if (field_equal(name, SPAN_LITERAL("content-encoding"))) content_encoding(answer, value);
        return;
    default: return;
    }
}

bool answer_is_result(const struct answer *answer)
{
    if (answer->status / 100 != 2 || answer->coding_unknown) return false;
    /* Outcomes are read as they come: none are taken out of a compressed body. */
    if (answer->of_bundle) return answer->is_bundle && answer->body.coding == BODY_PLAIN;
    return answer->is_octet_stream;
}

void answer_head(struct answer *answer)
{
    struct body *body = &answer->body;
    if (answer->coding_unknown) body->coding = BODY_PLAIN;
    body->flows = answer->of_bundle && answer_is_result(answer);
    if (answer_is_result(answer)) return;
    body->excerpt = true;
    body->bytes_max = ANSWER_EXCERPT_READ_MAX;
}
