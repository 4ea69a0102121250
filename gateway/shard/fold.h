/*
 * image(n) = fold(image(n - 1), record n): the only way the image changes, live and in replay.
 * Fold reads no configuration and no clock, and cannot fail: `fold_prepare` has checked the record
 * against the image and reserved what it needs.
 */
#ifndef HOLDFAST_SHARD_FOLD_H
#define HOLDFAST_SHARD_FOLD_H

#include "shard/image.h"

/* A byte of EVICT: which entries, and that a number of older ones follows which stay. */
enum { EVICT_WITH_KEY = 1, EVICT_SKIPS = 2 };

/* ERROR_MEMORY; ERROR_DAMAGED: the record does not fit this image (only in replay: decide makes
   fitting ones); ERROR_NEWER_FORMAT: an unknown kind that may not be skipped. The image is as
   before. */
int fold_prepare(struct image *image, const struct record *record) MUST_USE;
/* After a successful fold_prepare of the same record. */
void fold(struct image *image, const struct record *record);

#endif
