/* Checks on a shard whose image came from bytes: what two fuzzers do after loading. */
#ifndef TESTS_FUZZ_SHARD_IMAGE_H
#define TESTS_FUZZ_SHARD_IMAGE_H

#include "shard/shard.h"

/* Digest and snapshot can be had. */
void shard_image_read(struct shard *shard);
/* Its snapshot, loaded into another shard, is the same image. */
void shard_image_check(struct shard *shard);
/* Starts it, asks for everything it holds, lets time pass: it must go on or refuse. */
void shard_image_use(struct shard *shard);

#endif
