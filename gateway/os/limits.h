/* What the machine or the container gives us. */
#ifndef HOLDFAST_OS_LIMITS_H
#define HOLDFAST_OS_LIMITS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* The memory limit of the cgroup (v2 or v1), or the host's memory. Bytes. */
uint64_t limits_memory_bytes(void);

/* Cores that this process may use, by affinity and the cgroup's quota; at least 1. */
unsigned limits_cores(void);

/* Open files up to the hard limit: the soft one is kept low for programs that use select(2), which
   we do not. Both are told, RLIM_INFINITY as the largest number. ERROR_IO, ERROR_PERMISSION: it
   stays as it was. */
int limits_raise_descriptors(uint64_t *before, uint64_t *now) MUST_USE;

/* Whether a new connection has taken one of the last descriptors: those are for files, since a
   journal that cannot be continued ends the process. Whoever connects has to wait then. */
bool limits_descriptor_is_reserved(int fd);

#endif
