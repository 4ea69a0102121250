#include "wire/record.h"

static uint32_t read_number(struct reader *in)
{
    return (uint32_t)reader_varint_max(in, UINT32_MAX);
}

void record_write(struct buffer *out, uint8_t kind, uint64_t elapsed_ms, struct span body)
{
    buffer_varint(out, 1 + varint_size(elapsed_ms) + body.size);
    buffer_byte(out, kind);
    buffer_varint(out, elapsed_ms);
    buffer_append(out, body);
}

void record_read(struct reader *in, struct record *record)
{
    struct reader rest = reader_of(reader_string(in));
    record->kind = reader_byte(&rest);
    record->elapsed_ms = reader_varint(&rest);
    if (rest.failed) in->failed = true;
    record->body = reader_bytes(&rest, reader_left(&rest));
}

void record_open_write(struct buffer *out, const struct record_open *open)
{
    buffer_varint(out, open->epoch);
    buffer_u64(out, open->lineage);
    buffer_varint(out, open->format);
    buffer_string(out, open->version);
    buffer_varint(out, open->shard);
    buffer_varint(out, open->shard_count);
}

void record_open_read(struct reader *in, struct record_open *open)
{
    open->epoch = read_number(in);
    open->lineage = reader_u64(in);
    open->format = read_number(in);
    open->version = reader_string(in);
    open->shard = read_number(in);
    open->shard_count = read_number(in);
}

void record_spec_write(struct buffer *out, const struct record_spec *spec)
{
    buffer_varint(out, spec->name);
    buffer_varint(out, spec->type_name);
    buffer_byte(out, spec->mode);
    buffer_varint(out, spec->ttl_ms);
}

void record_spec_read(struct reader *in, struct record_spec *spec)
{
    spec->name = read_number(in);
    spec->type_name = read_number(in);
    spec->mode = reader_byte(in);
    spec->ttl_ms = reader_varint_max(in, INT64_MAX);
}

enum {
    HAS_CALLER = 1,
    HAS_REPLY_TOKEN = 2,
    HAS_TRACEPARENT = 4,
    HAS_DELAY = 8,
    HAS_CANCEL_TOKEN = 16,
    IS_REPLY = 32,
    IS_STATE = 64,
    IS_EGRESS = 128,
};

enum { STATE_IS_DELETE = 1, STATE_IF_MATCH = 2 };

static uint8_t item_flags(const struct record_item *item)
{
    unsigned flags = 0;
    if (item->has_caller) flags |= HAS_CALLER;
    if (item->reply_token.size > 0) flags |= HAS_REPLY_TOKEN;
    if (item->traceparent.size > 0) flags |= HAS_TRACEPARENT;
    if (item->delayed) flags |= HAS_DELAY;
    if (item->cancel_token.size > 0) flags |= HAS_CANCEL_TOKEN;
    if (item->kind == ITEM_REPLY) flags |= IS_REPLY;
    if (item->kind == ITEM_STATE_SET || item->kind == ITEM_STATE_DELETE) flags |= IS_STATE;
    if (item->kind == ITEM_EGRESS) flags |= IS_EGRESS;
    return (uint8_t)flags;
}

static void state_write(struct buffer *out, const struct record_item *item)
{
    unsigned flags = item->kind == ITEM_STATE_DELETE ? STATE_IS_DELETE : 0;
    if (item->if_match) flags |= STATE_IF_MATCH;
    buffer_byte(out, (uint8_t)flags);
    buffer_varint(out, item->state_name);
    buffer_varint(out, item->state_type);
    if (item->if_match) buffer_varint(out, item->version);
}

static void state_read(struct reader *in, struct record_item *item)
{
    uint8_t flags = reader_byte(in);
    item->kind = flags & STATE_IS_DELETE ? ITEM_STATE_DELETE : ITEM_STATE_SET;
    item->state_name = read_number(in);
    item->state_type = read_number(in);
    item->if_match = flags & STATE_IF_MATCH;
    if (item->if_match) item->version = reader_varint(in);
}

void record_item_write(struct buffer *out, const struct record_item *item)
{
    buffer_byte(out, item_flags(item));
    if (item->kind != ITEM_REPLY) buffer_varint(out, item->type);
    buffer_string(out, item->id);
    buffer_string(out, item->argument);
    if (item->has_caller) {
        buffer_varint(out, item->caller_type);
        buffer_string(out, item->caller_id);
    }
    if (item->reply_token.size > 0) buffer_string(out, item->reply_token);
    if (item->traceparent.size > 0) buffer_string(out, item->traceparent);
    if (item->delayed) buffer_varint(out, item->delay_ms);
    if (item->cancel_token.size > 0) buffer_string(out, item->cancel_token);
    if (item->kind == ITEM_STATE_SET || item->kind == ITEM_STATE_DELETE) state_write(out, item);
}

void record_item_read(struct reader *in, struct record_item *item)
{
    *item = (struct record_item){0};
    uint8_t flags = reader_byte(in);
    if (flags & IS_REPLY) item->kind = ITEM_REPLY;
    if (flags & IS_EGRESS) item->kind = ITEM_EGRESS;
    if (item->kind != ITEM_REPLY) item->type = read_number(in);
    item->id = reader_string(in);
    item->argument = reader_string(in);
    item->has_caller = flags & HAS_CALLER;
    if (item->has_caller) {
        item->caller_type = read_number(in);
        item->caller_id = reader_string(in);
    }
    if (flags & HAS_REPLY_TOKEN) item->reply_token = reader_string(in);
    if (flags & HAS_TRACEPARENT) item->traceparent = reader_string(in);
    item->delayed = flags & HAS_DELAY;
    if (item->delayed) item->delay_ms = reader_varint_max(in, INT64_MAX);
    if (flags & HAS_CANCEL_TOKEN) item->cancel_token = reader_string(in);
    if (flags & IS_STATE) state_read(in, item);
}

void record_accept_write(struct buffer *out, const struct record_accept *accept)
{
    buffer_string(out, accept->key);
    if (accept->key.size > 0) buffer_u64(out, accept->body_hash);
}

void record_accept_read(struct reader *in, struct record_accept *accept)
{
    accept->key = reader_string(in);
    accept->body_hash = accept->key.size > 0 ? reader_u64(in) : 0;
}

void record_receive_write(struct buffer *out, const struct record_receive *receive)
{
    buffer_varint(out, receive->from);
    buffer_varint(out, receive->first);
    buffer_varint(out, receive->count);
}

void record_receive_read(struct reader *in, struct record_receive *receive)
{
    receive->from = read_number(in);
    receive->first = reader_varint(in);
    receive->count = reader_varint(in);
}

void record_source_write(struct buffer *out, const struct record_source *source)
{
    buffer_varint(out, source->name);
    buffer_string(out, source->position);
    buffer_varint(out, source->count);
}

void record_source_read(struct reader *in, struct record_source *source)
{
    source->name = read_number(in);
    source->position = reader_string(in);
    source->count = reader_varint(in);
}

void record_acked_write(struct buffer *out, const struct record_acked *acked)
{
    buffer_varint(out, acked->peer);
    buffer_varint(out, acked->through);
}

void record_acked_read(struct reader *in, struct record_acked *acked)
{
    acked->peer = read_number(in);
    acked->through = reader_varint(in);
}

void record_apply_write(struct buffer *out, const struct record_apply *apply)
{
    buffer_varint(out, apply->type);
    buffer_string(out, apply->id);
    buffer_varint(out, apply->consumed);
    buffer_u32(out, apply->check);
    buffer_varint(out, apply->age_ms);
}

void record_apply_read(struct reader *in, struct record_apply *apply)
{
    apply->type = read_number(in);
    apply->id = reader_string(in);
    apply->consumed = read_number(in);
    apply->check = reader_u32(in);
    apply->age_ms = reader_varint_max(in, INT64_MAX);
}

void record_delayed_write(struct buffer *out, const struct record_item *item)
{
    buffer_byte(out, 0);
    record_item_write(out, item);
}

void record_cancel_write(struct buffer *out, struct span token)
{
    buffer_byte(out, 1);
    buffer_string(out, token);
}

bool record_delayed_read(struct reader *in, struct record_item *item)
{
    if (reader_byte(in) == 0) {
        record_item_read(in, item);
        return false;
    }
    *item = (struct record_item){.cancel_token = reader_string(in)};
    return true;
}

void record_egress_write(struct buffer *out, const struct record_egress *egress)
{
    buffer_varint(out, egress->lane);
    buffer_string(out, egress->argument);
}

void record_egress_read(struct reader *in, struct record_egress *egress)
{
    egress->lane = read_number(in);
    egress->argument = reader_string(in);
}

void record_mutation_write(struct buffer *out, const struct record_mutation *mutation)
{
    /* The lowest bit says delete: most names then still take one byte. */
    buffer_varint(out, (uint64_t)mutation->name << 1 | mutation->is_delete);
    if (mutation->is_delete) return;
    buffer_varint(out, mutation->type_name);
    buffer_string(out, mutation->value);
}

void record_mutation_read(struct reader *in, struct record_mutation *mutation)
{
    uint64_t head = reader_varint_max(in, (uint64_t)UINT32_MAX << 1 | 1);
    *mutation = (struct record_mutation){.name = (uint32_t)(head >> 1), .is_delete = head & 1};
    if (mutation->is_delete) return;
    mutation->type_name = read_number(in);
    mutation->value = reader_string(in);
}

void record_fail_write(struct buffer *out, const struct record_fail *fail)
{
    buffer_varint(out, fail->type);
    buffer_string(out, fail->id);
    buffer_varint(out, fail->attempts);
    buffer_byte(out, fail->parked);
    buffer_varint(out, fail->since_ms);
    buffer_string(out, fail->text);
}

void record_fail_read(struct reader *in, struct record_fail *fail)
{
    fail->type = read_number(in);
    fail->id = reader_string(in);
    fail->attempts = read_number(in);
    fail->parked = reader_byte(in) != 0;
    fail->since_ms = reader_varint_max(in, INT64_MAX);
    fail->text = reader_string(in);
}

void record_operator_write(struct buffer *out, const struct record_operator *operate)
{
    buffer_varint(out, operate->type);
    buffer_string(out, operate->id);
    buffer_byte(out, (uint8_t)operate->verb);
    buffer_byte(out, operate->applied);
    buffer_string(out, operate->who);
    if (operate->verb != RECORD_VERB_DEAD_LETTER) return;
    buffer_varint(out, operate->lane);
    buffer_string(out, operate->letter);
}

void record_operator_read(struct reader *in, struct record_operator *operate)
{
    *operate = (struct record_operator){0};
    operate->type = read_number(in);
    operate->id = reader_string(in);
    operate->verb = (enum record_verb)reader_byte(in);
    operate->applied = reader_byte(in) != 0;
    operate->who = reader_string(in);
    if (operate->verb != RECORD_VERB_DEAD_LETTER) return;
    operate->lane = read_number(in);
    operate->letter = reader_string(in);
}
