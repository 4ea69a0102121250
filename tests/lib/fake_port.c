/* See fake_port.h. */
#include "lib/fake_port.h"

#include "wire/function.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Bytes as text: what is not printable as \xNN. */
static void print_bytes(FILE *out, const char *name, struct span bytes)
{
    if (bytes.size == 0) return;
    fprintf(out, " %s=", name);
    for (size_t i = 0; i < bytes.size && i < 200; i++) {
        if (bytes.at[i] >= 0x20 && bytes.at[i] != 0x7f)
            fputc(bytes.at[i], out);
        else
            fprintf(out, "\\x%02x", bytes.at[i]);
    }
}

static void print_address(FILE *out, struct address address)
{
    fprintf(out, " %.*s/%.*s", SPAN_PRINT(address.type), SPAN_PRINT(address.id));
}

static void print_message(FILE *out, const struct event_message *message)
{
    struct typed_value value = {0};
    fprintf(out, message->reply_token.size > 0 ? "CALL" : "SEND");
    print_address(out, message->target);
    if (typed_value_parse(message->argument, &value) != 0) fprintf(out, " BROKEN");
    print_bytes(out, "type", value.type_name);
    print_bytes(out, "value", value.value);
    if (value.has_value) fprintf(out, " size=%zu", value.value.size);
    print_bytes(out, "key", message->key);
    if (message->delay_ms >= 0) fprintf(out, " delay=%lld", (long long)message->delay_ms);
    print_bytes(out, "cancel", message->cancel_token);
    print_bytes(out, "trace", message->traceparent);
    if (message->reply_token.size > 0) fprintf(out, " token=%zu", message->reply_token.size);
}

static void print_query(FILE *out, const struct event_query *query)
{
    static const char *const kinds[] = {"STATE", "STATES", "KEYS", "EXPORT"};
    fprintf(out, "QUERY_%s", query->kind <= QUERY_EXPORT ? kinds[query->kind] : "OTHER");
    print_address(out, query->address);
    print_bytes(out, "name", query->name);
    print_bytes(out, "after", query->after);
    fprintf(out, " limit=%u", query->limit);
}

static void print_state(FILE *out, const struct event_state *state)
{
    fprintf(out, state->is_delete ? "DELETE" : "PUT");
    print_address(out, state->address);
    print_bytes(out, "name", state->name);
    print_bytes(out, "type", state->type_name);
    print_bytes(out, "value", state->value);
    if (state->if_match) fprintf(out, " if_match=%llu", (unsigned long long)state->version);
    if (state->define) fprintf(out, " define");
}

static void print_event(FILE *out, const struct shard_event *event)
{
    switch (event->kind) {
    case EVENT_MESSAGE: print_message(out, &event->message); break;
    case EVENT_ATTACH:
        fprintf(out, "ATTACH %.*s", SPAN_PRINT(event->reply_token));
        if (event->call_key.size > 0) print_address(out, event->call_target);
        print_bytes(out, "key", event->call_key);
        break;
    case EVENT_DETACH: fprintf(out, "DETACH"); break;
    case EVENT_CANCEL:
        fprintf(out, "CANCEL %.*s", SPAN_PRINT(event->cancel.id));
        print_bytes(out, "token", event->cancel.token);
        break;
    case EVENT_QUERY: print_query(out, &event->query); break;
    case EVENT_STATE: print_state(out, &event->state); break;
    default: fprintf(out, "EVENT %d", (int)event->kind); break;
    }
}

static void record(struct fake_port *fake, const struct shard_event *event)
{
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    print_event(out, event);
    fputc('\n', out);
    fclose(out);
    fake->log = realloc(fake->log, fake->log_size + size + 1);
    memcpy(fake->log + fake->log_size, line, size + 1);
    fake->log_size += size;
    fake->events++;
    free(line);
}

static void forget(struct fake_port *fake, waiter_t waiter)
{
    for (size_t i = 0; i < fake->queued; i++)
        if (fake->queue[i].waiter == waiter) fake->queue[i].waiter = 0;
}

static void submit(struct port *port, struct shard_event *event)
{
    struct fake_port *fake = CONTAINER_OF(port, struct fake_port, port);
    pthread_mutex_lock(&fake->mutex);
    record(fake, event);
    uint64_t number = fake->events;
    pthread_mutex_unlock(&fake->mutex);
    if (event->kind == EVENT_DETACH) {
        forget(fake, event->waiter);
    } else if (fake->answer != NULL && fake->queued < FAKE_QUEUE_MAX) {
        struct shard_answer answer = fake->answer(event, number);
        if ((int)answer.kind == FAKE_SILENT) return;
        answer.waiter = event->waiter;
        fake->queue[fake->queued++] = answer;
        if (fake->queued > fake->queued_max) fake->queued_max = fake->queued;
    }
}

static void deliver(struct loop_turn_end *turn_end)
{
    struct fake_port *fake = CONTAINER_OF(turn_end, struct fake_port, turn_end);
    for (size_t i = 0; i < fake->queued; i++) {
        struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)fake->queue[i].waiter;
        if (waiter != NULL) waiter->answer(waiter, &fake->queue[i]);
    }
    fake->queued = 0;
}

void fake_port_open(struct fake_port *fake, struct loop *loop)
{
    *fake = (struct fake_port){.port = {submit}, .turn_end = {.run = deliver}};
    pthread_mutex_init(&fake->mutex, NULL);
    fake->log = calloc(1, 1);
    loop_at_turn_end(loop, &fake->turn_end);
}

void fake_port_close(struct fake_port *fake)
{
    free(fake->log);
    pthread_mutex_destroy(&fake->mutex);
}

bool fake_port_saw(struct fake_port *fake, const char *text)
{
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&fake->mutex);
        bool found = strstr(fake->log, text) != NULL;
        pthread_mutex_unlock(&fake->mutex);
        if (found) return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

uint64_t fake_port_events(struct fake_port *fake)
{
    pthread_mutex_lock(&fake->mutex);
    uint64_t events = fake->events;
    pthread_mutex_unlock(&fake->mutex);
    return events;
}

const char *fake_port_log(struct fake_port *fake)
{
    return fake->log;
}
