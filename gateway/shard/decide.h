/*
 * Decide: what an event means, given image and overlay. Each decide_*.c holds one kind of event;
 * all of them change the image by `emit` alone.
 */
#ifndef HOLDFAST_SHARD_DECIDE_H
#define HOLDFAST_SHARD_DECIDE_H

#include "shard/fold.h"
#include "shard/overlay.h"

/* Starts a record: the body to write into. */
struct buffer *emit_begin(struct shard *shard);
/* Appends the record to the update and folds it. ERROR_MEMORY: nothing has happened. */
int emit(struct shard *shard, struct shard_update *update, enum record_kind kind) MUST_USE;
/* The number of a name, by a DEFINE when it is new. 0: no room in the dictionary, or no memory. */
uint32_t intern(struct shard *shard, struct shard_update *update, struct span name);
/* The same for what clients name: they may not use up the room for names, which are kept for ever.
 */
uint32_t intern_from_outside(struct shard *shard, struct shard_update *update, struct span name);

void decide_message(struct shard *shard, const struct shard_event *event,
                    struct shard_update *update);
void decide_attach(struct shard *shard, const struct shard_event *event,
                   struct shard_update *update);
void decide_cancel(struct shard *shard, const struct shard_event *event,
                   struct shard_update *update);
void decide_source(struct shard *shard, const struct shard_event *event,
                   struct shard_update *update);
void decide_state(struct shard *shard, const struct shard_event *event,
                  struct shard_update *update);
/* The state write that may be taken now. False: there was no memory. */
bool decide_write(struct shard *shard, struct box *box, struct shard_update *update);
void decide_response(struct shard *shard, const struct event_response *response,
                     struct shard_update *update);
void decide_operator(struct shard *shard, const struct shard_event *event,
                     struct shard_update *update);
void decide_signal(struct shard *shard, const struct shard_signal *signal,
                   struct shard_update *update);
void decide_cut(struct shard *shard, uint64_t cut, struct shard_update *update);
void decide_tick(struct shard *shard, struct shard_update *update);
void decide_query(struct shard *shard, const struct shard_event *event,
                  struct shard_update *update);
void decide_pull(struct shard *shard, const struct shard_event *event, struct shard_update *update);
void decide_pull_ack(struct shard *shard, const struct shard_event *event,
                     struct shard_update *update);
/* What is known of the other shards, at the start. ERROR_MEMORY. */
int peers_open(struct shard *shard) MUST_USE;
/* What may be told to other shards now. */
void signals_release(struct shard *shard, struct shard_update *update);
/* What has had no answer for too long is said again. */
void signals_repeat(struct shard *shard);
/* Lanes whose waiters can be served now. */
void pulls_release(struct shard *shard, struct shard_update *update);

/* Forgets what a slot remembers for too long; nothing while it is less than `least` entries, since
   each eviction is a record. */
void evict(struct shard *shard, uint32_t slot, uint32_t least, struct shard_update *update);
/* Shard time, about, when there will be something to evict if nothing happens before; looks into
 * every slot. */
int64_t evict_due_at(const struct shard *shard);
/* Replies that fold has put into entries go to those who wait for them. */
void replies_release(struct shard *shard, struct shard_update *update);

/* Those who wait for the reply to a message of a parked address hear why there will be none, when
 * seq is durable. */
void tell_callers(struct shard *shard, const struct box *box, const struct message *message,
                  uint64_t seq, struct shard_update *update);
/* The address is to blame for a failed call. */
void fail_address(struct shard *shard, struct flight *flight, struct span text,
                  struct shard_update *update);
/* Applies effects, or fails the address with a reason. */
void apply_effects(struct shard *shard, struct flight *flight,
                   const struct function_response *response, struct shard_update *update);
/* Registers missing states, or fails the address with a reason. */
void register_states(struct shard *shard, struct flight *flight,
                     const struct function_response *response, struct shard_update *update);
/* Ends what is known of the call: window, cell. The flight is still SENT. */
void call_done(struct shard *shard, struct flight *flight);
/* Sends what windows allow. */
void dispatch(struct shard *shard, struct shard_update *update);
/* What the journal has not written yet, at most. */
size_t undurable_bytes(const struct shard *shard);

#endif
