/* See verdict.h. */
#include "invoke/verdict.h"

#include <inttypes.h>

/* The beginning of a body for people: one line, printable. Valid UTF-8 is not looked for. */
static void excerpt(char out[ANSWER_EXCERPT_MAX + 1], struct span body)
{
    size_t size = 0;
    for (size_t i = 0; i < body.size && size < ANSWER_EXCERPT_MAX; i++) {
        uint8_t c = body.at[i];
        bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
        if (space && (size == 0 || out[size - 1] == ' ')) continue;
        out[size++] = space ? ' ' : c > ' ' && c < 0x7f ? (char)c : '?';
    }
    while (size > 0 && out[size - 1] == ' ') size--;
    out[size] = 0;
}

static void say(struct event_response *outcome, enum outcome kind, const struct errmsg *text)
{
    outcome->outcome = kind;
    outcome->response = NULL;
    outcome->text = span_text(text->text);
}

static enum outcome outcome_of_status(unsigned status)
{
    switch (status) {
    case 413: return OUTCOME_TOO_LARGE;
    case 404:
    case 429:
    case 502:
    case 503:
    case 504: return OUTCOME_OVERLOADED;
    default: return OUTCOME_BAD_ANSWER;
    }
}

static void refuse_status(const struct answer *answer, struct errmsg *text,
                          struct event_response *outcome)
{
    char body[ANSWER_EXCERPT_MAX + 1];
    excerpt(body, answer->body.bytes);
    if (answer->status / 100 == 3)
        errmsg_set(text, 0, "HTTP %u: redirects are not followed%s%s", answer->status,
                   answer->location[0] != 0 ? ", location: " : "", answer->location);
    else
        errmsg_set(text, 0, "HTTP %u%s%s", answer->status, body[0] != 0 ? ": " : "", body);
    say(outcome, outcome_of_status(answer->status), text);
}

static void refuse_type(const struct answer *answer, struct errmsg *text,
                        struct event_response *outcome)
{
    char body[ANSWER_EXCERPT_MAX + 1];
    excerpt(body, answer->body.bytes);
    const char *colon = body[0] != 0 ? ": " : "";
    if (answer->coding_unknown)
        errmsg_set(text, 0, "HTTP %u with content-encoding %s, which was not asked for",
                   answer->status, answer->content_encoding);
    else if (answer->has_type)
        errmsg_set(text, 0, "HTTP %u with content-type %s instead of application/octet-stream%s%s",
                   answer->status, answer->content_type, colon, body);
    else if (answer->status_header[0] != 0)
        errmsg_set(text, 0,
                   "HTTP %u without content-type application/octet-stream; its Status header says "
                   "%s%s%s",
                   answer->status, answer->status_header, colon, body);
    else
        errmsg_set(text, 0, "HTTP %u without content-type application/octet-stream%s%s",
                   answer->status, colon, body);
    say(outcome, OUTCOME_BAD_ANSWER, text);
}

/* A body that ended with its connection and does not parse was most likely cut: that is the
 * connection's doing. */
static void refuse_body(const struct answer *answer, int error,
                        const struct function_response *response, struct errmsg *text,
                        struct event_response *outcome)
{
    if (error == ERROR_MEMORY) {
        errmsg_set(text, 0, "out of memory while reading the answer");
        say(outcome, OUTCOME_OVERLOADED, text);
        return;
    }
    bool cut = answer->unframed && error == ERROR_MALFORMED;
    errmsg_set(text, 0, "HTTP %u, but its body is no FromFunction%s: %s", answer->status,
               cut ? " (it has no length and may have been cut)" : "", response->errmsg.text);
    say(outcome, cut ? OUTCOME_LOST : OUTCOME_BAD_ANSWER, text);
}

void verdict_of(const struct answer *answer, struct function_response *response,
                struct errmsg *text, struct event_response *outcome)
{
    outcome->retry_after_ms = answer->retry_after_ms;
    if (answer->status / 100 != 2) {
        refuse_status(answer, text, outcome);
    } else if (!answer_is_result(answer)) {
        refuse_type(answer, text, outcome);
    } else {
        static const struct function_limits defaults = {0};
        int error = function_response_parse(response, answer->body.bytes, &defaults);
        if (error != 0) {
            refuse_body(answer, error, response, text, outcome);
            return;
        }
        outcome->outcome = OUTCOME_RESULT;
        outcome->response = response;
        outcome->text = SPAN_EMPTY;
    }
}

void verdict_of_part(const struct bundle_outcome *part, size_t bytes_max,
                     struct function_response *response, struct errmsg *text,
                     struct event_response *outcome)
{
    struct answer answer = {.status = part->kind == BUNDLE_RESULT ? 200 : part->status,
                            .has_type = true,
                            .is_octet_stream = true,
                            .retry_after_ms = part->retry_after_ms,
                            .body.bytes_max = bytes_max,
                            .body.bytes = part->kind == BUNDLE_RESULT ? part->result : part->text};
    if (answer.retry_after_ms > ANSWER_RETRY_AFTER_MS_MAX)
        answer.retry_after_ms = ANSWER_RETRY_AFTER_MS_MAX;
    if (part->result.size > bytes_max && part->kind == BUNDLE_RESULT)
        verdict_of_body_error(&answer, ERROR_TOO_LARGE, text, outcome);
    else
        verdict_of(&answer, response, text, outcome);
}

void verdict_of_body_error(const struct answer *answer, int error, struct errmsg *text,
                           struct event_response *outcome)
{
    outcome->retry_after_ms = answer->retry_after_ms;
    if (error == ERROR_TOO_LARGE && !answer_is_result(answer)) {
        verdict_of(answer, NULL, text, outcome); /* as good as complete: its beginning is known */
        return;
    }
    if (error == ERROR_TOO_LARGE)
        errmsg_set(text, 0,
                   "HTTP %u with a body of more than %zu bytes (payload_max_bytes), or compressed "
                   "beyond reason",
                   answer->status, answer->body.bytes_max);
    else if (error == ERROR_MEMORY)
        errmsg_set(text, 0, "out of memory while reading the answer");
    else
        errmsg_set(text, 0, "HTTP %u, but its compressed body is broken", answer->status);
    say(outcome, error == ERROR_MEMORY ? OUTCOME_OVERLOADED : OUTCOME_BAD_ANSWER, text);
}
