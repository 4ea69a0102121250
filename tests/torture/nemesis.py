"""What goes wrong while there is load. Each kind of trouble is a task of its own, so that troubles meet."""
import asyncio
import errno
import os
import signal
import time
from collections import Counter

import processes
from connection import Connection, NoAnswer

DAY_US = 86400 * 1_000_000


class Nemesis:
    """With no kills wanted (None) the gateway lives on through everything else."""

    def __init__(self, world, kills_wanted, pace=1.0, kills_by=None):
        self.world, self.random = world, world.random
        self.kills_wanted, self.pace = kills_wanted, pace
        self.kills_by = kills_by       # seconds in which they are due; it hurries when it is late
        self.began = time.monotonic()
        self.control = asyncio.Lock()  # who holds it may end and start the gateway
        self.count = Counter()         # faults, by name
        self.kills = self.recoveries = self.checks = self.snapshots = 0
        self.recovery_ms = []
        self.disk_full = False
        self.over = False

    # ---- The gateway's life ----

    def kill(self):
        """One more kill, if it met a gateway: neither one that had ended before, nor the process that is about to be one."""
        process = self.world.gateway.process
        early = name_of(process.pid) == "setpriv"
        if processes.end(process) == -signal.SIGKILL and not early:
            self.kills += 1

    async def start(self):
        """Starts it and waits until it is ready. It may fail to only while the disk is full."""
        world = self.world
        if self.random.random() < 0.2:
            self.upgrade()
        world.gateway.arguments = [*world.arguments, "--workers", self.random.choice(("0", "2"))]
        began = time.monotonic()
        while True:
            world.gateway.spawn()
            if await world.ready(40 if self.disk_full else 20):
                break
            status = world.gateway.process.poll()
            if status is None:
                world.gateway.kill()
            elif not (self.disk_full and status == 1):
                world.wrong(f"start ended with {status}: {world.gateway.log_tail()}")
                raise RuntimeError("the gateway does not start")
            self.count["start failed on a full disk"] += 1
            processes.end(world.gateway.process)
            await asyncio.sleep(0.2)
        self.recoveries += 1
        self.recovery_ms.append((time.monotonic() - began) * 1000)

    def upgrade(self):
        """Another build from now on."""
        binaries = self.world.binaries
        if len(binaries) > 1:
            at = binaries.index(self.world.gateway.binary)
            self.world.gateway.binary = binaries[(at + 1) % len(binaries)]
            self.count["upgrade"] += 1

    def offline_check(self, when):
        self.checks += 1
        _, problem = self.world.offline_check()
        if problem:
            self.world.wrong(f"{when}: {problem}")

    def is_late(self):
        return self.kills_by and self.kills / self.kills_wanted < (time.monotonic() - self.began) / self.kills_by

    async def uptime(self):
        pace = self.pace / 3 if self.is_late() else self.pace
        await asyncio.sleep(pace * self.random.choice((self.random.uniform(0, 0.04), self.random.uniform(0.05, 0.5),
                                                       self.random.uniform(0.05, 0.5), self.random.uniform(0.3, 1.2))))

    async def killer(self):
        ways = [self.kill_at_once] * 4 + [self.kill_after_ack] * 3 + [self.kill_in_snapshot] * 2 + [self.kill_at_start] * 2
        ways += [self.kill_while_stopped, self.drain]
        while not self.over:
            await self.uptime()
            async with self.control:
                if self.over or self.kills >= self.kills_wanted:
                    break
                way = self.random.choice(ways)
                self.count[way.__name__] += 1
                await way()
                if self.random.random() < 0.08:
                    self.offline_check(way.__name__)
                await self.start()

    async def kill_at_once(self):
        self.kill()

    async def kill_after_ack(self):
        """In the very moment in which a client has been told yes."""
        done = asyncio.get_running_loop().create_future()

        def now():
            self.world.history.on_ack = None
            os.kill(self.world.gateway.process.pid, signal.SIGKILL)
            done.set_result(None)

        self.world.history.on_ack = now
        await asyncio.wait([done], timeout=1)
        self.world.history.on_ack = None
        self.kill()

    async def kill_in_snapshot(self):
        connection = Connection(self.world.admin_port)

        async def ask():
            try:
                await connection.request("POST", "/v1/snapshot", timeout_s=3)
            except NoAnswer:
                pass

        task = asyncio.ensure_future(ask())
        await asyncio.sleep(self.random.choice((self.random.uniform(0, 0.004), self.random.uniform(0, 0.03))))
        self.kill()
        await task

    async def kill_at_start(self):
        self.kill()
        for _ in range(self.random.randrange(1, 4)):
            self.world.gateway.spawn()
            await asyncio.sleep(self.random.uniform(0, 0.025))
            self.kill()

    async def kill_while_stopped(self):
        began = time.monotonic()
        os.kill(self.world.gateway.process.pid, signal.SIGSTOP)
        await asyncio.sleep(self.random.uniform(0, 0.2))
        self.kill()
        self.world.history.add("stopped", began=began)

    async def drain(self):
        if self.disk_full:
            self.kill()
        else:
            await self.world.stop()

    async def watcher(self):
        """The gateway never ends by itself, except when its disk is full; and never takes more memory than it may."""
        while not self.over:
            await asyncio.sleep(0.1)
            process = self.world.gateway.process
            self.world.rss_max = max(self.world.rss_max, processes.rss_bytes(process.pid))
            limit = self.world.rss_limit
            if limit and self.world.rss_max > limit and not self.count["over its memory"]:
                self.count["over its memory"] += 1
                self.world.wrong(f"{self.world.rss_max >> 20} MiB resident, at most {limit >> 20} expected (I10)")
            if self.control.locked() or process.poll() is None:
                continue
            async with self.control:
                status = self.world.gateway.process.poll()
                if status is None:
                    continue
                if self.disk_full and status == 1:
                    self.count["ended on a full disk"] += 1
                else:
                    self.world.wrong(f"ended by itself with {status}: {self.world.gateway.log_tail(20)}")
                await self.start()

    # ---- Other troubles ----

    async def often(self, seconds, trouble):
        while not self.over:
            await asyncio.sleep(self.random.uniform(0.3, 1.7) * seconds)
            if not self.over:
                await trouble()

    async def stop_gateway(self):
        async with self.control:
            process, began = self.world.gateway.process, time.monotonic()
            if process.poll() is None:
                os.kill(process.pid, signal.SIGSTOP)
                await asyncio.sleep(self.random.choice((self.random.uniform(0, 0.05), self.random.uniform(0, 0.6))))
                os.kill(process.pid, signal.SIGCONT)
                self.world.history.add("stopped", began=began)
                self.count["gateway stopped"] += 1

    async def hit_function(self):
        function = self.random.choice(list(self.world.functions.values()))
        if self.random.random() < 0.5:
            self.count["function killed"] += 1
            function.kill()  # the supervisor starts it again
        else:
            self.count["function stopped"] += 1
            function.signal(signal.SIGSTOP)
            await asyncio.sleep(self.random.choice((0.05, 0.3, 1.0, 3.5)))
            function.signal(signal.SIGCONT)

    async def supervisor(self):
        """Functions that have died come back, after a while."""
        while not self.over:
            await asyncio.sleep(0.1)
            for function in self.world.functions.values():
                if function.ended():
                    processes.end(function.child)
                    await asyncio.sleep(self.random.uniform(0, 0.5))
                    function.spawn()

    async def jump(self):
        us = self.random.choice((0, self.random.randrange(20_000_000), self.random.randrange(20_000_000),
                                 -self.random.randrange(20_000_000), -DAY_US))
        self.count["clock jump"] += 1
        self.world.set_clock(us)

    async def reload(self):
        """Another module.yaml: other limits, a function less, or not even valid."""
        settings = {"concurrency": self.random.choice((1, 8, 64, 256)), "maxNumBatchRequests": self.random.choice((1, 5, 1000)),
                    "dispatch": self.random.choice(("early", "early", "durable"))}
        without = self.random.choice((None, None, None, "py", "js", "raw"))
        async with self.control:
            gateway = self.world.gateway
            good = self.world.module(without, **settings)
            if self.random.random() < 0.15:
                before = gateway.module.read_text()
                gateway.module.write_text(good.replace("functions: ", "functions: no good "))
                self.hup()
                await asyncio.sleep(0.1)
                good = before
            gateway.module.write_text(good)
            self.hup()
            self.count["reload"] += 1
        if without:
            await asyncio.sleep(self.random.uniform(0.2, 1))
            async with self.control:
                self.world.gateway.module.write_text(self.world.module(**settings))
                self.hup()

    def hup(self):
        if self.world.gateway.process.poll() is None:
            os.kill(self.world.gateway.process.pid, signal.SIGHUP)

    async def fill_disk(self):
        """Something else takes all the room that there is, then gives it back."""
        ballast = self.world.disk / "ballast"
        self.disk_full = True
        self.count["full disk"] += 1
        try:
            with open(ballast, "wb") as file:
                end_at = time.monotonic() + self.random.choice((0.1, 0.5, 2))
                while time.monotonic() < end_at and not self.over:
                    take_all(file.fileno())
                    await asyncio.sleep(0.02)
        finally:
            ballast.unlink()
        # It may be about to end, or about to start.
        await asyncio.sleep(1)
        async with self.control:
            self.disk_full = False

    async def weather(self):
        """Calm for a while, then storms; between clients and gateway, and between gateway and functions."""
        while not self.over:
            world = self.world
            force = self.random.choice((0, 0.3, 1, 1, 3))
            world.set_chaos({"clients": storm(self.random.choice((0, 0.3, 1, 3)), delay=0.02, reset_before=0.005,
                                              reset_after=0.01, cut=0.005, close=0.003, no_answer=0.005, half_closed=0.003,
                                              trickle=0.003, trickle_back=0.003, hole=0.001, twice=0.02),
                             **{name: storm(force, delay=0.01, reset_before=0.003, reset_after=0.003, cut=0.003, close=0.003,
                                            no_answer=0.003, half_closed=0.002, trickle=0.002, trickle_back=0.002, hole=0.0005,
                                            twice=0.003) for name in world.function_ports}})
            chances = storm(self.random.choice((0, 0.3, 1, 3)), fail=0.004, garbage=0.002, slow=0.002, late=0.01, die=0.0005,
                            odd=0.005, half=0.003, reset=0.003, close=0.01)
            world.write_faults({"epoch": world.epoch, "chances": chances})
            await asyncio.sleep(self.random.uniform(1, 4))
            world.epoch += self.random.random() < 0.3

    # ---- All together ----

    async def run(self, seconds=None):
        """Until as many kills as wanted, or so many seconds."""
        troubles = [self.watcher(), self.supervisor(), self.weather(), self.often(4, self.stop_gateway),
                    self.often(1.5, self.hit_function), self.often(6, self.reload)]
        if self.world.clock_file:
            troubles.append(self.often(5, self.jump))
        if self.world.disk and self.kills_wanted is not None:
            troubles.append(self.often(10, self.fill_disk))
        tasks = [asyncio.ensure_future(trouble) for trouble in troubles]
        killer = asyncio.ensure_future(self.killer() if self.kills_wanted is not None else asyncio.sleep(seconds))
        await asyncio.wait([killer, *tasks], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self.over = True
        await asyncio.wait([killer, *tasks], timeout=60)
        for task in (killer, *tasks):
            if task.done() and task.exception():
                self.world.wrong(f"nemesis: {task.exception()!r}")
            task.cancel()
        await self.calm()

    async def calm(self):
        """All is well again: functions run, the module is whole, the clock is right."""
        for function in self.world.functions.values():
            function.signal(signal.SIGCONT)
            if function.ended():
                processes.end(function.child)
                function.spawn()
        async with self.control:
            self.world.gateway.module.write_text(self.world.module())
            self.hup()


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def storm(force, **chances):
    return {name: chance * force for name, chance in chances.items()} if force else {}


def take_all(file):
    """Writes until there is no room at all."""
    block = 1 << 24
    while block >= 512:
        try:
            os.posix_fallocate(file, os.fstat(file).st_size, block)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EINTR):
                raise
            block //= 2
