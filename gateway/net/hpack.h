/*
 * Counts the fields of an HPACK header block (RFC 7541) as it comes in, without decoding it: of a
 * block that names one large field over and over h2o makes thousands of headers before anybody can
 * object.
 */
#ifndef HOLDFAST_NET_HPACK_H
#define HOLDFAST_NET_HPACK_H

#include "base/span.h"

/* All zero at the block's first byte. */
struct hpack {
    uint8_t state;
    uint8_t strings; /* that are still to come of the field */
    uint8_t shift;   /* within a length */
    uint32_t length; /* of a string, or what is left of it */
    uint32_t count;  /* fields so far */
};

/* What is no HPACK is counted somehow: its decoder will say so. */
void hpack_read(struct hpack *hpack, struct span bytes);

#endif
