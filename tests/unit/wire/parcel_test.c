/* Parcels between shards: what is written is read back; what makes no sense is refused. */
#include "wire/parcel.h"

#include <criterion/criterion.h>

static const struct parcel whole = {.kind = ITEM_MESSAGE,
                                    .type = {(const uint8_t *)"t/b", 3},
                                    .id = {(const uint8_t *)"1", 1},
                                    .argument = {(const uint8_t *)"argument", 8},
                                    .caller_type = {(const uint8_t *)"t/a", 3},
                                    .caller_id = {(const uint8_t *)"2", 1},
                                    .traceparent = {(const uint8_t *)"00-trace", 8}};

static void must_be_equal(const struct parcel *a, const struct parcel *b)
{
    cr_assert_eq(a->kind, b->kind);
    cr_assert(span_equal(a->type, b->type) && span_equal(a->id, b->id));
    cr_assert(span_equal(a->argument, b->argument) && span_equal(a->traceparent, b->traceparent));
    cr_assert(span_equal(a->caller_type, b->caller_type) && span_equal(a->caller_id, b->caller_id));
}

/* Every cut of it is refused. */
static void must_pass(const struct parcel *parcel)
{
    struct buffer bytes;
    struct parcel read;
    buffer_init(&bytes);
    parcel_write(&bytes, parcel);
    cr_assert_eq(bytes.size, parcel_size(parcel));
    struct reader in = reader_of(buffer_span(&bytes));
    parcel_read(&in, &read);
    cr_assert(reader_done(&in));
    must_be_equal(parcel, &read);
    for (size_t size = 0; size < bytes.size; size++) {
        in = reader_of(span_of(bytes.at, size));
        parcel_read(&in, &read);
        cr_assert(in.failed, "%zu bytes of it", size);
    }
    buffer_close(&bytes);
}

Test(parcel, each_kind_passes_and_no_part_of_it)
{
    must_pass(&whole);
    struct parcel parcel = whole;
    parcel.traceparent = SPAN_EMPTY;
    must_pass(&parcel);
    parcel.caller_type = parcel.caller_id = SPAN_EMPTY;
    must_pass(&parcel);
    must_pass(&(struct parcel){.kind = ITEM_REPLY, .id = whole.id, .argument = whole.argument});
    must_pass(
        &(struct parcel){.kind = ITEM_EGRESS, .type = whole.type, .argument = whole.argument});
}

static void must_fail(const struct parcel *parcel, const char *why)
{
    struct buffer bytes;
    struct parcel read;
    buffer_init(&bytes);
    parcel_write(&bytes, parcel);
    struct reader in = reader_of(buffer_span(&bytes));
    parcel_read(&in, &read);
    cr_assert(in.failed, "%s", why);
    buffer_close(&bytes);
}

Test(parcel, what_makes_no_sense_is_refused)
{
    struct parcel parcel = whole;
    parcel.type = SPAN_EMPTY;
    must_fail(&parcel, "a message for no type");
    parcel = whole;
    parcel.id = SPAN_EMPTY;
    must_fail(&parcel, "a message for no id");
    parcel = whole;
    parcel.caller_id = SPAN_EMPTY;
    must_fail(&parcel, "a caller without an id");
    must_fail(&(struct parcel){.kind = ITEM_REPLY, .type = whole.type, .id = whole.id},
              "a reply with a type");
    must_fail(&(struct parcel){.kind = ITEM_EGRESS, .type = whole.type, .id = whole.id},
              "an egress record with an id");
    for (unsigned flags = 3; flags < 256; flags++) {
        uint8_t bytes[] = {(uint8_t)flags, 3, 't', '/', 'a', 1, '1', 0, 0, 0, 0, 0};
        struct reader in = reader_of(span_of(bytes, sizeof bytes));
        struct parcel read;
        if (flags <= 15 && (flags & 3) == 0) continue;
        parcel_read(&in, &read);
        cr_assert(in.failed, "flags %u", flags);
    }
    uint8_t no_caller[] = {4, 3, 't', '/', 'a', 1, '1', 0, 0, 1, '2'};
    struct reader in = reader_of(span_of(no_caller, sizeof no_caller));
    parcel_read(&in, &parcel);
    cr_assert(in.failed, "a caller of no type");
}
