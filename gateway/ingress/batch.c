/* The two requests of many lines: messages to send, and state to bring in. */
#include "ingress/lines.h"

#include "base/quantity.h"
#include "base/text.h"
#include "base/utf8.h"
#include "wire/function.h"

/* -- POST /v1/batch -- */

/* "ns/type/id": the id is what follows the second '/', and may have more of them. */
static const char *split_address(struct line_input *input, struct span text,
                                 struct address *address)
{
    const uint8_t *first = text.size == 0 ? NULL : memchr(text.at, '/', text.size);
    if (first == NULL) return "\"to\" has to be namespace/type/id";
    size_t after_first = (size_t)(first - text.at) + 1;
    const uint8_t *second = memchr(first + 1, '/', text.size - after_first);
    if (second == NULL) return "\"to\" has to be namespace/type/id";
    size_t type_size = (size_t)(second - text.at);
    *address = (struct address){span_of(text.at, type_size), span_from(text, type_size + 1)};
    input->name_space = span_of(text.at, after_first - 1);
    return address_fault(*address);
}

static const char *read_delay(struct line_input *input, struct event_message *message)
{
    struct span text;
    const char *fault = line_string(input, "delay", &text);
    message->delay_ms = -1;
    if (fault != NULL || text.at == NULL) return fault;
    return duration_parse(text, &message->delay_ms) == 0 ? NULL
                                                         : "delay has to be a duration such as 5s";
}

static const char *check_message(const struct event_message *message)
{
    if (message->key.at != NULL && (message->key.size == 0 || message->key.size > KEY_SIZE_MAX))
        return "key has to have 1 to 255 bytes";
    if (message->cancel_token.at == NULL) return NULL;
    if (message->cancel_token.size == 0 || message->cancel_token.size > TOKEN_SIZE_MAX)
        return "token has to have 1 to 1024 bytes";
    return message->delay_ms < 0 ? "token needs delay: only what is delayed can be taken back"
                                 : NULL;
}

static const char *read_message(struct line_input *input, struct shard_event *event)
{
    static const char *const names[] = {"to",  "type",  "value", "base64",
                                        "key", "delay", "token", NULL};
    struct event_message *message = &event->message;
    struct span to;
    struct span type_name;
    event->kind = EVENT_MESSAGE;
    const char *fault = line_only(input, names);
    if (fault == NULL) fault = line_string(input, "to", &to);
    if (fault == NULL) fault = split_address(input, to, &message->target);
    if (fault == NULL) fault = line_string(input, "key", &message->key);
    if (fault == NULL) fault = line_string(input, "token", &message->cancel_token);
    if (fault == NULL) fault = read_delay(input, message);
    if (fault == NULL) fault = check_message(message);
    if (fault == NULL) fault = line_value(input, "type", &type_name);
    if (fault != NULL) return fault;
    typed_value_encode(&input->argument, type_name, buffer_span(&input->bytes));
    message->argument = buffer_span(&input->argument);
    return input->argument.failed ? "out of memory" : NULL;
}

static void tell_message(struct buffer *out, const struct shard_answer *answer)
{
    text_json_member(out, "message");
    text_json_string(out, answer->message_id);
    if (answer->kind != ANSWER_DUPLICATE) return;
    text_json_member(out, "duplicate");
    text_append(out, "true");
}

void batch_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    static const struct line_kind kind = {ACCESS_SEND, read_message, 202, tell_message};
    (void)parts;
    lines_handle(ingress, request, &kind);
}

/* -- POST /v1/import: the lines of an export -- */

static const char *read_cell_address(struct line_input *input, struct event_state *state)
{
    const char *fault = line_string(input, "type", &state->address.type);
    if (fault == NULL) fault = line_string(input, "id", &state->address.id);
    if (fault == NULL) fault = line_string(input, "name", &state->name);
    if (fault == NULL) fault = address_fault(state->address);
    if (fault != NULL) return fault;
    const uint8_t *slash = memchr(state->address.type.at, '/', state->address.type.size);
    input->name_space = span_of(state->address.type.at, (size_t)(slash - state->address.type.at));
    return state->name.size > 0 && state->name.size <= NAME_SIZE_MAX
               ? NULL
               : "name has to have 1 to 256 bytes";
}

static const char *read_cell(struct line_input *input, struct shard_event *event)
{
    static const char *const names[] = {"type",       "id",    "name",   "value_type", "version",
                                        "written_at", "value", "base64", NULL};
    event->kind = EVENT_STATE;
    event->state.define = true;
    const char *fault = line_only(input, names);
    if (fault == NULL) fault = read_cell_address(input, &event->state);
    if (fault == NULL) fault = line_value(input, "value_type", &event->state.type_name);
    event->state.value = buffer_span(&input->bytes);
    return fault;
}

static void tell_cell(struct buffer *out, const struct shard_answer *answer)
{
    text_json_member(out, "version");
    buffer_byte(out, '"');
    text_decimal(out, answer->number);
    buffer_byte(out, '"');
}

void import_handle(struct ingress *ingress, struct http_request *request, const struct span *parts)
{
    static const struct line_kind kind = {ACCESS_STATE, read_cell, 200, tell_cell};
    (void)parts;
    lines_handle(ingress, request, &kind);
}
