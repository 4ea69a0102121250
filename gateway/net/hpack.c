/* See hpack.h. RFC 7541, sections 5 and 6. */
#include "net/hpack.h"

enum { FIELD, INDEX, STRING, LENGTH, BYTES }; /* what comes next */
enum { MORE = 0x80, LENGTH_MASK = 0x7f, SHIFT_MAX = 21 };

/* The rest of the field: its strings, or the next field. */
static void go_on(struct hpack *hpack)
{
    hpack->state = hpack->strings > 0 ? STRING : FIELD;
}

static void begin_string(struct hpack *hpack)
{
    hpack->strings--;
    hpack->state = BYTES;
    if (hpack->length == 0) go_on(hpack);
}

/* How it is written is in the first bits, then comes the index of a known field or name. */
static void begin_field(struct hpack *hpack, uint8_t byte)
{
    bool indexed = (byte & 0x80) != 0;
    bool resizes = (byte & 0xe0) == 0x20; /* the table: not a field at all */
    uint8_t mask = indexed ? 0x7f : (byte & 0x40) != 0 ? 0x3f : resizes ? 0x1f : 0x0f;
    uint8_t index = byte & mask;
    hpack->strings = indexed || resizes ? 0 : index == 0 ? 2 : 1;
    if (!resizes) hpack->count++;
    hpack->state = INDEX;
    if (index != mask) go_on(hpack);
}

static void read_length(struct hpack *hpack, uint8_t byte)
{
    if (hpack->shift <= SHIFT_MAX) hpack->length += (uint32_t)(byte & ~MORE) << hpack->shift;
    hpack->shift = (uint8_t)(hpack->shift + 7 <= SHIFT_MAX ? hpack->shift + 7 : SHIFT_MAX + 1);
    if ((byte & MORE) == 0) begin_string(hpack);
}

static void read_byte(struct hpack *hpack, uint8_t byte)
{
    switch (hpack->state) {
    case FIELD: begin_field(hpack, byte); return;
    case INDEX:
        if ((byte & MORE) == 0) go_on(hpack);
        return;
    case STRING:
        hpack->length = byte & LENGTH_MASK;
        hpack->shift = 0;
        hpack->state = LENGTH;
        if (hpack->length != LENGTH_MASK) begin_string(hpack);
        return;
    default: read_length(hpack, byte); return;
    }
}

void hpack_read(struct hpack *hpack, struct span bytes)
{
    while (bytes.size > 0) {
        size_t taken = 1;
        if (hpack->state == BYTES) {
            taken = hpack->length < bytes.size ? hpack->length : bytes.size;
            hpack->length -= (uint32_t)taken;
            if (hpack->length == 0) go_on(hpack);
        } else {
            read_byte(hpack, bytes.at[0]);
        }
        bytes = span_from(bytes, taken);
    }
}
