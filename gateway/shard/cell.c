/* Cells: the state of one address, immutable once it is in the image. */
#include "base/check.h"
#include "base/hash.h"
#include "shard/image.h"
#include "shard/key.h"

struct cell *cell_find(const struct image *image, uint32_t type, struct span id)
{
    struct place place = place_of(image, type, id);
    for (struct table_node *node = table_chain(&place.slot->cells, place.hash); node != NULL;
         node = node->next) {
        struct cell *cell = CONTAINER_OF(node, struct cell, node);
        if (node->hash == key_short(place.hash) && cell->type == type &&
            span_equal(cell_id(cell), id))
            return cell;
    }
    return NULL;
}

/* The id stands behind the values' heads, the values' bytes behind the id. */
static uint32_t id_offset(const struct cell *cell)
{
    return (uint32_t)(sizeof *cell + cell->value_count * sizeof cell->values[0]);
}

struct span cell_id(const struct cell *cell)
{
    return span_of((const uint8_t *)cell + id_offset(cell), cell->id_size);
}

struct span cell_value(const struct cell *cell, const struct value *value)
{
    return span_of((const uint8_t *)cell + value->offset, value->size);
}

const struct value *cell_find_value(const struct cell *cell, uint32_t name)
{
    for (uint32_t i = 0; i < cell->value_count; i++)
        if (cell->values[i].name == name) return &cell->values[i];
    return NULL;
}

size_t cell_size(size_t id_size, size_t value_count, size_t value_bytes)
{
    return sizeof(struct cell) + value_count * sizeof(struct value) + id_size + value_bytes;
}

struct cell *cell_new(struct image *image, uint32_t type, struct span id, uint32_t value_count,
                      size_t value_bytes)
{
    CHECK(id.size <= ID_SIZE_MAX && value_count <= VALUES_MAX);
    size_t size = cell_size(id.size, value_count, value_bytes);
    struct cell *cell = memory_alloc(&image->memory, size);
    if (cell == NULL) return NULL;
    *cell = (struct cell){.refs = 1,
                          .type = type,
                          .size = (uint32_t)size,
                          .id_size = (uint16_t)id.size,
                          .value_count = (uint16_t)value_count};
    memset(cell->values, 0, value_count * sizeof cell->values[0]);
    memcpy((uint8_t *)cell + id_offset(cell), id.at, id.size);
    return cell;
}

void cell_add(struct cell *cell, const struct value *value, struct span bytes)
{
    uint32_t offset = id_offset(cell) + cell->id_size;
    uint32_t i = 0;
    for (; cell->values[i].name != 0; i++) offset = cell->values[i].offset + cell->values[i].size;
    CHECK(i < cell->value_count && offset + bytes.size <= cell->size);
    cell->values[i] = *value;
    cell->values[i].offset = offset;
    cell->values[i].size = (uint32_t)bytes.size;
    if (bytes.size > 0) memcpy((uint8_t *)cell + offset, bytes.at, bytes.size);
}

void cell_ref(struct cell *cell)
{
    cell->refs++;
}

void cell_unref(struct image *image, struct cell *cell)
{
    CHECK(cell->refs > 0);
    if (--cell->refs == 0) memory_free(&image->memory, cell, cell->size);
}

static void count(struct image *image, const struct cell *cell, bool in)
{
    struct function *function = image_function(image, cell->type);
    if (in) {
        image->cell_count++;
        image->cell_bytes += cell->size;
        function->cell_count++;
    } else {
        image->cell_count--;
        image->cell_bytes -= cell->size;
        function->cell_count--;
    }
}

void cell_replace(struct image *image, struct cell *old, struct cell *cell)
{
    struct place place = place_of(image, cell->type, cell_id(cell));
    if (old != NULL) {
        table_remove(&place.slot->cells, &old->node);
        count(image, old, false);
        cell_unref(image, old);
    }
    if (cell->value_count == 0) {
        cell_unref(image, cell);
        return;
    }
    table_insert(&place.slot->cells, &image->memory, &cell->node, place.hash);
    count(image, cell, true);
}

bool value_expired(const struct function *function, const struct cell *cell,
                   const struct value *value, int64_t now_ms)
{
    const struct spec *spec = function_find_spec(function, value->name);
    if (spec == NULL || spec->mode == EXPIRE_NEVER) return false;
    int64_t since_ms = value->written_ms;
    if (spec->mode == EXPIRE_AFTER_INVOKE && cell->invoked_ms > since_ms)
        since_ms = cell->invoked_ms;
    return now_ms >= since_ms && now_ms - since_ms >= spec->ttl_ms;
}
