#include "fake_invoke.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALLS_MAX = 256, DELAY_US_MAX = 3000, PER_HUNDRED = 100, TEXTS = 8, ADDRESSES = 150 };

struct waiting {
    const struct shard_invocation *invocation;
    int64_t at_us;
};

struct invoke {
    struct loop *loop;
    invoke_done *done;
    void *context;
    struct loop_timer timer;
    struct waiting waiting[CALLS_MAX];
    size_t count;
    struct function_response response;
    struct buffer bytes; /* of the response, when it is more than nothing */
};

static struct prng *prng;
static struct witness *witness;
static void (*told)(void *context);
static void *told_context;

void fake_invoke_use(struct prng *use_prng, struct witness *use_witness, void (*tell)(void *),
                     void *context)
{
    prng = use_prng;
    witness = use_witness;
    told = tell;
    told_context = context;
}

static bool chance(unsigned percent)
{
    return prng_below(prng, PER_HUNDRED) < percent;
}

struct address fake_address(struct prng *from)
{
    static const char *const types[] = {"t/account", "t/order", "u/mail"};
    static char ids[TEXTS][16];
    static unsigned next;
    char *id = ids[next++ % TEXTS];
    snprintf(id, sizeof ids[0], "id-%u", (unsigned)prng_below(from, ADDRESSES));
    return (struct address){span_text(types[prng_below(from, 3)]), span_text(id)};
}

/* ---- Responses ---- */

/* Arrays and texts of the one response that is being made. */
struct draft {
    struct effect_mutation mutations[3];
    struct effect_message messages[8];
    struct effect_delayed delayed[2];
    struct effect_egress egress[2];
    struct state_spec specs[3];
    char texts[32][40];
    unsigned text_count;
    struct buffer values;
    struct function_response effects;
};

static struct span draft_text(struct draft *draft, const char *what, uint64_t number)
{
    CHECK(draft->text_count < 32);
    char *text = draft->texts[draft->text_count++];
    int size = snprintf(text, sizeof draft->texts[0], "%s %llu", what, (unsigned long long)number);
    return span_of(text, (size_t)size);
}

/* The raw TypedValue of a short text. */
static struct span draft_value(struct draft *draft, const char *what)
{
    size_t begin = draft->values.size;
    typed_value_encode(&draft->values, SPAN_LITERAL("t/value"),
                       draft_text(draft, what, prng_below(prng, 1000000)));
    CHECK(!draft->values.failed);
    return span_of(draft->values.at + begin, draft->values.size - begin);
}

static void draft_mutations(struct draft *draft)
{
    static const char *const names[] = {"plain", "written", "invoked"};
    for (unsigned i = 0; i < 3; i++) {
        if (!chance(50)) continue;
        struct effect_mutation *mutation = &draft->mutations[draft->effects.mutation_count++];
        *mutation = (struct effect_mutation){.name = span_text(names[i]), .is_delete = chance(20)};
        if (mutation->is_delete) continue;
        mutation->type_name = SPAN_LITERAL("t/value");
        mutation->value = draft_text(draft, "state", prng_next(prng));
    }
}

static void draft_messages(struct draft *draft, const struct function_request *request)
{
    for (size_t i = 0; i < request->message_count && draft->effects.message_count < 6; i++)
        if (span_equal(request->messages[i].caller.type, NAME_REPLY) && chance(80))
            draft->messages[draft->effects.message_count++] =
                (struct effect_message){request->messages[i].caller, draft_value(draft, "reply")};
    /* Fewer than one on average: else the mail would grow without end. */
    if (chance(40))
        draft->messages[draft->effects.message_count++] =
            (struct effect_message){fake_address(prng), draft_value(draft, "mail")};
    if (chance(10))
        draft->messages[draft->effects.message_count++] =
            (struct effect_message){request->target, draft_value(draft, "to myself")};
}

static void draft_delayed(struct draft *draft)
{
    struct span token = draft_text(draft, "token", prng_below(prng, 1000000));
    if (!chance(15)) return;
    draft->delayed[draft->effects.delayed_count++] =
        (struct effect_delayed){.token = token,
                                .delay_ms = (int64_t)prng_below(prng, 600),
                                .target = fake_address(prng),
                                .argument = draft_value(draft, "later")};
    if (chance(30))
        draft->delayed[draft->effects.delayed_count++] =
            (struct effect_delayed){.is_cancel = true, .token = token};
}

static void draft_egress(struct draft *draft)
{
    while (chance(25) && draft->effects.egress_count < 2)
        draft->egress[draft->effects.egress_count++] =
            (struct effect_egress){.name_space = SPAN_LITERAL("t"),
                                   .type = chance(90) ? SPAN_LITERAL("out") : SPAN_LITERAL("none"),
                                   .argument = draft_value(draft, "record")};
}

static void draft_handshake(struct draft *draft)
{
    static const char *const names[] = {"plain", "written", "invoked"};
    static const enum expire_mode modes[] = {EXPIRE_NEVER, EXPIRE_AFTER_WRITE, EXPIRE_AFTER_INVOKE};
    static const int64_t ttls_ms[] = {0, 150, 250};
    for (size_t i = 0; i < 3; i++)
        draft->specs[i] =
            (struct state_spec){span_text(names[i]), SPAN_LITERAL("t/value"), modes[i], ttls_ms[i]};
    draft->effects =
        (struct function_response){.incomplete = true, .specs = draft->specs, .spec_count = 3};
    witness_happened(witness, HAPPENED_HANDSHAKE, 1);
}

/* Through the codec and back, as from a socket. */
static void make_response(struct invoke *invoke, const struct function_request *request)
{
    struct draft draft;
    memset(&draft, 0, sizeof draft);
    buffer_init(&draft.values);
    /* Values are pointed into while more come. */
    CHECK(buffer_reserve(&draft.values, 64 << 10) == 0);
    draft.effects.mutations = draft.mutations;
    draft.effects.messages = draft.messages;
    draft.effects.delayed = draft.delayed;
    draft.effects.egress = draft.egress;
    if (request->state_count == 0) {
        draft_handshake(&draft);
    } else {
        draft_mutations(&draft);
        draft_messages(&draft, request);
        draft_delayed(&draft);
        draft_egress(&draft);
        witness_happened(witness, HAPPENED_RESULT, 1);
    }
    buffer_clear(&invoke->bytes);
    function_response_encode(&invoke->bytes, &draft.effects);
    CHECK(!invoke->bytes.failed);
    CHECK(function_response_parse(&invoke->response, buffer_span(&invoke->bytes), NULL) == 0);
    buffer_close(&draft.values);
}

static void answer(struct invoke *invoke, const struct shard_invocation *invocation)
{
    static const enum outcome failures[] = {
        OUTCOME_BAD_ANSWER, OUTCOME_BAD_ANSWER, OUTCOME_UNREACHABLE, OUTCOME_LOST,
        OUTCOME_TIMEOUT,    OUTCOME_OVERLOADED, OUTCOME_TOO_LARGE};
    struct shard_event event = {.kind = EVENT_RESPONSE};
    event.response = (struct event_response){.flight = invocation->flight, .retry_after_ms = -1};
    /* One id in ten fails nearly always, so that it parks. */
    bool is_bad = invocation->request.target.id.at[invocation->request.target.id.size - 1] == '7';
    if (chance(is_bad ? 90 : 4)) {
        event.response.outcome = is_bad ? OUTCOME_BAD_ANSWER : failures[prng_below(prng, 7)];
        event.response.text = SPAN_LITERAL("made to fail");
        witness_happened(witness, HAPPENED_FAILURE, 1);
    } else {
        make_response(invoke, &invocation->request);
        event.response.outcome = OUTCOME_RESULT;
        event.response.response = &invoke->response;
    }
    invoke->done(invoke->context, &event);
    told(told_context);
}

/* ---- The room ---- */

static void expired(struct loop_timer *timer)
{
    struct invoke *invoke = CONTAINER_OF(timer, struct invoke, timer);
    int64_t next_us = INT64_MAX;
    /* An answer leads to no new call before the end of the turn: the array only shrinks here. */
    for (size_t i = 0; i < invoke->count;) {
        struct waiting due = invoke->waiting[i];
        if (due.at_us > loop_now_us(invoke->loop)) {
            if (due.at_us < next_us) next_us = due.at_us;
            i++;
            continue;
        }
        invoke->waiting[i] = invoke->waiting[--invoke->count];
        answer(invoke, due.invocation);
    }
    if (next_us != INT64_MAX) loop_timer_set(invoke->loop, &invoke->timer, next_us);
}

int invoke_open(struct invoke **opened, struct loop *loop, invoke_done *done, void *context,
                struct errmsg *errmsg)
{
    (void)errmsg;
    CHECK(prng != NULL);
    struct invoke *invoke = calloc(1, sizeof *invoke);
    if (invoke == NULL) return ERROR_MEMORY;
    invoke->loop = loop;
    invoke->done = done;
    invoke->context = context;
    invoke->timer.expired = expired;
    buffer_init(&invoke->bytes);
    function_response_init(&invoke->response);
    *opened = invoke;
    return 0;
}

void invoke_call(struct invoke *invoke, const struct shard_invocation *invocation)
{
    CHECK(invoke->count < CALLS_MAX);
    int64_t at_us = loop_now_us(invoke->loop) + (int64_t)prng_below(prng, DELAY_US_MAX);
    invoke->waiting[invoke->count++] = (struct waiting){invocation, at_us};
    if (!invoke->timer.set || invoke->timer.node.key > at_us)
        loop_timer_set(invoke->loop, &invoke->timer, at_us);
}

void invoke_close(struct invoke *invoke)
{
    loop_timer_clear(invoke->loop, &invoke->timer);
    function_response_close(&invoke->response);
    buffer_close(&invoke->bytes);
    free(invoke);
}
