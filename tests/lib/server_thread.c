/* See server_thread.h. */
#include "lib/server_thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void must(int error, const char *what)
{
    if (error == 0) return;
    fprintf(stderr, "%s: %s\n", what, error_text(error));
    abort();
}

static void signalled(struct loop_signal *signal)
{
    struct server_thread *thread = CONTAINER_OF(signal, struct server_thread, signal);
    pthread_mutex_lock(&thread->mutex);
    if (thread->task != NULL) thread->task(thread->argument);
    thread->task = NULL;
    pthread_cond_broadcast(&thread->done);
    pthread_mutex_unlock(&thread->mutex);
}

static void *serve(void *context)
{
    struct server_thread *thread = context;
    while (!thread->stop) {
        must(server_turn(thread->server), "server_turn");
        thread->turns++;
    }
    return NULL;
}

void server_thread_start_with(struct server_thread *thread, struct server_limits limits,
                              struct listener_options options)
{
    struct errmsg errmsg = {""};
    *thread = (struct server_thread){0};
    if (options.address == NULL) options.address = "127.0.0.1:0";
    must(loop_init(&thread->loop), "loop_init");
    must(server_open(&thread->server, &thread->loop, &limits, &errmsg), "server_open");
    must(server_listen(thread->server, &options, &thread->listener, &errmsg), errmsg.text);
    must(loop_signal_init(&thread->loop, &thread->signal, signalled), "loop_signal_init");
    thread->port = listener_port(thread->listener);
    pthread_mutex_init(&thread->mutex, NULL);
    pthread_cond_init(&thread->done, NULL);
    must(pthread_create(&thread->thread, NULL, serve, thread), "pthread_create");
}

void server_thread_start(struct server_thread *thread, struct server_limits limits,
                         http_handler *handler, void *context)
{
    server_thread_start_with(thread, limits,
                             (struct listener_options){.handler = handler, .context = context});
}

void server_thread_run(struct server_thread *thread, void (*task)(void *), void *argument)
{
    pthread_mutex_lock(&thread->mutex);
    thread->task = task;
    thread->argument = argument;
    loop_signal_send(&thread->signal);
    while (thread->task != NULL) pthread_cond_wait(&thread->done, &thread->mutex);
    pthread_mutex_unlock(&thread->mutex);
}

struct count {
    struct server *server;
    uint32_t connections;
};

static void read_connections(void *argument)
{
    struct count *count = argument;
    count->connections = server_connections(count->server);
}

uint32_t server_thread_connections(struct server_thread *thread)
{
    struct count count = {thread->server, 0};
    server_thread_run(thread, read_connections, &count);
    return count.connections;
}

bool server_thread_wait_connections(struct server_thread *thread, uint32_t count)
{
    for (int i = 0; i < 500; i++) {
        if (server_thread_connections(thread) == count) return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

static void stop(void *argument)
{
    ((struct server_thread *)argument)->stop = true;
}

void server_thread_stop(struct server_thread *thread)
{
    server_thread_run(thread, stop, thread);
    pthread_join(thread->thread, NULL);
    server_close(thread->server);
    loop_signal_close(&thread->loop, &thread->signal);
    loop_close(&thread->loop);
    pthread_mutex_destroy(&thread->mutex);
    pthread_cond_destroy(&thread->done);
}
