/*
 * What the engine's process writes down for the one that will kill it: the digest of the live image
 * at each seq, in memory that both share and that no SIGKILL takes away.
 */
#ifndef HOLDFAST_TESTS_REPLAY_WITNESS_H
#define HOLDFAST_TESTS_REPLAY_WITNESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { WITNESS_SEQS = 1 << 20 };

/* What happened at all: a test in which a kind of event never came proves nothing about it. */
enum happening {
    HAPPENED_SEND,
    HAPPENED_DUPLICATE,
    HAPPENED_REPLY,
    HAPPENED_CANCEL,
    HAPPENED_WRITE,
    HAPPENED_RESULT,
    HAPPENED_HANDSHAKE,
    HAPPENED_FAILURE,
    HAPPENED_PARKED,
    HAPPENED_OPERATED,
    HAPPENED_PULLED,
    HAPPENED_SNAPSHOT,
    HAPPENED_COUNT
};

struct witness {
    atomic_bool stop; /* an orderly end is wanted */
    _Atomic uint64_t durable;
    _Atomic uint64_t last_seq;
    _Atomic uint64_t happened[HAPPENED_COUNT];
    _Atomic uint64_t digests[WITNESS_SEQS]; /* by seq; 0: nobody looked */
};

static inline void witness_happened(struct witness *witness, enum happening what, uint64_t count)
{
    atomic_fetch_add_explicit(&witness->happened[what], count, memory_order_relaxed);
}

#endif
