/*
 * Records of any content, as a journal with right checksums could hold them: a shard folds them or
 * says where they are damaged. Also each record by itself: what is read is written as the same
 * bytes.
 */
#include "fuzz.h"
#include "shard_image.h"

#include "wire/parcel.h"
#include "wire/record.h"

/* The kind with its head; lists behind it are read by fold. */
static void read_again(const struct record *record)
{
    struct reader in = reader_of(record->body);
    struct buffer out;
    buffer_init(&out);
    if (record->kind == RECORD_ACCEPT) {
        struct record_accept accept = {0};
        struct record_item item = {0};
        record_accept_read(&in, &accept);
        record_item_read(&in, &item);
        record_accept_write(&out, &accept);
        record_item_write(&out, &item);
    } else {
        struct parcel parcel;
        parcel_read(&in, &parcel);
        if (!in.failed) {
            parcel_write(&out, &parcel);
            FUZZ_CHECK(out.size == parcel_size(&parcel));
            struct reader again = reader_of(buffer_span(&out));
            parcel_read(&again, &parcel);
            FUZZ_CHECK(reader_done(&again));
        }
    }
    buffer_close(&out);
}

static uint32_t count(struct span records)
{
    struct reader in = reader_of(records);
    struct record record;
    uint32_t found = 0;
    while (reader_left(&in) > 0) {
        record_read(&in, &record);
        if (in.failed) break;
        read_again(&record);
        found++;
    }
    return found;
}

void fuzz_one(struct span input)
{
    struct shard *shard;
    struct buffer records;
    buffer_init(&records);
    FUZZ_CHECK(shard_open(&shard) == 0);
    if (fuzz_byte(&input) & 1) shard_encode_open(shard, &records, 1, 77, SPAN_LITERAL("fuzz"));
    buffer_append(&records, input);
    uint32_t most = count(buffer_span(&records));
    int error = shard_replay(shard, buffer_span(&records), 1, most);
    FUZZ_CHECK(error == 0 || error == ERROR_DAMAGED || error == ERROR_NEWER_FORMAT ||
               error == ERROR_REFUSED);
    /* Also after damage: the records before it are whole. A journal without an OPEN is none. */
    if (shard_seq(shard) > 0 && shard_epoch(shard) > 0) shard_image_check(shard);
    if (error == 0 && shard_epoch(shard) > 0) shard_image_use(shard);
    shard_close(shard);
    buffer_close(&records);
}
