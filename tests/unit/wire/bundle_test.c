/* Bundles and outcomes: what is written is read back, and whatever a function sends in their place
 * is either whole, not whole yet, or refused. */
#include "golden.h"

#include "wire/bundle.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct buffer out;

static void setup(void)
{
    buffer_init(&out);
}

static void teardown(void)
{
    buffer_close(&out);
}

TestSuite(bundle, .init = setup, .fini = teardown);

static const struct address person = {SPAN_LITERAL("example/person"), SPAN_LITERAL("Bob")};
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/* -- Writing and reading -- */

static struct bundle_part part_of(const struct function_request *request, uint32_t attempt)
{
    return (struct bundle_part){request, SPAN_LITERAL("0123456789abcdef"), SPAN_LITERAL(TRACE),
                                attempt};
}

Test(bundle, invocations_are_read_back)
{
    struct function_message message = {0};
    struct function_request request = {person, NULL, 0, &message, 1};
    struct buffer bytes;
    struct errmsg why;
    buffer_init(&bytes);
    function_request_encode(&bytes, &request);
    buffer_byte(&out, 'x'); /* appended to what is there */
    static const uint32_t attempts[] = {1, 127, 128, 70000, UINT32_MAX};
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        struct bundle_part part = part_of(&request, attempts[i]);
        size_t before = out.size;
        if (i == 1) part.traceparent = SPAN_EMPTY;
        bundle_part_encode(&out, &part);
        cr_assert_eq(out.size - before, bundle_part_size(&part));
    }
    struct span rest = span_from(buffer_span(&out), 1);
    struct bundle_invocation invocation;
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
        cr_assert_eq(bundle_invocation_take(&rest, &invocation, &why), 1);
        cr_expect_eq(invocation.attempt, attempts[i]);
        cr_expect(span_equal(invocation.id, SPAN_LITERAL("0123456789abcdef")));
        cr_expect(span_equal(invocation.traceparent, i == 1 ? SPAN_EMPTY : SPAN_LITERAL(TRACE)));
        cr_expect(span_equal(invocation.to_function, buffer_span(&bytes)));
    }
    cr_expect_eq(bundle_invocation_take(&rest, &invocation, &why), 0);
    cr_expect_eq(rest.size, 0);
    buffer_close(&bytes);
}

/* -- proto/golden -- */

static void check_bundle(const struct golden *golden)
{
    struct span rest = golden_bytes(golden);
    struct bundle_invocation invocation;
    struct function_names names;
    struct function_state states[4];
    struct function_message messages[4];
    struct errmsg why;
    int got;
    function_names_init(&names);
    buffer_clear(&out);
    while ((got = bundle_invocation_take(&rest, &invocation, &why)) > 0) {
        struct function_request request;
        cr_assert_eq(function_request_parse(invocation.to_function, &request, &names, states, 4,
                                            messages, 4),
                     0);
        bundle_part_encode(&out, &(struct bundle_part){&request, invocation.id,
                                                       invocation.traceparent, invocation.attempt});
    }
    cr_assert_eq(got, 0, "%s", golden->name);
    cr_assert(span_equal(buffer_span(&out), golden_canonical(golden)), "%s", golden->name);
    function_names_close(&names);
}

Test(bundle, golden_bundles)
{
    cr_assert_geq(golden_each("bundle-", check_bundle), 1);
}

static void check_outcomes(const struct golden *golden)
{
    struct span rest = golden_bytes(golden);
    struct bundle_outcome outcome;
    struct errmsg why = {0};
    int got;
    buffer_clear(&out);
    while ((got = bundle_outcome_take(&rest, &outcome, &why)) > 0)
        bundle_outcome_encode(&out, &outcome);
    if (golden->error[0] != 0) {
        cr_assert_eq(got, ERROR_MALFORMED, "%s", golden->name);
        cr_assert_str_eq(why.text, golden->error, "%s", golden->name);
        return;
    }
    cr_assert(got == 0 && rest.size == 0, "%s: %s", golden->name, why.text);
    cr_assert(span_equal(buffer_span(&out), golden_canonical(golden)), "%s", golden->name);
}

Test(bundle, golden_outcomes)
{
    cr_assert_geq(golden_each("outcomes-", check_outcomes), 5);
}

/* -- Cuts -- */

static void put(const struct bundle_outcome *outcome)
{
    size_t before = out.size;
    bundle_outcome_encode(&out, outcome);
    cr_assert_gt(out.size, before);
}

static const struct bundle_outcome samples[] = {
    {.index = 0, .kind = BUNDLE_RESULT, .result = SPAN_LITERAL("a result"), .retry_after_ms = -1},
    {.index = 200, .kind = BUNDLE_RESULT, .retry_after_ms = -1},
    {.index = 3, .kind = BUNDLE_UNDONE, .retry_after_ms = -1},
    {.index = UINT32_MAX, .kind = BUNDLE_UNDONE, .retry_after_ms = -1},
    {.index = 1, .kind = BUNDLE_FAILURE, .status = 300, .retry_after_ms = -1},
    {.index = 0,
     .kind = BUNDLE_FAILURE,
     .status = 599,
     .text = SPAN_LITERAL("it broke, twice"),
     .retry_after_ms = 86400000},
    {.index = 0, .kind = BUNDLE_UNDONE, .retry_after_ms = -1},
};
enum { SAMPLES = sizeof samples / sizeof samples[0] };

static void expect_same(const struct bundle_outcome *got, const struct bundle_outcome *wanted)
{
    cr_expect_eq(got->index, wanted->index);
    cr_expect_eq(got->kind, wanted->kind);
    cr_expect(span_equal(got->result, wanted->result));
    cr_expect_eq(got->status, wanted->status);
    cr_expect(span_equal(got->text, wanted->text));
    cr_expect_eq(got->retry_after_ms, wanted->retry_after_ms);
}

Test(bundle, outcomes_are_read_back)
{
    struct bundle_outcome outcome;
    struct errmsg why;
    for (size_t i = 0; i < SAMPLES; i++) put(&samples[i]);
    struct span rest = buffer_span(&out);
    for (size_t i = 0; i < SAMPLES; i++) {
        cr_assert_eq(bundle_outcome_take(&rest, &outcome, &why), 1);
        expect_same(&outcome, &samples[i]);
    }
    cr_expect_eq(rest.size, 0);
    cr_expect_eq(bundle_outcome_take(&rest, &outcome, &why), 0);
}

/* However the bytes are cut, each outcome comes when it is whole, once, and as it was sent. Each
 * cut is a copy of its own size: a look behind it would be seen by the sanitizer. */
Test(bundle, an_outcome_is_taken_when_it_is_whole_and_not_before)
{
    struct errmsg why;
    size_t ends[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        put(&samples[i]);
        ends[i] = out.size;
    }
    for (size_t cut = 0; cut <= out.size; cut++) {
        uint8_t *copy = malloc(cut + 1);
        uint8_t *at = copy + 1; /* the block ends where the bytes do */
        memcpy(at, out.at, cut);
        struct span rest = span_of(at, cut);
        for (size_t i = 0; i < SAMPLES; i++) {
            struct bundle_outcome outcome;
            size_t before = rest.size;
            int got = bundle_outcome_take(&rest, &outcome, &why);
            cr_assert_eq(got, ends[i] <= cut, "cut at %zu, outcome %zu: %d", cut, i, got);
            if (got == 0) {
                cr_assert_eq(rest.size, before, "nothing is taken");
                break;
            }
            expect_same(&outcome, &samples[i]);
        }
        free(copy);
    }
}

/* -- What a function may send instead -- */

struct piece {
    const char *what;
    const char *bytes;
    size_t size;
    int got;            /* of bundle_outcome_take */
    const char *reason; /* part of it */
};
#define BYTES(text) (text), sizeof(text) - 1

static int take(const char *bytes, size_t size, struct bundle_outcome *outcome, struct errmsg *why)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy + 1, bytes, size);
    struct span rest = span_of(copy + 1, size);
    *why = (struct errmsg){0};
    int got = bundle_outcome_take(&rest, outcome, why);
    outcome->result = outcome->text = SPAN_EMPTY; /* their bytes go */
    free(copy);
    return got;
}

static void expect_all(const struct piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct bundle_outcome outcome;
        struct errmsg why;
        const struct piece *piece = &pieces[i];
        int got = take(piece->bytes, piece->size, &outcome, &why);
        cr_expect_eq(got, piece->got, "%s: %d", piece->what, got);
        if (piece->reason == NULL) continue;
        cr_expect_not_null(strstr(why.text, piece->reason), "%s: %s", piece->what, why.text);
    }
}

Test(bundle, what_is_no_list_of_outcomes_is_refused)
{
    static const struct piece pieces[] = {
        {"a number in the place of an outcome", BYTES("\x08\x01"), ERROR_MALFORMED, "not a list"},
        {"fixed64", BYTES("\x09\1\2\3\4\5\6\7\x08"), ERROR_MALFORMED, "not a list"},
        {"fixed32", BYTES("\x0d\1\2\3\4"), ERROR_MALFORMED, "not a list"},
        {"a group", BYTES("\x0b\x0c"), ERROR_MALFORMED, "not a list"},
        {"field 0", BYTES("\x02\x01x"), ERROR_MALFORMED, "not a list"},
        {"a tag without end", BYTES("\x8a\x80\x80\x80\x80"), ERROR_MALFORMED, "tag"},
        {"a tag without end, longer", BYTES("\x8a\x80\x80\x80\x80\x80\x01"), ERROR_MALFORMED,
         "tag"},
        {"a field number over 29 bits", BYTES("\x8a\x80\x80\x80\x10\x00"), ERROR_MALFORMED, "tag"},
        {"a length without end", BYTES("\x0a\x80\x80\x80\x80\x80"), ERROR_MALFORMED, "length"},
        {"text", BYTES("Internal Server Error"), ERROR_MALFORMED, NULL},
        {"HTML", BYTES("<html>"), ERROR_MALFORMED, NULL},
    };
    expect_all(pieces, sizeof pieces / sizeof pieces[0]);
}

Test(bundle, what_may_become_an_outcome_is_waited_for)
{
    static const struct piece pieces[] = {
        {"nothing", BYTES(""), 0, NULL},
        {"a tag", BYTES("\x0a"), 0, NULL},
        {"a padded tag, so far", BYTES("\x8a\x80\x80\x80"), 0, NULL},
        {"a length, so far", BYTES("\x0a\x80\x80\x80\x80"), 0, NULL},
        {"one byte of two", BYTES("\x0a\x02\x08"), 0, NULL},
        {"all the memory in the world", BYTES("\x0a\xff\xff\xff\xff\x7f"), 0, NULL},
        {"the rest of an unknown field", BYTES("\x12\x05xyz"), 0, NULL},
    };
    expect_all(pieces, sizeof pieces / sizeof pieces[0]);
}

Test(bundle, what_is_no_outcome_is_refused)
{
    static const struct piece pieces[] = {
        {"index as bytes", BYTES("\x0a\x03\x0a\x01x"), ERROR_MALFORMED, "outcome.index: wrong"},
        {"index over 32 bits", BYTES("\x0a\x06\x08\x80\x80\x80\x80\x10"), ERROR_MALFORMED,
         "outcome.index: over"},
        {"index over 64 bits", BYTES("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
         ERROR_MALFORMED, "outcome: broken varint"},
        {"result as number", BYTES("\x0a\x02\x10\x01"), ERROR_MALFORMED, "from_function: wrong"},
        {"failure as number", BYTES("\x0a\x02\x18\x01"), ERROR_MALFORMED, "failure: wrong"},
        {"result longer than its outcome", BYTES("\x0a\x03\x12\x05x\x0a\x00"), ERROR_MALFORMED,
         "beyond the end"},
        {"a group", BYTES("\x0a\x02\x1b\x1c"), ERROR_MALFORMED, "groups"},
        {"failure without status", BYTES("\x0a\x02\x1a\x00"), ERROR_MALFORMED, "failure.status"},
        {"status 299", BYTES("\x0a\x05\x1a\x03\x08\xab\x02"), ERROR_MALFORMED, "300 to 599"},
        {"status 200", BYTES("\x0a\x05\x1a\x03\x08\xc8\x01"), ERROR_MALFORMED, "300 to 599"},
        {"status 600", BYTES("\x0a\x05\x1a\x03\x08\xd8\x04"), ERROR_MALFORMED, "status: over"},
        {"status of 33 bits", BYTES("\x0a\x08\x1a\x06\x08\xf4\x83\x80\x80\x10"), ERROR_MALFORMED,
         "over"},
        {"status as bytes", BYTES("\x0a\x05\x1a\x03\x0a\x01x"), ERROR_MALFORMED, "status: wrong"},
        {"text that is not UTF-8", BYTES("\x0a\x08\x1a\x06\x08\xf4\x03\x12\x01\xff"),
         ERROR_MALFORMED, "text: not UTF-8"},
        {"retry_after_ms of 2^62",
         BYTES("\x0a\x0f\x1a\x0d\x08\xf4\x03\x18\x80\x80\x80\x80\x80\x80\x80\x80\x40"),
         ERROR_MALFORMED, "retry_after_ms"},
        {"failure cut off", BYTES("\x0a\x05\x1a\x03\x08\xf4\x83"), ERROR_MALFORMED, NULL},
    };
    expect_all(pieces, sizeof pieces / sizeof pieces[0]);
}

/* Two halves of one message would have to be merged, as protobuf does. Nobody writes them. */
Test(bundle, a_result_in_two_parts_is_refused)
{
    static const struct piece pieces[] = {
        {"two results", BYTES("\x0a\x06\x12\x01x\x12\x01y"), ERROR_MALFORMED, "twice"},
        {"two failures", BYTES("\x0a\x09\x1a\x03\x08\xf4\x03\x1a\x02\x12\x00"), ERROR_MALFORMED,
         NULL},
        {"two whole failures", BYTES("\x0a\x0a\x1a\x03\x08\xf4\x03\x1a\x03\x08\xf4\x03"),
         ERROR_MALFORMED, "twice"},
    };
    expect_all(pieces, sizeof pieces / sizeof pieces[0]);
}

Test(bundle, the_last_of_result_and_failure_counts)
{
    struct bundle_outcome outcome;
    struct errmsg why;
    cr_assert_eq(take(BYTES("\x0a\x08\x1a\x03\x08\xf4\x03\x12\x01x"), &outcome, &why), 1);
    cr_expect_eq(outcome.kind, BUNDLE_RESULT);
    cr_assert_eq(take(BYTES("\x0a\x08\x12\x01x\x1a\x03\x08\xf4\x03"), &outcome, &why), 1);
    cr_expect_eq(outcome.kind, BUNDLE_FAILURE);
    cr_expect_eq(outcome.status, 500);
    cr_assert_eq(take(BYTES("\x0a\x0b\x12\x01x\x1a\x03\x08\xf4\x03\x12\x01y"), &outcome, &why), 1);
    cr_expect_eq(outcome.kind, BUNDLE_RESULT);
}

Test(bundle, fields_that_nobody_knows_are_skipped)
{
    struct bundle_outcome outcome;
    struct errmsg why;
    static const char bytes[] = "\x12\x03xyz"            /* beside the outcomes */
                                "\x0a\x11"               /* the outcome */
                                "\x20\x01"               /* a number */
                                "\x29\1\2\3\4\5\6\7\x08" /* fixed64 */
                                "\x08\x07"               /* index */
                                "\x12\x02ok";
    cr_assert_eq(take(bytes, sizeof bytes - 1, &outcome, &why), 1);
    cr_expect_eq(outcome.kind, BUNDLE_RESULT);
    cr_expect_eq(outcome.index, 7);
}

Test(bundle, padded_numbers_are_read)
{
    struct bundle_outcome outcome;
    struct errmsg why;
    static const char bytes[] = "\x8a\x80\x00\x85\x80\x00\x08\x87\x80\x80\x00";
    cr_assert_eq(take(bytes, sizeof bytes - 1, &outcome, &why), 1);
    cr_expect_eq(outcome.kind, BUNDLE_UNDONE);
    cr_expect_eq(outcome.index, 7);
}

Test(bundle, the_last_index_counts)
{
    struct bundle_outcome outcome;
    struct errmsg why;
    cr_assert_eq(take(BYTES("\x0a\x04\x08\x07\x08\x02"), &outcome, &why), 1);
    cr_expect_eq(outcome.index, 2);
}

/* The function's side: a bundle comes as a whole. */
Test(bundle, a_cut_bundle_is_refused)
{
    struct function_message message = {0};
    struct function_request request = {person, NULL, 0, &message, 1};
    struct bundle_part part = part_of(&request, 1);
    struct bundle_invocation invocation;
    struct errmsg why;
    bundle_part_encode(&out, &part);
    for (size_t cut = 1; cut < out.size; cut++) {
        struct span rest = span_of(out.at, cut);
        cr_assert_eq(bundle_invocation_take(&rest, &invocation, &why), ERROR_MALFORMED);
    }
}
