/*
 * Whatever comes in the place of outcomes, in any pieces: what is taken from a prefix is what is
 * taken from the whole, nothing is taken before its end has come, spans stay inside, and what is
 * accepted can be written and read again as the same. The same bytes as a bundle, on the function's
 * side.
 */
#include "fuzz.h"
#include "wire/bundle.h"

enum { OUTCOMES_MAX = 64 };

static bool same(const struct bundle_outcome *a, const struct bundle_outcome *b)
{
    return a->index == b->index && a->kind == b->kind && a->status == b->status &&
           span_equal(a->result, b->result) && span_equal(a->text, b->text) &&
           a->retry_after_ms == b->retry_after_ms;
}

static void check(const struct bundle_outcome *outcome, struct span whole)
{
    FUZZ_CHECK(fuzz_inside(outcome->result, whole) && fuzz_inside(outcome->text, whole));
    fuzz_touch(outcome->result);
    fuzz_touch(outcome->text);
    FUZZ_CHECK(outcome->kind <= BUNDLE_FAILURE);
    if (outcome->kind == BUNDLE_FAILURE)
        FUZZ_CHECK(outcome->status >= 300 && outcome->status <= 599);
    FUZZ_CHECK(outcome->retry_after_ms == -1 || outcome->retry_after_ms > 0);
}

/* What one member of the oneof said before the other came is not written again. */
static void write_and_read(const struct bundle_outcome *outcome)
{
    struct bundle_outcome pure = {
        .index = outcome->index, .kind = outcome->kind, .retry_after_ms = -1};
    if (outcome->kind == BUNDLE_RESULT) pure.result = outcome->result;
    if (outcome->kind == BUNDLE_FAILURE) {
        pure.status = outcome->status;
        pure.text = outcome->text;
        pure.retry_after_ms = outcome->retry_after_ms;
    }
    struct buffer out;
    struct bundle_outcome again;
    struct errmsg why;
    buffer_init(&out);
    bundle_outcome_encode(&out, &pure);
    struct span bytes = buffer_span(&out);
    FUZZ_CHECK(bundle_outcome_take(&bytes, &again, &why) == 1 && bytes.size == 0);
    FUZZ_CHECK(same(&pure, &again));
    buffer_close(&out);
}

struct taken {
    struct bundle_outcome outcomes[OUTCOMES_MAX];
    size_t ends[OUTCOMES_MAX]; /* offset behind each */
    size_t count;
    int last; /* what ended it */
    size_t rest;
};

static void take_all(struct span bytes, struct taken *taken)
{
    struct span rest = bytes;
    struct errmsg why = {0};
    taken->count = 0;
    taken->last = 1;
    while (taken->count < OUTCOMES_MAX) {
        struct bundle_outcome *outcome = &taken->outcomes[taken->count];
        size_t before = rest.size;
        taken->last = bundle_outcome_take(&rest, outcome, &why);
        if (taken->last <= 0) break;
        FUZZ_CHECK(rest.size < before);
        taken->ends[taken->count++] = bytes.size - rest.size;
    }
    FUZZ_CHECK(taken->last >= 0 || (taken->last == ERROR_MALFORMED && why.text[0] != 0));
    taken->rest = rest.size;
}

/* A prefix gives the same outcomes, as far as they are whole, and is refused only where the whole
 * is. */
static void check_prefix(struct span whole, const struct taken *all, size_t size)
{
    static struct taken part;
    take_all(span_of(whole.at, size), &part);
    FUZZ_CHECK(part.count <= all->count);
    for (size_t i = 0; i < part.count; i++) {
        FUZZ_CHECK(part.ends[i] <= size && part.ends[i] == all->ends[i]);
        FUZZ_CHECK(same(&part.outcomes[i], &all->outcomes[i]));
    }
    if (part.count < all->count) FUZZ_CHECK(all->ends[part.count] > size && part.last == 0);
    if (part.last < 0) FUZZ_CHECK(part.count == all->count && all->last < 0);
}

static void take_invocations(struct span bytes)
{
    struct span rest = bytes;
    struct bundle_invocation invocation;
    struct errmsg why;
    int got;
    while ((got = bundle_invocation_take(&rest, &invocation, &why)) > 0) {
        FUZZ_CHECK(fuzz_inside(invocation.to_function, bytes));
        FUZZ_CHECK(fuzz_inside(invocation.id, bytes) && fuzz_inside(invocation.traceparent, bytes));
        fuzz_touch(invocation.to_function);
    }
    FUZZ_CHECK(got < 0 || rest.size == 0);
}

void fuzz_one(struct span input)
{
    static struct taken all;
    size_t first = fuzz_short(&input), second = fuzz_short(&input);
    take_all(input, &all);
    for (size_t i = 0; i < all.count; i++) {
        check(&all.outcomes[i], input);
        write_and_read(&all.outcomes[i]);
    }
    check_prefix(input, &all, first % (input.size + 1));
    check_prefix(input, &all, second % (input.size + 1));
    take_invocations(input);
}
