/* See bundle.h. */
#include "bundle.h"

#include "generate.h"

#include "oracle_bundle.pb-c.h"
#include "wire/bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef Holdfast__V1__Outcomes pb_outcomes;
typedef Holdfast__V1__Outcome pb_outcome;
typedef Holdfast__V1__Failure pb_failure;
typedef Holdfast__V1__Bundle pb_bundle;
typedef Holdfast__V1__Invocation pb_invocation;

#define OUTCOMES_MESSAGE (&holdfast__v1__outcomes__descriptor)
#define BUNDLE_MESSAGE (&holdfast__v1__bundle__descriptor)
#define CASE_RESULT HOLDFAST__V1__OUTCOME__OUTCOME_FROM_FUNCTION
#define CASE_FAILURE HOLDFAST__V1__OUTCOME__OUTCOME_FAILURE

enum { ITEMS_MAX = 8, SHOWN_MAX = 10 };

enum check { READ, REFUSED, WRITTEN, DAMAGED_READ, DAMAGED_REFUSED, INVOCATIONS, CHECKS };

static const char *const texts[CHECKS] = {
    "outcomes of protobuf-c, same meaning",
    "outcomes that break a rule, refused",
    "outcomes that we wrote, same bytes",
    "damaged outcomes that we accept, same meaning",
    "damaged outcomes, refused",
    "bundles that we wrote, same meaning",
};

static uint64_t met[CHECKS], failed[CHECKS];

static void expect(enum check check, bool good, uint64_t seed, struct span bytes)
{
    met[check]++;
    if (good || failed[check]++ >= SHOWN_MAX) return;
    printf("seed %" PRIu64 ": not so: %s\n    ", seed, texts[check]);
    for (size_t i = 0; i < bytes.size; i++) printf("%02x", bytes.at[i]);
    printf("\n");
}

/* ---- Random messages, as protobuf-c has them ---- */

static uint64_t any_number(struct prng *prng)
{
    return prng_next(prng) >> prng_below(prng, 64);
}

static ProtobufCBinaryData any_bytes(struct prng *prng, bool text)
{
    static uint8_t pool[512];
    static size_t used;
    size_t size = prng_below(prng, 12);
    if (used + size > sizeof pool) used = 0; /* long after its last use */
    uint8_t *at = pool + used;
    used += size;
    for (size_t i = 0; i < size; i++)
        at[i] = !text                      ? (uint8_t)prng_next(prng)
                : prng_below(prng, 50) > 0 ? (uint8_t)prng_below(prng, 128)
                                           : 0xff;
    return (ProtobufCBinaryData){size, at};
}

static void any_failure(struct prng *prng, pb_failure *failure)
{
    holdfast__v1__failure__init(failure);
    failure->status = 300 + (uint32_t)prng_below(prng, 300);
    if (prng_below(prng, 20) == 0) failure->status = (uint32_t)any_number(prng);
    if (prng_below(prng, 2) == 0) failure->text = any_bytes(prng, true);
    if (prng_below(prng, 2) == 0) failure->retry_after_ms = prng_below(prng, 100000);
    if (prng_below(prng, 20) == 0) failure->retry_after_ms = any_number(prng);
}

static void any_outcome(struct prng *prng, pb_outcome *outcome, pb_failure *failure)
{
    holdfast__v1__outcome__init(outcome);
    outcome->index =
        (uint32_t)(prng_below(prng, 2) == 0 ? prng_below(prng, 100) : any_number(prng));
    switch (prng_below(prng, 3)) {
    case 0:
        outcome->outcome_case = CASE_RESULT;
        outcome->from_function = any_bytes(prng, false);
        break;
    case 1:
        outcome->outcome_case = CASE_FAILURE;
        outcome->failure = failure;
        any_failure(prng, failure);
        break;
    default: break;
    }
}

/* ---- The same meaning ---- */

static bool same_bytes(struct span ours, ProtobufCBinaryData pb)
{
    return span_equal(ours, span_of(pb.data, pb.len));
}

static bool same_failure(const struct bundle_outcome *ours, const pb_failure *pb)
{
    int64_t after_ms = pb->retry_after_ms == 0 ? -1 : (int64_t)pb->retry_after_ms;
    return ours->status == pb->status && same_bytes(ours->text, pb->text) &&
           ours->retry_after_ms == after_ms;
}

static bool same_outcome(const struct bundle_outcome *ours, const pb_outcome *pb)
{
    if (ours->index != pb->index) return false;
    if (pb->outcome_case == CASE_RESULT)
        return ours->kind == BUNDLE_RESULT && same_bytes(ours->result, pb->from_function);
    if (pb->outcome_case == CASE_FAILURE)
        return ours->kind == BUNDLE_FAILURE && same_failure(ours, pb->failure);
    return ours->kind == BUNDLE_UNDONE;
}

static bool keeps_rules(const pb_outcome *pb)
{
    if (pb->outcome_case != CASE_FAILURE) return true;
    const pb_failure *failure = pb->failure;
    for (size_t i = 0; i < failure->text.len; i++)
        if (failure->text.data[i] == 0xff) return false; /* not UTF-8 */
    return failure->status >= 300 && failure->status <= 599 &&
           failure->retry_after_ms <= FUNCTION_TIME_MS_MAX;
}

/* ---- Outcomes ---- */

struct ours {
    struct bundle_outcome outcomes[64];
    size_t count;
    bool whole;
};

static void take_all(struct span bytes, struct ours *ours)
{
    struct errmsg why;
    int got = 1;
    ours->count = 0;
    while (ours->count < 64 &&
           (got = bundle_outcome_take(&bytes, &ours->outcomes[ours->count], &why)) > 0)
        ours->count++;
    ours->whole = got == 0 && bytes.size == 0;
}

static bool same_outcomes(const struct ours *ours, const pb_outcomes *pb)
{
    if (ours->count != pb->n_outcomes) return false;
    for (size_t i = 0; i < ours->count; i++)
        if (!same_outcome(&ours->outcomes[i], pb->outcomes[i])) return false;
    return true;
}

static void pack(const ProtobufCMessage *message, struct buffer *out)
{
    buffer_clear(out);
    size_t size = protobuf_c_message_get_packed_size(message);
    if (buffer_reserve(out, size + 1) != 0) abort();
    out->size = protobuf_c_message_pack(message, out->at);
}

/* As we would write what we have read. */
static void check_written(const struct ours *ours, struct span packed, uint64_t seed)
{
    struct buffer out;
    buffer_init(&out);
    for (size_t i = 0; i < ours->count; i++) bundle_outcome_encode(&out, &ours->outcomes[i]);
    expect(WRITTEN, span_equal(buffer_span(&out), packed), seed, buffer_span(&out));
    buffer_close(&out);
}

static void check_damaged(struct buffer *bytes, struct prng *prng, uint64_t seed)
{
    struct ours ours;
    damage(prng, bytes);
    take_all(buffer_span(bytes), &ours);
    if (!ours.whole) {
        met[DAMAGED_REFUSED]++;
        return;
    }
    ProtobufCMessage *pb =
        protobuf_c_message_unpack(OUTCOMES_MESSAGE, NULL, bytes->size, bytes->at);
    expect(DAMAGED_READ, pb != NULL && same_outcomes(&ours, (const pb_outcomes *)pb), seed,
           buffer_span(bytes));
    if (pb != NULL) protobuf_c_message_free_unpacked(pb, NULL);
}

static void check_outcomes(struct prng *prng, uint64_t seed)
{
    pb_failure failures[ITEMS_MAX];
    pb_outcome outcomes[ITEMS_MAX];
    pb_outcome *pointers[ITEMS_MAX];
    pb_outcomes all = HOLDFAST__V1__OUTCOMES__INIT;
    struct buffer packed;
    struct ours ours;
    bool good = true;
    all.n_outcomes = prng_below(prng, ITEMS_MAX);
    all.outcomes = pointers;
    for (size_t i = 0; i < all.n_outcomes; i++) {
        any_outcome(prng, &outcomes[i], &failures[i]);
        pointers[i] = &outcomes[i];
        good = good && keeps_rules(&outcomes[i]);
    }
    buffer_init(&packed);
    pack(&all.base, &packed);
    take_all(buffer_span(&packed), &ours);
    if (good) {
        expect(READ, ours.whole && same_outcomes(&ours, &all), seed, buffer_span(&packed));
        check_written(&ours, buffer_span(&packed), seed);
    } else {
        expect(REFUSED, !ours.whole, seed, buffer_span(&packed));
    }
    check_damaged(&packed, prng, seed);
    buffer_close(&packed);
}

/* ---- Bundles ---- */

static struct span any_text(struct prng *prng)
{
    static const char letters[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    return span_of((const uint8_t *)letters, prng_below(prng, sizeof letters));
}

static bool same_invocation(const struct bundle_part *part, const pb_invocation *pb,
                            const struct bundle_invocation *ours)
{
    struct buffer request;
    buffer_init(&request);
    function_request_encode(&request, part->request);
    struct span bytes = buffer_span(&request);
    bool same = same_bytes(part->id, pb->id) && same_bytes(part->traceparent, pb->traceparent) &&
                part->attempt == pb->attempt && same_bytes(bytes, pb->to_function) &&
                span_equal(part->id, ours->id) && part->attempt == ours->attempt &&
                span_equal(part->traceparent, ours->traceparent) &&
                span_equal(bytes, ours->to_function);
    buffer_close(&request);
    return same;
}

/* Written by us, read by protobuf-c, written by it, read by us. */
static void check_bundle(struct prng *prng, uint64_t seed)
{
    struct function_message message = {0};
    struct bundle_part parts[ITEMS_MAX];
    struct function_request requests[ITEMS_MAX];
    struct buffer out, again;
    size_t count = prng_below(prng, ITEMS_MAX), size = 0;
    buffer_init(&out);
    buffer_init(&again);
    for (size_t i = 0; i < count; i++) {
        requests[i] = (struct function_request){
            {SPAN_LITERAL("a/b"), any_text(prng)}, NULL, 0, &message, prng_below(prng, 2)};
        parts[i] = (struct bundle_part){&requests[i], any_text(prng), any_text(prng),
                                        (uint32_t)any_number(prng)};
        size += bundle_part_size(&parts[i]);
        bundle_part_encode(&out, &parts[i]);
    }
    ProtobufCMessage *pb = protobuf_c_message_unpack(BUNDLE_MESSAGE, NULL, out.size, out.at);
    const pb_bundle *bundle = (const pb_bundle *)pb;
    bool good = out.size == size && pb != NULL && bundle->n_invocations == count;
    if (good) pack(pb, &again);
    struct span rest = buffer_span(&again);
    struct bundle_invocation ours;
    struct errmsg why;
    for (size_t i = 0; good && i < count; i++)
        good = bundle_invocation_take(&rest, &ours, &why) == 1 &&
               same_invocation(&parts[i], bundle->invocations[i], &ours);
    expect(INVOCATIONS, good && bundle_invocation_take(&rest, &ours, &why) == 0, seed,
           buffer_span(&out));
    if (pb != NULL) protobuf_c_message_free_unpacked(pb, NULL);
    buffer_close(&again);
    buffer_close(&out);
}

int bundle_table(uint64_t seed, uint64_t count, int *rows)
{
    int bad = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct prng prng = {seed * 1000000007u + i};
        if (i % 4 == 0)
            check_bundle(&prng, i);
        else
            check_outcomes(&prng, i);
    }
    for (int i = 0; i < CHECKS; i++) {
        bool good = met[i] > 0 && failed[i] == 0;
        printf("%s %10" PRIu64 "  %s\n", good ? "ok  " : "FAIL", met[i], texts[i]);
        bad += !good;
    }
    *rows = CHECKS;
    return bad;
}
