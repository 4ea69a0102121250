/* A gateway of one shard that is about to end in good order: endpoint a/…, pull egress t/out, 20 s
 * to drain. */
#ifndef TESTS_UNIT_APP_DRAIN_FIXTURE_H
#define TESTS_UNIT_APP_DRAIN_FIXTURE_H

#include "unit/app/engine_fixture.h"

/* The world, open and configured. */
void drain_world_begin(void);
/* From now on each turn of its loop looks at the drain, as the gateway's own does. */
void drain_watch(void);
void drain_unwatch(void);

void drain(void);
/* Since then. */
int64_t spent_ms(void);

#endif
