/* What functions write to the playground's egress, as a TypedValue or as the JSON text within one.
 */
#include "fuzz.h"

#include "base/utf8.h"
#include "wire/function.h"
#include "wire/playground.h"

static void check(struct span typed_value)
{
    struct playground_record record;
    struct buffer bytes;
    struct errmsg errmsg = {""};
    buffer_init(&bytes);
    int error = playground_record_parse(typed_value, &bytes, &record, &errmsg);
    if (error == 0) {
        FUZZ_CHECK(record.topic.size > 0 && record.topic.size <= PLAYGROUND_TOPIC_SIZE_MAX);
        FUZZ_CHECK(record.topic.size + record.payload.size <= typed_value.size);
        FUZZ_CHECK(utf8_valid(record.topic) && utf8_valid(record.payload));
    } else {
        FUZZ_CHECK(errmsg.text[0] != 0);
    }
    buffer_close(&bytes);
}

void fuzz_one(struct span input)
{
    struct buffer wrapped;
    buffer_init(&wrapped);
    typed_value_encode(&wrapped, PLAYGROUND_RECORD, input);
    check(input);
    check(buffer_span(&wrapped));
    buffer_close(&wrapped);
}
