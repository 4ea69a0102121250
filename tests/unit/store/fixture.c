#include "unit/store/fixture.h"

#include "store/snapshot.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OPEN_SIZE = 12, HEAD_SIZE = 12, LARGE = 1u << 31 };

static void make_in(char path[PATH_SIZE], const char *parent)
{
    snprintf(path, PATH_SIZE, "%s/holdfast-store-XXXXXX", parent);
    cr_assert_not_null(mkdtemp(path));
}

void temporary_make(char path[PATH_SIZE])
{
    if (access("/dev/shm", W_OK) == 0)
        make_in(path, "/dev/shm");
    else
        temporary_make_on_disk(path);
}

void temporary_make_on_disk(char path[PATH_SIZE])
{
    const char *parent = getenv("TMPDIR");
    make_in(path, parent == NULL ? "/tmp" : parent);
}

static void empty(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char child[PATH_SIZE + 300];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (lstat(child, &status) == 0 && S_ISDIR(status.st_mode)) {
            empty(child);
            rmdir(child);
        } else {
            unlink(child);
        }
    }
    closedir(directory);
}

void temporary_remove(const char *path)
{
    empty(path);
    rmdir(path);
}

static void copy(const char *from, const char *to)
{
    DIR *directory = opendir(from);
    cr_assert_not_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char source[PATH_SIZE + 300];
        char target[PATH_SIZE + 300];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
        snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
        cr_assert_eq(lstat(source, &status), 0);
        if (S_ISDIR(status.st_mode)) {
            mkdir(target, 0700);
            copy(source, target);
        } else {
            struct buffer bytes;
            buffer_init(&bytes);
            file_bytes(source, &bytes);
            file_bytes_write(target, buffer_span(&bytes));
            buffer_close(&bytes);
        }
    }
    closedir(directory);
}

void directory_copy(const char *from, const char *to)
{
    empty(to);
    mkdir(to, 0700);
    copy(from, to);
}

void file_bytes(const char *path, struct buffer *into)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    buffer_clear(into);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    cr_assert_eq(buffer_reserve(into, size + 1), 0);
    cr_assert_eq(fread(into->at, 1, size, file), size);
    into->size = size;
    fclose(file);
}

void file_bytes_write(const char *path, struct span bytes)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(bytes.at == NULL ? (const uint8_t *)"" : bytes.at, 1, bytes.size, file),
                 bytes.size);
    fclose(file);
}

void file_flip(const char *path, size_t offset, uint8_t mask)
{
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file, "%s", path);
    fseek(file, (long)offset, SEEK_SET);
    int byte = fgetc(file);
    cr_assert_neq(byte, EOF);
    fseek(file, (long)offset, SEEK_SET);
    fputc(byte ^ mask, file);
    fclose(file);
}

void segment_at(char path[PATH_SIZE], const char *directory, unsigned number)
{
    snprintf(path, PATH_SIZE, "%.500s/journal/segment-%020u", directory, number);
}

/* A record: size (4), seq (8), then size bytes that depend on seq and place. An OPEN record has
 * size 0 and a mark. */
static void encode(struct buffer *out, uint64_t seq, size_t size, uint8_t salt)
{
    buffer_u32(out, (uint32_t)size);
    buffer_u64(out, seq);
    cr_assert_eq(buffer_reserve(out, size), 0);
    for (size_t i = 0; i < size; i++) out->at[out->size++] = (uint8_t)(seq * 7 + i + salt);
}

static int encode_open(void *context, uint32_t epoch, uint64_t lineage, struct buffer *out)
{
    (void)context;
    buffer_u32(out, LARGE | epoch);
    buffer_u64(out, lineage);
    return 0;
}

static uint64_t load(const uint8_t *at, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static int replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                  uint32_t epoch, uint64_t lineage)
{
    struct ledger *ledger = context;
    uint64_t seq = first_seq;
    size_t at = 0;
    uint8_t salt = epoch == ledger->salted_epoch ? ledger->salt : 0;
    cr_assert(ledger->replayed_first == 0 || first_seq == ledger->replayed_last + 1,
              "a hole before %lu", (unsigned long)first_seq);
    if (ledger->replayed_first == 0) ledger->replayed_first = first_seq;
    for (; at < records.size; seq++) {
        cr_assert(at + HEAD_SIZE <= records.size);
        uint32_t size = (uint32_t)load(records.at + at, 4);
        uint64_t value = load(records.at + at + 4, 8);
        at += HEAD_SIZE;
        if ((size & LARGE) != 0) {
            cr_assert_eq(size & ~LARGE, epoch);
            cr_assert_eq(value, lineage);
            ledger->opens++;
            continue;
        }
        cr_assert_eq(value, seq);
        cr_assert(at + size <= records.size);
        if (ledger->learn_salt && epoch == ledger->salted_epoch && size > 0) {
            ledger->salt = salt = (uint8_t)(records.at[at] - seq * 7);
            ledger->learn_salt = false;
        }
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(records.at[at + i], (uint8_t)(seq * 7 + i + salt));
        at += size;
    }
    cr_assert_eq(seq, first_seq + count);
    ledger->replayed_last = seq - 1;
    return 0;
}

void ledger_init(struct ledger *ledger, const char *directory, size_t segment_size)
{
    *ledger = (struct ledger){0};
    ledger->options = (struct journal_options){
        .directory = directory, .segment_size = segment_size, .encode_open = encode_open};
}

int ledger_open(struct ledger *ledger, uint64_t from_seq)
{
    ledger->replayed_first = ledger->replayed_last = 0;
    ledger->opens = 0;
    return journal_open(&ledger->journal, &ledger->options,
                        (struct journal_position){.seq = from_seq}, LINEAGE, replay, ledger,
                        &ledger->epoch, &ledger->lineage, &ledger->next_seq, &ledger->errmsg);
}

void ledger_must_open(struct ledger *ledger)
{
    int error = ledger_open(ledger, 0);
    cr_assert_eq(error, 0, "%s: %s", error_text(error), ledger->errmsg.text);
    cr_assert_eq(ledger->next_seq, ledger->replayed_last + 1);
}

int ledger_try_append(struct ledger *ledger, size_t size)
{
    struct buffer record;
    uint8_t salt = ledger->epoch == ledger->salted_epoch ? ledger->salt : 0;
    buffer_init(&record);
    encode(&record, ledger->next_seq, size, salt);
    int error = journal_append(ledger->journal, buffer_span(&record), ledger->next_seq, 1);
    if (error == 0) ledger->next_seq++;
    buffer_close(&record);
    return error;
}

void ledger_append_large(struct ledger *ledger, size_t size)
{
    cr_assert_eq(ledger_try_append(ledger, size), 0);
}

void ledger_append(struct ledger *ledger, unsigned count)
{
    for (unsigned i = 0; i < count; i++) ledger_append_large(ledger, ledger->next_seq % 40);
}

void ledger_commit(struct ledger *ledger)
{
    journal_commit(ledger->journal);
    for (int i = 0; journal_durable(ledger->journal) + 1 < ledger->next_seq; i++) {
        cr_assert_eq(journal_failed(ledger->journal, &ledger->errmsg), 0, "%s",
                     ledger->errmsg.text);
        cr_assert(i < 100000, "the commit did not end");
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

void ledger_close(struct ledger *ledger)
{
    journal_close(ledger->journal);
    ledger->journal = NULL;
}

void ledger_kill(struct ledger *ledger)
{
    journal_abandon(ledger->journal);
    ledger->journal = NULL;
}

void ledger_make(struct ledger *ledger, unsigned commits)
{
    ledger_must_open(ledger);
    for (unsigned i = 0; i < commits; i++) {
        ledger_append(ledger, 10);
        ledger_commit(ledger);
    }
    ledger_close(ledger);
}

void snapshot_make(const char *directory, uint64_t seq, uint32_t blocks)
{
    snapshot_make_of(directory, LINEAGE, seq, blocks);
}

void snapshot_make_of(const char *directory, uint64_t lineage, uint64_t seq, uint32_t blocks)
{
    struct snapshots *snapshots;
    struct snapshot_info info;
    struct errmsg errmsg;
    cr_assert_eq(snapshots_open(&snapshots, directory, &info, &errmsg), 0, "%s", errmsg.text);
    snapshots_retain(snapshots, 2);
    info = (struct snapshot_info){.seq = seq, .lineage = lineage, .epoch = 1};
    cr_assert_eq(snapshot_begin(snapshots, &info), 0);
    for (uint32_t i = 0; i < blocks; i++)
        cr_assert_eq(snapshot_write(snapshots, i, SPAN_LITERAL("what a slot holds")), 0);
    snapshot_finish(snapshots);
    enum snapshot_state state;
    while ((state = snapshot_poll(snapshots, &info, &errmsg)) == SNAPSHOT_PUBLISHING)
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    cr_assert_eq(state, SNAPSHOT_PUBLISHED);
    snapshots_close(snapshots);
}
