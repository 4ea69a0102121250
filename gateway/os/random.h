/* Secrets, tokens and seeds from the kernel. For jitter and simulations see base/prng.h. */
#ifndef HOLDFAST_OS_RANDOM_H
#define HOLDFAST_OS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Cannot fail on a system that runs us: aborts instead of giving anything predictable. */
void random_fill(void *at, size_t size);
uint64_t random_u64(void);

#endif
