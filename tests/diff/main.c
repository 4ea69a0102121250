/*
 * Runs random messages through our codec and through protobuf-c:
 *   both must agree on accepting, except by the rules of scan.h, where we must refuse;
 *   what both accept must mean the same;
 *   what we write, protobuf-c must read back as the same and write as the same bytes;
 *   a message field in two parts must mean what it means in one.
 * Bundles and outcomes have checks of their own: bundle.h.
 * usage: diff_wire [seed [messages]]
 */
#include "bundle.h"
#include "compare.h"
#include "generate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATES_MAX = 512, MESSAGES_MAX = 512, FAILURES_SHOWN = 10 };

struct run {
    uint64_t failed;
    uint64_t accepted;
    uint64_t not_compared; /* protobuf-c reads them differently from protobuf */
    uint64_t bytes_equal;
    uint64_t splits;
    uint64_t rules[RULE_COUNT];
};

/* Our side of one direction of the protocol, so that both run through the same checks. */
struct side {
    const ProtobufCMessageDescriptor *message;
    int (*parse)(struct span bytes);
    void (*encode)(struct buffer *out);
    enum rule (*strict)(const ProtobufCMessage *pb);
    bool (*same)(const ProtobufCMessage *pb);
    bool (*canonical)(void);
};

static struct function_response response;
static struct function_request request;
static struct function_names names;
static struct function_state states[STATES_MAX];
static struct function_message messages[MESSAGES_MAX];

static int parse_response(struct span bytes)
{
    return function_response_parse(&response, bytes, NULL);
}

static void encode_response(struct buffer *out)
{
    function_response_encode(out, &response);
}

static enum rule strict_response_side(const ProtobufCMessage *pb)
{
    return strict_response((const pb_response *)pb);
}

static bool same_response_side(const ProtobufCMessage *pb)
{
    return same_response(&response, (const pb_response *)pb);
}

static bool canonical_response_side(void)
{
    return canonical_response(&response);
}

static int parse_request(struct span bytes)
{
    return function_request_parse(bytes, &request, &names, states, STATES_MAX, messages,
                                  MESSAGES_MAX);
}

static void encode_request(struct buffer *out)
{
    function_request_encode(out, &request);
    if (function_request_size(&request) != out->size) abort();
}

static enum rule strict_request_side(const ProtobufCMessage *pb)
{
    return strict_request((const pb_request *)pb);
}

static bool same_request_side(const ProtobufCMessage *pb)
{
    return same_request(&request, (const pb_request *)pb);
}

static bool canonical_request_side(void)
{
    return canonical_request(&request);
}

static const struct side sides[] = {
    {RESPONSE_MESSAGE, parse_response, encode_response, strict_response_side, same_response_side,
     canonical_response_side},
    {REQUEST_MESSAGE, parse_request, encode_request, strict_request_side, same_request_side,
     canonical_request_side},
};

/* ---- Checks: NULL = passed, else what is wrong ---- */

/* What we wrote from the structs that were just parsed. */
static const char *check_written(const struct side *side, struct run *run)
{
    const char *wrong = NULL;
    struct buffer out;
    buffer_init(&out);
    side->encode(&out);
    ProtobufCMessage *pb = protobuf_c_message_unpack(side->message, NULL, out.size, out.at);
    if (pb == NULL)
        wrong = "protobuf-c cannot read what we wrote";
    else if (!side->same(pb))
        wrong = "protobuf-c reads something else than we wrote";
    else if (side->canonical()) {
        struct buffer again;
        buffer_init(&again);
        if (buffer_reserve(&again, out.size + 1024) != 0) abort();
        again.size = protobuf_c_message_pack(pb, again.at);
        if (!span_equal(buffer_span(&again), buffer_span(&out)))
            wrong = "not the bytes of protobuf-c";
        buffer_close(&again);
        run->bytes_equal++;
    }
    if (pb != NULL) protobuf_c_message_free_unpacked(pb, NULL);
    buffer_close(&out);
    return wrong;
}

static enum rule rule_of(const struct side *side, const ProtobufCMessage *pb, struct scan scan)
{
    return scan.rule != RULE_NONE ? scan.rule : pb == NULL ? RULE_NONE : side->strict(pb);
}

static const char *check_bytes(const struct side *side, struct span bytes, struct run *run)
{
    struct scan scan = scan_message(side->message, bytes);
    int error = side->parse(bytes);
    if (scan.rule == RULE_NONE && (scan.repeated || scan.wide_enum)) {
        run->not_compared++;
        return NULL;
    }
    const char *wrong = NULL;
    ProtobufCMessage *pb = protobuf_c_message_unpack(side->message, NULL, bytes.size, bytes.at);
    enum rule rule = rule_of(side, pb, scan);
    run->rules[rule]++;
    if (pb == NULL && rule == RULE_NONE)
        wrong = "refused by protobuf-c without a known rule";
    else if (rule == RULE_NONE && error != 0)
        wrong = "we refuse it and should not";
    else if (rule != RULE_NONE && error == 0)
        wrong = "we accept it and should not";
    else if (error == 0 && !side->same(pb))
        wrong = "we read something else than protobuf-c";
    else if (error == 0) {
        run->accepted++;
        wrong = check_written(side, run);
    }
    if (pb != NULL) protobuf_c_message_free_unpacked(pb, NULL);
    return wrong;
}

/* The same message with its inner messages in two parts each. */
static const char *check_split(const struct side *side, struct span whole, struct span split,
                               struct run *run)
{
    struct buffer a, b;
    buffer_init(&a);
    buffer_init(&b);
    int error = side->parse(whole);
    if (error == 0) side->encode(&a);
    int split_error = side->parse(split);
    if (split_error == 0) side->encode(&b);
    run->splits++;
    bool same = (error == 0) == (split_error == 0) && span_equal(buffer_span(&a), buffer_span(&b));
    buffer_close(&b);
    buffer_close(&a);
    return same ? NULL : "two parts mean something else than one";
}

/* ---- Runs ---- */

static void report(struct run *run, const char *wrong, uint64_t seed, struct span bytes)
{
    if (wrong == NULL || run->failed++ >= FAILURES_SHOWN) return;
    printf("seed %" PRIu64 ": %s (ours: %s)\n    ", seed, wrong, response.errmsg.text);
    for (size_t i = 0; i < bytes.size; i++) printf("%02x", bytes.at[i]);
    printf("\n");
}

static const char *run_split(const struct side *side, uint64_t seed, struct buffer *bytes,
                             struct run *run)
{
    struct generator generator;
    struct buffer whole;
    buffer_init(&whole);
    for (int split = 0; split < 2; split++) {
        generator_init(&generator, seed, split != 0);
        generator.padded = false; /* padding would draw other numbers for other lengths */
        generate(&generator, side->message, split ? bytes : &whole);
    }
    const char *wrong = check_split(side, buffer_span(&whole), buffer_span(bytes), run);
    buffer_close(&whole);
    return wrong;
}

static void run_one(struct run *run, uint64_t seed)
{
    struct prng prng = {seed};
    const struct side *side = &sides[prng_below(&prng, 3) == 0];
    struct generator generator;
    struct buffer bytes;
    buffer_init(&bytes);
    const char *wrong;
    if (prng_below(&prng, 10) == 0) {
        wrong = run_split(side, seed, &bytes, run);
    } else {
        generator_init(&generator, seed, false);
        generate(&generator, side->message, &bytes);
        if (prng_below(&prng, 10) < 3) damage(&prng, &bytes);
        wrong = check_bytes(side, buffer_span(&bytes), run);
    }
    report(run, wrong, seed, buffer_span(&bytes));
    buffer_close(&bytes);
}

/* A row of the table is one test: it has to have met messages of its kind. Gives back whether it
 * has. */
static bool row(uint64_t count, const char *what, const char *text)
{
    printf("%s %10" PRIu64 "  %s%s\n", count > 0 ? "ok  " : "FAIL", count, what, text);
    return count > 0;
}

/* How many rows met nothing; *rows is how many there are. */
static int print_table(const struct run *run, int *rows)
{
    static const char *texts[] = {
#define RULE_TEXT(name, text) text,
        RULE_LIST(RULE_TEXT)
#undef RULE_TEXT
    };
    int met = row(run->accepted, "accepted by both, same meaning, ", "read back by protobuf-c");
    met += row(run->bytes_equal, "of these written in the same bytes ", "as protobuf-c");
    for (int i = 1; i < RULE_COUNT; i++) met += row(run->rules[i], "refused: ", texts[i]);
    met += row(run->splits, "compared with their ", "inner messages in two parts");
    printf("     %10" PRIu64 "  parsed only: protobuf-c does not merge, or cuts an enum\n",
           run->not_compared);
    *rows = RULE_COUNT + 2;
    return *rows - met;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 300000;
    struct run run = {0};
    function_response_init(&response);
    function_names_init(&names);
    for (uint64_t i = 0; i < count; i++) run_one(&run, seed * 1000000007u + i);
    int rows, failed = print_table(&run, &rows);
    if (run.failed > 0) {
        printf("FAIL %10" PRIu64 "  messages of %" PRIu64 "\n", run.failed, count);
        failed = rows; /* no row is above doubt then */
    }
    int bundle_rows, bundle_failed = bundle_table(seed, count, &bundle_rows);
    rows += bundle_rows;
    failed += bundle_failed;
    printf("%d passed, %d failed\n", rows - failed, failed);
    function_names_close(&names);
    function_response_close(&response);
    return failed == 0 ? 0 : 1;
}
