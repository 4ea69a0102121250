/* See room.h. One table, so that every route refuses the same thing in the same words. */
#include "ingress/room.h"

#include "base/text.h"

struct rule {
    enum answer_kind kind;
    int status;
    const char *code;
    const char *detail;
    bool own_text; /* the shard's text says it better, when it gives one */
    int retry_after_s;
};

static const struct rule rules[] = {
    {ANSWER_UNKNOWN_FUNCTION, 404, "unknown-function",
     "No endpoint of module.yaml serves this function type: check its spelling, or add an "
     "endpoint.",
     false, 0},
    {ANSWER_INTERNAL, 403, "not-exposed",
     "This function takes messages from other functions only (expose: false).", false, 0},
    {ANSWER_RESERVED, 403, "reserved-name", "The namespace holdfast is reserved.", false, 0},
    {ANSWER_INVALID, 400, "invalid", "The request is not valid.", true, 0},
    {ANSWER_NOT_FOUND, 404, "not-found", "There is nothing of this name.", true, 0},
    {ANSWER_CONFLICT, 422, "idempotency-key-reused",
     "This idempotency key was used with another body: use a new key for a new message.", true, 0},
    {ANSWER_MISMATCH, 412, "version-mismatch",
     "The value has another version than the one in If-Match: read it again.", false, 0},
    {ANSWER_TOO_LARGE, 413, "too-large", "The message is over the limit of this function.", true,
     0},
    {ANSWER_FULL, 429, "full", "The gateway has no room for more work now: try again.", true, 1},
    {ANSWER_PARKED, 500, "parked",
     "The function keeps failing on a message of this address, and the address has been parked.",
     true, 0},
    {ANSWER_UNKNOWN_EGRESS, 404, "unknown-egress", "No egress of module.yaml has this name.", true,
     0},
};

static const struct rule *rule_of(enum answer_kind kind)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].kind == kind) return &rules[i];
    return NULL;
}

static bool mentions(struct span text, const char *words)
{
    return text.size > 0 && memmem(text.at, text.size, words, strlen(words)) != NULL;
}

bool refusal_of(const struct ingress *ingress, const struct shard_answer *answer,
                struct refusal *refusal)
{
    const struct rule *rule = rule_of(answer->kind);
    if (rule == NULL) return false;
    bool own = rule->own_text && answer->text.size > 0;
    *refusal = (struct refusal){rule->status, rule->code,
                                own ? answer->text : span_text(rule->detail), rule->retry_after_s};
    if (answer->kind == ANSWER_CONFLICT && mentions(answer->text, "cancel token")) {
        refusal->status = 409;
        refusal->code = "cancel-token-in-use";
    } else if (answer->kind == ANSWER_FULL &&
               (ingress->draining || ingress->disk_full || ingress->disk_hangs)) {
        refusal->status = 503;
    }
    return true;
}

void refusal_answer(struct http_request *request, const struct refusal *refusal,
                    struct span subject, struct span message_id)
{
    struct buffer members;
    struct http_header header = {SPAN_LITERAL("holdfast-message"), message_id};
    struct http_problem_document problem = {.status = refusal->status,
                                            .code = refusal->code,
                                            .detail = refusal->detail,
                                            .address = subject,
                                            .retry_after_s = refusal->retry_after_s};
    buffer_init(&members);
    if (message_id.size > 0) {
        text_append(&members, "\"message\":");
        text_json_string(&members, message_id);
        problem.headers = &header;
        problem.header_count = 1;
    }
    problem.members = buffer_span(&members);
    http_problem_answer(request, &problem);
    buffer_close(&members);
}

bool refuse_new_work(struct ingress *ingress, struct http_request *request)
{
    if (ingress->draining) {
        http_problem(request, 503, "draining", "The gateway is going down: try again.", SPAN_EMPTY,
                     1);
    } else if (ingress->disk_full) {
        http_problem(request, 503, "disk-full",
                     "The gateway's disk is full: nothing new is accepted until there is room.",
                     SPAN_EMPTY, 10);
    } else if (ingress->disk_hangs) {
        http_problem(request, 503, "disk-hangs",
                     "The gateway's disk does not answer: nothing new is accepted until it does.",
                     SPAN_EMPTY, 10);
    }
    return ingress->draining || ingress->disk_full || ingress->disk_hangs;
}

bool access_allowed(struct ingress *ingress, struct http_request *request,
                    enum ingress_access access, struct span name_space)
{
    const struct ingress_options *options = &ingress->options;
    return options->allow == NULL ||
           options->allow(options->allow_context, request, access, name_space);
}
