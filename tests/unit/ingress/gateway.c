/* See gateway.h. */
#include "gateway.h"

#include <stdio.h>

struct gateway gateway;

static struct shard_answer template;

static struct shard_answer accept_all(const struct shard_event *event, uint64_t number)
{
    static char ids[FAKE_QUEUE_MAX][16];
    char *id = ids[number % FAKE_QUEUE_MAX];
    struct shard_answer answer = {
        .kind = event->kind == EVENT_MESSAGE ? ANSWER_ACCEPTED : ANSWER_DONE, .number = 7};
    answer.message_id = span_of(id, (size_t)snprintf(id, 16, "m%llu", (unsigned long long)number));
    return answer;
}

static struct shard_answer same_answer(const struct shard_event *event, uint64_t number)
{
    (void)event;
    (void)number;
    return template;
}

static void start_with(http_handler *handler)
{
    struct ingress_options options = {.port = &gateway.fake.port, .loop = &gateway.thread.loop};
    gateway = (struct gateway){0};
    ingress_init(&gateway.ingress, &options);
    server_thread_start(&gateway.thread, SERVER_LIMITS, handler, &gateway.ingress);
    fake_port_open(&gateway.fake, &gateway.thread.loop);
    gateway.fake.answer = accept_all;
}

void gateway_start(void)
{
    start_with(ingress_handle);
}

void gateway_start_playground(void)
{
    start_with(ingress_playground_handle);
}

void gateway_stop(void)
{
    reply_close(&gateway.reply);
    server_thread_stop(&gateway.thread);
    ingress_close(&gateway.ingress);
    fake_port_close(&gateway.fake);
}

void ask(const char *method, const char *path, const char *headers, const char *body)
{
    reply_close(&gateway.reply);
    client_request(gateway.thread.port, method, path, headers, body,
                   body == NULL ? 0 : strlen(body), &gateway.reply);
}

void answer_with(struct shard_answer answer)
{
    template = answer;
    gateway.fake.answer = same_answer;
}

void answer_nobody(void)
{
    gateway.fake.answer = NULL;
}
