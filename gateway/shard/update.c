/* The update: what must happen outside. Answers keep their bytes in one buffer, as offsets until
 * they are read. */
#include "shard/overlay.h"

#include <stdlib.h>

void shard_update_init(struct shard_update *update)
{
    *update = (struct shard_update){0};
}

static void return_loans(struct shard_update *update)
{
    for (size_t i = 0; i < update->answer_count; i++)
        if (update->answers[i].loan != NULL) shard_loan_return(update->answers[i].loan);
}

void shard_update_close(struct shard_update *update)
{
    return_loans(update);
    buffer_close(&update->records);
    buffer_close(&update->bytes);
    free(update->invocations);
    free(update->answers);
    free(update->signals);
    shard_update_init(update);
}

void shard_update_clear(struct shard_update *update)
{
    return_loans(update);
    reuse_buffer(&update->records);
    reuse_buffer(&update->bytes);
    update->first_seq = 0;
    update->record_count = 0;
    update->commit_wanted = false;
    update->invocation_count = 0;
    update->answer_count = 0;
    update->signal_count = 0;
    update->cut_begun = 0;
}

/* While in the update a span's `at` is an offset. */
static struct span keep(struct shard_update *update, struct span bytes)
{
    struct span kept = {(const uint8_t *)(uintptr_t)update->bytes.size, bytes.size};
    buffer_append(&update->bytes, bytes);
    return kept;
}

static struct span resolve(const struct shard_update *update, struct span kept)
{
    return kept.size == 0 ? SPAN_EMPTY : span_of(update->bytes.at + (uintptr_t)kept.at, kept.size);
}

static int grow(struct shard_update *update)
{
    if (update->answer_count < update->answer_capacity) return 0;
    size_t capacity = update->answer_capacity == 0 ? 64 : update->answer_capacity * 2;
    struct shard_answer *answers = realloc(update->answers, capacity * sizeof *answers);
    if (answers == NULL) return ERROR_MEMORY;
    update->answers = answers;
    update->answer_capacity = capacity;
    return 0;
}

/* Without memory the answer is lost and the waiter's own time-out ends it: an answer is no promise.
 */
void answer_now(struct shard_update *update, const struct shard_answer *answer)
{
    if (answer->waiter == 0 || grow(update) != 0) return;
    struct shard_answer kept = *answer;
    kept.message_id = keep(update, answer->message_id);
    kept.type_name = keep(update, answer->type_name);
    kept.text = keep(update, answer->text);
    kept.body = answer->loan != NULL ? SPAN_EMPTY : keep(update, answer->body);
    kept.next = keep(update, answer->next);
    if (update->bytes.failed) return;
    if (answer->loan != NULL) shard_loan_keep(answer->loan);
    update->answers[update->answer_count++] = kept;
}

void answer_text(struct shard_update *update, waiter_t waiter, enum answer_kind kind,
                 const char *text)
{
    answer_now(update,
               &(struct shard_answer){.waiter = waiter, .kind = kind, .text = span_text(text)});
}

struct shard_answer shard_update_answer(const struct shard_update *update, size_t i)
{
    struct shard_answer answer = update->answers[i];
    answer.message_id = resolve(update, answer.message_id);
    answer.type_name = resolve(update, answer.type_name);
    answer.text = resolve(update, answer.text);
    answer.body = answer.loan != NULL ? answer.loan->bytes : resolve(update, answer.body);
    answer.next = resolve(update, answer.next);
    return answer;
}

int signal_now(struct shard_update *update, const struct shard_signal *signal)
{
    if (update->signal_count == update->signal_capacity) {
        size_t capacity = update->signal_capacity == 0 ? 8 : update->signal_capacity * 2;
        struct shard_signal *signals = realloc(update->signals, capacity * sizeof *signals);
        if (signals == NULL) return ERROR_MEMORY;
        update->signals = signals;
        update->signal_capacity = capacity;
    }
    size_t before = update->bytes.size;
    struct shard_signal kept = *signal;
    kept.parcels = keep(update, signal->parcels);
    if (update->bytes.failed) {
        buffer_truncate(&update->bytes, before);
        return ERROR_MEMORY;
    }
    update->signals[update->signal_count++] = kept;
    return 0;
}

struct shard_signal shard_update_signal(const struct shard_update *update, size_t i)
{
    struct shard_signal signal = update->signals[i];
    signal.parcels = resolve(update, signal.parcels);
    return signal;
}
