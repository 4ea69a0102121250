/*
 * Snapshots without a pause: a cut fixes one seq; slots are then read out one by one while the
 * shard goes on. A slot that is about to change before its turn is written into memory first (its
 * pre-image).
 */
#include "shard/cut.h"

#include "base/hash.h"
#include "shard/block.h"
#include "shard/overlay.h"
#include "shard/shard.h"

#include <stdlib.h>

static void save_slot(void *context, uint32_t number)
{
    struct shard *shard = context;
    struct cut *cut = shard->cut;
    struct slot *slot = &shard->image.slots[number];
    slot->cut_pending = false;
    buffer_clear(&cut->saving);
    block_write_slot(&cut->saving, slot);
    size_t size = cut->saving.size;
    struct saved *saved =
        cut->saving.failed ? NULL : memory_alloc_apart(&shard->image.memory, sizeof *saved + size);
    if (saved == NULL) {
        cut->failed = true;
        return;
    }
    list_init(&saved->link);
    saved->slot = number;
    saved->size = size;
    if (size > 0) memcpy(saved->bytes, cut->saving.at, size);
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
    if (saved == NULL) return;
    list_remove(&saved->link);
    memory_free_apart(&shard->image.memory, saved, sizeof *saved + saved->size);
}

static bool next_saved(struct cut *cut, struct cut_block *block)
{
    if (list_empty(&cut->saved)) return false;
    cut->shown = LIST_FIRST(&cut->saved, struct saved, link);
    *block = (struct cut_block){.block = cut->shown->slot,
                                .bytes = span_of(cut->shown->bytes, cut->shown->size)};
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
        if (cut->block.failed) cut->failed = true;
        block->bytes = buffer_span(&cut->block);
        return true;
    }
    return false;
}

bool shard_cut_next(struct shard *shard, struct cut_block *block)
{
    struct cut *cut = shard->cut;
    free_saved(shard, cut->shown);
    cut->shown = NULL;
    if (cut->failed) return false;
    if (!cut->globals_given) {
        cut->globals_given = true;
        *block =
            (struct cut_block){.block = SHARD_BLOCK_GLOBALS, .bytes = buffer_span(&cut->globals)};
        return true;
    }
    return next_saved(cut, block) || next_slot(shard, block);
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
    cut->shown = NULL;
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
