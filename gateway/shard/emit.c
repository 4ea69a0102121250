#include "base/check.h"
#include "shard/decide.h"

struct buffer *emit_begin(struct shard *shard)
{
    buffer_clear(&shard->body);
    return &shard->body;
}

int emit(struct shard *shard, struct shard_update *update, enum record_kind kind)
{
    struct image *image = &shard->image;
    if (shard->body.failed || update->records.failed) return ERROR_MEMORY;
    struct record record = {.kind = (uint8_t)kind,
                            .elapsed_ms = (uint64_t)(shard->overlay.now_ms - image->time_ms),
                            .body = buffer_span(&shard->body)};
    int error = fold_prepare(image, &record);
    if (error != 0) {
        CHECK(error == ERROR_MEMORY); /* decide makes records that fit */
        return error;
    }
    size_t before = update->records.size;
    record_write(&update->records, record.kind, record.elapsed_ms, record.body);
    if (update->records.failed) {
        buffer_truncate(&update->records, before);
        return ERROR_MEMORY;
    }
    if (update->record_count++ == 0) update->first_seq = image->seq + 1;
    fold(image, &record);
    shard->overlay.undurable_new += update->records.size - before;
    shard->metrics.records++;
    return 0;
}

uint32_t intern(struct shard *shard, struct shard_update *update, struct span name)
{
    uint32_t number = dictionary_find(&shard->image, name);
    if (number != 0) return number;
    if (shard->image.dictionary.count >= NAMES_MAX) return 0;
    buffer_string(emit_begin(shard), name);
    if (emit(shard, update, RECORD_DEFINE) != 0) return 0;
    return shard->image.dictionary.count;
}

uint32_t intern_from_outside(struct shard *shard, struct shard_update *update, struct span name)
{
    if (shard->image.dictionary.count >= NAMES_MAX_OUTSIDE)
        return dictionary_find(&shard->image, name);
    return intern(shard, update, name);
}

size_t undurable_bytes(const struct shard *shard)
{
    return shard->overlay.undurable_old + shard->overlay.undurable_new;
}
