/* The two clocks, read directly. Inside a loop take the time of the turn from os/loop.h instead. */
#ifndef HOLDFAST_OS_CLOCK_H
#define HOLDFAST_OS_CLOCK_H

#include <stdint.h>

/* Microseconds since an arbitrary start; never goes back. For durations and time-outs. */
int64_t clock_mono_us(void);

/* Microseconds since 1970, UTC; may jump. For logs and for what people read. */
int64_t clock_wall_us(void);

#endif
