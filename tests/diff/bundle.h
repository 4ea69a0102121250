/*
 * Random bundles and outcomes through our codec and through protobuf-c:
 *   what protobuf-c writes, we read as the same, unless a rule of bundle.proto is broken;
 *   what we write, protobuf-c reads as the same and writes as the same bytes;
 *   damaged bytes that we accept, protobuf-c accepts and reads as the same.
 */
#ifndef HOLDFAST_TESTS_DIFF_BUNDLE_H
#define HOLDFAST_TESTS_DIFF_BUNDLE_H

#include <stdint.h>

/* Prints a row for each kind of check; gives back how many failed. */
int bundle_table(uint64_t seed, uint64_t count, int *rows);

#endif
