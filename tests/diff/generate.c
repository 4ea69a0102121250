#include "generate.h"

enum { CHUNKS_MAX = 64 };

static bool chance(struct prng *prng, unsigned percent)
{
    return prng_below(prng, 100) < percent;
}

void generator_init(struct generator *generator, uint64_t seed, bool split)
{
    struct prng prng = {seed};
    *generator = (struct generator){.split = split};
    generator->splits.state = prng_next(&prng);
    generator->odd = chance(&prng, 30);
    generator->sparse = chance(&prng, 20);
    generator->twice = chance(&prng, 20);
    generator->unknown = chance(&prng, 30);
    generator->padded = chance(&prng, 10);
    generator->shuffled = chance(&prng, 30);
    generator->prng.state = prng_next(&prng);
}

static void put_varint(struct generator *g, struct buffer *out, uint64_t value, size_t bytes_max)
{
    size_t size = varint_size(value);
    if (!g->padded || size >= bytes_max) {
        buffer_varint(out, value);
        return;
    }
    size_t padded = size + prng_below(&g->prng, bytes_max - size + 1);
    for (size_t i = 0; i < padded; i++) {
        uint8_t more = i + 1 < padded ? 0x80 : 0;
        buffer_byte(out, (uint8_t)((value & 0x7f) | more));
        value >>= 7;
    }
}

static void put_tag(struct generator *g, struct buffer *out, uint32_t number, unsigned type)
{
    put_varint(g, out, (uint64_t)number << 3 | type, 5);
}

static void put_bytes(struct generator *g, struct buffer *out, uint32_t number, struct span bytes)
{
    put_tag(g, out, number, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
    put_varint(g, out, bytes.size, 5);
    buffer_append(out, bytes);
}

/* ---- Values ---- */

static struct span pick(struct prng *prng, const struct span *words, size_t count)
{
    return words[prng_below(prng, count)];
}

static struct span odd_text(struct prng *prng)
{
    static uint8_t filler[1100];
    memset(filler, 'x', sizeof filler);
    filler[2] = '/';
    const struct span words[] = {
        SPAN_EMPTY,
        SPAN_LITERAL("a/b/c"),
        SPAN_LITERAL("/"),
        SPAN_LITERAL("a/"),
        SPAN_LITERAL("\x01"),
        SPAN_LITERAL("a\0b"),
        SPAN_LITERAL("x\x7f/y"),
        SPAN_LITERAL("\xc2\x85/y"),
        SPAN_LITERAL("\xff"),
        SPAN_LITERAL("\xc0\x80"),
        SPAN_LITERAL("\xed\xa0\x80"),
        SPAN_LITERAL("\xf4\x90\x80\x80"),
        SPAN_LITERAL("\xe2\x82"),
        SPAN_LITERAL("\xe2\x82\xac"),
        span_of(filler, 255),
        span_of(filler, 256),
        span_of(filler, 257),
        span_of(filler, 1024),
        span_of(filler, 1025),
    };
    return pick(prng, words, sizeof words / sizeof *words);
}

static struct span part_text(struct prng *prng)
{
    const struct span words[] = {
        SPAN_LITERAL("example"), SPAN_LITERAL("com.example"),        SPAN_LITERAL("a"),
        SPAN_LITERAL("person"),  SPAN_LITERAL("gr\xc3\xbc\xc3\x9f"), SPAN_LITERAL("x-y_z.0"),
    };
    return pick(prng, words, sizeof words / sizeof *words);
}

static struct span name_text(struct prng *prng)
{
    const struct span words[] = {
        SPAN_LITERAL("io.statefun.types/int"),
        SPAN_LITERAL("io.statefun.types/string"),
        SPAN_LITERAL("a/b"),
        SPAN_LITERAL("type.googleapis.com/com.example.Thing"),
    };
    return pick(prng, words, sizeof words / sizeof *words);
}

static struct span id_text(struct prng *prng)
{
    const struct span words[] = {
        SPAN_LITERAL("Bob"),
        SPAN_LITERAL("1"),
        SPAN_LITERAL("\xe4\xbd\xa0\xe5\xa5\xbd"),
        SPAN_LITERAL("order/7 with spaces"),
        SPAN_LITERAL("3fa85f64-5717-4562-b3fc-2c963f66afa6"),
    };
    return pick(prng, words, sizeof words / sizeof *words);
}

static bool is(const ProtobufCFieldDescriptor *field, const char *name)
{
    return strcmp(field->name, name) == 0;
}

static void put_text_value(struct generator *g, const ProtobufCFieldDescriptor *field,
                           struct buffer *out)
{
    struct span text;
    if (g->odd && chance(&g->prng, 4))
        text = odd_text(&g->prng);
    else if (is(field, "typename") || is(field, "type_typename"))
        text = name_text(&g->prng);
    else if (is(field, "id") || is(field, "cancellation_token"))
        text = id_text(&g->prng);
    else
        text = part_text(&g->prng);
    put_bytes(g, out, field->id, text);
}

static void put_payload(struct generator *g, uint32_t number, struct buffer *out)
{
    uint8_t payload[4096];
    size_t size_max = chance(&g->prng, 3) ? sizeof payload : 40;
    size_t size = prng_below(&g->prng, size_max);
    for (size_t i = 0; i < size; i++) payload[i] = (uint8_t)prng_next(&g->prng);
    put_bytes(g, out, number, span_of(payload, size));
}

static uint64_t number_value(struct generator *g)
{
    uint64_t number = prng_next(&g->prng);
    number >>= 3 + prng_below(&g->prng, 61);
    if (g->odd && chance(&g->prng, 10)) return prng_next(&g->prng) << prng_below(&g->prng, 64);
    return number + 1;
}

static void put_number(struct generator *g, const ProtobufCFieldDescriptor *field,
                       struct buffer *out)
{
    uint64_t value;
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL: value = prng_below(&g->prng, 3); break;
    case PROTOBUF_C_TYPE_ENUM:
        value = prng_below(&g->prng, 2);
        if (g->odd && chance(&g->prng, 10)) value = prng_below(&g->prng, 4);
        if (g->odd && chance(&g->prng, 5)) value = prng_next(&g->prng);
        break;
    default: value = number_value(g); break;
    }
    put_tag(g, out, field->id, PROTOBUF_C_WIRE_TYPE_VARINT);
    put_varint(g, out, value, VARINT_SIZE_MAX);
}

static void put_unknown(struct generator *g, struct buffer *out)
{
    uint32_t number = 200 + (uint32_t)prng_below(&g->prng, chance(&g->prng, 10) ? 536870000 : 50);
    switch (prng_below(&g->prng, 4)) {
    case 0:
        put_tag(g, out, number, PROTOBUF_C_WIRE_TYPE_VARINT);
        put_varint(g, out, prng_next(&g->prng) >> prng_below(&g->prng, 64), VARINT_SIZE_MAX);
        break;
    case 1:
        put_tag(g, out, number, PROTOBUF_C_WIRE_TYPE_64BIT);
        buffer_u64(out, prng_next(&g->prng));
        break;
    case 2:
        put_tag(g, out, number, PROTOBUF_C_WIRE_TYPE_32BIT);
        buffer_u32(out, (uint32_t)prng_next(&g->prng));
        break;
    default: put_payload(g, number, out); break;
    }
}

/* ---- Messages ---- */

/* How often a field occurs; protocol knowledge only as far as it makes most messages sensible. */
static unsigned occurrences(struct generator *g, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED) return (unsigned)prng_below(&g->prng, 4);
    bool optional = is(field, "state_value") || is(field, "expiration_spec") ||
                    is(field, "cancellation_token") || is(field, "mutation_type") ||
                    is(field, "caller") || is(field, "value") || is(field, "has_value") ||
                    is(field, "is_cancellation_request") || is(field, "argument");
    unsigned percent = is(field, "is_cancellation_request") ? 30 : 90;
    if ((optional || g->sparse) && !chance(&g->prng, percent)) return 0;
    bool scalar = field->type != PROTOBUF_C_TYPE_MESSAGE;
    unsigned twice_percent = scalar ? 20 : 3;
    return g->twice && chance(&g->prng, twice_percent) ? 2 : 1;
}

static size_t put_fields(struct generator *g, const ProtobufCMessageDescriptor *message,
                         struct buffer *out);

static void put_message(struct generator *g, const ProtobufCFieldDescriptor *field,
                        struct buffer *out)
{
    struct buffer inner;
    buffer_init(&inner);
    size_t middle = put_fields(g, field->descriptor, &inner);
    struct span bytes = buffer_span(&inner);
    bool may_split = field->label != PROTOBUF_C_LABEL_REPEATED && !is(field, "argument");
    if (may_split && chance(&g->splits, 40) && g->split) {
        put_bytes(g, out, field->id, span_of(bytes.at, middle));
        put_bytes(g, out, field->id, span_from(bytes, middle));
    } else {
        put_bytes(g, out, field->id, bytes);
    }
    buffer_close(&inner);
}

static void put_field(struct generator *g, const ProtobufCFieldDescriptor *field,
                      struct buffer *out)
{
    if (field == NULL)
        put_unknown(g, out);
    else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        put_message(g, field, out);
    else if (field->type != PROTOBUF_C_TYPE_BYTES)
        put_number(g, field, out);
    else if (is(field, "value"))
        put_payload(g, field->id, out);
    else
        put_text_value(g, field, out);
}

/* Mostly one member of a oneof. */
static bool wanted(struct generator *g, const ProtobufCFieldDescriptor *field, unsigned member)
{
    bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    return !oneof || member == field->id % 2 || (g->twice && chance(&g->prng, 5));
}

/* Gives the offset of a border between two fields. */
static size_t put_fields(struct generator *g, const ProtobufCMessageDescriptor *message,
                         struct buffer *out)
{
    const ProtobufCFieldDescriptor *chunks[CHUNKS_MAX];
    size_t count = 0, middle = 0;
    unsigned member = message->n_fields == 1 ? 0 : chance(&g->prng, 25);
    for (unsigned i = 0; i < message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->fields[i];
        if (!wanted(g, field, member)) continue;
        unsigned times = occurrences(g, field);
        for (unsigned n = 0; n < times && count < CHUNKS_MAX - 1; n++) chunks[count++] = field;
    }
    if (g->unknown && chance(&g->prng, 30)) chunks[count++] = NULL;
    for (size_t i = count; g->shuffled && i > 1; i--) {
        size_t other = prng_below(&g->prng, i);
        const ProtobufCFieldDescriptor *swapped = chunks[i - 1];
        chunks[i - 1] = chunks[other];
        chunks[other] = swapped;
    }
    for (size_t i = 0; i < count; i++) {
        if (i == count / 2) middle = out->size;
        put_field(g, chunks[i], out);
    }
    return middle;
}

void generate(struct generator *generator, const ProtobufCMessageDescriptor *message,
              struct buffer *out)
{
    put_fields(generator, message, out);
}

void damage(struct prng *prng, struct buffer *bytes)
{
    if (bytes->size == 0) return;
    switch (prng_below(prng, 4)) {
    case 0: buffer_truncate(bytes, prng_below(prng, bytes->size)); break;
    case 1: {
        size_t from = prng_below(prng, bytes->size);
        memmove(bytes->at + from, bytes->at + from + 1, bytes->size - from - 1);
        buffer_truncate(bytes, bytes->size - 1);
        break;
    }
    default:
        for (uint64_t flips = 1 + prng_below(prng, 3); flips > 0; flips--)
            bytes->at[prng_below(prng, bytes->size)] ^= (uint8_t)(1u << prng_below(prng, 8));
        break;
    }
}
