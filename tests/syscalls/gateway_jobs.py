"""One fault, or one chain of faults, in a gateway: at its start, in the middle of its work, at its end."""
import errno
import time

import plan
from control import EVER, SHORT
from world import EXIT_S, Ended, Violation

JOURNAL = "journal/segment-"


class Job:
    """What is done: `phase` start, live or stop; `chain` one more fault (site, action) on the way that this one opens."""

    def __init__(self, phase, profile, site, action, kind="", skip=0, chain=None):
        self.phase, self.profile, self.site, self.action = phase, profile, site, action
        self.kind, self.skip, self.chain = kind, skip, chain

    @property
    def name(self):
        parts = [self.phase, self.profile, self.site, plan.fault_name(self.action), self.kind, str(self.skip)]
        return "|".join(parts + ([f"{self.chain[0]}={plan.fault_name(self.chain[1])}"] if self.chain else []))

    @property
    def call(self):
        return self.site.rpartition(" ")[2]

    @property
    def invisible(self):
        """EINTR of a sync is not to be repeated, one of connect is a connection that failed, and a thread that finds no
        room is missed."""
        return (self.action in plan.INVISIBLE and self.call not in ("fdatasync", "fsync", "connect", "pthread_create")
                and not self.chain)

    @property
    def final(self):
        """A write or a sync of the journal that fails: what the disk holds is not known any more."""
        return self.kind == JOURNAL and self.call in ("fdatasync", "pwrite") and not self.invisible

    def arm(self, control):
        control.arm(self.site, self.action, skip=self.skip, path=self.kind, argument=plan.ARGUMENT.get(self.call))
        if self.chain:
            control.arm(self.chain[0], self.chain[1], times=EVER)

    def disarm(self, control):
        injected = control.injected(self.site)
        if self.chain:
            injected += control.injected(self.chain[0])
        control.disarm()
        return injected


def at_start(job, world):
    """Armed before it starts. It starts and works, or says why not."""
    job.arm(world.control)
    try:
        if not world.start():
            world.check_exit()
            if job.invisible and world.control.injected(job.site):
                raise Violation(f"does not start because of {plan.fault_name(job.action)}: {world.log_tail()}")
            return job.disarm(world.control)
        bad = world.burst()
        injected = world.control.injected(job.site)
        if bad and job.invisible and injected:
            raise Violation(f"{plan.fault_name(job.action)} was seen: {bad}")
        return settle(job, world)
    finally:
        world.control.disarm()


def settle(job, world):
    """The faults are over: it goes on, or it has ended as it may."""
    if world.process.poll() is None and job.final and world.control.injected(job.site):
        world.wait_exit(EXIT_S)
    injected = job.disarm(world.control)
    if world.process.poll() is not None:
        world.check_exit()
        if job.invisible:
            raise Violation(f"ended because of {plan.fault_name(job.action)}: {world.log_tail()}")
    elif job.final and injected:
        raise Violation(f"still runs {EXIT_S} s after its journal has failed")
    else:
        try:
            world.recovered()
        except Ended:
            if job.invisible:
                raise
            world.check_exit()  # a thread of the journal met it a little later
    return injected


def live(job, world):
    """Armed while it stands still, then a burst. Nothing may be acknowledged after a final failure."""
    if job.final:
        time.sleep(0.13)  # until the seal of the last group is written: the next sync is that of our own message
    job.arm(world.control)
    bad = world.burst(small=job.final)
    first = world.control.first_s(job.site)
    if first and bad and job.invisible:
        raise Violation(f"{plan.fault_name(job.action)} was seen: {bad}")
    if first and job.final:
        late = [name for name, (_, sent, acked) in world.acked.items()
                if acked > first and (sent > first or job.call == "fdatasync")]
        if late:
            raise Violation(f"acknowledged after {job.call} of the journal had failed: {late}")
        world.wait_exit(2)
        if world.process.poll() is None or time.monotonic() - first > EXIT_S + 0.1:
            raise Violation(f"{job.call} of the journal failed {time.monotonic() - first:.2f} s ago, and it still runs")
    return settle(job, world)


def at_stop(job, world):
    job.arm(world.control)
    world.process.terminate()
    status = world.wait_exit(10)
    injected = job.disarm(world.control)
    if status is None:
        raise Violation("does not end within 10 s")
    if status != 0:
        world.check_exit()
        if job.invisible:
            raise Violation(f"ended with {status} because of {plan.fault_name(job.action)}: {world.log_tail()}")
    return injected


# -- Special ones --

def accept_without_descriptors(world, cpu_seconds):
    """EMFILE for ever: no busy loop meanwhile, and it goes on afterwards. The site is h2o's."""
    site = next(name for name in world.control.entries if name.endswith("accept4"))
    world.control.arm(site, errno.EMFILE, times=EVER)
    before, began = cpu_seconds(world.process.pid), time.monotonic()
    bad = []
    while time.monotonic() - began < 1.0:
        bad += knock(world)
    spent = cpu_seconds(world.process.pid) - before
    injected = world.control.injected(site)
    world.control.disarm()
    if not injected:
        raise Violation("accept was never reached")
    if spent > 0.25:
        raise Violation(f"{spent:.2f} s of CPU in one second without descriptors")
    world.recovered()
    return injected


def knock(world):
    import socket
    try:
        family = socket.AF_INET6 if ":" in world.address[0] else socket.AF_INET
        with socket.socket(family) as one:
            one.settimeout(0.05)
            one.connect(world.address)
            one.recv(1)
    except OSError as error:
        return [error]
    return []


def full_disk(world):
    """No room for the next segment: 503, and it goes on by itself when there is room."""
    import http.client
    from world import Connection, FUNCTION, OP
    site = next(name for name in world.control.entries if name.endswith(" fallocate"))
    world.control.arm(site, errno.ENOSPC, times=EVER, path="journal/")
    refused, number = 0, 0
    while number < 40 and not refused:
        name = f"big{number}." + "x" * 100_000
        number += 1
        id = f"big{number}"
        world.asked[name] = (id, 0)
        connection = Connection(world.address, 0.5)
        try:
            status, _ = connection.ask("POST", f"/v1/send/{FUNCTION}/{id}", name.encode(), {"Holdfast-Type": OP})
        except TimeoutError:
            continue  # it came before the disk was known to be full, and waits for room
        except (OSError, http.client.HTTPException) as error:
            raise Violation(f"a full disk: {error!r}; {world.log_tail()}") from error
        finally:
            connection.close()
        if status == 202:
            world.acked[name] = (id, 0, 0)
        elif status == 503:
            refused += 1
        elif status != 429:
            raise Violation(f"a full disk is answered with {status}")
        time.sleep(0.01)
    injected = world.control.injected(site)
    if world.process.poll() is not None:
        raise Violation(f"a full disk ended it: {world.log_tail()}")
    if not injected or not refused:
        raise Violation(f"{number} messages of 100 kB, and never 503 ({injected} faults)")
    world.control.disarm()
    world.recovered()
    return injected


def few_descriptors(world):
    """The limit of open files is reached by clients: the journal and snapshots go on, and so does it all afterwards."""
    import os
    import resource
    import socket
    from world import Connection, FUNCTION, OP
    pid = world.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    talking = Connection(world.address)
    talking.ask("GET", "/v1/keys/" + FUNCTION)
    used = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 24, before[1]))
    clients = []
    try:
        for _ in range(60):
            clients.append(socket.create_connection(world.address, 1))
        time.sleep(0.2)
        for number in range(16):  # the next segments are due
            name = f"few{number}." + "x" * 100_000
            world.asked[name] = (f"few{number}", 0)
            status, _ = talking.ask("POST", f"/v1/send/{FUNCTION}/few{number}", name.encode(), {"Holdfast-Type": OP})
            if status == 202:
                world.acked[name] = (f"few{number}", 0, 0)
            elif status not in (429, 503):
                raise Violation(f"without descriptors: {status}")
            time.sleep(0.02)
    except (OSError, Exception) as error:
        ended = world.wait_exit(0.5)
        if ended is not None:
            raise Violation(f"clients that use up the descriptors end it with {ended}: {world.log_tail()}") from error
        if isinstance(error, Violation):
            raise
    finally:
        for client in clients:
            client.close()
        talking.close()
        if world.process.poll() is None:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    if world.process.poll() is not None:
        raise Violation(f"clients that use up the descriptors end it: {world.log_tail()}")
    world.recovered()
    return len(clients)
