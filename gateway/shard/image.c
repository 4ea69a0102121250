#include "shard/channel.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>

static void slot_init(struct slot *slot)
{
    *slot = (struct slot){0};
    list_init(&slot->entries);
    list_init(&slot->calls);
    list_init(&slot->timers);
}

int image_init(struct image *image)
{
    *image = (struct image){0};
    memory_init(&image->memory);
    image->slots = aligned_alloc(SLOT_ALIGNED, SLOTS * sizeof *image->slots);
    if (image->slots == NULL) return ERROR_MEMORY;
    for (uint32_t i = 0; i < SLOTS; i++) slot_init(&image->slots[i]);
    heap_init(&image->timers);
    list_init(&image->lanes);
    list_init(&image->sources);
    list_init(&image->woken);
    list_init(&image->answered);
    image->next_timer = 1;
    return 0;
}

static void close_slot(struct image *image, struct slot *slot)
{
    for (struct table_node *node = table_next(&slot->cells, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&slot->cells, node);
        struct cell *cell = CONTAINER_OF(node, struct cell, node);
        memory_free(&image->memory, cell, cell->size);
    }
    for (struct table_node *node = table_next(&slot->boxes, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&slot->boxes, node);
        box_free(image, CONTAINER_OF(node, struct box, node));
    }
    LIST_EACH (&slot->timers, link) {
        message_free(image, timer_take(image, CONTAINER_OF(link, struct timer, link)));
    }
    LIST_EACH (&slot->entries, link) {
        entry_remove(image, CONTAINER_OF(link, struct entry, order));
    }
    LIST_EACH (&slot->calls, link) {
        entry_remove(image, CONTAINER_OF(link, struct entry, order));
    }
    table_close(&slot->cells, &image->memory);
    table_close(&slot->boxes, &image->memory);
    table_close(&slot->keys, &image->memory);
    table_close(&slot->tokens, &image->memory);
}

static void close_names(struct image *image)
{
    for (uint32_t i = 1; i <= image->dictionary.count; i++) {
        struct name *name = image->dictionary.by_number[i];
        memory_free(&image->memory, name, sizeof *name + name->size);
    }
    table_close(&image->dictionary.by_bytes, &image->memory);
    free(image->dictionary.by_number);
    for (uint32_t i = 0; i < image->function_capacity; i++) {
        if (image->functions[i] == NULL) continue;
        free(image->functions[i]->specs);
        free(image->functions[i]);
    }
    free(image->functions);
}

void image_close(struct image *image)
{
    image->save_slot = NULL;
    for (uint32_t i = 0; image->slots != NULL && i < SLOTS; i++)
        close_slot(image, &image->slots[i]);
    LIST_EACH (&image->sources, link) {
        source_free(image, CONTAINER_OF(link, struct source, link));
    }
    LIST_EACH (&image->lanes, link) {
        lane_free(image, CONTAINER_OF(link, struct lane, link));
    }
    image_leave(image);
    table_close(&image->timers_by_number, &image->memory);
    table_close(&image->replies, &image->memory);
    close_names(image);
    free(image->slots);
    memory_close(&image->memory);
    image->slots = NULL;
}

struct slot *image_slot(const struct image *image, struct span id)
{
    return &image->slots[slot_of(id)];
}

void image_touch_slot(struct image *image, struct slot *slot)
{
    if (slot->cut_pending && image->save_slot != NULL)
        image->save_slot(image->save_context, (uint32_t)(slot - image->slots));
    slot->changed_seq = image->seq;
}

void image_touch(struct image *image, struct span id)
{
    image_touch_slot(image, image_slot(image, id));
}

/* ---- Dictionary ---- */

uint32_t dictionary_find(const struct image *image, struct span bytes)
{
    uint64_t hash = hash_bytes(bytes);
    uint32_t short_hash = (uint32_t)(hash ^ hash >> 32);
    for (struct table_node *node = table_chain(&image->dictionary.by_bytes, hash); node != NULL;
         node = node->next) {
        struct name *name = CONTAINER_OF(node, struct name, node);
        if (node->hash == short_hash && span_equal(span_of(name->bytes, name->size), bytes))
            return name->number;
    }
    return 0;
}

struct span dictionary_name(const struct image *image, uint32_t number)
{
    CHECK(number > 0 && number <= image->dictionary.count);
    const struct name *name = image->dictionary.by_number[number];
    return span_of(name->bytes, name->size);
}

static int grow(void **array, uint32_t *capacity, uint32_t needed, size_t element_size)
{
    if (needed <= *capacity) return 0;
    uint32_t larger = *capacity < 8 ? 16 : *capacity * 2;
    while (larger < needed) larger *= 2;
    uint8_t *grown = realloc(*array, larger * element_size);
    if (grown == NULL) return ERROR_MEMORY;
    memset(grown + *capacity * element_size, 0, (larger - *capacity) * element_size);
    *array = grown;
    *capacity = larger;
    return 0;
}

int dictionary_reserve(struct image *image, struct span bytes)
{
    struct dictionary *dictionary = &image->dictionary;
    void *names = dictionary->by_number;
    int error =
        grow(&names, &dictionary->capacity, dictionary->count + 2, sizeof *dictionary->by_number);
    dictionary->by_number = names;
    if (error != 0) return error;
    return memory_reserve_block(&image->memory, sizeof(struct name) + bytes.size);
}

void dictionary_add(struct image *image, struct span bytes)
{
    struct dictionary *dictionary = &image->dictionary;
    struct name *name = memory_alloc(&image->memory, sizeof *name + bytes.size);
    CHECK(name != NULL && dictionary->count + 1 < dictionary->capacity);
    name->number = ++dictionary->count;
    name->size = (uint32_t)bytes.size;
    memcpy(name->bytes, bytes.at, bytes.size);
    dictionary->by_number[name->number] = name;
    table_insert(&dictionary->by_bytes, &image->memory, &name->node, hash_bytes(bytes));
}

/* ---- Function types ---- */

int image_reserve_function(struct image *image, uint32_t type)
{
    void *functions = image->functions;
    int error = grow(&functions, &image->function_capacity, type + 1, sizeof *image->functions);
    image->functions = functions;
    if (error != 0 || image->functions[type] != NULL) return error;
    struct function *function = calloc(1, sizeof *function);
    if (function == NULL) return ERROR_MEMORY;
    function->type = type;
    function->endpoint = -1;
    image->functions[type] = function;
    return 0;
}

struct function *image_find_function(const struct image *image, uint32_t type)
{
    return type < image->function_capacity ? image->functions[type] : NULL;
}

struct function *image_function(struct image *image, uint32_t type)
{
    struct function *function = image_find_function(image, type);
    CHECK(function != NULL);
    return function;
}

int function_reserve_specs(struct image *image, struct function *function, uint32_t more)
{
    (void)image;
    void *specs = function->specs;
    int error = grow(&specs, &function->spec_capacity, function->spec_count + more,
                     sizeof *function->specs);
    function->specs = specs;
    return error;
}

const struct spec *function_find_spec(const struct function *function, uint32_t name)
{
    for (uint32_t i = 0; i < function->spec_count; i++)
        if (function->specs[i].name == name) return &function->specs[i];
    return NULL;
}
