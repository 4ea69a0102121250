#include "unit/app/engine_fixture.h"

#include "os/log.h"
#include "store/check.h"
#include "unit/app/fake_invoke.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct faults faults;
struct world world;

/* ---- Files ---- */

static void wait_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static int fault(void *context, enum file_call call, const char *path, size_t *size)
{
    (void)context, (void)size;
    if (atomic_load(&faults.call) != (int)call || strstr(path, faults.part) == NULL) return 0;
    if (atomic_load(&faults.skip) > 0) {
        atomic_fetch_sub(&faults.skip, 1);
        return 0;
    }
    atomic_fetch_add(&faults.hits, 1);
    for (int64_t until_us = clock_mono_us() + WAIT_US_MAX;
         atomic_load(&faults.hold) && clock_mono_us() < until_us;)
        wait_a_little();
    return atomic_load(&faults.number);
}

void faults_set(enum file_call call, const char *part, int number)
{
    faults.part = part;
    atomic_store(&faults.hits, 0);
    atomic_store(&faults.number, number);
    atomic_store(&faults.call, (int)call);
}

void faults_hold(enum file_call call, const char *part)
{
    atomic_store(&faults.hold, true);
    faults_set(call, part, 0);
}

void faults_clear(void)
{
    atomic_store(&faults.call, -1);
    atomic_store(&faults.hold, false);
    atomic_store(&faults.number, 0);
    atomic_store(&faults.skip, 0);
}

/* ---- Directories ---- */

static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        char child[DIRECTORY_SIZE + 300];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (lstat(child, &status) == 0 && S_ISDIR(status.st_mode))
            remove_tree(child);
        else
            unlink(child);
    }
    if (directory != NULL) closedir(directory);
    rmdir(path);
}

void world_begin(void)
{
    /* In memory where there is such a place: syncs are free there. */
    bool in_memory = access("/dev/shm", W_OK) == 0;
    memset(&world, 0, sizeof world);
    snprintf(world.directory, sizeof world.directory, "%s/holdfast-app-XXXXXX",
             in_memory ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(world.directory));
    faults_clear();
    file_fault_set(fault, NULL);
    log_level_set(LOG_ERROR);
    world.gateway = calloc(1, sizeof *world.gateway);
    world.loop = &world.gateway->loop;
    struct crew *crew = &world.gateway->crew;
    *crew = (struct crew){
        .count = 1, .loop = world.loop, .stations = calloc(1, sizeof *crew->stations)};
    cr_assert_eq(loop_init(world.loop), 0);
    cr_assert_eq(inbox_open(&world.gateway->inbox, world.loop), 0);
    crew->stations[0] =
        (struct station){.crew = crew, .loop = world.loop, .inbox = &world.gateway->inbox};
    world.engine = &crew->stations[0].engine;
}

void world_end(void)
{
    faults_clear();
    if (world.open) world_close();
    file_fault_set(NULL, NULL);
    inbox_close(&world.gateway->inbox);
    loop_close(world.loop);
    free(world.gateway->crew.stations);
    free(world.gateway);
    remove_tree(world.directory);
}

/* ---- The engine ---- */

static void failed(void *context, const char *why)
{
    struct world *of = context;
    of->failures++;
    snprintf(of->why, sizeof of->why, "%s", why);
}

uint64_t durable(void)
{
    return journal_durable(world.engine->journal);
}

uint64_t live_seq(void)
{
    return shard_seq(world.engine->shard);
}

void world_open(void)
{
    struct errmsg errmsg = {{0}};
    struct engine_options options = {.directory = world.directory,
                                     .loop = world.loop,
                                     .snapshot_bytes = world.snapshot_bytes,
                                     .snapshot_every_ms = world.snapshot_every_ms,
                                     .failed = failed,
                                     .failed_context = &world};
    cr_assert_eq(engine_open(world.engine, &options, &errmsg), 0, "%s", errmsg.text);
    fake_invoke.durable_now = durable;
    world.open = true;
}

void world_configure(uint32_t window_max, bool dispatch_durable)
{
    struct errmsg errmsg;
    const struct shard_endpoint pattern = {.window_max = window_max,
                                           .batch_count_max = 20,
                                           .batch_bytes_max = 1 << 20,
                                           .payload_bytes_max = 1 << 20,
                                           .attempts_max = 3,
                                           .retry_for_ms = 100000,
                                           .dispatch_durable = dispatch_durable,
                                           .expose = true};
    struct shard_endpoint endpoints[2] = {pattern, pattern};
    struct invoke_endpoint calls[2] = {{.pattern = SPAN_LITERAL("a/*")},
                                       {.pattern = SPAN_LITERAL("b/*")}};
    struct shard_egress egress = {SPAN_LITERAL("t/out"), EGRESS_PULL};
    for (int i = 0; i < 2; i++) endpoints[i].pattern = calls[i].pattern;
    struct shard_config config = {.endpoints = endpoints,
                                  .endpoint_count = 2,
                                  .egresses = &egress,
                                  .egress_count = 1,
                                  .memory_max = 256 << 20,
                                  .outbox_bytes_max = 64 << 20,
                                  .dedup_window_ms = 60000,
                                  .dedup_bytes_max = 1 << 20,
                                  .reply_keep_ms = 60000,
                                  .seed = 1};
    engine_flush(world.engine);
    cr_assert_eq(invoke_configure(world.engine->invoke, calls, 2, &errmsg), 0);
    cr_assert_eq(engine_configure(world.engine, &config), 0);
    turn();
}

void world_start(void)
{
    world_open();
    world_configure(64, false);
}

void world_close(void)
{
    world.open = false;
    engine_close(world.engine);
}

void world_kill(void)
{
    world.engine->failed = true; /* what is not durable is dropped, no clean end is written */
    world_close();
}

void turn(void)
{
    cr_assert_eq(loop_turn(world.loop, 5), 0);
}

void turn_for_ms(int64_t ms)
{
    for (int64_t until_us = clock_mono_us() + ms * 1000; clock_mono_us() < until_us;) turn();
}

/* ---- Offline ---- */

static int load_block(void *context, uint32_t block, struct span bytes)
{
    return shard_load(context, block, bytes);
}

static int fold(void *context, struct span records, uint64_t first_seq, uint32_t count,
                uint32_t epoch, uint64_t lineage)
{
    (void)epoch, (void)lineage;
    return shard_replay(context, records, first_seq, count);
}

struct offline offline_image(void)
{
    struct store_tool tool = {.directory = world.directory};
    struct snapshot_info newest;
    struct errmsg errmsg = {{0}};
    struct shard *shard;
    struct shard_metrics metrics;
    cr_assert_eq(shard_open(&shard), 0);
    int error = store_replay(&tool, load_block, fold, shard, &newest, &errmsg);
    cr_assert_eq(error, 0, "%s", errmsg.text);
    shard_metrics(shard, &metrics);
    struct offline image = {shard_seq(shard), shard_digest(shard), newest.seq, metrics.keys};
    shard_close(shard);
    return image;
}

/* ---- Snapshots ---- */

static void told(struct snapshot_waiter *waiter, int error, const struct snapshot_info *info,
                 const char *why)
{
    struct asked *asked = (struct asked *)waiter;
    asked->told++;
    asked->error = error;
    asked->info = *info;
    snprintf(asked->why, sizeof asked->why, "%s", why);
}

void ask_for_snapshot(struct asked *asked)
{
    *asked = (struct asked){.waiter = {.done = told}};
    snapshotter_now(&world.engine->snapshotter, &asked->waiter);
    cr_assert_eq(asked->told, 0, "never from within the call");
}

void take_snapshot(void)
{
    struct asked asked;
    ask_for_snapshot(&asked);
    UNTIL(asked.told > 0);
    cr_assert_eq(asked.error, 0, "%s", asked.why);
    cr_assert_eq(asked.told, 1);
}

/* ---- Clients ---- */

static void answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct client *client = (struct client *)waiter;
    client->answers++;
    client->kind = answer->kind;
    client->number = answer->number;
    client->was_durable = durable() >= client->sent_seq;
    if (client->then != NULL) client->then(client);
}

void client_init(struct client *client)
{
    *client = (struct client){.waiter = {.answer = answered}};
}

void call_to(struct client *client, const char *type, const char *id, const char *token)
{
    struct buffer argument;
    buffer_init(&argument);
    typed_value_encode(&argument, SPAN_LITERAL("t/text"), span_text(id));
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .waiter = client == NULL ? 0 : waiter_of(&client->waiter)};
    event.message =
        (struct event_message){.target = {span_text(type), span_text(id)},
                               .argument = buffer_span(&argument),
                               .reply_token = token == NULL ? SPAN_EMPTY : span_text(token),
                               .delay_ms = -1};
    port_submit(&world.engine->port, &event);
    if (client != NULL) client->sent_seq = live_seq();
    buffer_close(&argument);
}

void send_to(struct client *client, const char *type, const char *id)
{
    call_to(client, type, id, NULL);
}

void leave(struct client *client)
{
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter_of(&client->waiter)};
    port_submit(&world.engine->port, &event);
}

void send_some(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char id[20];
        snprintf(id, sizeof id, "id-%u", i % 17);
        send_to(NULL, i % 3 == 0 ? "b/f" : "a/f", id);
    }
}

void settle(void)
{
    UNTIL((fake_results(), turn(), fake_invoke.open == 0 && durable() == live_seq()));
}
