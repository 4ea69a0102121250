#include "lib/shard_fixture.h"

#include "shard/overlay.h"

#include <stdio.h>
#include <stdlib.h>

static const struct shard_endpoint usual = {.pattern = {(const uint8_t *)"t/*", 3},
                                            .window_max = 64,
                                            .batch_count_max = 1000,
                                            .batch_bytes_max = 900 << 10,
                                            .payload_bytes_max = 32 << 20,
                                            .retry_for_ms = 120000,
                                            .expose = true};

struct fixture *fixture_open(void)
{
    return fixture_open_at(0, 1);
}

struct fixture *fixture_open_at(uint32_t number, uint32_t count)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    MUST(fixture != NULL);
    ledger_init(&fixture->ledger);
    shard_update_init(&fixture->update);
    fixture->clock = (struct shard_clock){1700000000000, 5000};
    fixture->endpoints[0] = usual;
    fixture->egresses[0] = (struct shard_egress){SPAN_LITERAL("t/out"), EGRESS_PULL};
    fixture->egresses[1] = (struct shard_egress){SPAN_LITERAL("t/none"), EGRESS_DISCARD};
    fixture->egresses[2] =
        (struct shard_egress){SPAN_LITERAL("io.statefun.playground/egress"), EGRESS_PLAYGROUND};
    fixture->egresses[3] = (struct shard_egress){SPAN_LITERAL("io.statefun.playground/egress/news"),
                                                 EGRESS_PLAYGROUND};
    fixture->config = (struct shard_config){.dedup_window_ms = 600000, .reply_keep_ms = 600000};
    fixture->number = number;
    fixture->count = count;
    fixture->shard = ledger_recover(&fixture->ledger, false);
    MUST(shard_place(fixture->shard, number, count) == 0);
    ledger_open_epoch(&fixture->ledger, fixture->shard, 77);
    MUST(shard_start(fixture->shard) == 0);
    fixture->mirror = ledger_recover(&fixture->ledger, false);
    fixture_configure(fixture);
    return fixture;
}

static void forget_answers(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->answer_count; i++) {
        struct fixture_answer *answer = &fixture->answers[i];
        free(answer->message_id);
        free(answer->type_name);
        free(answer->text);
        free(answer->next);
        buffer_close(&answer->body);
    }
    fixture->answer_count = 0;
}

void fixture_close(struct fixture *fixture)
{
    ledger_check(&fixture->ledger, fixture->shard);
    while (!fixture->quiet && fixture->ledger.cuts_published < 2) {
        fixture_durable(fixture);
        ledger_cut(&fixture->ledger, fixture->shard, 5000);
    }
    ledger_check(&fixture->ledger, fixture->shard);
    shard_close(fixture->shard);
    shard_close(fixture->mirror);
    buffer_close(&fixture->signal_bytes);
    shard_update_close(&fixture->update);
    ledger_close(&fixture->ledger);
    forget_answers(fixture);
    free(fixture);
}

void fixture_configure(struct fixture *fixture)
{
    struct shard_event event = {.kind = EVENT_CONFIG, .config = fixture->config};
    event.config.endpoints = fixture->endpoints;
    event.config.egresses = fixture->egresses;
    for (int i = 0; i < 8; i++) {
        if (fixture->endpoints[i].pattern.size > 0) event.config.endpoint_count = (size_t)i + 1;
        if (fixture->egresses[i].name.size > 0) event.config.egress_count = (size_t)i + 1;
    }
    fixture_step(fixture, &event);
}

static char *text_of(struct span bytes)
{
    char *text = malloc(bytes.size + 1);
    MUST(text != NULL);
    if (bytes.size > 0) memcpy(text, bytes.at, bytes.size);
    text[bytes.size] = 0;
    return text;
}

static void take_answer(struct fixture *fixture, const struct shard_answer *given)
{
    MUST(given->waiter != 0 && fixture_answer(fixture, given->waiter) == NULL);
    MUST(fixture->answer_count < FIXTURE_ANSWERS);
    struct fixture_answer *answer = &fixture->answers[fixture->answer_count++];
    *answer = (struct fixture_answer){.waiter = given->waiter,
                                      .kind = given->kind,
                                      .number = given->number,
                                      .message_id = text_of(given->message_id),
                                      .type_name = text_of(given->type_name),
                                      .text = text_of(given->text),
                                      .next = text_of(given->next)};
    buffer_append(&answer->body, given->body);
    /* What is promised is on the disk: the id names the record. */
    unsigned long long lineage, epoch, shard, seq;
    if (sscanf(answer->message_id, "%llx.%llu.%llu.%llu.", &lineage, &epoch, &shard, &seq) == 4)
        MUST(seq <= fixture->ledger.durable);
}

static void take_call(struct fixture *fixture, const struct shard_invocation *call)
{
    for (size_t i = 0; i < fixture->call_count; i++) { /* I7 */
        const struct function_request *other = &fixture->calls[i]->request;
        MUST(!span_equal(other->target.type, call->request.target.type) ||
             !span_equal(other->target.id, call->request.target.id));
        MUST(fixture->calls[i]->flight != call->flight);
    }
    MUST(fixture->call_count < FIXTURE_CALLS);
    const struct shard_endpoint *endpoint = &fixture->endpoints[call->endpoint];
    MUST(call->request.message_count >= 1);
    MUST(call->request.message_count <= endpoint->batch_count_max);
    MUST(call->request.message_count == 1 ||
         function_request_size(&call->request) <= endpoint->batch_bytes_max);
    fixture->calls[fixture->call_count++] = call;
    uint32_t out = 0;
    for (size_t i = fixture->old_calls; i < fixture->call_count; i++)
        out += fixture->calls[i]->endpoint == call->endpoint;
    if (fixture->ledger.checks == 0) MUST(out <= endpoint->window_max);
}

static void take_signal(struct fixture *fixture, const struct shard_signal *signal)
{
    MUST(fixture->signal_count < FIXTURE_SIGNALS);
    MUST(signal->peer < fixture->count && signal->peer != fixture->number);
    struct shard_signal *kept = &fixture->signals[fixture->signal_count++];
    *kept = *signal;
    kept->parcels.at = (const uint8_t *)(uintptr_t)fixture->signal_bytes.size;
    buffer_append(&fixture->signal_bytes, signal->parcels);
}

/* The cut of a savepoint is a test's to read; the snapshot that was under way is lost. */
static void take_cut(struct fixture *fixture, uint64_t cut)
{
    fixture->cut_begun = cut;
    if (fixture->ledger.complete) return;
    fixture->ledger.cutting = false;
    buffer_clear(&fixture->ledger.given);
}

struct shard_signal fixture_signal(const struct fixture *fixture, size_t i)
{
    MUST(i < fixture->signal_count);
    struct shard_signal signal = fixture->signals[i];
    if (signal.parcels.size == 0)
        signal.parcels = SPAN_EMPTY;
    else
        signal.parcels.at = fixture->signal_bytes.at + (uintptr_t)signal.parcels.at;
    return signal;
}

void fixture_forget_signals(struct fixture *fixture)
{
    fixture->signal_count = 0;
    buffer_clear(&fixture->signal_bytes);
}

void fixture_carry(struct fixture *from, const struct shard_signal *signal, struct fixture *to)
{
    struct shard_event event = {.kind = EVENT_SIGNAL, .signal = *signal};
    MUST(signal->peer == to->number);
    event.signal.peer = from->number;
    fixture_step(to, &event);
}

static void take_update(struct fixture *fixture)
{
    struct shard_update *update = &fixture->update;
    ledger_append(&fixture->ledger, update);
    if (!fixture->quiet && update->record_count > 0) {
        MUST(shard_replay(fixture->mirror, buffer_span(&update->records), update->first_seq,
                          update->record_count) == 0);
        fixture->digest = shard_digest(fixture->shard);
        MUST(shard_digest(fixture->mirror) == fixture->digest);
    }
    for (size_t i = 0; i < update->answer_count; i++) {
        struct shard_answer answer = shard_update_answer(update, i);
        take_answer(fixture, &answer);
    }
    for (size_t i = 0; i < update->invocation_count; i++)
        take_call(fixture, update->invocations[i]);
    for (size_t i = 0; i < update->signal_count; i++) {
        struct shard_signal signal = shard_update_signal(update, i);
        take_signal(fixture, &signal);
    }
    if (update->cut_begun != 0) take_cut(fixture, update->cut_begun);
    fixture->commit_wanted = update->commit_wanted;
    shard_update_clear(update);
}

static bool is_called(const struct flight *flight)
{
    return flight->box != NULL &&
           (flight->state == FLIGHT_READY || flight->state == FLIGHT_WAIT_DURABLE ||
            flight->state == FLIGHT_SENT);
}

/* Room is kept for those who are called again, and for nobody else (gateway/shard/budget.h). */
static void check_rights(const struct overlay *overlay)
{
    size_t claimed[SHORTAGES] = {0};
    uint32_t leading = 0;
    for (uint32_t i = 0; i < overlay->flight_count; i++) {
        const struct flight *flight = overlay->flights[i];
        MUST(is_called(flight) || (!flight->leads && flight->claim.bytes == 0));
        claimed[flight->claim.of] += flight->claim.bytes;
        leading += flight->leads;
    }
    MUST(memcmp(claimed, overlay->claimed, sizeof claimed) == 0);
    MUST(leading == overlay->leading);
}

static void run(struct fixture *fixture, struct shard_event *event)
{
    event->clock = fixture->clock;
    MUST(shard_step(fixture->shard, event, &fixture->update) == 0);
    take_update(fixture);
    check_rights(&fixture->shard->overlay);
    MUST(shard_wake_at(fixture->shard) >= fixture->clock.mono_ms);
    if (fixture->cutting) {
        ledger_cut(&fixture->ledger, fixture->shard, 97);
        ledger_publish(&fixture->ledger);
    }
}

void fixture_step(struct fixture *fixture, struct shard_event *event)
{
    run(fixture, event);
    if (!fixture->hold_durable) fixture_durable(fixture);
}

waiter_t fixture_ask(struct fixture *fixture, struct shard_event *event)
{
    event->waiter = ++fixture->last_waiter;
    fixture_step(fixture, event);
    return event->waiter;
}

waiter_t fixture_message(struct fixture *fixture, const struct event_message *message)
{
    struct shard_event event = {.kind = EVENT_MESSAGE, .message = *message};
    return fixture_ask(fixture, &event);
}

waiter_t fixture_send(struct fixture *fixture, const char *type, const char *id, const char *text)
{
    return fixture_message(fixture, &(struct event_message){.target = fixture_address(type, id),
                                                            .argument = fixture_value(text),
                                                            .delay_ms = -1});
}

void fixture_durable_to(struct fixture *fixture, uint64_t seq)
{
    struct shard_event event = {.kind = EVENT_DURABLE, .durable_seq = seq};
    fixture->ledger.durable = seq;
    run(fixture, &event);
}

/* Until nothing new is written: a release may write (a cursor of a pop). */
void fixture_durable(struct fixture *fixture)
{
    while (fixture->ledger.durable < fixture->ledger.count)
        fixture_durable_to(fixture, fixture->ledger.count);
}

void fixture_tick(struct fixture *fixture)
{
    struct shard_event event = {.kind = EVENT_TICK};
    fixture_step(fixture, &event);
}

void fixture_pass(struct fixture *fixture, int64_t ms)
{
    int64_t end_ms = fixture->clock.mono_ms + ms;
    for (int ticks = 0;; ticks++) {
        MUST(ticks < 1000000);
        int64_t at_ms = shard_wake_at(fixture->shard);
        bool last = at_ms > end_ms;
        if (last) at_ms = end_ms;
        if (at_ms < fixture->clock.mono_ms) at_ms = fixture->clock.mono_ms;
        fixture->clock.wall_ms += at_ms - fixture->clock.mono_ms;
        fixture->clock.mono_ms = at_ms;
        fixture_tick(fixture);
        if (last) return;
    }
}

void fixture_crash(struct fixture *fixture)
{
    shard_close(fixture->shard);
    shard_close(fixture->mirror);
    fixture->call_count = fixture->old_calls = 0;
    ledger_lose_after(&fixture->ledger, fixture->ledger.durable);
    fixture->shard = ledger_recover(&fixture->ledger, fixture->ledger.published.seq > 0);
    ledger_check(&fixture->ledger, fixture->shard);
    ledger_open_epoch(&fixture->ledger, fixture->shard, 77);
    MUST(shard_start(fixture->shard) == 0);
    fixture->mirror = ledger_recover(&fixture->ledger, false);
    fixture_configure(fixture);
}

const struct shard_invocation *fixture_call(struct fixture *fixture, const char *type,
                                            const char *id)
{
    for (size_t i = 0; i < fixture->call_count; i++) {
        const struct address *target = &fixture->calls[i]->request.target;
        if (span_equal(target->type, span_text(type)) && span_equal(target->id, span_text(id)))
            return fixture->calls[i];
    }
    return NULL;
}

const char *fixture_argument(const struct shard_invocation *call, size_t i)
{
    MUST(i < call->request.message_count);
    return fixture_text(call->request.messages[i].argument);
}

void fixture_respond(struct fixture *fixture, uint64_t flight,
                     const struct event_response *response)
{
    for (size_t i = 0; i < fixture->call_count; i++) {
        if (fixture->calls[i]->flight != flight) continue;
        fixture->call_count--;
        if (i < fixture->old_calls) fixture->old_calls--;
        memmove(&fixture->calls[i], &fixture->calls[i + 1],
                (fixture->call_count - i) * sizeof fixture->calls[0]);
        break;
    }
    struct shard_event event = {.kind = EVENT_RESPONSE, .response = *response};
    event.response.flight = flight;
    fixture_step(fixture, &event);
}

static void split_egress(struct effect_egress *egress)
{
    const uint8_t *slash = memchr(egress->name.at, '/', egress->name.size);
    MUST(slash != NULL);
    egress->name_space = span_of(egress->name.at, (size_t)(slash - egress->name.at));
    egress->type = span_from(egress->name, egress->name_space.size + 1);
}

void fixture_result(struct fixture *fixture, const struct shard_invocation *call,
                    const struct function_response *given)
{
    MUST(call != NULL);
    struct function_response nothing = {0}, parsed;
    struct buffer bytes;
    buffer_init(&bytes);
    if (given == NULL) given = &nothing;
    for (size_t i = 0; i < given->egress_count; i++) split_egress(&given->egress[i]);
    function_response_encode(&bytes, given);
    function_response_init(&parsed);
    if (function_response_parse(&parsed, buffer_span(&bytes), &(struct function_limits){0}) != 0)
        must_failed(parsed.errmsg.text, __FILE__, __LINE__);
    struct event_response response = {
        .outcome = OUTCOME_RESULT, .response = &parsed, .retry_after_ms = -1};
    fixture_respond(fixture, call->flight, &response);
    function_response_close(&parsed);
    buffer_close(&bytes);
}

void fixture_fail(struct fixture *fixture, const struct shard_invocation *call,
                  enum outcome outcome, const char *text)
{
    MUST(call != NULL);
    fixture_respond(fixture, call->flight,
                    &(struct event_response){
                        .outcome = outcome, .text = span_text(text), .retry_after_ms = -1});
}

void fixture_incomplete(struct fixture *fixture, const struct shard_invocation *call,
                        const struct state_spec *specs, size_t count)
{
    struct function_response response = {
        .incomplete = true, .specs = (struct state_spec *)(uintptr_t)specs, .spec_count = count};
    fixture_result(fixture, call, &response);
}

void fixture_register(struct fixture *fixture, const char *type, const char *id,
                      const struct state_spec *specs, size_t count)
{
    fixture_send(fixture, type, id, "register");
    fixture_incomplete(fixture, fixture_call(fixture, type, id), specs, count);
    fixture_result(fixture, fixture_call(fixture, type, id), NULL);
}

const struct fixture_answer *fixture_answer(struct fixture *fixture, waiter_t waiter)
{
    for (size_t i = fixture->answer_count; i-- > 0;)
        if (fixture->answers[i].waiter == waiter) return &fixture->answers[i];
    return NULL;
}

struct address fixture_address(const char *type, const char *id)
{
    return (struct address){span_text(type), span_text(id)};
}

/* The last few stay valid. */
struct span fixture_value(const char *text)
{
    static struct buffer kept[64];
    static unsigned next;
    struct buffer *buffer = &kept[next++ % 64];
    buffer_clear(buffer);
    typed_value_encode(buffer, SPAN_LITERAL("t/v"), span_text(text));
    return buffer_span(buffer);
}

const char *fixture_text(struct span typed_value)
{
    static char kept[16][64];
    static unsigned next;
    char *text = kept[next++ % 16];
    struct typed_value value;
    MUST(typed_value_parse(typed_value, &value) == 0);
    snprintf(text, sizeof kept[0], "%.*s", SPAN_PRINT(value.value));
    return text;
}

struct shard_metrics fixture_metrics(struct fixture *fixture)
{
    struct shard_metrics metrics;
    shard_metrics(fixture->shard, &metrics);
    return metrics;
}

const struct fixture_answer *fixture_query(struct fixture *fixture, struct event_query query)
{
    struct shard_event event = {.kind = EVENT_QUERY, .query = query};
    waiter_t waiter = fixture_ask(fixture, &event);
    return fixture_answer(fixture, waiter);
}

const char *fixture_state(struct fixture *fixture, const char *type, const char *id,
                          const char *name)
{
    static char text[64];
    const struct fixture_answer *answer =
        fixture_query(fixture, (struct event_query){.kind = QUERY_STATE,
                                                    .address = fixture_address(type, id),
                                                    .name = span_text(name)});
    MUST(answer != NULL);
    if (answer->kind == ANSWER_NOT_FOUND) return NULL;
    MUST(answer->kind == ANSWER_VALUE);
    snprintf(text, sizeof text, "%.*s", SPAN_PRINT(buffer_span(&answer->body)));
    return text;
}

bool fixture_contains(const struct fixture_answer *answer, const char *text)
{
    return memmem(answer->body.at, answer->body.size, text, strlen(text)) != NULL;
}
