/* Waiters: who waits for what, and answers that are held until the journal has caught up. */
#include "base/check.h"
#include "shard/overlay.h"
#include "shard/shard.h"

#include <stdlib.h>

static uint64_t number_hash(uint64_t number)
{
    return number * 0x9e3779b97f4a7c15u;
}

struct wait *wait_new(struct shard *shard, waiter_t waiter)
{
    struct wait *wait = memory_alloc(&shard->image.memory, sizeof *wait);
    if (wait == NULL) return NULL;
    *wait = (struct wait){.waiter = waiter};
    list_init(&wait->link);
    if (waiter == 0) return wait;
    table_insert(&shard->overlay.waits, &shard->image.memory, &wait->node, number_hash(waiter));
    shard->overlay.wait_count++;
    return wait;
}

/* Off whatever it waits on. */
static void leave(struct shard *shard, struct wait *wait)
{
    if (wait->place == WAIT_WRITE) table_remove(&shard->overlay.write_waits, &wait->write_node);
    wait->place = WAIT_GATE;
    list_remove(&wait->link);
}

void wait_free(struct shard *shard, struct wait *wait)
{
    leave(shard, wait);
    if (wait->waiter != 0) {
        table_remove(&shard->overlay.waits, &wait->node);
        shard->overlay.wait_count--;
    }
    if (wait->entry != NULL) wait->entry->gated--;
    if (wait->gated) shard->overlay.gate_count--;
    wait_drop(wait, &shard->image.memory);
}

void wait_drop(struct wait *wait, struct memory *memory)
{
    if (wait->loan != NULL) shard_loan_return(wait->loan);
    free(wait->bytes);
    memory_free(memory, wait, sizeof *wait);
}

void wait_forget(struct shard *shard, waiter_t waiter)
{
    struct table_node *node = table_chain(&shard->overlay.waits, number_hash(waiter));
    for (; node != NULL; node = node->next) {
        struct wait *wait = CONTAINER_OF(node, struct wait, node);
        if (wait->waiter != waiter) continue;
        wait_free(shard, wait);
        return;
    }
}

void wait_on(struct shard *shard, struct wait *wait, enum wait_place place, struct list *list)
{
    if (wait->waiter == 0) {
        wait_free(shard, wait);
        return;
    }
    wait->place = place;
    list_append(list, &wait->link);
}

void wait_on_write(struct shard *shard, struct wait *wait, uint64_t seq)
{
    if (wait->waiter == 0) {
        wait_free(shard, wait);
        return;
    }
    wait->place = WAIT_WRITE;
    wait->write_seq = seq;
    table_insert(&shard->overlay.write_waits, &shard->image.memory, &wait->write_node,
                 number_hash(seq));
}

struct wait *wait_find_write(const struct shard *shard, uint64_t seq)
{
    struct table_node *node = table_chain(&shard->overlay.write_waits, number_hash(seq));
    for (; node != NULL; node = node->next) {
        struct wait *wait = CONTAINER_OF(node, struct wait, write_node);
        if (wait->write_seq == seq) return wait;
    }
    return NULL;
}

int wait_set_bytes(struct shard *shard, struct wait *wait, struct span body, struct span next,
                   struct span text)
{
    (void)shard;
    size_t size = body.size + next.size + text.size;
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) return ERROR_MEMORY;
    uint8_t *at = bytes;
    struct span parts[3] = {body, next, text};
    for (int i = 0; i < 3; i++) {
        if (parts[i].size > 0) memcpy(at, parts[i].at, parts[i].size);
        at += parts[i].size;
    }
    free(wait->bytes);
    wait->bytes = bytes;
    wait->body_size = (uint32_t)body.size;
    wait->next_size = (uint32_t)next.size;
    wait->text_size = (uint32_t)text.size;
    return 0;
}

/* A reply is not copied: its entry stays while somebody is on the way to it. */
static struct span body_of(const struct wait *wait)
{
    if (wait->kind == ANSWER_REPLY) return span_of(wait->entry->answer, wait->entry->answer_size);
    return span_of(wait->bytes, wait->body_size);
}

static void answer_wait(struct shard *shard, const struct wait *wait, struct shard_update *update)
{
    struct buffer *id = &shard->id_text;
    buffer_clear(id);
    if (wait->id_seq != 0)
        message_id_text(id, &shard->image, wait->id_epoch, wait->id_seq, wait->id_index);
    struct shard_answer answer = {
        .waiter = wait->waiter, .kind = wait->kind, .number = wait->number};
    answer.message_id = buffer_span(id);
    if (wait->type_name != 0) answer.type_name = dictionary_name(&shard->image, wait->type_name);
    answer.body = body_of(wait);
    answer.loan = wait->loan;
    answer.next =
        span_of(wait->bytes == NULL ? NULL : wait->bytes + wait->body_size, wait->next_size);
    answer.text =
        span_of(wait->bytes == NULL ? NULL : wait->bytes + wait->body_size + wait->next_size,
                wait->text_size);
    if (id->failed)
        shard->failed = true;
    else
        answer_now(update, &answer);
}

/* A caller whose time is over asks whether its call is accepted. What it hears first is the answer,
   and if that is "no reply yet" the reply that comes a moment later finds nobody. */
static bool is_delivered(const struct wait *wait)
{
    return wait->asks || !wait->entry->asked;
}

static void release(struct shard *shard, struct wait *wait, struct shard_update *update)
{
    if (wait->waiter != 0) answer_wait(shard, wait, update);
    if (wait->waiter != 0 && wait->kind == ANSWER_REPLY && is_delivered(wait))
        wait->entry->delivered_ms = shard->overlay.now_ms;
    wait_free(shard, wait);
}

void wait_gate(struct shard *shard, struct wait *wait, uint64_t seq, struct shard_update *update)
{
    leave(shard, wait);
    wait->seq = seq;
    if (seq <= shard->overlay.durable_seq || wait->waiter == 0) {
        release(shard, wait, update);
        return;
    }
    /* By seq: nearly always the largest so far. */
    struct list *after = shard->overlay.gates.prev;
    while (after != &shard->overlay.gates && CONTAINER_OF(after, struct wait, link)->seq > seq)
        after = after->prev;
    list_prepend(after, &wait->link);
    wait->gated = true;
    shard->overlay.gate_count++;
    update->commit_wanted = true;
}

void waits_release(struct shard *shard, struct shard_update *update)
{
    while (!list_empty(&shard->overlay.gates)) {
        struct wait *wait = LIST_FIRST(&shard->overlay.gates, struct wait, link);
        if (wait->seq > shard->overlay.durable_seq) return;
        release(shard, wait, update);
    }
}

void shard_count_waiters(const struct shard *shard, uint64_t *waiters, uint64_t *gated)
{
    *waiters = shard->overlay.wait_count;
    *gated = shard->overlay.gate_count;
}
