/* Sources: how far each log outside, which can be read again, has been taken. */
#include "base/check.h"
#include "shard/image.h"

struct source *source_find(const struct image *image, uint32_t name)
{
    LIST_EACH (&image->sources, link) {
        struct source *source = CONTAINER_OF(link, struct source, link);
        if (source->name == name) return source;
    }
    return NULL;
}

struct span source_position(const struct source *source)
{
    return source == NULL ? SPAN_EMPTY : span_of(source->position, source->position_size);
}

static struct source *source_make(struct image *image, uint32_t name)
{
    struct source *source = memory_alloc(&image->memory, sizeof *source);
    CHECK(source != NULL);
    *source = (struct source){.name = name};
    list_append(&image->sources, &source->link);
    return source;
}

void source_set(struct image *image, uint32_t name, struct span position, uint64_t seq)
{
    struct source *source = source_find(image, name);
    if (source == NULL) source = source_make(image, name);
    CHECK(position.size > 0 && position.size <= SOURCE_POSITION_MAX);
    memcpy(source->position, position.at, position.size);
    source->position_size = (uint8_t)position.size;
    source->seq = seq;
}

void source_free(struct image *image, struct source *source)
{
    list_remove(&source->link);
    memory_free(&image->memory, source, sizeof *source);
}
