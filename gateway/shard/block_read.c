/*
 * Loads an image from its blocks: globals first, since the slots speak in its numbers. Checksums
 * say that a block is as it was written, not that its writer was right: what contradicts itself, or
 * the globals, is refused too.
 */
#include "shard/block.h"

#include "shard/channel.h"

static int check_name(const struct image *image, uint32_t number)
{
    return number > 0 && number <= image->dictionary.count ? 0 : ERROR_DAMAGED;
}

static uint32_t read_number(struct reader *in)
{
    return (uint32_t)reader_varint_max(in, UINT32_MAX);
}

static int64_t read_time(struct reader *in)
{
    return (int64_t)reader_varint_max(in, INT64_MAX);
}

/* Everything in a slot is there by an id. */
static bool is_of_slot(uint32_t slot, struct span id)
{
    return id.size > 0 && id.size <= ID_SIZE_MAX && slot_of(id) == slot;
}

/* A function type that an object names. */
static int use_function(struct image *image, uint32_t type)
{
    int error = check_name(image, type);
    return error != 0 ? error : image_reserve_function(image, type);
}

/* A value that an earlier one of the cell has the name of. */
static bool has_value(const struct cell *cell, uint32_t count, uint32_t name)
{
    for (uint32_t i = 0; i < count; i++)
        if (cell->values[i].name == name) return true;
    return false;
}

static int read_cell(struct image *image, uint32_t slot, struct reader *in)
{
    uint32_t type = read_number(in);
    struct span id = reader_string(in);
    uint64_t seq = reader_varint(in);
    int64_t invoked_ms = read_time(in);
    uint32_t count = (uint32_t)reader_varint_max(in, VALUES_MAX);
    struct reader values = *in;
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (int j = 0; j < 4; j++) reader_varint(in);
        bytes += reader_string(in).size;
    }
    int error = use_function(image, type);
    if (in->failed || count == 0 || seq > image->seq || !is_of_slot(slot, id) ||
        cell_find(image, type, id) != NULL)
        error = ERROR_DAMAGED;
    if (error != 0) return error;
    struct cell *cell = cell_new(image, type, id, count, bytes);
    if (cell == NULL) return ERROR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct value value = {.name = read_number(&values), .type_name = read_number(&values)};
        value.written_ms = read_time(&values);
        value.version = reader_varint(&values);
        if (check_name(image, value.name) != 0 || check_name(image, value.type_name) != 0 ||
            has_value(cell, i, value.name))
            error = ERROR_DAMAGED;
        if (value.name == 0) value.name = UINT32_MAX;
        cell_add(cell, &value, reader_string(&values));
    }
    cell->seq = seq;
    cell->invoked_ms = invoked_ms;
    if (error != 0)
        cell_unref(image, cell);
    else
        cell_replace(image, NULL, cell);
    return error;
}

static int read_message(struct image *image, struct reader *in, struct message **read)
{
    struct record_item item = {.kind = (enum item_kind)reader_byte(in)};
    uint64_t seq = reader_varint(in);
    uint32_t index = read_number(in);
    uint32_t epoch = read_number(in);
    uint32_t caller_type = read_number(in);
    struct span caller_id = reader_string(in);
    item.argument = reader_string(in);
    item.reply_token = reader_string(in);
    item.traceparent = reader_string(in);
    if (item.kind != ITEM_MESSAGE) {
        item.state_name = read_number(in);
        item.state_type = read_number(in);
        item.if_match = reader_byte(in) != 0;
        item.version = reader_varint(in);
        if (check_name(image, item.state_name) != 0 || item.kind < ITEM_STATE_SET ||
            item.kind > ITEM_STATE_DELETE)
            in->failed = true;
    }
    if (in->failed || seq > image->seq || (caller_type != 0 && check_name(image, caller_type) != 0))
        return ERROR_DAMAGED;
    int error = memory_reserve_block(&image->memory, message_size(&item, true, caller_id));
    if (error != 0) return error;
    *read = message_new(image, &item, caller_type, caller_id);
    (*read)->seq = seq;
    (*read)->index = index;
    (*read)->epoch = epoch;
    return 0;
}

static int read_messages(struct image *image, struct reader *in, struct box *box)
{
    uint64_t count = reader_varint(in);
    if (count == 0) return ERROR_DAMAGED;
    for (uint64_t i = 0; i < count; i++) {
        struct message *message;
        int error = read_message(image, in, &message);
        if (error != 0) return error;
        box_put(image, box, message);
    }
    return 0;
}

static int read_box(struct image *image, uint32_t slot, struct reader *in)
{
    uint32_t type = read_number(in);
    struct span id = reader_string(in);
    uint32_t attempts = read_number(in);
    int64_t failed_ms = read_time(in);
    bool parked = reader_byte(in) != 0;
    int64_t parked_ms = read_time(in);
    struct span text = reader_string(in);
    int error = use_function(image, type);
    if (in->failed || !is_of_slot(slot, id) || box_find(image, type, id) != NULL)
        error = ERROR_DAMAGED;
    if (error == 0)
        error = memory_reserve(&image->memory, memory_cost(box_size(id)) + memory_cost(text.size));
    if (error != 0) return error;
    struct box *box = box_get(image, type, id);
    box->attempts = attempts;
    box->failed_ms = failed_ms;
    box->parked = parked;
    box->parked_ms = parked_ms;
    box_set_text(image, box, text);
    if (parked) image->parked_count++;
    return read_messages(image, in, box);
}

static int read_timer(struct image *image, uint32_t slot, struct reader *in)
{
    uint64_t number = reader_varint(in);
    int64_t due_ms = read_time(in);
    uint32_t target_type = read_number(in);
    struct span target_id = reader_string(in);
    struct span scope_id = reader_string(in);
    struct span token = reader_string(in);
    int error = use_function(image, target_type);
    if (in->failed || target_id.size == 0 || !is_of_slot(slot, scope_id) || number == 0 ||
        number >= image->next_timer || timer_find_number(image, number) != NULL ||
        (token.size > 0 && timer_find_token(image, scope_id, token) != NULL))
        error = ERROR_DAMAGED;
    struct message *message;
    if (error == 0) error = read_message(image, in, &message);
    if (error != 0) return error;
    error =
        memory_reserve_block(&image->memory, timer_size(target_id.size, scope_id.size, token.size));
    if (error == 0)
        timer_add(image, number, due_ms, target_type, target_id, scope_id, token, message);
    else
        message_free(image, message);
    return error;
}

static int read_entry(struct image *image, uint32_t slot, struct reader *in)
{
    uint32_t type = read_number(in);
    struct span id = reader_string(in);
    struct span key = reader_string(in);
    struct span token = reader_string(in);
    uint64_t body_hash = key.size > 0 ? reader_u64(in) : 0;
    uint64_t seq = reader_varint(in);
    uint32_t epoch = read_number(in);
    int64_t created_ms = read_time(in);
    bool has_answer = reader_byte(in) != 0;
    uint64_t answer_seq = has_answer ? reader_varint(in) : 0;
    struct span answer = has_answer ? reader_string(in) : SPAN_EMPTY;
    if (in->failed || !is_of_slot(slot, id) || check_name(image, type) != 0 || seq > image->seq ||
        key.size > KEY_SIZE_MAX || token.size > REPLY_TOKEN_SIZE || answer_seq > image->seq ||
        (key.size > 0 && entry_find_key(image, type, id, key) != NULL) ||
        (token.size > 0 && entry_find_token(image, token) != NULL))
        return ERROR_DAMAGED;
    int error = memory_reserve_block(&image->memory, entry_size(id.size, key.size, token.size));
    if (error == 0) error = memory_reserve_block(&image->memory, answer.size);
    if (error != 0) return error;
    struct entry *entry = entry_add(image, type, id, key, token, body_hash);
    entry->seq = seq;
    entry->epoch = epoch;
    entry->created_ms = created_ms;
    if (!has_answer) return 0;
    entry_set_answer(image, entry, answer);
    entry->answer_seq = answer_seq;
    return 0;
}

typedef int read_object(struct image *image, uint32_t slot, struct reader *in);

int block_read_slot(struct image *image, uint32_t number, struct span bytes)
{
    static read_object *const readers[] = {read_cell, read_box, read_timer, read_entry};
    struct reader in = reader_of(bytes);
    if (!image_owns(image, number)) return ERROR_DAMAGED;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        uint64_t count = reader_varint(&in);
        for (uint64_t j = 0; j < count; j++) {
            int error = readers[i](image, number, &in);
            if (error != 0) return error;
        }
    }
    image->slots[number].changed_seq = image->seq;
    memory_unreserve(&image->memory);
    return reader_done(&in) ? 0 : ERROR_DAMAGED;
}

static int read_functions(struct image *image, struct reader *in)
{
    for (uint32_t type = read_number(in); type != 0; type = read_number(in)) {
        uint32_t count = (uint32_t)reader_varint_max(in, STATES_MAX);
        int error = use_function(image, type);
        if (error != 0) return error;
        struct function *function = image_function(image, type);
        error = function_reserve_specs(image, function, count);
        if (error != 0) return error;
        for (uint32_t i = 0; i < count; i++) {
            struct record_spec spec;
            record_spec_read(in, &spec);
            if (check_name(image, spec.name) != 0 || check_name(image, spec.type_name) != 0)
                return ERROR_DAMAGED;
            image->has_expiry = image->has_expiry || spec.mode != EXPIRE_NEVER;
            function->specs[function->spec_count++] = (struct spec){
                spec.name, spec.type_name, (enum expire_mode)spec.mode, (int64_t)spec.ttl_ms};
        }
    }
    return 0;
}

static int read_letters(struct image *image, struct reader *in, struct lane *lane)
{
    uint64_t last = reader_varint(in), taken = reader_varint(in), count = reader_varint(in);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t cursor = reader_varint(in), seq = reader_varint(in);
        struct span bytes = reader_string(in);
        if (in->failed) return ERROR_DAMAGED;
        int error = memory_reserve_block(&image->memory, sizeof(struct letter) + bytes.size);
        if (error != 0) return error;
        lane_put(image, lane, cursor, seq, bytes);
    }
    lane->last = last;
    lane->taken = taken;
    return 0;
}

static int read_lane(struct image *image, struct reader *in)
{
    uint32_t name = read_number(in);
    int error = check_name(image, name);
    if (error == 0) error = memory_reserve(&image->memory, memory_cost(sizeof(struct lane)));
    return error != 0 ? error : read_letters(image, in, lane_get(image, name));
}

static int read_channels(struct image *image, struct reader *in)
{
    uint32_t shard = read_number(in), shard_count = read_number(in);
    image->cut = reader_varint(in);
    int error = in->failed ? ERROR_DAMAGED : image_place(image, shard, shard_count);
    for (uint32_t i = 0; error == 0 && i < shard_count; i++) {
        struct channel *channel = channel_of(image, i);
        if (channel == NULL) continue;
        channel->accepted = reader_varint(in);
        if (read_number(in) != 0) return ERROR_DAMAGED; /* a channel has no name */
        error = read_letters(image, in, &channel->out);
        if (error == 0 && channel->out.count != channel->out.last - channel->out.taken)
            return ERROR_DAMAGED;
    }
    return error;
}

static int read_names(struct image *image, struct reader *in)
{
    uint64_t count = reader_varint_max(in, NAMES_MAX);
    for (uint64_t i = 0; i < count; i++) {
        struct span name = reader_string(in);
        if (in->failed || name.size == 0) return ERROR_DAMAGED;
        int error = dictionary_reserve(image, name);
        if (error != 0) return error;
        dictionary_add(image, name);
    }
    return 0;
}

/* What is read here was durable. */
static int read_sources(struct image *image, struct reader *in)
{
    uint64_t count = reader_varint_max(in, NAMES_MAX);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t name = read_number(in);
        struct span position = reader_string(in);
        bool sound = !in->failed && position.size > 0 && position.size <= SOURCE_POSITION_MAX &&
                     check_name(image, name) == 0 && source_find(image, name) == NULL;
        if (!sound) return ERROR_DAMAGED;
        int error = memory_reserve(&image->memory, memory_cost(sizeof(struct source)));
        if (error != 0) return error;
        source_set(image, name, position, image->seq);
    }
    return 0;
}

int block_read_globals(struct image *image, struct span bytes)
{
    struct reader in = reader_of(bytes);
    uint64_t format = reader_varint(&in);
    if (format > BLOCK_FORMAT) return ERROR_NEWER_FORMAT;
    image->lineage = reader_u64(&in);
    image->epoch = read_number(&in);
    image->seq = reader_varint(&in);
    image->time_ms = read_time(&in);
    image->next_timer = reader_varint(&in);
    int error = read_names(image, &in);
    if (error == 0) error = read_functions(image, &in);
    if (error != 0) return error;
    uint64_t lanes = reader_varint(&in);
    for (uint64_t i = 0; i < lanes && error == 0; i++) error = read_lane(image, &in);
    if (error == 0) error = read_channels(image, &in);
    if (error == 0 && format > BLOCK_FORMAT_NO_SOURCES) error = read_sources(image, &in);
    memory_unreserve(&image->memory);
    if (error != 0) return error;
    return reader_done(&in) ? 0 : ERROR_DAMAGED;
}
