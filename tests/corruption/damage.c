#include "corruption/damage.h"

#include "base/check.h"

typedef void each_damage(void *context, const struct damage *damage);

enum { SECTOR = FAKE_SECTOR, RANGES_MAX = 24 };

const char *damage_name(enum damage_kind kind)
{
    static const char *const names[DAMAGES] = {"flip", "cut",   "zero",    "ones",  "swap",
                                               "copy", "older", "foreign", "frame", "pair"};
    return names[kind];
}

/* ---- Which ---- */

static void each_bit(const struct golden *golden, each_damage *each, void *context)
{
    for (size_t i = 0; i < golden->file_count; i++)
        for (uint64_t bit = 0; bit < golden->sizes[i] * 8; bit++)
            each(context, &(struct damage){DAMAGE_FLIP, golden->files[i], bit, 0, NULL, 0});
}

static void each_cut(const struct golden *golden, each_damage *each, void *context)
{
    for (size_t i = 0; i < golden->file_count; i++)
        for (uint64_t size = 0; size < golden->sizes[i]; size++)
            each(context, &(struct damage){DAMAGE_CUT, golden->files[i], size, 0, NULL, 0});
}

static uint64_t left(const struct golden *golden, size_t file, uint64_t offset, uint64_t size)
{
    return golden->sizes[file] - offset < size ? golden->sizes[file] - offset : size;
}

static void each_overwrite(const struct golden *golden, each_damage *each, void *context)
{
    for (size_t i = 0; i < golden->file_count; i++)
        for (uint64_t at = 0; at < golden->sizes[i]; at += 64)
            for (uint64_t size = 64; size <= 4096; size *= 8) {
                if (at % size != 0) continue;
                struct damage damage = {
                    DAMAGE_ZERO, golden->files[i], at, left(golden, i, at, size), NULL, 0};
                each(context, &damage);
                damage.kind = DAMAGE_ONES;
                each(context, &damage);
            }
}

/* All pairs of sectors, of one file or of two. */
static void each_pair_of_sectors(const struct golden *golden, each_damage *each, void *context)
{
    for (size_t i = 0; i < golden->file_count; i++)
        for (uint64_t to = 0; to < golden->sizes[i]; to += SECTOR)
            for (size_t j = 0; j < golden->file_count; j++)
                for (uint64_t from = 0; from < golden->sizes[j]; from += SECTOR) {
                    if (i == j && from == to) continue;
                    struct damage damage = {DAMAGE_COPY,
                                            golden->files[i],
                                            to,
                                            left(golden, i, to, SECTOR),
                                            golden->files[j],
                                            from};
                    each(context, &damage);
                    damage.kind = DAMAGE_SWAP;
                    if (i < j || (i == j && to < from)) each(context, &damage);
                }
}

/* Runs of sectors that come from another disk. */
static void each_splice(const struct golden *golden, enum damage_kind kind, each_damage *each,
                        void *context)
{
    for (size_t i = 0; i < golden->file_count; i++)
        for (uint64_t from = 0; from < golden->sizes[i]; from += SECTOR)
            for (uint64_t count = 1; count <= RANGES_MAX && from < golden->sizes[i]; count++) {
                uint64_t size = left(golden, i, from, count * SECTOR);
                each(context,
                     &(struct damage){kind, golden->files[i], from, size, golden->files[i], from});
                if (from + size == golden->sizes[i]) break;
            }
}

static void each_pair_of_frames(const struct golden *golden, each_damage *each, void *context)
{
    for (size_t i = 0; i < golden->frame_count; i++)
        for (size_t j = 0; j < golden->frame_count; j++) {
            const struct golden_frame *to = &golden->frames[i];
            const struct golden_frame *from = &golden->frames[j];
            uint64_t room = 8192 - to->offset;
            uint64_t size = from->size < room ? from->size : room;
            if (i == j) continue;
            each(context, &(struct damage){DAMAGE_FRAME, to->file, to->offset, size, from->file,
                                           from->offset});
        }
}

static void each_pair_of_bits(const struct golden *golden, uint64_t pairs, each_damage *each,
                              void *context)
{
    struct prng prng = {golden->frame_count};
    for (uint64_t i = 0; i < pairs; i++) {
        /* Bits that mean something: of frames, so that a checksum has to see both. */
        const struct golden_frame *a = &golden->frames[prng_below(&prng, golden->frame_count)];
        const struct golden_frame *b = &golden->frames[prng_below(&prng, golden->frame_count)];
        each(context,
             &(struct damage){DAMAGE_PAIR, a->file, a->offset * 8 + prng_below(&prng, a->size * 8),
                              0, b->file, b->offset * 8 + prng_below(&prng, b->size * 8)});
    }
}

void damage_each(const struct golden *golden, uint64_t pairs, each_damage *each, void *context)
{
    each_bit(golden, each, context);
    each_cut(golden, each, context);
    each_overwrite(golden, each, context);
    each_pair_of_sectors(golden, each, context);
    each_splice(golden, DAMAGE_OLDER, each, context);
    each_splice(golden, DAMAGE_FOREIGN, each, context);
    each_pair_of_frames(golden, each, context);
    each_pair_of_bits(golden, pairs, each, context);
}

/* ---- How ---- */

static void flip(struct fake_disk *disk, const char *file, uint64_t bit)
{
    uint8_t byte = 0;
    CHECK(fake_disk_peek(disk, file, bit / 8, &byte, 1) == 1);
    byte ^= (uint8_t)(1u << bit % 8);
    fake_disk_poke(disk, file, bit / 8, span_of(&byte, 1));
}

static void fill(struct fake_disk *disk, const struct damage *damage, uint8_t value)
{
    uint8_t bytes[4096];
    memset(bytes, value, sizeof bytes);
    fake_disk_poke(disk, damage->file, damage->to, span_of(bytes, (size_t)damage->size));
}

/* Bytes of another place, zeros where there are none. */
static void splice(struct fake_disk *disk, const struct fake_disk *source,
                   const struct damage *damage)
{
    static uint8_t bytes[RANGES_MAX * SECTOR];
    CHECK(damage->size <= sizeof bytes);
    memset(bytes, 0, (size_t)damage->size);
    (void)fake_disk_peek(source, damage->from_file, damage->from, bytes, (size_t)damage->size);
    fake_disk_poke(disk, damage->file, damage->to, span_of(bytes, (size_t)damage->size));
}

static void swap(const struct golden *golden, struct fake_disk *disk, const struct damage *damage)
{
    uint8_t bytes[SECTOR] = {0};
    size_t size = fake_disk_peek(golden->disk, damage->from_file, damage->from, bytes, SECTOR);
    uint8_t other[SECTOR] = {0};
    (void)fake_disk_peek(golden->disk, damage->file, damage->to, other, SECTOR);
    fake_disk_poke(disk, damage->file, damage->to, span_of(bytes, (size_t)damage->size));
    fake_disk_poke(disk, damage->from_file, damage->from, span_of(other, size));
}

void damage_do(const struct golden *golden, struct fake_disk *disk, const struct damage *damage)
{
    switch (damage->kind) {
    case DAMAGE_FLIP: flip(disk, damage->file, damage->to); return;
    case DAMAGE_CUT: fake_disk_cut(disk, damage->file, damage->to); return;
    case DAMAGE_ZERO: fill(disk, damage, 0); return;
    case DAMAGE_ONES: fill(disk, damage, 0xff); return;
    case DAMAGE_SWAP: swap(golden, disk, damage); return;
    case DAMAGE_COPY:
    case DAMAGE_FRAME: splice(disk, golden->disk, damage); return;
    case DAMAGE_OLDER: splice(disk, golden->older, damage); return;
    case DAMAGE_FOREIGN: splice(disk, golden->foreign, damage); return;
    case DAMAGE_PAIR:
        flip(disk, damage->file, damage->to);
        flip(disk, damage->from_file, damage->from);
        return;
    case DAMAGES: break;
    }
    CHECK(false);
}
