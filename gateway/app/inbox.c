#include "app/inbox.h"

/* In the order in which they were put. */
static struct errand *take_all(struct inbox *inbox)
{
    struct errand *newest = atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acquire);
    struct errand *oldest = NULL;
    while (newest != NULL) {
        struct errand *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void arrived(struct loop_signal *signal)
{
    struct inbox *inbox = CONTAINER_OF(signal, struct inbox, arrived);
    for (struct errand *errand = take_all(inbox), *next; errand != NULL; errand = next) {
        next = errand->next;
        errand->arrive(errand);
    }
}

int inbox_open(struct inbox *inbox, struct loop *loop)
{
    *inbox = (struct inbox){.loop = loop};
    return loop_signal_init(loop, &inbox->arrived, arrived);
}

void inbox_put(struct inbox *inbox, struct errand *errand)
{
    errand->next = atomic_load_explicit(&inbox->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&inbox->newest, &errand->next, errand,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

void inbox_wake(struct inbox *inbox)
{
    loop_signal_send(&inbox->arrived);
}

void inbox_empty(struct inbox *inbox)
{
    for (struct errand *errand = take_all(inbox), *next; errand != NULL; errand = next) {
        next = errand->next;
        errand->drop(errand);
    }
}

void inbox_close(struct inbox *inbox)
{
    inbox_empty(inbox);
    loop_signal_close(inbox->loop, &inbox->arrived);
}
