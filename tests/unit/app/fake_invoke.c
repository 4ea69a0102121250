#include "unit/app/fake_invoke.h"

#include "base/check.h"
#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>

struct invoke {
    struct loop *loop;
    invoke_done *done;
    void *context;
    struct loop_timer timer;
};

enum { MESSAGES_MAX = 64 };

struct fake_invoke fake_invoke;
static struct invoke *room;

/* ---- How calls end ---- */

static void end(size_t index, struct shard_event *event)
{
    struct fake_call *call = &fake_invoke.calls[index];
    CHECK(index < fake_invoke.call_count && call->invocation != NULL);
    event->kind = EVENT_RESPONSE;
    event->response.flight = call->invocation->flight;
    event->response.retry_after_ms = -1;
    loop_touch(room->loop);
    room->done(room->context, event);
    call->invocation = NULL;
    fake_invoke.open--;
}

void fake_failure(size_t index, enum outcome outcome)
{
    struct shard_event event = {
        .response = {.outcome = outcome, .text = SPAN_LITERAL("made to fail")}};
    end(index, &event);
}

static uint32_t read_count(struct span bytes)
{
    uint32_t count = 0;
    if (bytes.size == sizeof count) memcpy(&count, bytes.at, sizeof count);
    return count;
}

static void fill_effects(const struct function_request *request, struct function_response *effects)
{
    for (size_t i = 0; i < request->message_count && i < MESSAGES_MAX; i++) {
        const struct function_message *message = &request->messages[i];
        effects->egress[effects->egress_count++] =
            (struct effect_egress){.name_space = SPAN_LITERAL("t"),
                                   .type = SPAN_LITERAL("out"),
                                   .argument = message->argument};
        if (span_equal(message->caller.type, NAME_REPLY))
            effects->messages[effects->message_count++] =
                (struct effect_message){message->caller, message->argument};
    }
}

/* Through the codec and back, as from a socket. */
static void end_with(size_t index, const struct function_response *effects)
{
    struct buffer bytes;
    struct function_response response;
    buffer_init(&bytes);
    function_response_init(&response);
    function_response_encode(&bytes, effects);
    CHECK(function_response_parse(&response, buffer_span(&bytes), NULL) == 0);
    struct shard_event event = {.response = {.outcome = OUTCOME_RESULT, .response = &response}};
    end(index, &event);
    function_response_close(&response);
    buffer_close(&bytes);
}

void fake_result(size_t index)
{
    struct fake_call *call = &fake_invoke.calls[index];
    CHECK(index < fake_invoke.call_count && call->invocation != NULL);
    const struct function_request *request = &call->invocation->request;
    struct state_spec spec = {.name = SPAN_LITERAL("count"), .type_name = SPAN_LITERAL("t/number")};
    struct effect_egress egress[MESSAGES_MAX];
    struct effect_message messages[MESSAGES_MAX];
    struct function_response effects = {.egress = egress, .messages = messages};
    if (request->state_count == 0) {
        effects = (struct function_response){.incomplete = true, .specs = &spec, .spec_count = 1};
        end_with(index, &effects);
        return;
    }
    uint32_t count = read_count(request->states[0].value) + (uint32_t)request->message_count;
    struct effect_mutation mutation = {.name = SPAN_LITERAL("count"),
                                       .type_name = SPAN_LITERAL("t/number"),
                                       .value = span_of(&count, sizeof count)};
    effects.mutations = &mutation;
    effects.mutation_count = 1;
    fill_effects(request, &effects);
    end_with(index, &effects);
}

void fake_results(void)
{
    for (size_t i = 0; i < fake_invoke.call_count; i++)
        if (fake_invoke.calls[i].invocation != NULL) fake_result(i);
}

/* ---- The room ---- */

static void expired(struct loop_timer *timer)
{
    (void)timer;
    fake_results();
}

int invoke_open(struct invoke **invoke, struct loop *loop, invoke_done *done, void *context,
                struct errmsg *errmsg)
{
    (void)errmsg;
    memset(&fake_invoke, 0, sizeof fake_invoke);
    room = calloc(1, sizeof *room);
    CHECK(room != NULL);
    *room = (struct invoke){.loop = loop, .done = done, .context = context};
    room->timer.expired = expired;
    *invoke = room;
    return 0;
}

static void keep(char kept[FAKE_TEXT_MAX], struct span text)
{
    CHECK(text.size < FAKE_TEXT_MAX);
    if (text.size > 0) memcpy(kept, text.at, text.size);
    kept[text.size] = 0;
}

static void keep_file(const char **path, char kept[FAKE_TEXT_MAX])
{
    if (*path == NULL) return;
    keep(kept, span_text(*path));
    *path = kept;
}

int invoke_configure(struct invoke *invoke, const struct invoke_endpoint *endpoints, size_t count,
                     struct errmsg *errmsg)
{
    (void)invoke;
    if (fake_invoke.configure_error != 0)
        return errmsg_set(errmsg, fake_invoke.configure_error, "made to fail");
    CHECK(count <= FAKE_ENDPOINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct fake_endpoint *kept = &fake_invoke.endpoints[i];
        kept->settings = endpoints[i];
        keep(kept->pattern, endpoints[i].pattern);
        keep(kept->url, endpoints[i].url_template);
        keep_file(&kept->settings.trust_cacerts, kept->files[0]);
        keep_file(&kept->settings.client_cert, kept->files[1]);
        keep_file(&kept->settings.client_key, kept->files[2]);
        keep_file(&kept->settings.client_key_password_file, kept->files[3]);
    }
    fake_invoke.endpoint_count = count;
    fake_invoke.configured++;
    return 0;
}

void invoke_bound(struct invoke *invoke, size_t answers_bytes_max)
{
    (void)invoke;
    (void)answers_bytes_max;
}

void invoke_call(struct invoke *invoke, const struct shard_invocation *invocation)
{
    CHECK(fake_invoke.call_count < FAKE_CALLS_MAX);
    struct fake_call *call = &fake_invoke.calls[fake_invoke.call_count++];
    call->invocation = invocation;
    call->message_count = invocation->request.message_count;
    keep(call->type, invocation->request.target.type);
    keep(call->id, invocation->request.target.id);
    CHECK(invocation->endpoint < fake_invoke.endpoint_count);
    memcpy(call->pattern, fake_invoke.endpoints[invocation->endpoint].pattern, FAKE_TEXT_MAX);
    call->durable = fake_invoke.durable_now == NULL ? 0 : fake_invoke.durable_now();
    fake_invoke.open++;
    if (fake_invoke.by_itself) loop_timer_set(invoke->loop, &invoke->timer, 0);
}

void invoke_metrics(const struct invoke *invoke, struct invoke_metrics *metrics)
{
    (void)invoke;
    *metrics = (struct invoke_metrics){0};
}

void invoke_close(struct invoke *invoke)
{
    loop_timer_clear(invoke->loop, &invoke->timer);
    free(invoke);
    room = NULL;
}
