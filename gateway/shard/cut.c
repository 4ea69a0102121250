/*
 * Snapshots without a pause: a cut fixes one seq; slots are then read out one by one while the
 * shard goes on. A slot that is about to change before its turn is saved first (its pre-image): its
 * cells, which are most of it, by reference.
 */
#include "shard/cut.h"

#include "base/hash.h"
#include "shard/block.h"
#include "shard/overlay.h"
#include "shard/shard.h"

#include <stdlib.h>

static size_t saved_size(uint32_t cell_count, size_t rest_size)
{
    return sizeof(struct saved) + cell_count * sizeof(struct cell *) + rest_size;
}

static uint8_t *saved_rest(struct saved *saved)
{
    return (uint8_t *)&saved->cells[saved->cell_count];
}

static void save_cells(struct saved *saved, const struct slot *slot)
{
    for (struct table_node *node = table_next(&slot->cells, NULL); node != NULL;
         node = table_next(&slot->cells, node)) {
        struct cell *cell = CONTAINER_OF(node, struct cell, node);
        cell_ref(cell);
        saved->cells[saved->cell_count++] = cell;
    }
}

static void save_slot(void *context, uint32_t number)
{
    struct shard *shard = context;
    struct cut *cut = shard->cut;
    struct slot *slot = &shard->image.slots[number];
    slot->cut_pending = false;
    buffer_clear(&cut->saving);
    block_write_rest(&cut->saving, slot);
    size_t rest_size = cut->saving.size;
    struct saved *saved = NULL;
    if (!cut->saving.failed)
        saved = memory_alloc_apart(&shard->image.memory, saved_size(slot->cells.count, rest_size));
    if (saved == NULL) {
        cut->failed = true;
        return;
    }
    *saved = (struct saved){.slot = number, .rest_size = rest_size};
    list_init(&saved->link);
    save_cells(saved, slot);
    if (rest_size > 0) memcpy(saved_rest(saved), cut->saving.at, rest_size);
    list_append(&cut->saved, &saved->link);
}

int shard_cut_begin(struct shard *shard, uint64_t since_seq)
{
    if (shard->cut != NULL) return ERROR_EXISTS;
    struct cut *cut = calloc(1, sizeof *cut);
    if (cut == NULL) return ERROR_MEMORY;
    cut->seq = shard->image.seq;
    cut->since_seq = since_seq;
    list_init(&cut->saved);
    block_write_globals(&cut->globals, &shard->image);
    if (cut->globals.failed) {
        buffer_close(&cut->globals);
        free(cut);
        return ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < SLOTS; i++) shard->image.slots[i].cut_pending = true;
    shard->image.save_slot = save_slot;
    shard->image.save_context = shard;
    shard->cut = cut;
    return 0;
}

static void free_saved(struct shard *shard, struct saved *saved)
{
    struct image *image = &shard->image;
    list_remove(&saved->link);
    for (uint32_t i = 0; i < saved->cell_count; i++) cell_unref(image, saved->cells[i]);
    memory_free_apart(&image->memory, saved, saved_size(saved->cell_count, saved->rest_size));
}

/* The same as block_write_slot wrote then. */
static void write_saved(struct buffer *out, struct saved *saved)
{
    if (saved->rest_size == 0) return; /* it was empty */
    buffer_varint(out, saved->cell_count);
    for (uint32_t i = 0; i < saved->cell_count; i++) block_write_cell(out, saved->cells[i]);
    buffer_append(out, span_of(saved_rest(saved), saved->rest_size));
}

static void show(struct cut *cut, uint32_t number, struct cut_block *block)
{
    if (cut->block.failed) cut->failed = true;
    *block = (struct cut_block){.block = number, .bytes = buffer_span(&cut->block)};
}

static bool next_saved(struct shard *shard, struct cut_block *block)
{
    struct cut *cut = shard->cut;
    if (list_empty(&cut->saved)) return false;
    struct saved *saved = LIST_FIRST(&cut->saved, struct saved, link);
    buffer_clear(&cut->block);
    write_saved(&cut->block, saved);
    show(cut, saved->slot, block);
    free_saved(shard, saved);
    return true;
}

static bool next_slot(struct shard *shard, struct cut_block *block)
{
    struct cut *cut = shard->cut;
    while (cut->next_slot < SLOTS) {
        uint32_t number = cut->next_slot++;
        struct slot *slot = &shard->image.slots[number];
        if (!slot->cut_pending) continue;
        slot->cut_pending = false;
        *block = (struct cut_block){.block = number, .keep = slot->changed_seq <= cut->since_seq};
        if (block->keep) return true;
        buffer_clear(&cut->block);
        block_write_slot(&cut->block, slot);
        show(cut, number, block);
        return true;
    }
    return false;
}

bool shard_cut_next(struct shard *shard, struct cut_block *block)
{
    struct cut *cut = shard->cut;
    if (cut->failed) return false;
    if (!cut->globals_given) {
        cut->globals_given = true;
        *block =
            (struct cut_block){.block = SHARD_BLOCK_GLOBALS, .bytes = buffer_span(&cut->globals)};
        return true;
    }
    return next_saved(shard, block) || next_slot(shard, block);
}

bool shard_cut_failed(const struct shard *shard)
{
    return shard->cut != NULL && shard->cut->failed;
}

uint64_t shard_cut_seq(const struct shard *shard)
{
    return shard->cut == NULL ? 0 : shard->cut->seq;
}

void shard_cut_end(struct shard *shard)
{
    struct cut *cut = shard->cut;
    if (cut == NULL) return;
    while (!list_empty(&cut->saved)) free_saved(shard, LIST_FIRST(&cut->saved, struct saved, link));
    for (uint32_t i = 0; i < SLOTS; i++) shard->image.slots[i].cut_pending = false;
    shard->image.save_slot = NULL;
    buffer_close(&cut->globals);
    buffer_close(&cut->block);
    buffer_close(&cut->saving);
    free(cut);
    shard->cut = NULL;
}

int shard_load(struct shard *shard, uint32_t block, struct span bytes)
{
    if (block == SHARD_BLOCK_GLOBALS) return block_read_globals(&shard->image, bytes);
    if (block >= SLOTS) return ERROR_DAMAGED;
    return bytes.size == 0 ? 0 : block_read_slot(&shard->image, block, bytes);
}

/* ---- Digest: the sum of the hashes of all objects ---- */

struct digest {
    struct buffer object;
    uint64_t sum;
};

static void add(struct digest *digest, uint64_t kind)
{
    digest->sum += hash_seeded(buffer_span(&digest->object), kind);
    buffer_clear(&digest->object);
}

static void digest_slot(struct digest *digest, const struct slot *slot)
{
    struct table_node *node = table_next(&slot->cells, NULL);
    for (; node != NULL; node = table_next(&slot->cells, node)) {
        block_write_cell(&digest->object, CONTAINER_OF(node, struct cell, node));
        add(digest, 1);
    }
    node = table_next(&slot->boxes, NULL);
    for (; node != NULL; node = table_next(&slot->boxes, node)) {
        block_write_box(&digest->object, CONTAINER_OF(node, struct box, node));
        add(digest, 2);
    }
    LIST_EACH (&slot->timers, link) {
        block_write_timer(&digest->object, CONTAINER_OF(link, struct timer, link));
        add(digest, 3);
    }
    LIST_EACH (&slot->entries, link) {
        block_write_entry(&digest->object, CONTAINER_OF(link, struct entry, order));
        add(digest, 4);
    }
    LIST_EACH (&slot->calls, link) {
        block_write_entry(&digest->object, CONTAINER_OF(link, struct entry, order));
        add(digest, 4);
    }
}

uint64_t shard_digest(struct shard *shard)
{
    struct digest digest = {.sum = 0};
    buffer_init(&digest.object);
    block_write_globals(&digest.object, &shard->image);
    add(&digest, 5);
    for (uint32_t i = 0; i < SLOTS; i++) digest_slot(&digest, &shard->image.slots[i]);
    buffer_close(&digest.object);
    return digest.sum;
}
