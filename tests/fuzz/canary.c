/* A decoder with a bug, which the fuzzer must find from an empty corpus: were it not found, a run
 * without findings would mean nothing. The magic has to be guessed, then a length is believed. */
#include "fuzz.h"

void fuzz_one(struct span input)
{
    char kept[8];
    if (input.size < 4 || input.at[0] != 'H' || input.at[1] != 'F' || input.at[2] != '!') return;
    size_t size = input.at[3];
    if (input.size < 4 + size) return;
    memcpy(kept, input.at + 4, size);
    fuzz_touch(span_of(kept, 1));
}
