/*
 * I12: any change to the stored bytes gives a valid prefix that is not shorter than what the files
 * can prove, or a refusal that names file and offset. What is expected is worked out here from the
 * frames themselves, without the scanner: the first changed frame is X; with an unchanged later
 * frame whose group_start is beyond X it is damage, else a torn end.
 */
#include "unit/store/fixture.h"

#include "base/prng.h"
#include "store/segment.h"
#include "wire/frame.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 8, FRAMES_MAX = 200, SEGMENT = SEGMENT_SIZE_MIN, SECTOR = 512 };

struct image { /* all segments of a journal */
    unsigned count;
    uint8_t bytes[SEGMENTS_MAX][SEGMENT];
};

struct seen {
    unsigned segment;
    size_t offset;
    size_t size;
    struct frame frame;
};

static char directory[PATH_SIZE];
static char work[PATH_SIZE];
static struct ledger ledger;
static struct image golden;
static struct seen frames[FRAMES_MAX];
static size_t frame_count;
static unsigned checks;

static void take_image(struct image *image)
{
    struct buffer bytes;
    buffer_init(&bytes);
    for (image->count = 0; image->count < SEGMENTS_MAX; image->count++) {
        char path[PATH_SIZE];
        segment_at(path, directory, image->count + 1);
        if (access(path, F_OK) != 0) break;
        file_bytes(path, &bytes);
        cr_assert_eq(bytes.size, SEGMENT);
        memcpy(image->bytes[image->count], bytes.at, SEGMENT);
    }
    buffer_close(&bytes);
}

static void list_frames(void)
{
    size_t offset = SEGMENT_HEAD_SIZE;
    frame_count = 0;
    for (unsigned segment = 0; segment < golden.count;) {
        struct seen *seen = &frames[frame_count];
        struct span body;
        if (SEGMENT - offset < SEGMENT_ROOM_MIN) {
            segment++;
            offset = SEGMENT_HEAD_SIZE;
            continue;
        }
        struct span bytes = span_of(golden.bytes[segment] + offset, SEGMENT - offset);
        if (frame_decode(bytes, &seen->frame, &body) != 0) break;
        seen->segment = segment;
        seen->offset = offset;
        seen->size = frame_size(seen->frame.body_size);
        offset += seen->size;
        cr_assert_lt(++frame_count, FRAMES_MAX);
    }
}

static void write_image(const struct image *image)
{
    char path[PATH_SIZE];
    for (unsigned i = 0; i < image->count; i++) {
        segment_at(path, work, i + 1);
        file_bytes_write(path, span_of(image->bytes[i], SEGMENT));
    }
    segment_at(path, work, image->count + 1);
    unlink(path);
}

/* A journal of several segments with small groups and one that crosses a border; the last group is
 * `last` records. */
static void make_golden(unsigned last)
{
    temporary_make(directory);
    temporary_make(work);
    ledger_init(&ledger, directory, SEGMENT);
    ledger_must_open(&ledger);
    for (unsigned i = 0; i < 24; i++) {
        ledger_append(&ledger, i == 15 ? 60 : 1 + i % 7);
        ledger_commit(&ledger);
    }
    ledger_kill(&ledger);
    ledger_must_open(&ledger);
    ledger_append(&ledger, 4);
    ledger_commit(&ledger);
    ledger_append(&ledger, last);
    ledger_commit(&ledger);
    ledger_kill(&ledger);
    take_image(&golden);
    list_frames();
    cr_assert_geq(frame_count, 28);
    cr_assert_geq(golden.count, 2);
    directory_copy(directory, work);
    ledger_init(&ledger, work, SEGMENT);
}

static void finish(void)
{
    temporary_remove(directory);
    temporary_remove(work);
    cr_assert_gt(checks, 0);
}

TestSuite(damage, .fini = finish, .timeout = 120);

static bool changed(const struct image *image, const struct seen *seen)
{
    return memcmp(image->bytes[seen->segment] + seen->offset,
                  golden.bytes[seen->segment] + seen->offset, seen->size) != 0;
}

static void expect_refusal(unsigned segment, size_t offset)
{
    char path[PATH_SIZE];
    char place[PATH_SIZE + 40];
    segment_at(path, work, segment + 1);
    snprintf(place, sizeof place, "%s at offset %zu:", path, offset);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED, "damage at %s was not seen", place);
    cr_assert_not_null(strstr(ledger.errmsg.text, place), "%s, expected %s", ledger.errmsg.text,
                       place);
}

static void expect_prefix(uint64_t last_seq)
{
    int error = ledger_open(&ledger, 0);
    cr_assert_eq(error, 0, "%s", ledger.errmsg.text);
    cr_assert_eq(ledger.replayed_last, last_seq + 1, "%lu records, not %lu",
                 (unsigned long)ledger.replayed_last, (unsigned long)last_seq + 1);
    ledger_kill(&ledger);
}

/* Opens the changed journal and compares with the rule. */
static void check(const struct image *image)
{
    checks++;
    write_image(image);
    for (unsigned i = 0; i < image->count; i++) {
        if (memcmp(image->bytes[i], golden.bytes[i], 64) == 0) continue;
        expect_refusal(i, 0);
        return;
    }
    uint64_t prefix = 0;
    size_t bad = 0;
    for (; bad < frame_count && !changed(image, &frames[bad]); bad++)
        if ((frames[bad].frame.pieces & FRAME_LAST) != 0)
            prefix = frames[bad].frame.first_seq + frames[bad].frame.count - 1;
    for (size_t later = bad + 1; later < frame_count; later++) {
        if (changed(image, &frames[later])) continue;
        if (frames[later].frame.group_start <= frames[bad].frame.position) continue;
        expect_refusal(frames[bad].segment, frames[bad].offset);
        return;
    }
    expect_prefix(prefix);
}

static size_t used_end(unsigned segment)
{
    size_t end = SEGMENT_HEAD_SIZE;
    for (size_t i = 0; i < frame_count; i++)
        if (frames[i].segment == segment) end = frames[i].offset + frames[i].size;
    return end;
}

static struct image image;

Test(damage, a_changed_bit_at_every_byte)
{
    make_golden(6);
    for (unsigned segment = 0; segment < golden.count; segment++)
        for (size_t offset = 0; offset < SEGMENT; offset++) {
            bool dull = (offset >= 64 && offset < SEGMENT_HEAD_SIZE) || offset >= used_end(segment);
            if (dull && offset % 97 != 0) continue;
            image = golden;
            image.bytes[segment][offset] ^= (uint8_t)(1u << offset % 8);
            check(&image);
        }
    cr_assert_gt(checks, 3000);
}

Test(damage, every_bit_of_a_middle_and_of_the_last_frames)
{
    make_golden(6);
    for (size_t i = frame_count - 4; i < frame_count; i++)
        for (size_t bit = 0; bit < 8 * frames[i].size; bit++) {
            image = golden;
            image.bytes[frames[i].segment][frames[i].offset + bit / 8] ^= (uint8_t)(1u << bit % 8);
            check(&image);
        }
}

Test(damage, a_file_cut_at_every_length_is_refused)
{
    make_golden(6);
    for (unsigned segment = 0; segment < golden.count; segment++)
        for (size_t size = 0; size < SEGMENT; size += 1 + size % 13) {
            char path[PATH_SIZE];
            write_image(&golden);
            segment_at(path, work, segment + 1);
            cr_assert_eq(truncate(path, (off_t)size), 0);
            expect_refusal(segment, size < 64 ? 0 : size);
            checks++;
        }
}

Test(damage, a_missing_segment_is_named)
{
    make_golden(6);
    cr_assert_geq(golden.count, 3);
    write_image(&golden);
    char path[PATH_SIZE];
    segment_at(path, work, 2);
    unlink(path);
    cr_assert_eq(ledger_open(&ledger, 0), ERROR_DAMAGED);
    cr_assert_not_null(strstr(ledger.errmsg.text, "segment 2 of the journal is missing"), "%s",
                       ledger.errmsg.text);
    checks++;
}

/* The last group with its bytes from `kept` on as they were before it was written: zeros, or what
 * is given. */
static void tear_last_group(size_t kept, uint8_t with)
{
    uint64_t group_start = frames[frame_count - 1].frame.group_start;
    size_t at = 0;
    image = golden;
    for (size_t i = 0; i < frame_count; i++) {
        if (frames[i].frame.group_start != group_start) continue;
        for (size_t k = 0; k < frames[i].size; k++, at++)
            if (at >= kept) image.bytes[frames[i].segment][frames[i].offset + k] = with;
    }
}

static size_t last_group_size(void)
{
    size_t size = 0;
    for (size_t i = 0; i < frame_count; i++)
        if (frames[i].frame.group_start == frames[frame_count - 1].frame.group_start)
            size += frames[i].size;
    return size;
}

Test(damage, a_last_group_torn_at_every_byte)
{
    make_golden(9);
    for (size_t kept = 0; kept < last_group_size(); kept++) {
        tear_last_group(kept, 0);
        check(&image);
        tear_last_group(kept, 0xa5);
        check(&image);
    }
}

Test(damage, a_last_group_over_two_segments_torn_at_every_byte)
{
    make_golden(150);
    cr_assert_gt(frames[frame_count - 1].segment, frames[frame_count - 2].segment);
    for (size_t kept = 0; kept < last_group_size(); kept += 3) {
        tear_last_group(kept, 0);
        check(&image);
    }
}

/* A power cut keeps any of the sectors of the last group. */
Test(damage, a_last_group_of_which_any_sectors_are_kept)
{
    make_golden(120);
    static struct image before;
    tear_last_group(0, 0);
    before = image;
    uint8_t *sectors[32];
    size_t count = 0;
    for (unsigned segment = 0; segment < golden.count; segment++)
        for (size_t offset = 0; offset < SEGMENT; offset += SECTOR)
            if (memcmp(golden.bytes[segment] + offset, before.bytes[segment] + offset, SECTOR) != 0)
                sectors[count++] = image.bytes[segment] + offset;
    cr_assert(count >= 5 && count <= 12, "%zu", count);
    for (unsigned kept = 0; kept + 1 < 1u << count; kept++) {
        image = golden;
        for (size_t i = 0; i < count; i++) {
            size_t at = (size_t)(sectors[i] - image.bytes[0]);
            if ((kept >> i & 1) == 0) memcpy(sectors[i], &before.bytes[0][0] + at, SECTOR);
        }
        check(&image);
    }
}

Test(damage, every_sector_zeroed_and_every_pair_swapped)
{
    make_golden(30);
    size_t sectors = SEGMENT / SECTOR;
    for (size_t a = 0; a < golden.count * sectors; a++) {
        uint8_t *first = &image.bytes[a / sectors][a % sectors * SECTOR];
        image = golden;
        memset(first, 0, SECTOR);
        check(&image);
        for (size_t b = a + 1; b < golden.count * sectors; b++) {
            uint8_t kept[SECTOR];
            uint8_t *second = &image.bytes[b / sectors][b % sectors * SECTOR];
            image = golden;
            if (memcmp(first, second, SECTOR) == 0) continue;
            memcpy(kept, first, SECTOR);
            memcpy(first, second, SECTOR);
            memcpy(second, kept, SECTOR);
            check(&image);
        }
    }
}

/* Two futures of one journal, of the same epoch, as a restored copy may have: what is read back is
 * of one of them. */
Test(damage, sectors_of_another_future)
{
    static struct image other;
    char start[PATH_SIZE];
    temporary_make(start);
    temporary_make(directory);
    temporary_make(work);
    ledger_init(&ledger, directory, SEGMENT);
    ledger_must_open(&ledger);
    ledger_append(&ledger, 9);
    ledger_commit(&ledger);
    ledger_kill(&ledger);
    directory_copy(directory, start);
    for (int future = 0; future < 2; future++) {
        directory_copy(start, directory);
        ledger.salted_epoch = 2;
        ledger.salt = (uint8_t)(future == 0 ? 100 : 0);
        ledger_must_open(&ledger);
        for (unsigned i = 0; i < 20; i++) {
            ledger_append(&ledger, 1 + i % 5);
            ledger_commit(&ledger);
        }
        ledger_kill(&ledger);
        take_image(future == 0 ? &other : &golden);
    }
    list_frames();
    directory_copy(directory, work);
    ledger_init(&ledger, work, SEGMENT);
    for (size_t from = SEGMENT_HEAD_SIZE; from < SEGMENT; from += SECTOR)
        for (size_t to = from + SECTOR; to <= SEGMENT; to += SECTOR) {
            image = golden;
            memcpy(image.bytes[0] + from, other.bytes[0] + from, to - from);
            write_image(&image);
            ledger.salted_epoch = 2;
            ledger.learn_salt = true;
            int error = ledger_open(&ledger, 0);
            if (error == 0)
                ledger_kill(&ledger);
            else
                cr_assert_eq(error, ERROR_DAMAGED);
            checks++;
        }
    temporary_remove(start);
}

/* Leftovers of an older epoch behind the end, in their own places: never a continuation, never a
 * proof. */
Test(damage, leftovers_of_an_older_epoch)
{
    static struct image old;
    make_golden(250);
    old = golden;
    tear_last_group(0, 0);
    /* The journal goes on there with a new epoch; the torn group's bytes stay where the new ones do
     * not reach. */
    for (unsigned groups = 0; groups < 8; groups++) {
        write_image(&image);
        ledger_must_open(&ledger);
        uint64_t epoch = ledger.epoch;
        for (unsigned i = 0; i < groups; i++) {
            ledger_append(&ledger, 11);
            ledger_commit(&ledger);
        }
        uint64_t last = ledger.next_seq - 1;
        ledger_kill(&ledger);
        directory_copy(work, directory);
        take_image(&golden);
        list_frames();
        size_t end = frames[frame_count - 1].offset + frames[frame_count - 1].size;
        unsigned segment = frames[frame_count - 1].segment;
        memcpy(golden.bytes[segment] + end, old.bytes[segment] + end, SEGMENT - end);
        for (unsigned i = segment + 1; i < golden.count; i++)
            memcpy(golden.bytes[i] + 64, old.bytes[i] + 64, SEGMENT - 64);
        write_image(&golden);
        ledger_must_open(&ledger);
        cr_assert_eq(ledger.replayed_last, last + 1);
        cr_assert_eq(ledger.epoch, epoch + 1);
        ledger_kill(&ledger);
        checks++;
    }
}

Test(damage, random_garbage_anywhere)
{
    make_golden(30);
    struct prng prng = {20};
    for (int round = 0; round < 1500; round++) {
        image = golden;
        unsigned segment = (unsigned)prng_below(&prng, golden.count);
        size_t from = SEGMENT_HEAD_SIZE + (size_t)prng_below(&prng, SEGMENT - SEGMENT_HEAD_SIZE);
        size_t size = 1 + (size_t)prng_below(&prng, 700);
        for (size_t i = from; i < from + size && i < SEGMENT; i++)
            image.bytes[segment][i] = (uint8_t)prng_next(&prng);
        check(&image);
    }
}
