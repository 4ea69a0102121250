/*
 * Functions without a network: takes the place of the invoke room, and answers each call a little
 * later with effects drawn from a seed.
 */
#ifndef HOLDFAST_TESTS_REPLAY_FAKE_INVOKE_H
#define HOLDFAST_TESTS_REPLAY_FAKE_INVOKE_H

#include "witness.h"

#include "base/prng.h"
#include "invoke/invoke.h"

/* Before the engine opens. `told` is called after each outcome has been given back. */
void fake_invoke_use(struct prng *prng, struct witness *witness, void (*told)(void *),
                     void *context);

/* A random address; the text lives until the next eight calls. */
struct address fake_address(struct prng *prng);

#endif
