/*
 * Random protobuf messages by descriptor: mostly right, with every freedom that the format leaves
 * (order, absent and unknown fields, repeated ones, padded numbers), and now and then wrong.
 */
#ifndef HOLDFAST_TESTS_DIFF_GENERATE_H
#define HOLDFAST_TESTS_DIFF_GENERATE_H

#include "base/buffer.h"
#include "base/prng.h"

#include <protobuf-c/protobuf-c.h>

struct generator {
    struct prng prng;
    struct prng splits;
    bool split;    /* message fields in two parts, which must not change the meaning */
    bool odd;      /* some values that only protobuf accepts */
    bool sparse;   /* fields that are needed may be missing */
    bool twice;    /* fields may be given several times */
    bool unknown;  /* fields that nobody knows */
    bool padded;   /* varints longer than needed */
    bool shuffled; /* any order */
};

/* A seed decides everything; `split` only how it is written. */
void generator_init(struct generator *generator, uint64_t seed, bool split);
void generate(struct generator *generator, const ProtobufCMessageDescriptor *message,
              struct buffer *out);

/* Damages bytes as a bad network or a bad function would. */
void damage(struct prng *prng, struct buffer *bytes);

#endif
