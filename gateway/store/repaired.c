#include "store/repaired.h"

#include "base/crc.h"
#include "os/file.h"

#include <inttypes.h>
#include <stdio.h>

#define NAME "repaired"
#define FIELDS                                                                                     \
    "repaired 1\nepoch %" PRIu32 "\nnew_lineage %u\nnext_seq %" PRIu64 "\nnumber %" PRIu64         \
    "\nbase %" PRIu64 "\n"

enum { SIZE_MAX_NOTE = 512 };

static int format(const struct repaired *note, char text[SIZE_MAX_NOTE])
{
    int size = snprintf(text, SIZE_MAX_NOTE, FIELDS, note->epoch, (unsigned)note->new_lineage,
                        note->next_seq, note->number, note->base);
    uint32_t crc = crc_of(span_of(text, (size_t)size));
    return size + snprintf(text + size, SIZE_MAX_NOTE - (size_t)size, "crc %08" PRIx32 "\n", crc);
}

/* Only the very text that we would write is one. */
static bool parse(struct repaired *note, struct span text, const char *terminated)
{
    unsigned new_lineage;
    char again[SIZE_MAX_NOTE];
    int found = sscanf(terminated,
                       "repaired 1 epoch %" SCNu32 " new_lineage %u next_seq %" SCNu64
                       " number %" SCNu64 " base %" SCNu64,
                       &note->epoch, &new_lineage, &note->next_seq, &note->number, &note->base);
    if (found != 5) return false;
    note->new_lineage = new_lineage != 0;
    note->there = true;
    int size = format(note, again);
    return span_equal(text, span_of(again, (size_t)size));
}

int repaired_load(struct repaired *note, const char *directory, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct buffer text;
    *note = (struct repaired){0};
    if (path_join(path, directory, NAME) != 0) return ERROR_TOO_LARGE;
    buffer_init(&text);
    int error = file_load(path, &text, SIZE_MAX_NOTE, errmsg);
    if (error == 0) {
        buffer_byte(&text, '\0');
        if (text.failed)
            error = ERROR_MEMORY;
        else if (!parse(note, span_of(text.at, text.size - 1), (const char *)text.at))
            error = errmsg_set(errmsg, ERROR_DAMAGED,
                               "%.200s at offset 0: the note of a repair is damaged", path);
    }
    buffer_close(&text);
    return error == ERROR_NOT_FOUND ? 0 : error;
}

int repaired_write(const struct repaired *note, const char *directory, struct errmsg *errmsg)
{
    char text[SIZE_MAX_NOTE];
    int size = format(note, text);
    return file_replace(directory, NAME, span_of(text, (size_t)size), errmsg);
}

int repaired_remove(const char *directory, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    if (path_join(path, directory, NAME) != 0) return ERROR_TOO_LARGE;
    int error = file_remove(path, errmsg);
    return error != 0 ? error : directory_sync(directory, errmsg);
}

struct settling {
    const char *data;
    struct errmsg *errmsg;
};

static int settle_one(void *context, const char *name)
{
    struct settling *settling = context;
    char path[FILE_PATH_MAX];
    size_t prefix = strlen(REPAIRED_ASIDE);
    if (strncmp(name, REPAIRED_ASIDE, prefix) != 0) return 0;
    if (name[prefix + strspn(name + prefix, "0123456789")] != '\0') return 0; /* not of ours */
    int error = path_join(path, settling->data, name);
    return error != 0 ? error : directory_sync(path, settling->errmsg);
}

int repaired_settle(const char *data, struct errmsg *errmsg)
{
    struct settling settling = {data, errmsg};
    return directory_list(data, settle_one, &settling, errmsg);
}
