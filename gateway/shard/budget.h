/*
 * Budgets: who may fill memory and outbox how far, and what goes on when a full memory would stand
 * still.
 *
 * The memory is full for one after the other: at the budget for clients, an eighth above it for
 * results, a quarter above it for what other shards send, in which what waits to go to them does
 * not count, so that two full shards still take each other's parcels. Results that free more than
 * they take pass always. Who finds no room is called again when there is as much as it lacked,
 * which is kept for it meanwhile: else whoever waits would be called for nothing each time that a
 * little comes free. What nobody can measure is tried again by the clock.
 *
 * Work that makes more work fills all of this, and then every result waits for room that another
 * one would have to free. So one address at a time, a pioneer, may go up to a half above the
 * budget: the one that was blocked last, since what it has made is nearer to its end than what it
 * came from. It is called next, and while calls are out there is another one every 100 ms. Work
 * that outgrows even that waits for an operator who gives it more memory.
 */
#ifndef HOLDFAST_SHARD_BUDGET_H
#define HOLDFAST_SHARD_BUDGET_H

#include "shard/overlay.h"

/* May a client bring so many bytes more? */
bool budget_admits(const struct shard *shard, size_t more);
/* May a source, whose messages take so many bytes, and those of them that are for other shards? */
bool budget_admits_source(const struct shard *shard, size_t bytes, size_t crossing);
/* What a message of a source takes, wherever it goes. */
size_t source_message_bytes(const struct source_message *message);
/* May another shard? */
bool budget_admits_parcels(const struct shard *shard, size_t more);
/* What the effects of a SENT flight lack. */
struct lack budget_lack(const struct shard *shard, const struct flight *flight,
                        const struct function_response *response);

/* There is no room for the result: the address is called again later. NULL: its flight is lost too.
 */
void block(struct shard *shard, struct flight *flight, struct lack lack);
/* After each dispatch: who was blocked and finds room now is called again. */
void wake_blocked(struct shard *shard, struct shard_update *update);
/* After that: the next pioneer, when it is time for one. */
void send_pioneer(struct shard *shard, struct shard_update *update);
/* Shard time of the next one, calls may be out or not; INT64_MAX: nobody waits to be one. */
int64_t pioneer_wake_at(const struct shard *shard);

#endif
