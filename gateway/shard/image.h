/*
 * The image: everything durable of a shard. It changes only in fold.c (and is loaded by block.c).
 * Other files of the room read it. Objects live in the slot of their id; their bytes follow the
 * struct in one allocation.
 */
#ifndef HOLDFAST_SHARD_IMAGE_H
#define HOLDFAST_SHARD_IMAGE_H

#include "base/buffer.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/name.h"
#include "base/table.h"
#include "shard/limits.h"
#include "wire/function.h"
#include "wire/record.h"

struct flight;
struct channel;

/* ---- Dictionary: names to small numbers, for ever. Number 0 is no name. ---- */

struct name {
    struct table_node node;
    uint32_t number;
    uint32_t size;
    uint8_t bytes[];
};

struct dictionary {
    struct name **by_number;
    uint32_t count; /* numbers in use: 1..count */
    uint32_t capacity;
    struct table by_bytes;
};

/* ---- Function types ---- */

struct spec {
    uint32_t name;
    uint32_t type_name;
    enum expire_mode mode;
    int64_t ttl_ms;
};

struct function {
    uint32_t type;
    uint32_t spec_count;
    uint32_t spec_capacity;
    struct spec *specs;
    uint64_t cell_count;
    uint64_t message_count; /* in mailboxes */
    /* overlay */
    int32_t endpoint;          /* index, or -1: not configured */
    uint64_t endpoint_version; /* of the configuration that was looked up in */
};

/* ---- Cells: the state of one address. Immutable and counted: a write makes a new one. ---- */

struct value {
    uint32_t name;
    uint32_t type_name;
    uint32_t size;
    uint32_t offset; /* of the bytes, from the start of the cell */
    int64_t written_ms;
    uint64_t version; /* seq of the record that wrote it */
};

struct cell {
    struct table_node node;
    uint32_t refs;
    uint32_t type;
    uint32_t size; /* of the whole allocation */
    uint16_t id_size;
    uint16_t value_count;
    uint64_t seq;       /* last record that changed it: a read shows it when that is durable */
    int64_t invoked_ms; /* states with EXPIRE_AFTER_INVOKE count from here */
    struct value values[];
};

/* ---- Messages and mailboxes ---- */

struct message {
    struct list link;
    uint64_t seq;   /* of the record that put it in */
    uint32_t index; /* within that record */
    uint32_t epoch;
    enum item_kind kind;  /* MESSAGE, STATE_SET, STATE_DELETE */
    uint32_t caller_type; /* 0: from outside; a reply token makes the caller holdfast/reply */
    uint32_t caller_id_size;
    uint32_t argument_size;
    uint32_t reply_token_size;
    uint32_t traceparent_size;
    uint32_t state_name;
    uint32_t state_type;
    bool if_match;
    uint64_t version;
    uint8_t bytes[]; /* caller id, argument, reply token (packed), traceparent */
};

/* Exists while there is mail. */
struct box {
    struct table_node node;
    struct list woken; /* in image.woken when fold has changed it */
    uint32_t type;
    uint32_t id_size;
    struct list messages;
    uint32_t count;
    uint32_t write_count; /* state writes among them */
    bool parked;
    uint32_t attempts; /* failures of the head, as recorded */
    int64_t failed_ms; /* the first of them */
    int64_t parked_ms;
    uint32_t text_size;
    uint8_t *text;         /* why it failed last */
    size_t bytes;          /* of the messages */
    uint64_t taken_seq;    /* overlay: last record that took messages out; 0 after recovery */
    struct flight *flight; /* overlay */
    uint8_t id[];
};

/* ---- Delayed messages ---- */

struct timer {
    struct heap_node due;     /* key = shard time, tie = number */
    struct list link;         /* in its slot */
    struct table_node number; /* in image.timers_by_number */
    struct table_node token;  /* in the slot's tokens, when it has one */
    struct message *message;
    uint32_t target_type;
    uint32_t target_id_size;
    uint32_t scope_id_size; /* the sender's id: scope of the token, home of the timer */
    uint32_t token_size;
    uint8_t bytes[]; /* target id, scope id, token */
};

/* ---- Idempotency and reply entries ---- */

/* What only an entry with a key has. */
struct entry_key {
    struct table_node node; /* in the slot */
    uint64_t body_hash;
};

struct entry {
    struct table_node token_node; /* in image.replies, when somebody may wait for a reply */
    struct list order;            /* in the slot, oldest first */
    struct list answered;         /* in image.answered when fold has set the answer */
    struct list waiters;          /* overlay */
    int64_t delivered_ms;         /* overlay: a waiter has got the answer; 0: not yet */
    int64_t created_ms;
    uint64_t seq;
    uint64_t answer_seq;
    uint8_t *answer; /* raw TypedValue */
    uint32_t answer_size;
    uint32_t gated; /* overlay: answers on their way to a waiter */
    uint32_t epoch;
    uint32_t type;
    uint16_t id_size;
    uint16_t key_size;
    uint16_t token_size;
    bool has_answer;
    bool asked; /* overlay: with its token, which is not known to the gateway alone any more */
    _Alignas(struct entry_key) uint8_t bytes[]; /* entry_key if any; id, key, token (packed) */
};

/* ---- Egress lanes ---- */

struct letter {
    struct list link;
    uint64_t cursor; /* 1, 2, 3 … within the lane */
    uint64_t seq;    /* shown when durable */
    uint32_t size;
    uint8_t bytes[]; /* raw TypedValue */
};

/* A log outside that can be read again, and how far it has been taken. */
struct source {
    struct list link; /* in image.sources */
    uint32_t name;
    uint64_t seq; /* of the record that moved it; not stored */
    uint8_t position_size;
    uint8_t position[SOURCE_POSITION_MAX];
};

struct lane {
    struct list link; /* in image.lanes */
    uint32_t name;
    uint64_t last;  /* cursor of the newest */
    uint64_t taken; /* taken through */
    struct list letters;
    uint64_t count;
    size_t bytes;
    struct list waiters; /* overlay */
};

enum { SLOT_ALIGNED = 64 /* bytes: a line of the processor's cache */ };

/* What every message needs is in one line. */
struct slot {
    _Alignas(SLOT_ALIGNED) struct table boxes;
    struct table cells;
    uint64_t changed_seq; /* last record that touched it */
    bool cut_pending;     /* the running cut has not written it yet */
    struct list calls;    /* entries without a key: only their token finds them, oldest first */
    struct table keys;    /* entries by (address, key) */
    struct table tokens;  /* timers by (scope id, token) */
    struct list entries;  /* with a key, oldest first */
    struct list timers;
};

/* Called before fold changes a slot that a running cut still needs. Cannot fail: it marks the cut
 * as failed. */
typedef void image_save_slot(void *context, uint32_t slot);

struct image {
    struct memory memory;
    uint64_t lineage;
    uint32_t epoch;
    uint64_t seq;
    int64_t time_ms; /* of the last record */
    uint32_t shard;  /* which of so many */
    uint32_t shard_count;
    struct channel *channels; /* by number of the other shard; NULL: there is none */
    uint64_t cut;             /* the newest savepoint it has joined */
    uint64_t next_timer;
    struct dictionary dictionary;
    struct function **functions; /* by number of the name; NULL: not seen as a function type */
    uint32_t function_capacity;
    struct slot *slots; /* SLOTS of them */
    struct heap timers;
    uint64_t letter_seq; /* of the newest egress record; not part of the digest */
    uint64_t parcel_seq; /* of the newest parcel; not part of the digest */
    bool has_expiry;     /* some state of some function may expire */
    struct table timers_by_number;
    struct table replies; /* entries by reply token */
    struct list lanes;
    struct list sources;
    struct list woken;    /* boxes that fold has changed since the overlay looked */
    struct list answered; /* entries that fold has answered */
    image_save_slot *save_slot;
    void *save_context;
    /* counts */
    uint64_t cell_count, message_count, message_bytes, timer_count, entry_count, parked_count,
        letter_count;
    size_t cell_bytes, entry_bytes, letter_bytes, timer_bytes;
    uint64_t replies_dropped; /* for a token that was no longer alive; not part of the digest */
};

/* Where an address is: see place_of in key.h. */
struct place {
    struct slot *slot;
    uint64_t hash; /* of the address, in the tables of its slot */
};

int image_init(struct image *image) MUST_USE;
void image_close(struct image *image);

struct slot *image_slot(const struct image *image, struct span id);
/* Before any change to what is in the slot of that id. */
void image_touch(struct image *image, struct span id);
void image_touch_slot(struct image *image, struct slot *slot);

/* Dictionary: 0 when unknown; the name of a number in use. */
uint32_t dictionary_find(const struct image *image, struct span name);
struct span dictionary_name(const struct image *image, uint32_t number);
int dictionary_reserve(struct image *image, struct span name) MUST_USE;
void dictionary_add(struct image *image, struct span name);

/* The function of a type, made on first use within a reservation (image_reserve_function). */
int image_reserve_function(struct image *image, uint32_t type) MUST_USE;
struct function *image_function(struct image *image, uint32_t type);
struct function *image_find_function(const struct image *image, uint32_t type);
int function_reserve_specs(struct image *image, struct function *function, uint32_t more) MUST_USE;
const struct spec *function_find_spec(const struct function *function, uint32_t name);

/* cell.c */
struct cell *cell_find(const struct image *image, uint32_t type, struct span id);
struct span cell_id(const struct cell *cell);
struct span cell_value(const struct cell *cell, const struct value *value);
const struct value *cell_find_value(const struct cell *cell, uint32_t name);
size_t cell_size(size_t id_size, size_t value_count, size_t value_bytes);
/* A cell without values, ready for cell_add; NULL only outside a reservation. */
struct cell *cell_new(struct image *image, uint32_t type, struct span id, uint32_t value_count,
                      size_t value_bytes);
void cell_add(struct cell *cell, const struct value *value, struct span bytes);
void cell_ref(struct cell *cell);
void cell_unref(struct image *image, struct cell *cell);
/* Puts the cell in the place of the one of the same address (taken); without values: removes it. */
void cell_replace(struct image *image, struct cell *old, struct cell *cell);
/* Would a reader at `now_ms` see it? Expiry is decided by the spec that is registered now. */
bool value_expired(const struct function *function, const struct cell *cell,
                   const struct value *value, int64_t now_ms);

/* mailbox.c */
struct box *box_find(const struct image *image, uint32_t type, struct span id);
struct span box_id(const struct box *box);
size_t box_size(struct span id);
size_t message_size(const struct record_item *item, bool has_caller, struct span caller_id);
struct message *message_new(struct image *image, const struct record_item *item,
                            uint32_t caller_type, struct span caller_id);
void message_free(struct image *image, struct message *message);
struct span message_caller_id(const struct message *message);
struct span message_argument(const struct message *message);
struct span message_reply_token(const struct message *message);
struct span message_traceparent(const struct message *message);
/* A short hash of the id, to check that APPLY and mailbox agree. */
uint32_t message_check(const struct message *message);
void message_id_text(struct buffer *out, const struct image *image, uint32_t epoch, uint64_t seq,
                     uint32_t index);
/* The box of an address, made when missing. */
struct box *box_get(struct image *image, uint32_t type, struct span id);
/* The same when its place is known. */
struct box *box_get_at(struct image *image, struct place place, uint32_t type, struct span id);
void box_put(struct image *image, struct box *box, struct message *message); /* message taken */
/* Drops the first `count`; an empty box goes. True: it has gone. */
bool box_pop(struct image *image, struct box *box, uint32_t count);
/* Those of the box's first `count` messages whose caller waits for a reply, in their order. */
struct callers {
    struct span next; /* token of the next one, empty: there is no more */
    const struct list *last;
    uint32_t left; /* messages behind the last */
};
/* Good while these messages are in the box. */
struct callers box_callers(const struct box *box, uint32_t count);
/* Gives `next` and goes on to the one after it. */
struct span callers_take(struct callers *callers);
/* The state write that may be taken now: at the head; anywhere in a parked box, where nothing else
 * moves. */
struct message *box_first_write(const struct box *box);
void box_take_write(struct image *image, struct box *box);
void box_set_text(struct image *image, struct box *box, struct span text);
void box_wake(struct image *image, struct box *box);
void box_free(struct image *image, struct box *box);

/* timer.c */
size_t timer_size(size_t target_id_size, size_t scope_id_size, size_t token_size);
struct timer *timer_find_token(const struct image *image, struct span scope_id, struct span token);
struct timer *timer_find_number(const struct image *image, uint64_t number);
struct span timer_target_id(const struct timer *timer);
struct span timer_scope_id(const struct timer *timer);
struct span timer_token(const struct timer *timer);
/* message is taken; number is given by the image unless not 0. */
void timer_add(struct image *image, uint64_t number, int64_t due_ms, uint32_t target_type,
               struct span target_id, struct span scope_id, struct span token,
               struct message *message);
/* Gives the message back. */
struct message *timer_take(struct image *image, struct timer *timer);

/* entry.c */
size_t entry_size(size_t id_size, size_t key_size, size_t token_size);
struct span entry_id(const struct entry *entry);
struct span entry_key(const struct entry *entry);
struct span entry_token(const struct entry *entry);
uint64_t entry_body_hash(const struct entry *entry); /* 0: it has no key */
struct entry *entry_find_key(const struct image *image, uint32_t type, struct span id,
                             struct span key);
/* Packed, or as the caller of a function knows it. */
struct entry *entry_find_token(const struct image *image, struct span token);
struct list *entry_list(struct slot *slot, bool has_key);
struct entry *entry_add(struct image *image, uint32_t type, struct span id, struct span key,
                        struct span token, uint64_t body_hash);
void entry_set_answer(struct image *image, struct entry *entry, struct span answer);
void entry_remove(struct image *image, struct entry *entry);

/* lane.c */
struct lane *lane_find(const struct image *image, uint32_t name);
struct lane *lane_get(struct image *image, uint32_t name);
void lane_init(struct lane *lane, uint32_t name);
/* The same as lane_put, for the caller to fill in. */
struct letter *lane_put_empty(struct image *image, struct lane *lane, uint64_t cursor, uint64_t seq,
                              size_t size);
void lane_put(struct image *image, struct lane *lane, uint64_t cursor, uint64_t seq,
              struct span bytes);
void lane_take(struct image *image, struct lane *lane, uint64_t through);
void lane_free(struct image *image, struct lane *lane);

/* source.c */
struct source *source_find(const struct image *image, uint32_t name);
/* Empty for NULL. */
struct span source_position(const struct source *source);
/* Within a reservation when it is new. */
void source_set(struct image *image, uint32_t name, struct span position, uint64_t seq);
void source_free(struct image *image, struct source *source);

#endif
