/* Names: holdfast_ + noun + unit, counters end in _total. A name that is out is never used for
 * something else. */
#include "admin/metrics.h"

static const char *const call_results[SAMPLE_RESULTS] = {
    "ok", "bad_answer", "too_large", "overloaded", "unreachable", "lost", "timeout", "handshake"};
static const char *const address_states[SAMPLE_ADDRESSES] = {
    "ready", "wait_durable", "sent", "retry_wait", "blocked", "parked", "held"};
static const char *const memory_kinds[SAMPLE_MEMORIES] = {"state", "mailbox", "delayed",
                                                          "idempotency", "egress"};
static const char *const peers[SAMPLE_PEERS] = {"client", "function"};

#define RESULTS_HELP                                                                               \
    "ok, bad_answer (an error status or no valid response), too_large (413), overloaded (404, "    \
    "429, 502, "                                                                                   \
    "503, 504), unreachable, lost (the connection broke), timeout, handshake (it asked for more "  \
    "states)."

#define OF_PROCESS(field) .scope = METRIC_PROCESS, .offset = offsetof(struct admin_sample, field)
#define OF_FUNCTION(field)                                                                         \
    .scope = METRIC_FUNCTION, .offset = offsetof(struct sample_function, field)
#define OF_EGRESS(field) .scope = METRIC_EGRESS, .offset = offsetof(struct sample_egress, field)
#define OF_SHARD(field) .scope = METRIC_SHARD, .offset = offsetof(struct sample_shard, field)
#define ARRAY(word, values)                                                                        \
    .form = METRIC_ARRAY, .label = (word), .label_values = (values),                               \
    .label_count = sizeof(values) / sizeof((values)[0])

const struct metric metrics_table[] = {
    {"holdfast_build_info", METRIC_GAUGE, "", "Always 1; the labels say which program this is.",
     .form = METRIC_BUILD},
    {"holdfast_ready", METRIC_GAUGE, "", "1 when recovered and accepting, as /readyz.",
     OF_PROCESS(ready)},

    {"holdfast_messages_accepted_total", METRIC_COUNTER, "messages",
     "Messages accepted from outside.", OF_PROCESS(messages_accepted)},
    {"holdfast_messages_duplicate_total", METRIC_COUNTER, "messages",
     "Messages from outside whose idempotency key was known: answered, not accepted again.",
     OF_PROCESS(messages_duplicate)},
    {"holdfast_messages_refused_total", METRIC_COUNTER, "messages",
     "Messages from outside that were refused: unknown function, reserved name, over a budget.",
     OF_PROCESS(messages_refused)},
    {"holdfast_messages_sent_total", METRIC_COUNTER, "messages",
     "Messages sent by functions to functions.", OF_PROCESS(messages_sent)},
    {"holdfast_messages_delayed_total", METRIC_COUNTER, "messages",
     "Messages put off to a later time.", OF_PROCESS(messages_delayed)},
    {"holdfast_messages_fired_total", METRIC_COUNTER, "messages",
     "Delayed messages whose time came.", OF_PROCESS(messages_fired)},
    {"holdfast_messages_cancelled_total", METRIC_COUNTER, "messages",
     "Delayed messages taken back.", OF_PROCESS(messages_cancelled)},
    {"holdfast_messages_applied_total", METRIC_COUNTER, "messages",
     "Messages whose effects were applied; each counts once, however often its function was "
     "called.",
     OF_PROCESS(messages_applied)},
    {"holdfast_replies_total", METRIC_COUNTER, "replies",
     "Replies of functions to waiting callers.", OF_PROCESS(replies)},
    {"holdfast_replies_dropped_total", METRIC_COUNTER, "replies",
     "Replies that nobody can get: a second one, or to a call that is forgotten.",
     OF_PROCESS(replies_dropped)},
    {"holdfast_idempotency_keys", METRIC_GAUGE, "keys", "Idempotency keys remembered.",
     OF_PROCESS(idempotency_keys)},
    {"holdfast_idempotency_keys_evicted_total", METRIC_COUNTER, "keys",
     "Idempotency keys forgotten before their time because their budget was full.",
     OF_PROCESS(keys_evicted)},
    {"holdfast_waiters", METRIC_GAUGE, "requests",
     "Requests that wait for a reply, a record or the journal.", OF_PROCESS(waiters)},

    {"holdfast_invocations_total", METRIC_COUNTER, "invocations",
     "Batches given to functions, each attempt counted.", OF_PROCESS(invocations)},
    {"holdfast_invocation_requests_total", METRIC_COUNTER, "requests",
     "HTTP requests to functions: fewer than invocations where many addresses share one.",
     OF_PROCESS(invocation_requests)},
    {"holdfast_invocations_bundled_total", METRIC_COUNTER, "invocations",
     "Invocations that shared a request with others.", OF_PROCESS(invocations_bundled)},
    {"holdfast_attempts_total", METRIC_COUNTER, "calls", "Attempts by outcome: " RESULTS_HELP,
     OF_PROCESS(calls), ARRAY("result", call_results)},
    {"holdfast_stale_responses_total", METRIC_COUNTER, "responses",
     "Responses to attempts that were no longer current: dropped.", OF_PROCESS(stale_responses)},
    {"holdfast_invocation_seconds", METRIC_HISTOGRAM, "seconds",
     "Time from dispatch to outcome of an attempt.", OF_PROCESS(call_millis), .form = METRIC_TIMES,
     .bounds = &admin_bounds_millis},
    {"holdfast_batch_messages", METRIC_HISTOGRAM, "messages", "Messages in one invocation.",
     OF_PROCESS(batch), .form = METRIC_SIZES, .bounds = &admin_bounds_batch},

    {"holdfast_function_attempts_total", METRIC_COUNTER, "calls",
     "Attempts of one function by outcome, as holdfast_attempts_total.", OF_FUNCTION(calls),
     ARRAY("result", call_results)},
    {"holdfast_function_invocation_seconds", METRIC_HISTOGRAM, "seconds",
     "Time from dispatch to outcome of an attempt.", OF_FUNCTION(call_us), .form = METRIC_TIMES,
     .bounds = &admin_bounds_micros},
    {"holdfast_function_in_flight", METRIC_GAUGE, "calls", "Calls that wait for the function now.",
     OF_FUNCTION(in_flight)},
    {"holdfast_function_mailbox_messages", METRIC_GAUGE, "messages",
     "Messages that wait for the function.", OF_FUNCTION(mailbox_messages)},
    {"holdfast_function_parked_addresses", METRIC_GAUGE, "addresses",
     "Parked addresses of the function.", OF_FUNCTION(parked_addresses)},
    {"holdfast_function_keys", METRIC_GAUGE, "addresses",
     "Addresses of the function that have state.", OF_FUNCTION(keys)},
    {"holdfast_circuit_state", METRIC_GAUGE, "",
     "Circuit of the function's endpoint: 0 closed (normal), 1 probing, 2 open (it is down).",
     OF_FUNCTION(circuit)},

    {"holdfast_mailbox_messages", METRIC_GAUGE, "messages", "Messages that wait in mailboxes.",
     OF_PROCESS(mailbox_messages)},
    {"holdfast_mailbox_bytes", METRIC_GAUGE, "bytes", "Bytes of the messages in mailboxes.",
     OF_PROCESS(memory_bytes[SAMPLE_MEMORY_MAILBOX])},
    {"holdfast_delayed_messages", METRIC_GAUGE, "messages",
     "Delayed messages whose time has not come.", OF_PROCESS(delayed_messages)},
    {"holdfast_addresses", METRIC_GAUGE, "addresses",
     "Addresses with messages, by what they wait for: ready (their endpoint's window), "
     "wait_durable (the "
     "journal), sent (their function), retry_wait (a back-off), blocked (room for a response), "
     "parked (an "
     "operator), held (their function is not in module.yaml).",
     OF_PROCESS(addresses), ARRAY("state", address_states)},
    {"holdfast_parked_addresses", METRIC_GAUGE, "addresses",
     "Addresses that stopped at a failing message and wait for an operator.",
     OF_PROCESS(addresses[SAMPLE_PARKED])},
    {"holdfast_parked_total", METRIC_COUNTER, "addresses", "Times that an address was parked.",
     OF_PROCESS(parked)},
    {"holdfast_blocked_total", METRIC_COUNTER, "responses",
     "Responses not applied because of a budget; the address is called again.",
     OF_PROCESS(blocked)},
    {"holdfast_outgrown_total", METRIC_COUNTER, "responses",
     "Responses that found no room even at one and a half times the memory budget: work that makes "
     "more work has outgrown it.",
     OF_PROCESS(outgrown)},
    {"holdfast_keys", METRIC_GAUGE, "addresses", "Addresses that have state.", OF_PROCESS(keys)},
    {"holdfast_state_bytes", METRIC_GAUGE, "bytes", "Bytes of all state values.",
     OF_PROCESS(memory_bytes[SAMPLE_MEMORY_STATE])},

    {"holdfast_journal_bytes", METRIC_GAUGE, "bytes",
     "Bytes of the journal on disk: what a recovery would read beyond the snapshot.",
     OF_PROCESS(journal_bytes)},
    {"holdfast_journal_written_bytes_total", METRIC_COUNTER, "bytes",
     "Bytes written to the journal.", OF_PROCESS(journal_written_bytes)},
    {"holdfast_journal_records_total", METRIC_COUNTER, "records", "Records written to the journal.",
     OF_PROCESS(journal_records)},
    {"holdfast_journal_commit_seconds", METRIC_HISTOGRAM, "seconds",
     "Time of a commit, write and sync; its _count is the number of commits.",
     OF_PROCESS(commit_us), .form = METRIC_TIMES, .bounds = &admin_bounds_micros},
    {"holdfast_journal_commit_records", METRIC_HISTOGRAM, "records", "Records in one commit.",
     OF_PROCESS(commit_records), .form = METRIC_SIZES, .bounds = &admin_bounds_counts},

    {"holdfast_snapshots_total", METRIC_COUNTER, "snapshots", "Snapshots published.",
     OF_PROCESS(snapshots_published)},
    {"holdfast_snapshots_failed_total", METRIC_COUNTER, "snapshots", "Snapshots given up.",
     OF_PROCESS(snapshots_failed)},
    {"holdfast_snapshot_seconds", METRIC_GAUGE, "seconds", "Time that the last snapshot took.",
     OF_PROCESS(snapshot_us), .form = METRIC_MICROS},
    {"holdfast_snapshot_bytes", METRIC_GAUGE, "bytes", "Live bytes of the last snapshot.",
     OF_PROCESS(snapshot_bytes)},
    {"holdfast_snapshot_age_seconds", METRIC_GAUGE, "seconds",
     "Time since the last snapshot was published; absent while there is none.",
     OF_PROCESS(snapshot_age_us), .form = METRIC_AGE},
    {"holdfast_recovery_seconds", METRIC_GAUGE, "seconds",
     "Time that recovery took at the last start.", OF_PROCESS(recovery_us), .form = METRIC_MICROS},
    {"holdfast_recovery_records", METRIC_GAUGE, "records", "Records replayed at the last start.",
     OF_PROCESS(recovery_records)},

    {"holdfast_egress_records_total", METRIC_COUNTER, "records",
     "Records that functions wrote to egresses.", OF_PROCESS(egress_records)},
    {"holdfast_egress_backlog_records", METRIC_GAUGE, "records",
     "Records of all egresses not yet taken.", OF_PROCESS(egress_waiting)},
    {"holdfast_egress_waiting_records", METRIC_GAUGE, "records",
     "Records of an egress not yet taken.", OF_EGRESS(waiting_records)},
    {"holdfast_egress_waiting_bytes", METRIC_GAUGE, "bytes", "Bytes of the records not yet taken.",
     OF_EGRESS(waiting_bytes)},

    {"holdfast_shard_records", METRIC_GAUGE, "records",
     "Records of the shard since it was new: the number of its newest.", OF_SHARD(records)},
    {"holdfast_shard_durable_records", METRIC_GAUGE, "records",
     "The same of those that are durable.", OF_SHARD(durable_records)},
    {"holdfast_shard_keys", METRIC_GAUGE, "addresses", "Addresses of the shard that have state.",
     OF_SHARD(keys)},
    {"holdfast_shard_mailbox_messages", METRIC_GAUGE, "messages",
     "Messages that wait in mailboxes of the shard.", OF_SHARD(mailbox_messages)},
    {"holdfast_shard_memory_used_bytes", METRIC_GAUGE, "bytes",
     "Bytes in use of the shard's part of the memory budget.", OF_SHARD(memory_used_bytes)},
    {"holdfast_shard_parcels_sent_total", METRIC_COUNTER, "parcels",
     "Messages, replies and egress records given to other shards, repetitions included.",
     OF_SHARD(parcels_sent)},
    {"holdfast_shard_parcels_received_total", METRIC_COUNTER, "parcels",
     "Messages, replies and egress records taken from other shards.", OF_SHARD(parcels_received)},
    {"holdfast_shard_parcels_waiting", METRIC_GAUGE, "parcels",
     "Of those for other shards: not yet durable there.", OF_SHARD(parcels_waiting)},

    {"holdfast_connections", METRIC_GAUGE, "connections",
     "Open connections by who is at the other end.", OF_PROCESS(connections), ARRAY("peer", peers)},
    {"holdfast_memory_bytes", METRIC_GAUGE, "bytes", "Bytes of the shard's contents by kind.",
     OF_PROCESS(memory_bytes), ARRAY("kind", memory_kinds)},
    {"holdfast_memory_used_bytes", METRIC_GAUGE, "bytes",
     "Bytes in use of the memory budget, what holds the contents included.",
     OF_PROCESS(memory_used_bytes)},
    {"holdfast_memory_max_bytes", METRIC_GAUGE, "bytes", "The memory budget (--memory).",
     OF_PROCESS(memory_max_bytes)},
    {"holdfast_clock_jumps_total", METRIC_COUNTER, "jumps",
     "Times that the machine's clock jumped and shard time did not follow.",
     OF_PROCESS(clock_jumps)},

    {"process_cpu_seconds_total", METRIC_COUNTER, "seconds", "User and system CPU time.",
     OF_PROCESS(process.cpu_us), .form = METRIC_MICROS},
    {"process_resident_memory_bytes", METRIC_GAUGE, "bytes", "Resident memory.",
     OF_PROCESS(process.resident_bytes)},
    {"process_virtual_memory_bytes", METRIC_GAUGE, "bytes", "Virtual memory.",
     OF_PROCESS(process.virtual_bytes)},
    {"process_open_fds", METRIC_GAUGE, "files", "Open file descriptors.",
     OF_PROCESS(process.open_files)},
    {"process_max_fds", METRIC_GAUGE, "files", "Limit of open file descriptors.",
     OF_PROCESS(process.open_files_max)},
    {"process_start_time_seconds", METRIC_GAUGE, "seconds", "Start of the process since 1970.",
     OF_PROCESS(process.start_us), .form = METRIC_MICROS},
};

const size_t metrics_count = sizeof metrics_table / sizeof metrics_table[0];
