/*
 * A shard's port that writes down what it is asked and answers what the test has laid ready, one
 * turn later, as the real one does. Lives on the server's thread; a test looks at it between its
 * requests.
 */
#ifndef HOLDFAST_TESTS_FAKE_PORT_H
#define HOLDFAST_TESTS_FAKE_PORT_H

#include "base/list.h"
#include "lib/server_thread.h"
#include "shard/port.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

struct fake_port {
    struct port port;
    struct loop *loop;
    struct loop_timer timer;
    struct shard_answer answer; /* to give; its spans are the test's */
    bool hold;                  /* answer only when the test says so: fake_port_release */
    struct port_waiter *waiter; /* who waits */
    atomic_uint detached;
    char log[4096]; /* one line for each event */
};

static inline void fake_log(struct fake_port *fake, const char *format, ...)
{
    size_t used = strlen(fake->log);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fake->log + used, sizeof fake->log - used, format, arguments);
    va_end(arguments);
}

static inline void fake_log_query(struct fake_port *fake, const struct event_query *query)
{
    static const char *const names[] = {"STATE",  "STATES",     "KEYS",   "EXPORT", "FUNCTIONS",
                                        "PARKED", "PARKED_ONE", "STATUS", "EGRESS"};
    fake_log(fake, "QUERY_%s %.*s %.*s after=%.*s limit=%u\n", names[query->kind],
             SPAN_PRINT(query->address.type), SPAN_PRINT(query->address.id),
             SPAN_PRINT(query->after), query->limit);
}

static inline void fake_log_event(struct fake_port *fake, const struct shard_event *event)
{
    static const char *const verbs[] = {"retry", "skip", "dead-letter", "purge"};
    const struct event_pull *pull = &event->pull;
    switch (event->kind) {
    case EVENT_PULL:
        fake_log(fake, "PULL %.*s topic=%.*s after=%llu max=%u pop=%d wait=%d\n",
                 SPAN_PRINT(pull->egress), SPAN_PRINT(pull->topic), (unsigned long long)pull->after,
                 pull->max, pull->pop, pull->wait);
        break;
    case EVENT_PULL_ACK:
        fake_log(fake, "ACK %.*s topic=%.*s after=%llu\n", SPAN_PRINT(pull->egress),
                 SPAN_PRINT(pull->topic), (unsigned long long)pull->after);
        break;
    case EVENT_QUERY: fake_log_query(fake, &event->query); break;
    case EVENT_OPERATOR:
        fake_log(fake, "%s %.*s %.*s who=%.*s\n", verbs[event->operate.verb],
                 SPAN_PRINT(event->operate.address.type), SPAN_PRINT(event->operate.address.id),
                 SPAN_PRINT(event->operate.who));
        break;
    case EVENT_DETACH: fake_log(fake, "DETACH\n"); break;
    default: fake_log(fake, "event %d\n", event->kind);
    }
}

static inline void fake_give(struct fake_port *fake)
{
    struct port_waiter *waiter = fake->waiter;
    fake->waiter = NULL;
    fake->answer.waiter = waiter_of(waiter);
    waiter->answer(waiter, &fake->answer);
}

static inline void fake_expired(struct loop_timer *timer)
{
    struct fake_port *fake = CONTAINER_OF(timer, struct fake_port, timer);
    if (fake->waiter != NULL) fake_give(fake);
}

static inline void fake_submit(struct port *port, struct shard_event *event)
{
    struct fake_port *fake = CONTAINER_OF(port, struct fake_port, port);
    fake_log_event(fake, event);
    if (event->kind == EVENT_DETACH) {
        if (event->waiter == waiter_of(fake->waiter))
            fake->waiter = NULL;
        else
            fake_log(fake, "a stranger is detached\n");
        atomic_fetch_add(&fake->detached, 1);
        return;
    }
    fake->waiter = (struct port_waiter *)(uintptr_t)event->waiter;
    if (!fake->hold) loop_timer_set(fake->loop, &fake->timer, loop_now_us(fake->loop));
}

static inline void fake_port_init(struct fake_port *fake, struct loop *loop)
{
    *fake =
        (struct fake_port){.port = {fake_submit}, .loop = loop, .timer = {.expired = fake_expired}};
}

/* On the server's thread, by server_thread_run: the held answer is given. */
static inline void fake_port_release(void *fake)
{
    fake_give(fake);
}

static inline void fake_port_expect(struct fake_port *fake, struct shard_answer answer)
{
    fake->answer = answer;
    fake->log[0] = '\0';
}

/* Waits for the waiter to be detached; false after five seconds. */
static inline bool fake_port_wait_detached(struct fake_port *fake, unsigned count)
{
    for (int i = 0; i < 500; i++) {
        if (atomic_load(&fake->detached) >= count) return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

#endif
