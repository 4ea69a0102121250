/*
 * The image as bytes: one block per slot and one for the globals. Described in docs/formats.md.
 * Also the content that the digest is taken over, object by object, so that the order in a table
 * does not count.
 */
#ifndef HOLDFAST_SHARD_BLOCK_H
#define HOLDFAST_SHARD_BLOCK_H

#include "shard/image.h"

/* Without sources the first is written, which older programs read. */
enum { BLOCK_FORMAT = 2, BLOCK_FORMAT_NO_SOURCES = 1 };

void block_write_globals(struct buffer *out, const struct image *image);
/* A slot: its cells, then the rest; nothing for an empty one. */
void block_write_slot(struct buffer *out, const struct slot *slot);
void block_write_rest(struct buffer *out, const struct slot *slot);

void block_write_cell(struct buffer *out, const struct cell *cell);
void block_write_box(struct buffer *out, const struct box *box);
void block_write_timer(struct buffer *out, const struct timer *timer);
void block_write_entry(struct buffer *out, const struct entry *entry);

/* ERROR_DAMAGED, ERROR_NEWER_FORMAT, ERROR_MEMORY. */
int block_read_globals(struct image *image, struct span bytes) MUST_USE;
int block_read_slot(struct image *image, uint32_t number, struct span bytes) MUST_USE;

#endif
