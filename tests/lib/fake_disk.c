#include "lib/fake_disk_state.h"

#include "base/check.h"
#include "lib/fake_threads.h"

#include <errno.h>
#include <stdlib.h>

enum { DISKS_MAX = 32 };

static struct fake_disk *disk_in_use;
static struct fake_disk *disks[DISKS_MAX]; /* with processes */
static struct fake_handle handles[FAKE_HANDLES_MAX];
static uint32_t process_numbers;

/* The one of the process; for what a test does itself, the one in use. */
struct fake_disk *fake_disk_now(void)
{
    uint32_t process = fake_threads_process();
    for (size_t i = 0; process != 0 && i < DISKS_MAX; i++)
        if (disks[i] != NULL && fake_disk_alive(disks[i], process)) return disks[i];
    CHECK(disk_in_use != NULL);
    return disk_in_use;
}

static void register_disk(struct fake_disk *disk)
{
    size_t place = 0;
    while (place < DISKS_MAX && disks[place] != NULL && disks[place] != disk) place++;
    CHECK(place < DISKS_MAX);
    disks[place] = disk;
}

void fake_disk_use(struct fake_disk *disk)
{
    disk_in_use = disk;
}

static struct fake_disk *new_disk(const struct fake_disk_options *options)
{
    struct fake_disk *disk = calloc(1, sizeof *disk);
    CHECK(disk != NULL);
    disk->options = *options;
    if (disk->options.align == 0) disk->options.align = FAKE_PAGE;
    list_init(&disk->nodes);
    list_init(&disk->changes);
    list_init(&disk->locks);
    return disk;
}

struct fake_disk *fake_disk_new(const struct fake_disk_options *options)
{
    struct fake_disk *disk = new_disk(options);
    struct fake_node *root = fake_node_new(disk, true);
    fake_names_set(&disk->live, "/", root);
    fake_names_set(&disk->disk, "/", root);
    return disk;
}

static void free_node(struct fake_disk *disk, struct fake_node *node)
{
    disk->used -= node->allocated;
    list_remove(&node->link);
    fake_content_free(&node->live);
    fake_content_free(&node->disk);
    free(node);
}

void fake_disk_free(struct fake_disk *disk)
{
    if (disk == NULL) return;
    if (disk == disk_in_use) disk_in_use = NULL;
    for (size_t i = 0; i < DISKS_MAX; i++)
        if (disks[i] == disk) disks[i] = NULL;
    fake_handles_kill(disk, 0, true);
    fake_locks_drop(disk, 0, true);
    LIST_EACH (&disk->changes, link) {
        fake_change_free(disk, CONTAINER_OF(link, struct fake_change, link));
    }
    LIST_EACH (&disk->nodes, link) {
        free_node(disk, CONTAINER_OF(link, struct fake_node, link));
    }
    fake_names_free(&disk->live);
    fake_names_free(&disk->disk);
    free(disk);
}

void fake_disk_set_capacity(struct fake_disk *disk, uint64_t capacity)
{
    disk->options.capacity = capacity;
}

struct fake_disk_counts fake_disk_counts(const struct fake_disk *disk)
{
    return disk->counts;
}

/* ---- Clones ---- */

static struct fake_node *node_of(const struct fake_disk *disk, uint32_t number)
{
    LIST_EACH (&disk->nodes, link) {
        struct fake_node *node = CONTAINER_OF(link, struct fake_node, link);
        if (node->number == number) return node;
    }
    CHECK(false);
}

static void copy_names(const struct fake_disk *copy, struct fake_names *into,
                       const struct fake_names *from)
{
    into->at = malloc(from->count * sizeof *into->at);
    CHECK(into->at != NULL);
    into->count = into->capacity = from->count;
    for (size_t i = 0; i < from->count; i++) {
        into->at[i] = from->at[i];
        into->at[i].node = node_of(copy, from->at[i].node->number);
    }
}

static void copy_nodes(struct fake_disk *copy, const struct fake_disk *disk)
{
    LIST_EACH (&disk->nodes, link) {
        const struct fake_node *from = CONTAINER_OF(link, struct fake_node, link);
        struct fake_node *node = fake_node_new(copy, from->directory);
        node->number = from->number;
        node->allocated = from->allocated;
        fake_content_copy(&node->live, &from->live);
        fake_content_copy(&node->disk, &from->disk);
    }
    copy->node_numbers = disk->node_numbers;
    copy->used = disk->used;
}

static void copy_changes(struct fake_disk *copy, const struct fake_disk *disk)
{
    LIST_EACH (&disk->changes, link) {
        const struct fake_change *from = CONTAINER_OF(link, struct fake_change, link);
        struct fake_change *change =
            fake_change_add(copy, from->kind, node_of(copy, from->node->number));
        struct list kept = change->link;
        struct fake_node *node = change->node;
        *change = *from;
        change->link = kept;
        change->node = node;
        if (from->size == 0) continue;
        change->bytes = malloc(from->size);
        CHECK(change->bytes != NULL);
        memcpy(change->bytes, from->bytes, from->size);
    }
    copy->change_numbers = disk->change_numbers;
}

struct fake_disk *fake_disk_clone(const struct fake_disk *disk)
{
    struct fake_disk *copy = new_disk(&disk->options);
    copy_nodes(copy, disk);
    copy_names(copy, &copy->live, &disk->live);
    copy_names(copy, &copy->disk, &disk->disk);
    copy_changes(copy, disk);
    copy->counts = disk->counts;
    return copy;
}

/* ---- Nodes ---- */

struct fake_node *fake_node_new(struct fake_disk *disk, bool directory)
{
    struct fake_node *node = calloc(1, sizeof *node);
    CHECK(node != NULL);
    node->number = ++disk->node_numbers;
    node->directory = directory;
    list_append(&disk->nodes, &node->link);
    return node;
}

static bool named(const struct fake_names *names, const struct fake_node *node)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->at[i].node == node) return true;
    return false;
}

static bool changing(const struct fake_disk *disk, const struct fake_node *node)
{
    LIST_EACH (&disk->changes, link) {
        if (CONTAINER_OF(link, struct fake_change, link)->node == node) return true;
    }
    return false;
}

void fake_nodes_collect(struct fake_disk *disk)
{
    LIST_EACH (&disk->nodes, link) {
        struct fake_node *node = CONTAINER_OF(link, struct fake_node, link);
        if (node->handles > 0 || named(&disk->live, node)) continue;
        disk->used -= node->allocated;
        node->allocated = 0;
        if (!named(&disk->disk, node) && !changing(disk, node)) free_node(disk, node);
    }
}

bool fake_node_allocate(struct fake_disk *disk, struct fake_node *node, uint64_t size)
{
    uint64_t capacity = disk->options.capacity;
    uint64_t whole = (size + FAKE_PAGE - 1) / FAKE_PAGE * FAKE_PAGE;
    if (whole <= node->allocated) return true;
    uint64_t more = whole - node->allocated;
    if (capacity != 0 && disk->used + more > capacity) return false;
    disk->used += more;
    node->allocated = whole;
    return true;
}

/* ---- Processes and handles ---- */

uint32_t fake_disk_start_process(struct fake_disk *disk)
{
    CHECK(disk->alive_count < FAKE_PROCESSES_MAX);
    register_disk(disk);
    disk->alive[disk->alive_count++] = ++process_numbers;
    fake_threads_set_process(process_numbers);
    return process_numbers;
}

bool fake_disk_alive(const struct fake_disk *disk, uint32_t process)
{
    if (process == 0) return true;
    for (size_t i = 0; i < disk->alive_count; i++)
        if (disk->alive[i] == process) return true;
    return false;
}

/* What a thread sleeps for that is at a slow call. */
static const void *slow_call(uint32_t process)
{
    return (const void *)((uintptr_t)&process_numbers + process);
}

void fake_disk_kill(struct fake_disk *disk, uint32_t process)
{
    for (size_t i = 0; i < disk->alive_count; i++)
        if (disk->alive[i] == process) disk->alive[i--] = disk->alive[--disk->alive_count];
    fake_threads_go_on(process); /* to its end */
    fake_handles_kill(disk, process, false);
    fake_locks_drop(disk, process, false);
    fake_nodes_collect(disk);
    fake_threads_wake(slow_call(process));
}

void fake_handles_kill(const struct fake_disk *disk, uint32_t process, bool all)
{
    for (size_t i = 0; i < FAKE_HANDLES_MAX; i++) {
        struct fake_handle *handle = &handles[i];
        if (handle->disk != disk || (!all && handle->process != process)) continue;
        handle->node->handles--;
        handle->disk = NULL;
        fake_threads_wake(slow_call(handle->process));
    }
}

int fake_handle_open(struct fake_disk *disk, struct fake_node *node, bool writable)
{
    for (int i = 0; i < FAKE_HANDLES_MAX; i++) {
        if (handles[i].taken) continue;
        handles[i] = (struct fake_handle){disk, node, fake_threads_process(), writable, true};
        node->handles++;
        return i;
    }
    return -1;
}

struct fake_handle *fake_handle_at(int fd)
{
    CHECK(fd >= 0 && fd < FAKE_HANDLES_MAX && handles[fd].taken);
    return handles[fd].disk == NULL ? NULL : &handles[fd];
}

/* The number of a dead one is not given to another before its owner has closed it. */
void fake_handle_close(int fd)
{
    struct fake_handle *handle = fake_handle_at(fd);
    struct fake_disk *disk = handle == NULL ? NULL : handle->disk;
    if (handle != NULL) handle->node->handles--;
    handles[fd] = (struct fake_handle){0};
    if (disk != NULL) fake_nodes_collect(disk);
}

/* ---- Calls ---- */

void fake_disk_hooks(struct fake_disk *disk, fake_disk_before *before, fake_disk_after *after,
                     void *context)
{
    disk->before = before;
    disk->after = after;
    disk->context = context;
}

static int ask_for_fault(struct fake_turn *turn)
{
    struct fake_disk *disk = turn->disk;
    struct fake_fault *fault = &turn->fault;
    size_t size = (size_t)turn->call.size;
    if (disk->before != NULL) disk->before(disk->context, &turn->call, fault);
    if (fault->number == 0) fault->number = file_fault_now(turn->call.call, turn->call.path, &size);
    if (fault->number != 0 || fault->unwritten || fault->elsewhere) disk->counts.faults++;
    if (fault->delay_us > 0) {
        disk->counts.faults++;
        fake_threads_sleep_for(slow_call(turn->call.process), fault->delay_us);
    }
    return fault->number;
}

int fake_turn_begin(struct fake_turn *turn, struct fake_disk *disk, enum file_call call,
                    const char *path, uint64_t offset, uint64_t size)
{
    fake_threads_switch();
    uint32_t process = fake_threads_process();
    *turn = (struct fake_turn){.disk = disk};
    if (!fake_disk_alive(disk, process)) return EIO;
    turn->call = (struct fake_call){call, path, ++disk->counts.calls, offset, size, process};
    int number = ask_for_fault(turn);
    return fake_disk_alive(disk, process) ? number : EIO;
}

void fake_turn_end(struct fake_turn *turn)
{
    struct fake_disk *disk = turn->disk;
    if (disk->after != NULL) disk->after(disk->context, &turn->call);
}
