/* What the tests of the loop share: a loop of their own, something to hear and something that
 * rings. */
#ifndef HOLDFAST_TESTS_LOOP_FIXTURE_H
#define HOLDFAST_TESTS_LOOP_FIXTURE_H

#include <criterion/criterion.h>

#include "os/loop.h"

enum { TURN_MS_MAX = 2000 };

extern struct loop loop;

void open_loop(void);
void close_loop(void);

/* One turn that may wait, but not for ever; one that does not wait. */
void turn(void);
void turn_at_once(void);

/* A watch on one end of a socket pair that notes what it was told. */
struct ear {
    struct loop_watch watch;
    int peer;
    int calls;
    uint32_t events;
    struct ear *removes; /* removed and freed when this one is called */
};

void heard(struct loop_watch *watch, uint32_t events);
struct ear *ear_open(uint32_t wanted);
void ear_close(struct ear *ear);
/* Makes it readable. */
void speak(struct ear *ear);

struct bell {
    struct loop_timer timer;
    char name;
    int64_t again_at_us; /* set again when it expires, 0 = not */
    struct bell *clears;
};

/* Names of the bells that rang, in order. */
extern char rung[64];

struct bell bell_of(char name);
void wait_for_rings(const char *expected);

#endif
