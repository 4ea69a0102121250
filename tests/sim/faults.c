/* The faults of the disk. */
#include "world.h"

#include "lib/fake_disk.h"
#include "lib/fake_threads.h"

#include <errno.h>

/* What a disk that is not full or broken for ever may do. */
static void fail_somehow(struct world *world, const struct fake_call *call,
                         struct fake_fault *fault)
{
    switch (call->call) {
    case FILE_CALL_SYNC:
    case FILE_CALL_SYNC_DIRECTORY:
        if (chance(world, 60)) {
            fault->delay_us = pick(world, chance(world, 20) ? 3000000 : 100000);
            return;
        }
        fault->number = EIO;
        /* Pages that a failed sync marks as clean; a file system that cannot write names stops. */
        fault->loses = call->call == FILE_CALL_SYNC && chance(world, 50);
        return;
    case FILE_CALL_WRITE:
        fault->number = chance(world, 50) ? EIO : ENOSPC;
        if (call->size > 0)
            fault->size_done = chance(world, 50) ? 0 : pick(world, (uint32_t)call->size);
        return;
    case FILE_CALL_ALLOCATE:
    case FILE_CALL_OPEN:
    case FILE_CALL_RENAME: fault->number = chance(world, 50) ? EIO : ENOSPC; return;
    default: fault->number = EIO;
    }
}

/* Only under a process: the world itself looks at the disk as it is. */
static void before(void *context, const struct fake_call *call, struct fake_fault *fault)
{
    struct machine *machine = context;
    struct world *world = machine->world;
    if (world->calm || call->process == 0) return;
    if (has(world, FAULT_DISK) && world->disk_fails && pick(world, 1000) < 4) {
        world->faults++;
        fail_somehow(world, call, fault);
    }
    if (!has(world, FAULT_LIES) || call->call != FILE_CALL_WRITE || pick(world, 1000) >= 4) return;
    world->faults++;
    machine->lied_to = true;
    fault->unwritten = chance(world, 50);
    fault->elsewhere = !fault->unwritten;
    fault->offset = (uint64_t)pick(world, 16) * 4096;
}

static void machine_open(struct world *world, struct machine *machine)
{
    struct fake_disk_options options = {.align = chance(world, 50) ? 512 : 4096,
                                        .no_direct = chance(world, 30),
                                        .sync_us = pick(world, 3) == 0 ? 0 : pick(world, 20000)};
    machine->disk = fake_disk_new(&options);
    fake_disk_use(machine->disk);
    fake_disk_hooks(machine->disk, before, NULL, machine);
}

struct machine *machine_of(struct world *world, uint32_t shard)
{
    struct machine *machine = &world->machines[world->swarm.own_disks ? shard : 0];
    machine->world = world;
    if (machine->disk == NULL && world->swarm.store == STORE_DISK) machine_open(world, machine);
    return machine;
}

void disk_open(struct world *world)
{
    struct fake_threads_options threads = {.seed = world->seed, .stay = pick(world, 4)};
    if (world->swarm.store == STORE_DISK) fake_threads_begin(&threads);
}

void disk_close(struct world *world)
{
    for (uint32_t i = 0; i < SHARDS_SIMULATED_MAX; i++) {
        fake_disk_free(world->machines[i].disk);
        world->machines[i].disk = NULL;
    }
    if (world->swarm.store != STORE_DISK) return;
    fake_threads_set_process(0);
    MUST(fake_threads_left() <= 1);
}

void disk_cut_power(struct world *world, struct machine *machine)
{
    enum fake_crash model = (enum fake_crash)pick(world, FAKE_CRASHES + 1);
    fake_disk_crash(machine->disk, model, &world->prng);
}

void disk_pass(struct world *world, int64_t ms)
{
    if (world->swarm.store == STORE_DISK && ms > 0) fake_threads_sleep_us(ms * 1000);
}

/* Others may run now: for the commit threads and those who write snapshots. */
void disk_turn(struct world *world)
{
    if (world->swarm.store != STORE_DISK) return;
    if (world->calm)
        fake_threads_sleep_us(25000);
    else if (has(world, FAULT_LAZY_DISK) && chance(world, 50))
        fake_threads_switch();
    else
        fake_threads_settle();
}
