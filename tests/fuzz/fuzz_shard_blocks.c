/*
 * Blocks of a snapshot with any content: globals, then slots (two bytes of number, two of size,
 * bytes). Their checksums are the store's affair; here they are right and the content is not. A
 * shard loads them or says that they are damaged. What it has loaded may contradict itself (an id
 * in another slot, a number twice): that cannot come from a disk that forgets or flips bits, and
 * need not be noticed, but it can be read out again.
 */
#include "fuzz.h"
#include "shard_image.h"

void fuzz_one(struct span input)
{
    struct shard *shard;
    FUZZ_CHECK(shard_open(&shard) == 0);
    int error = shard_load(shard, SHARD_BLOCK_GLOBALS, fuzz_long_bytes(&input));
    while (error == 0 && input.size > 0) {
        uint32_t slot = fuzz_short(&input);
        error = shard_load(shard, slot, fuzz_long_bytes(&input));
    }
    FUZZ_CHECK(error == 0 || error == ERROR_DAMAGED || error == ERROR_NEWER_FORMAT ||
               error == ERROR_REFUSED);
    if (error == 0) {
        shard_image_read(shard);
    }
    shard_close(shard);
}
