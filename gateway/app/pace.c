#include "app/pace.h"

enum { LEARN_SHARE = 8 }; /* one sync that hangs is not what the next ones take */

void pace_learn(struct pace *pace, int64_t sync_us)
{
    pace->sync_us += (sync_us - pace->sync_us) / LEARN_SHARE;
}

static int64_t most_us(const struct pace *pace)
{
    return pace->sync_us < PACE_US_MAX / PACE_SYNCS ? PACE_SYNCS * pace->sync_us : PACE_US_MAX;
}

static void look(struct pace *pace, const struct pace_sight *sight)
{
    if (!pace->waits) pace->since_us = sight->now_us;
    pace->quiet = pace->waits && sight->seq == pace->seq ? pace->quiet + 1 : 0;
    pace->waits = true;
    pace->seq = sight->seq;
}

bool pace_due(struct pace *pace, const struct pace_sight *sight)
{
    look(pace, sight);
    bool due = sight->gated >= sight->waiters / PACE_SHARE || pace->quiet >= PACE_QUIET_TURNS ||
               sight->now_us - pace->since_us >= most_us(pace);
    if (due) pace->waits = false;
    return due;
}
