/* See resolve.h. */
#include "invoke/resolve.h"

#include "invoke/field.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

/* Outlives the resolver while a thread still looks something up. */
struct resolve_shared {
    pthread_mutex_t lock;
    struct loop_signal *finished; /* NULL: the resolver is gone */
    struct list done;             /* lookups with their results */
    unsigned references;
};

/* One getaddrinfo. Belongs to its thread until it is in `done`. */
struct lookup {
    struct list link;
    struct resolve_shared *shared;
    struct addresses addresses;
    const char *problem; /* static text, or NULL */
    char host[];
};

/* A name that the loop's thread knows about. */
struct resolve_name {
    struct list link;
    struct list waiters;
    struct addresses addresses;
    bool under_way;
    int64_t until_us;
    char host[];
};

/* -- Without a lookup -- */

static void add_ip4(struct addresses *addresses, struct in_addr address)
{
    union socket_address *at = &addresses->at[addresses->count++];
    *at = (union socket_address){0};
    at->ip4.sin_family = AF_INET;
    at->ip4.sin_addr = address;
}

static void add_ip6(struct addresses *addresses, const struct in6_addr *address)
{
    union socket_address *at = &addresses->at[addresses->count++];
    *at = (union socket_address){0};
    at->ip6.sin6_family = AF_INET6;
    at->ip6.sin6_addr = *address;
}

static bool resolve_literal(struct span host, struct addresses *addresses)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr ip4;
    struct in6_addr ip6;
    addresses->count = 0;
    if (host.size >= sizeof text) return false;
    memcpy(text, host.at, host.size);
    text[host.size] = 0;
    if (inet_pton(AF_INET, text, &ip4) == 1) {
        add_ip4(addresses, ip4);
    } else if (inet_pton(AF_INET6, text, &ip6) == 1) {
        add_ip6(addresses, &ip6);
    } else if (field_equal(host, SPAN_LITERAL("localhost"))) {
        /* Function servers of today listen on 127.0.0.1 more often than on ::1 alone. */
        add_ip4(addresses, (struct in_addr){htonl(INADDR_LOOPBACK)});
        add_ip6(addresses, &in6addr_loopback);
    }
    return addresses->count > 0;
}

/* -- The thread -- */

static void shared_release(struct resolve_shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    bool last = --shared->references == 0;
    pthread_mutex_unlock(&shared->lock);
    if (!last) return;
    LIST_EACH (&shared->done, link) free(CONTAINER_OF(link, struct lookup, link));
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

static void keep_addresses(struct addresses *addresses, const struct addrinfo *found)
{
    for (; found != NULL && addresses->count < ADDRESSES_MAX; found = found->ai_next) {
        if (found->ai_family != AF_INET && found->ai_family != AF_INET6) continue;
        union socket_address *at = &addresses->at[addresses->count];
        if (found->ai_addrlen > sizeof *at) continue;
        *at = (union socket_address){0};
        memcpy(at, found->ai_addr, found->ai_addrlen);
        addresses->count++;
    }
}

static void *look_up(void *argument)
{
    struct lookup *lookup = argument;
    struct resolve_shared *shared = lookup->shared;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(lookup->host, NULL, &hints, &found);
    if (result == 0) keep_addresses(&lookup->addresses, found);
    if (found != NULL) freeaddrinfo(found);
    if (lookup->addresses.count == 0)
        lookup->problem = result == 0 ? "it has no address" : gai_strerror(result);
    pthread_mutex_lock(&shared->lock);
    list_append(&shared->done, &lookup->link);
    if (shared->finished != NULL) loop_signal_send(shared->finished);
    pthread_mutex_unlock(&shared->lock);
    shared_release(shared);
    return NULL;
}

static int thread_start(struct resolver *resolver, const char *host)
{
    size_t size = strlen(host) + 1;
    struct lookup *lookup = calloc(1, sizeof *lookup + size);
    if (lookup == NULL) return ERROR_MEMORY;
    memcpy(lookup->host, host, size);
    lookup->shared = resolver->shared;
    pthread_mutex_lock(&resolver->shared->lock);
    resolver->shared->references++;
    pthread_mutex_unlock(&resolver->shared->lock);
    pthread_attr_t detached;
    pthread_t thread;
    int result = pthread_attr_init(&detached);
    if (result == 0) {
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        result = pthread_create(&thread, &detached, look_up, lookup);
        pthread_attr_destroy(&detached);
    }
    if (result == 0) return 0;
    free(lookup);
    shared_release(resolver->shared);
    return ERROR_FULL;
}

/* -- The loop's side -- */

static struct resolve_name *name_find(const struct resolver *resolver, struct span host)
{
    LIST_EACH (&resolver->names, link) {
        struct resolve_name *name = CONTAINER_OF(link, struct resolve_name, link);
        if (span_equal(span_text(name->host), host)) return name;
    }
    return NULL;
}

static void name_free(struct resolver *resolver, struct resolve_name *name)
{
    list_remove(&name->link);
    resolver->name_count--;
    free(name);
}

static void forget_old(struct resolver *resolver)
{
    LIST_EACH (&resolver->names, link) {
        struct resolve_name *name = CONTAINER_OF(link, struct resolve_name, link);
        bool full = resolver->name_count >= RESOLVE_NAMES_MAX;
        if (!name->under_way && (full || name->until_us <= loop_now_us(resolver->loop)))
            name_free(resolver, name);
    }
}

/* The waiters are moved away first: they may ask again, or cancel each other. */
static void name_finish(struct resolver *resolver, struct resolve_name *name,
                        const struct lookup *lookup)
{
    struct list waiters;
    list_init(&waiters);
    while (!list_empty(&name->waiters)) {
        struct list *link = name->waiters.next;
        list_remove(link);
        list_append(&waiters, link);
    }
    name->under_way = false;
    name->addresses = lookup->addresses;
    name->until_us = loop_now_us(resolver->loop) + RESOLVE_KEEP_US;
    if (lookup->problem != NULL) name_free(resolver, name);
    while (!list_empty(&waiters)) {
        struct resolve_waiter *waiter = LIST_FIRST(&waiters, struct resolve_waiter, link);
        list_remove(&waiter->link);
        waiter->resolved(waiter, lookup->problem == NULL ? &lookup->addresses : NULL,
                         lookup->problem);
    }
}

static void lookups_finished(struct loop_signal *signal)
{
    struct resolver *resolver = CONTAINER_OF(signal, struct resolver, finished);
    struct resolve_shared *shared = resolver->shared;
    for (;;) {
        struct lookup *lookup = NULL;
        pthread_mutex_lock(&shared->lock);
        if (!list_empty(&shared->done)) {
            lookup = LIST_FIRST(&shared->done, struct lookup, link);
            list_remove(&lookup->link);
        }
        pthread_mutex_unlock(&shared->lock);
        if (lookup == NULL) return;
        struct resolve_name *name = name_find(resolver, span_text(lookup->host));
        if (name != NULL) name_finish(resolver, name, lookup);
        free(lookup);
    }
}

int resolver_init(struct resolver *resolver, struct loop *loop)
{
    *resolver = (struct resolver){.loop = loop};
    list_init(&resolver->names);
    struct resolve_shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL) return ERROR_MEMORY;
    int error = ERROR_MEMORY;
    if (pthread_mutex_init(&shared->lock, NULL) != 0) goto free_shared;
    error = loop_signal_init(loop, &resolver->finished, lookups_finished);
    if (error != 0) goto destroy_lock;
    list_init(&shared->done);
    shared->finished = &resolver->finished;
    shared->references = 1;
    resolver->shared = shared;
    return 0;
destroy_lock:
    pthread_mutex_destroy(&shared->lock);
free_shared:
    free(shared);
    return error;
}

void resolver_close(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->shared->lock);
    resolver->shared->finished = NULL;
    pthread_mutex_unlock(&resolver->shared->lock);
    loop_signal_close(resolver->loop, &resolver->finished);
    shared_release(resolver->shared);
    while (!list_empty(&resolver->names)) {
        struct resolve_name *name = LIST_FIRST(&resolver->names, struct resolve_name, link);
        while (!list_empty(&name->waiters)) list_remove(name->waiters.next);
        name_free(resolver, name);
    }
}

bool resolve_now(struct resolver *resolver, struct span host, struct addresses *addresses)
{
    if (resolve_literal(host, addresses)) return true;
    struct resolve_name *name = name_find(resolver, host);
    if (name == NULL || name->under_way || name->until_us <= loop_now_us(resolver->loop))
        return false;
    *addresses = name->addresses;
    return true;
}

static struct resolve_name *name_add(struct resolver *resolver, struct span host)
{
    struct resolve_name *name = calloc(1, sizeof *name + host.size + 1);
    if (name == NULL) return NULL;
    memcpy(name->host, host.at, host.size);
    list_init(&name->waiters);
    list_append(&resolver->names, &name->link);
    resolver->name_count++;
    return name;
}

int resolve_start(struct resolver *resolver, struct span host, struct resolve_waiter *waiter)
{
    list_init(&waiter->link);
    forget_old(resolver);
    struct resolve_name *name = name_find(resolver, host);
    if (name == NULL) {
        if (resolver->name_count >= RESOLVE_NAMES_MAX) return ERROR_FULL;
        name = name_add(resolver, host);
        if (name == NULL) return ERROR_MEMORY;
        int error = thread_start(resolver, name->host);
        if (error != 0) {
            name_free(resolver, name);
            return error;
        }
        name->under_way = true;
    }
    list_append(&name->waiters, &waiter->link);
    return 0;
}

void resolve_cancel(struct resolve_waiter *waiter)
{
    list_remove(&waiter->link);
}
