/*
 * Idempotency entries, which are reply entries too: what is remembered of a keyed message or of a
 * call, so that a second try gets the first one's answer.
 */
#include "base/check.h"
#include "shard/image.h"
#include "shard/key.h"

static size_t key_part(size_t key_size)
{
    return key_size > 0 ? sizeof(struct entry_key) : 0;
}

size_t entry_size(size_t id_size, size_t key_size, size_t token_size)
{
    return sizeof(struct entry) + key_part(key_size) + id_size + key_size + token_size;
}

static struct entry_key *keyed(const struct entry *entry)
{
    CHECK(entry->key_size > 0);
    return (struct entry_key *)(uintptr_t)entry->bytes;
}

uint64_t entry_body_hash(const struct entry *entry)
{
    return entry->key_size > 0 ? keyed(entry)->body_hash : 0;
}

struct span entry_id(const struct entry *entry)
{
    return span_of(entry->bytes + key_part(entry->key_size), entry->id_size);
}

struct span entry_key(const struct entry *entry)
{
    return span_of(entry_id(entry).at + entry->id_size, entry->key_size);
}

struct span entry_token(const struct entry *entry)
{
    return span_of(entry_key(entry).at + entry->key_size, entry->token_size);
}

struct entry *entry_find_key(const struct image *image, uint32_t type, struct span id,
                             struct span key)
{
    struct place place = place_of(image, type, id);
    uint64_t hash = key_pair_hash(place.hash, key);
    for (struct table_node *node = table_chain(&place.slot->keys, hash); node != NULL;
         node = node->next) {
        struct entry *entry =
            CONTAINER_OF(CONTAINER_OF(node, struct entry_key, node), struct entry, bytes);
        if (node->hash == key_short(hash) && entry->type == type &&
            span_equal(entry_key(entry), key) && span_equal(entry_id(entry), id))
            return entry;
    }
    return NULL;
}

struct entry *entry_find_token(const struct image *image, struct span token)
{
    uint8_t bytes[REPLY_TOKEN_PACKED];
    token = reply_token_pack(bytes, token);
    uint64_t hash = hash_bytes(token);
    for (struct table_node *node = table_chain(&image->replies, hash); node != NULL;
         node = node->next) {
        struct entry *entry = CONTAINER_OF(node, struct entry, token_node);
        if (node->hash == key_short(hash) && span_equal(entry_token(entry), token)) return entry;
    }
    return NULL;
}

struct list *entry_list(struct slot *slot, bool has_key)
{
    return has_key ? &slot->entries : &slot->calls;
}

struct entry *entry_add(struct image *image, uint32_t type, struct span id, struct span key,
                        struct span token, uint64_t body_hash)
{
    CHECK(id.size <= ID_SIZE_MAX && key.size <= KEY_SIZE_MAX && token.size <= REPLY_TOKEN_SIZE);
    size_t size = entry_size(id.size, key.size, token.size);
    struct entry *entry = memory_alloc(&image->memory, size);
    CHECK(entry != NULL);
    *entry = (struct entry){.type = type,
                            .id_size = (uint16_t)id.size,
                            .key_size = (uint16_t)key.size,
                            .token_size = (uint16_t)token.size};
    list_init(&entry->answered);
    list_init(&entry->waiters);
    uint8_t *at = entry->bytes + key_part(key.size);
    memcpy(at, id.at, id.size);
    if (key.size > 0) memcpy(at + id.size, key.at, key.size);
    if (token.size > 0) memcpy(at + id.size + key.size, token.at, token.size);
    struct place place = place_of(image, type, id);
    list_append(entry_list(place.slot, key.size > 0), &entry->order);
    if (key.size > 0) {
        keyed(entry)->body_hash = body_hash;
        table_insert(&place.slot->keys, &image->memory, &keyed(entry)->node,
                     key_pair_hash(place.hash, key));
    }
    if (token.size > 0)
        table_insert(&image->replies, &image->memory, &entry->token_node, hash_bytes(token));
    image->entry_count++;
    image->entry_bytes += size;
    return entry;
}

void entry_set_answer(struct image *image, struct entry *entry, struct span answer)
{
    CHECK(entry->answer == NULL);
    entry->has_answer = true;
    entry->answer_seq = image->seq;
    entry->answer = memory_alloc(&image->memory, answer.size);
    CHECK(entry->answer != NULL);
    if (answer.size > 0) memcpy(entry->answer, answer.at, answer.size);
    entry->answer_size = (uint32_t)answer.size;
    image->entry_bytes += answer.size;
}

void entry_remove(struct image *image, struct entry *entry)
{
    struct slot *slot = image_slot(image, entry_id(entry));
    size_t size = entry_size(entry->id_size, entry->key_size, entry->token_size);
    if (entry->key_size > 0) table_remove(&slot->keys, &keyed(entry)->node);
    if (entry->token_size > 0) table_remove(&image->replies, &entry->token_node);
    list_remove(&entry->order);
    list_remove(&entry->answered);
    image->entry_count--;
    image->entry_bytes -= size + entry->answer_size;
    memory_free(&image->memory, entry->answer, entry->answer_size);
    memory_free(&image->memory, entry, size);
}
