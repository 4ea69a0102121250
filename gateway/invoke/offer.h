/*
 * What an origin has said of many addresses per request (bundle.h): that it takes them, how many,
 * and what has been learned since. An offer is the header
 *     accept-post: application/vnd.holdfast.bundle;max=N
 * of any answer.
 */
#ifndef HOLDFAST_INVOKE_OFFER_H
#define HOLDFAST_INVOKE_OFFER_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    OFFER_MAX_DEFAULT = 32, /* when N is not said */
    OFFER_NONE = 1,         /* one address per request: takes an earlier offer back; N = 0, too */
    OFFER_SLOW_PLACES = 64,
};

struct offer {
    uint32_t max;         /* addresses in one request; 0: none are wanted */
    int64_t not_until_us; /* after an answer that was not understood */
    /* Addresses that made others wait: they are called alone for a while. By hash; who comes to the
       place of another takes it, which costs the other's companions some time and no more. */
    struct {
        uint64_t hash;
        int64_t until_us;
    } slow[OFFER_SLOW_PLACES];
};

/* The value of an accept-post header: the number offered, 0 when it says nothing of it. */
uint32_t offer_parse(struct span value);

/* An answer with an offer has come. */
void offer_made(struct offer *offer, uint32_t max, int64_t now_us);
/* A bundle was answered with something else than outcomes. */
void offer_broken(struct offer *offer, int64_t now_us);

/* The id was slow, or is still taken for slow. */
void offer_slow(struct offer *offer, struct span id, int64_t now_us);
bool offer_is_slow(const struct offer *offer, struct span id, int64_t now_us);

#endif
