/*
 * The calls of pthreads that are played. A mutex holds its owner in its first bytes: zeros, as
 * PTHREAD_MUTEX_INITIALIZER leaves them, are a free one. Of a condition only the address counts.
 */
#include "lib/fake_threads_state.h"

#include "base/check.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *argument), void *argument);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_detach(pthread_t thread);
pthread_t __wrap_pthread_self(void);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes);
int __wrap_pthread_cond_destroy(pthread_cond_t *condition);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);

/* ---- Threads ---- */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *argument), void *argument)
{
    (void)attributes;
    struct fake_thread *made = fake_thread_new(run, argument);
    if (made == NULL) return EAGAIN;
    *thread = (pthread_t)(uintptr_t)made;
    fake_threads_switch();
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    struct fake_thread *joined = (struct fake_thread *)(uintptr_t)thread;
    CHECK(!joined->detached && joined != fake_thread_running());
    while (joined->state != FAKE_ENDED) (void)fake_thread_wait(FAKE_JOINS, joined, INT64_MAX);
    if (result != NULL) *result = joined->result;
    fake_thread_free(joined);
    return 0;
}

int __wrap_pthread_detach(pthread_t thread)
{
    ((struct fake_thread *)(uintptr_t)thread)->detached = true;
    return 0;
}

pthread_t __wrap_pthread_self(void)
{
    return (pthread_t)(uintptr_t)fake_thread_running();
}

/* ---- Mutexes ---- */

static struct fake_thread **owner_of(pthread_mutex_t *mutex)
{
    return (struct fake_thread **)(void *)mutex;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    memset(mutex, 0, sizeof *mutex);
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    CHECK(*owner_of(mutex) == NULL);
    return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    if (*owner_of(mutex) != NULL) return EBUSY;
    *owner_of(mutex) = fake_thread_running();
    return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    fake_threads_switch();
    CHECK(*owner_of(mutex) != fake_thread_running());
    while (*owner_of(mutex) != NULL) (void)fake_thread_wait(FAKE_LOCKS, mutex, INT64_MAX);
    *owner_of(mutex) = fake_thread_running();
    return 0;
}

static void unlock(pthread_mutex_t *mutex)
{
    CHECK(*owner_of(mutex) == fake_thread_running());
    *owner_of(mutex) = NULL;
    fake_thread_wake(FAKE_LOCKS, mutex, true);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    unlock(mutex);
    fake_threads_switch();
    return 0;
}

/* ---- Conditions ---- */

int __wrap_pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    (void)attributes;
    memset(condition, 0, sizeof *condition);
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *condition)
{
    (void)condition;
    return 0;
}

static int wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_us)
{
    bool timed_out = false;
    unlock(mutex);
    if (fake_thread_spurious())
        fake_threads_switch();
    else
        timed_out = fake_thread_wait(FAKE_WAITS, condition, until_us);
    (void)__wrap_pthread_mutex_lock(mutex);
    return timed_out ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return wait_until(condition, mutex, INT64_MAX);
}

/* By the clock of clock_mono_us, which is the one that conditions with a time are made for here. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    return wait_until(condition, mutex, (int64_t)until->tv_sec * 1000000 + until->tv_nsec / 1000);
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    fake_thread_wake(FAKE_WAITS, condition, false);
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition)
{
    fake_thread_wake(FAKE_WAITS, condition, true);
    return 0;
}
