/* os/file.h for files, on the fake disk. */
#include "lib/fake_disk_state.h"

#include "base/check.h"
#include "lib/fake_threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    file_fault *fault;
    void *context;
} hook;

void file_fault_set(file_fault *fault, void *context)
{
    hook.context = context;
    hook.fault = fault;
}

int file_fault_now(enum file_call call, const char *path, size_t *size)
{
    size_t ignored = 0;
    if (hook.fault == NULL) return 0;
    return hook.fault(hook.context, call, path, size == NULL ? &ignored : size);
}

int file_error(int number, const char *verb, const char *path, struct errmsg *errmsg)
{
    static const struct {
        int number;
        int error;
    } errors[] = {
        {ENOSPC, ERROR_FULL},      {EDQUOT, ERROR_FULL},      {EACCES, ERROR_PERMISSION},
        {EPERM, ERROR_PERMISSION}, {EROFS, ERROR_PERMISSION}, {ENOENT, ERROR_NOT_FOUND},
        {EEXIST, ERROR_EXISTS},    {ENOMEM, ERROR_MEMORY},    {ENAMETOOLONG, ERROR_TOO_LARGE}};
    int error = ERROR_IO;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].number == number) error = errors[i].error;
    if (errmsg == NULL) return error;
    return errmsg_set(errmsg, error, "cannot %s %.180s: %s", verb, path, strerror(number));
}

int path_join(char path[FILE_PATH_MAX], const char *directory, const char *name)
{
    int size = snprintf(path, FILE_PATH_MAX, "%s/%s", directory, name);
    return size < 0 || size >= FILE_PATH_MAX ? ERROR_TOO_LARGE : 0;
}

/* ---- Open and close ---- */

static int create(struct fake_disk *disk, const char *path, struct fake_node **node)
{
    char parent[FAKE_NAME_MAX];
    fake_path_parent(parent, path);
    const struct fake_name *directory = fake_names_find(&disk->live, parent);
    if (directory == NULL) return ENOENT;
    if (!directory->node->directory) return ENOTDIR;
    *node = fake_node_new(disk, false);
    fake_change_name(disk, *node, path, "");
    return 0;
}

static void empty(struct fake_disk *disk, struct fake_node *node)
{
    if (node->live.size == 0) return;
    fake_content_cut(&node->live, 0);
    node->live.size = 0;
    disk->used -= node->allocated;
    node->allocated = 0;
    fake_change_add(disk, FAKE_SIZE, node)->offset = 0;
}

static int open_node(struct fake_disk *disk, const char *path, unsigned mode,
                     struct fake_node **node, bool *changed)
{
    const struct fake_name *name = fake_names_find(&disk->live, path);
    *changed = false;
    if (name == NULL && (mode & FILE_CREATE) == 0) return ENOENT;
    if (name == NULL) {
        *changed = true;
        return create(disk, path, node);
    }
    *node = name->node;
    if ((mode & FILE_CREATE) != 0 && (mode & FILE_EMPTY) == 0) return EEXIST;
    if ((*node)->directory) return (mode & FILE_WRITE) != 0 ? EISDIR : 0;
    if ((mode & FILE_EMPTY) != 0) {
        *changed = (*node)->live.size > 0;
        empty(disk, *node);
    }
    return 0;
}

int file_open(struct file *file, const char *path, unsigned mode, struct errmsg *errmsg)
{
    struct fake_disk *disk = fake_disk_now();
    struct fake_turn turn;
    struct fake_node *node = NULL;
    char plain[FAKE_NAME_MAX];
    bool changed = false;
    const char *verb = (mode & FILE_CREATE) != 0 ? "create" : "open";
    file->fd = -1;
    if (snprintf(file->path, sizeof file->path, "%s", path) >= FILE_PATH_MAX ||
        !fake_path(plain, path))
        return file_error(ENAMETOOLONG, "open", path, errmsg);
    int number = fake_turn_begin(&turn, disk, FILE_CALL_OPEN, file->path, 0, 0);
    if (number == 0) number = open_node(disk, plain, mode, &node, &changed);
    if (number == 0) {
        file->fd = fake_handle_open(disk, node, (mode & FILE_WRITE) != 0);
        if (file->fd < 0) number = EMFILE;
    }
    if (number != 0) return file_error(number, verb, path, errmsg);
    file->direct = (mode & FILE_DIRECT) != 0 && !disk->options.no_direct;
    file->align = file->direct ? disk->options.align : FILE_BLOCK;
    if (changed) fake_turn_end(&turn);
    return 0;
}

void file_close(struct file *file)
{
    if (file->fd >= 0) fake_handle_close(file->fd);
    file->fd = -1;
}

/* ---- Reading and writing ---- */

/* The handle of a call that has been let through; NULL with an errno. */
static struct fake_handle *begin(struct fake_turn *turn, const struct file *file,
                                 enum file_call call, uint64_t offset, uint64_t size, int *number)
{
    struct fake_handle *handle = fake_handle_at(file->fd);
    *number = EIO;
    if (handle == NULL) return NULL;
    *number = fake_turn_begin(turn, handle->disk, call, file->path, offset, size);
    handle = fake_handle_at(file->fd); /* it may have died meanwhile */
    if (handle == NULL) *number = EIO;
    return handle;
}

static void check_direct(const struct file *file, uint64_t offset, const void *at, size_t size)
{
    if (!file->direct) return;
    CHECK(offset % file->align == 0 && size % file->align == 0);
    CHECK((uintptr_t)at % FAKE_SECTOR == 0);
}

int file_read(struct file *file, uint64_t offset, void *into, size_t size, size_t *got,
              struct errmsg *errmsg)
{
    struct fake_turn turn;
    int number;
    *got = 0;
    check_direct(file, offset, into, size);
    const struct fake_handle *handle = begin(&turn, file, FILE_CALL_READ, offset, size, &number);
    if (number != 0) return file_error(number, "read", file->path, errmsg);
    const struct fake_content *content = &handle->node->live;
    if (offset >= content->size) return 0;
    *got = content->size - offset < size ? (size_t)(content->size - offset) : size;
    fake_content_read(content, offset, into, *got);
    return 0;
}

/* The sectors that a write touched, as they are now. */
static void note_bytes(struct fake_disk *disk, struct fake_node *node, uint64_t offset, size_t size)
{
    uint64_t start = offset / FAKE_SECTOR * FAKE_SECTOR;
    uint64_t end = (offset + size + FAKE_SECTOR - 1) / FAKE_SECTOR * FAKE_SECTOR;
    struct fake_change *change = fake_change_add(disk, FAKE_BYTES, node);
    change->offset = start;
    change->size = (size_t)(end - start);
    change->bytes = malloc(change->size);
    CHECK(change->bytes != NULL);
    fake_content_read(&node->live, start, change->bytes, change->size);
}

static void put(struct fake_disk *disk, struct fake_node *node, uint64_t offset, struct span bytes)
{
    if (bytes.size == 0) return;
    fake_content_write(&node->live, offset, bytes.at, bytes.size);
    note_bytes(disk, node, offset, bytes.size);
    disk->counts.bytes_written += bytes.size;
    if (offset + bytes.size <= node->live.size) return;
    node->live.size = offset + bytes.size;
    fake_change_add(disk, FAKE_GROWTH, node)->offset = node->live.size;
}

/* To where a write really goes, as the fault says. */
static void put_as_told(struct fake_turn *turn, struct fake_node *node, struct span bytes)
{
    const struct fake_fault *fault = &turn->fault;
    uint64_t offset = turn->call.offset;
    if (fault->elsewhere) {
        char path[FAKE_NAME_MAX];
        const struct fake_name *name = NULL;
        if (fault->path != NULL && fake_path(path, fault->path))
            name = fake_names_find(&turn->disk->live, path);
        if (name != NULL) node = name->node;
        offset = fault->offset;
    }
    if (!fault->unwritten) put(turn->disk, node, offset, bytes);
}

int file_write(struct file *file, uint64_t offset, struct span bytes, struct errmsg *errmsg)
{
    struct fake_turn turn;
    int number;
    check_direct(file, offset, bytes.at, bytes.size);
    const struct fake_handle *handle =
        begin(&turn, file, FILE_CALL_WRITE, offset, bytes.size, &number);
    if (handle != NULL) {
        CHECK(handle->writable);
        struct fake_node *node = handle->node;
        if (number == 0 && !fake_node_allocate(turn.disk, node, offset + bytes.size))
            number = ENOSPC;
        if (number != 0 && bytes.size > turn.fault.size_done)
            bytes.size = (size_t)turn.fault.size_done;
        if (bytes.size > 0) {
            put_as_told(&turn, node, bytes);
            fake_turn_end(&turn);
        }
    }
    return number == 0 ? 0 : file_error(number, "write", file->path, errmsg);
}

int file_sync(struct file *file, struct errmsg *errmsg)
{
    struct fake_turn turn;
    int number;
    struct fake_handle *handle = fake_handle_at(file->fd);
    /* What is written while it runs is not part of it. */
    uint64_t through = handle == NULL ? 0 : handle->disk->change_numbers;
    handle = begin(&turn, file, FILE_CALL_SYNC, 0, 0, &number);
    if (handle != NULL && number == 0) {
        if (turn.disk->options.sync_us > 0)
            fake_threads_sleep_us(turn.disk->options.sync_us);
        else
            fake_threads_switch();
        handle = fake_handle_at(file->fd);
        if (handle == NULL) number = EIO;
    }
    if (handle != NULL && (number == 0 || turn.fault.loses)) {
        if (turn.fault.unwritten) return 0;
        fake_changes_sync(turn.disk, handle->node, through, number != 0);
        turn.disk->counts.syncs++;
        fake_turn_end(&turn);
    }
    return number == 0 ? 0 : file_error(number, "sync", file->path, errmsg);
}

/* ---- Sizes ---- */

int file_allocate(struct file *file, uint64_t size, struct errmsg *errmsg)
{
    struct fake_turn turn;
    int number;
    const struct fake_handle *handle = begin(&turn, file, FILE_CALL_ALLOCATE, 0, size, &number);
    if (number == 0 && !fake_node_allocate(turn.disk, handle->node, size)) number = ENOSPC;
    if (number != 0) return file_error(number, "reserve room for", file->path, errmsg);
    if (handle->node->live.size < size) {
        handle->node->live.size = size;
        fake_change_add(turn.disk, FAKE_GROWTH, handle->node)->offset = size;
        fake_turn_end(&turn);
    }
    return 0;
}

int file_truncate(struct file *file, uint64_t size, struct errmsg *errmsg)
{
    struct fake_turn turn;
    int number;
    const struct fake_handle *handle = begin(&turn, file, FILE_CALL_TRUNCATE, 0, size, &number);
    if (number != 0) return file_error(number, "cut", file->path, errmsg);
    struct fake_content *content = &handle->node->live;
    if (content->size == size) return 0;
    if (content->size > size) fake_content_cut(content, size);
    content->size = size;
    fake_change_add(turn.disk, FAKE_SIZE, handle->node)->offset = size;
    fake_turn_end(&turn);
    return 0;
}

int file_size(struct file *file, uint64_t *size, struct errmsg *errmsg)
{
    struct fake_turn turn;
    int number;
    const struct fake_handle *handle = begin(&turn, file, FILE_CALL_SIZE, 0, 0, &number);
    if (number != 0) return file_error(number, "look at", file->path, errmsg);
    *size = handle->node->live.size;
    return 0;
}

uint64_t file_data_end(struct file *file, uint64_t offset, uint64_t size)
{
    const struct fake_handle *handle = fake_handle_at(file->fd);
    return handle == NULL ? size : fake_content_data_end(&handle->node->live, offset, size);
}

void file_read_ahead(struct file *file)
{
    (void)file;
}

void file_forget(struct file *file)
{
    (void)file;
}
