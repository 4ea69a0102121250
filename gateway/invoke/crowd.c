/* See crowd.h. */
#include "invoke/crowd.h"

#include "invoke/room.h"

void crowd_grew(struct call *call)
{
    struct invoke *invoke = call->invoke;
    size_t now = body_held(&call->answer.body);
    invoke->held += now - call->held;
    call->held = now;
    if (invoke->held > invoke->held_max) invoke_soon(invoke);
}

void crowd_left(struct call *call)
{
    call->invoke->held -= call->held;
    call->held = 0;
}

static void look_for_larger(const struct endpoint *endpoint, struct call **largest)
{
    LIST_EACH (&endpoint->deadlines, due) {
        struct call *call = CONTAINER_OF(due, struct call, due);
        if (call->place != CALL_SENT || call->held == 0) continue;
        if (*largest == NULL || call->held > (*largest)->held) *largest = call;
    }
}

static struct call *find_largest(const struct invoke *invoke)
{
    struct call *largest = NULL;
    for (size_t i = 0; i < invoke->endpoint_count; i++)
        look_for_larger(invoke->endpoints[i], &largest);
    LIST_EACH (&invoke->retired, link)
        look_for_larger(CONTAINER_OF(link, struct endpoint, link), &largest);
    return largest;
}

void crowd_disperse(struct invoke *invoke)
{
    while (invoke->held > invoke->held_max) {
        struct call *call = find_largest(invoke);
        if (call == NULL) return;
        origin_call_crowded(call);
    }
}
