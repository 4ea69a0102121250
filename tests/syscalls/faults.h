/* The table that the harness and the preloaded library share. control.py knows these offsets. */
#ifndef HOLDFAST_TESTS_FAULTS_H
#define HOLDFAST_TESTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

enum { FAULT_MODULES = 2 /* the program, libh2o */, FAULT_SITES_MAX = 1024, FAULT_PATH_MAX = 1024 };
enum { FAULT_SHORT = -1 }; /* an action: half of the bytes; positive ones are errno */

#define FAULT_MAGIC 0x31535446554c4146u

enum fault_result {
    FAULT_MINUS_ONE,
    FAULT_NULL,
    FAULT_NUMBER,   /* the error itself is returned, as by threads */
    FAULT_RESOLVER, /* getaddrinfo */
    FAULT_STREAM_3, /* fread and its kin: 0, and the FILE in that argument remembers it */
    FAULT_STREAM_4,
};

struct fault_site {
    uint64_t offset; /* of the instruction behind the call, in its module */
    uint32_t module;
    int32_t action; /* 0: none */
    uint32_t skip, times;
    uint32_t hits;           /* ever */
    uint32_t seen, injected; /* since the order was given */
    uint32_t total;          /* injected ever */
    int64_t first_ns, last_ns;
    int32_t argument_at; /* only calls with this argument; -1: any */
    int32_t argument;
    char path[64]; /* only calls on a file whose path holds this */
};

struct fault_table {
    uint64_t magic;
    uint32_t count;
    uint32_t strays; /* calls of the program from where no site is known */
    char program[FAULT_PATH_MAX];
    struct fault_site sites[FAULT_SITES_MAX]; /* by module and offset */
};

_Static_assert(sizeof(struct fault_site) == 128, "control.py knows the offsets");

#endif
