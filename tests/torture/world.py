"""One gateway with its functions, its chaos proxy and its clients; a round of load, then quiet, then the checker."""
import asyncio
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

import clients
import gateway as gateways
import processes
import story
from checker import Checker
from connection import Connection, NoAnswer
from history import History

HERE = pathlib.Path(__file__).resolve().parent
FUNCTIONS = HERE / "functions"
BACKLOG_MAX = 3000          # messages that may be under way before clients wait
FLOOD_MAX = 20000           # the same, for clients without keys and a gateway with little memory
SETTLE_SECONDS = 70         # I11: the longest timer and back-off together are a third of it
CALM = {"epoch": 1 << 30, "chances": {}}


class Gateway(gateways.Gateway):
    binary = gateways.BINARY

    def command(self):
        return [self.binary, *super().command()[1:]]


def images(found):
    """{(shard, seq, digest)} in what `holdfast check` says, as texts."""
    rows = found["shards"] if "shards" in found else [{"shard": 0, **found["image"]}]
    return {(str(row["shard"]), str(row["seq"]), row["digest"]) for row in rows}


def is_sanitized(binaries):
    return any(name in pathlib.Path(binary).read_bytes() for binary in binaries for name in (b"__asan_init", b"__tsan_init"))


def build_clock(folder, binary):
    """(environment, file) of a gateway whose wall clock can be moved; the file is None when that cannot be."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler or is_sanitized([binary]):
        print("torture: SKIPPED clock jumps: no C compiler, or a build with a sanitizer", flush=True)
        return {}, None
    library, file = folder / "clock.so", folder / "clock"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE.parent / "lib" / "clock_shim.c", "-ldl"], check=True,
                   capture_output=True)
    file.write_bytes(bytes(8))
    return {"LD_PRELOAD": str(library), "CLOCK_SHIM": str(file)}, file


class World:
    def __init__(self, folder, seed, *, shards=1, disk=None, binaries=(gateways.BINARY,), memory_mib=96, snapshot_every="2s"):
        """`disk` is a small file system for the data, or None. With little memory, clients without keys (whose number has
        a limit, too) do not wait for the gateway to catch up: it has to refuse."""
        self.folder, self.seed, self.shards, self.disk = folder, seed, shards, disk
        self.random = random.Random(seed)
        self.binaries = binaries
        self.flood = memory_mib <= 64
        self.flood_max = FLOOD_MAX if self.flood else BACKLOG_MAX
        # The budget with all that may be beyond it (decision 014), the program itself, and a thread with its journal per shard.
        self.rss_limit = None if is_sanitized(binaries) else (memory_mib * 15 // 8 + 24 + 2 * shards) << 20
        self.problems_outside = []  # found by the harness itself, not by a client
        self.loading = self.given_up = False
        self.epoch = 0
        self.expected = self.seen = 0
        self.dropped = set()
        self.rss_max = self.evicted = 0
        self.round = 0
        self.offset_us = 0
        self.committed = {}
        self.base = {}
        self.registers = {}
        self.history = None
        self.arguments = ["--memory", f"{memory_mib}MiB", "--dedup-window", "6h", "--snapshot-bytes", "256KiB",
                          "--snapshot-every", snapshot_every,
                          "--drain", "3s", *(["--shards", str(shards)] if shards != 1 else [])]

    # ---- Processes ----

    def start_processes(self):
        ports = processes.free_ports(11)
        names = ("py", "js", "raw")
        self.function_ports = dict(zip(names, ports))
        self.proxy_ports = dict(zip(names, ports[3:]))
        self.client_port, self.data_port, self.admin_port = ports[6:9]
        self.write_faults(CALM)
        commands = {"py": (story.sdk_command("python")[0][0], FUNCTIONS / "python_sdk.py"),
                    "js": ("node", FUNCTIONS / "javascript_sdk.js"), "raw": (sys.executable, FUNCTIONS / "bare.py")}
        environment = {"FAULTS": str(self.folder / "faults.json"), **story.sdk_command("javascript")[1]}
        self.functions = {name: Function(self, name, command, environment) for name, command in commands.items()}
        for function in self.functions.values():
            function.spawn()
        for function in self.functions.values():
            processes.wait_port(function.child, function.port, 60, function.name)
        self.start_chaos()
        clock, self.clock_file = build_clock(self.folder, self.binaries[0])
        self.gateway = Gateway(self.folder, self.module(), data=(self.disk or self.folder) / "data", arguments=self.arguments,
                               env=clock)
        self.gateway.binary = self.binaries[0]
        self.gateway.port, self.gateway.admin_port = self.data_port, self.admin_port

    def start_chaos(self):
        routes = [f"clients={self.client_port}:{self.data_port}"]
        routes += [f"{name}={self.proxy_ports[name]}:{self.function_ports[name]}" for name in self.function_ports]
        self.chaos = processes.spawn([sys.executable, HERE / "chaos.py", *routes], log=self.folder / "chaos.log",
                                     input=subprocess.PIPE)
        processes.wait_port(self.chaos, self.client_port, 30, "chaos")

    def set_chaos(self, chances):
        self.chaos.stdin.write((json.dumps(chances) + "\n").encode())
        self.chaos.stdin.flush()

    def write_faults(self, faults):
        new = self.folder / "faults.new"
        new.write_text(json.dumps(faults))
        new.rename(self.folder / "faults.json")

    def module(self, without=None, **settings):
        settings = {"retry": "{attempts: 3, for: 20s}", "transport": "{call: 3s, connect: 1s}", **settings}
        endpoints = [gateways.endpoint(f"{name}/*", f"http://127.0.0.1:{port}/statefun", **settings)
                     for name, port in self.proxy_ports.items() if name != without]
        return gateways.module(*endpoints, gateways.pull_egress(clients.QUEUE))

    def chaos_count(self):
        """Faults that the proxy has committed so far, by name."""
        for line in reversed((self.folder / "chaos.log").read_text(errors="replace").splitlines()):
            if line.startswith("{"):
                return json.loads(line)
        return {}

    async def ready(self, timeout_s=20):
        """Waits until the gateway is ready; false when it ended instead."""
        connection, end_at = Connection(self.admin_port), time.monotonic() + timeout_s
        try:
            while time.monotonic() < end_at:
                if self.gateway.process.poll() is not None:
                    return False
                try:
                    if (await connection.request("GET", "/readyz", timeout_s=3)).status == 200:
                        return True
                except NoAnswer:
                    pass
                await asyncio.sleep(0.003)
        finally:
            connection.close()
        self.wrong(f"not ready after {timeout_s} s: {self.gateway.log_tail()}")
        return False

    def wrong(self, text):
        self.problems_outside.append(text)
        print(f"torture: WRONG {text}", flush=True)
        if self.history:
            self.history.problem(text)

    # ---- A round ----

    async def has_room(self, client):
        while self.loading and self.expected - self.seen > (BACKLOG_MAX if client.keyed else self.flood_max):
            await asyncio.sleep(0.02)
        await asyncio.sleep(0)

    async def measure(self):
        """What was refused, dropped or lost on the way is not under way: the gateway knows what is."""
        while self.loading:
            await asyncio.sleep(0.25)
            metrics = await self.metrics()
            if "holdfast_mailbox_messages" in metrics:
                waiting = metrics["holdfast_mailbox_messages"] + metrics.get("holdfast_egress_backlog_records", 0)
                self.expected = self.seen + waiting
                self.evicted = max(self.evicted, int(metrics["holdfast_idempotency_keys_evicted_total"]))

    def was_dropped(self, name):
        return name in self.dropped

    def begin(self):
        self.round += 1
        self.history = History(self.folder / f"history-{self.round}.jsonl")
        self.history.on_ack = None
        for address, (number, value) in self.base.items():
            self.history.add("base", a=address, n=number, h=value)
        self.expected = self.seen = 0
        self.dropped = set()
        self.loading, self.pulling, self.given_up = True, True, False
        crew = [(f"{letter}{self.round}{chr(97 + index)}", kind)
                for letter, kind, count
                in (clients.FLOOD_CREW if self.flood else clients.CREW) for index in range(count)]
        self.crew = [kind(self, name) for name, kind in crew]
        self.puller = clients.Puller(self, f"P{self.round}a")
        self.letters = clients.LetterPuller(self, f"L{self.round}a")
        operator = clients.Operator(self, f"O{self.round}a")
        self.everybody = [*self.crew, self.puller, self.letters, operator]
        self.tasks = [asyncio.ensure_future(self.guarded(client)) for client in self.everybody]
        self.tasks.append(asyncio.ensure_future(self.measure()))

    async def guarded(self, client):
        try:
            await client.run()
        except Exception as error:  # of the client, or an answer that no client can understand
            self.wrong(f"{client.name}: {error!r}")
            raise

    async def settle(self):
        """No more load and no more faults: everything that was accepted comes to its end in a stated time (I11)."""
        self.loading = False
        self.write_faults(CALM)
        self.set_chaos({name: {} for name in ("clients", *self.function_ports)})
        began = time.monotonic()
        operator = clients.Operator(self, f"O{self.round}z")  # the round's own may still be in the middle of something
        pullers = [task for client, task in zip(self.everybody, self.tasks) if isinstance(client, clients.Puller)]
        late = [task for task in self.tasks if task not in pullers]  # who pulls goes on: an outbox that nobody reads fills up
        while late and time.monotonic() - began < 40:
            await operator.turn()  # a call may wait for an address that is parked
            _, late = await asyncio.wait(late, timeout=0.3)
        self.given_up, self.pulling = True, False
        await asyncio.wait(pullers, timeout=15)
        if late:
            self.wrong(f"{len(late)} clients without an answer 40 s after the faults: "
                       f"{[client.name for client, task in zip(self.everybody, self.tasks) if not task.done()]}")
            await asyncio.wait(late, timeout=15)
        quiet = 0
        while quiet < 3:
            if time.monotonic() - began > SETTLE_SECONDS:
                self.wrong(f"not settled after {SETTLE_SECONDS} s (I11): {await self.what_moves()}; "
                           f"{await self.admin_get('/v1/functions')}; {await self.admin_get('/v1/parked')}")
                break
            await operator.turn()
            for puller in (self.puller, self.letters):
                while await puller.turn("1ms"):
                    pass
            quiet = quiet + 1 if not await self.what_moves() else 0
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def admin_get(self, path):
        connection = Connection(self.admin_port)
        try:
            return (await connection.request("GET", path, timeout_s=3)).body.decode()
        except NoAnswer as error:
            return str(error)
        finally:
            connection.close()

    async def metrics(self):
        """Metrics, summed over their labels."""
        sums = {}
        for line in (await self.admin_get("/metrics")).splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                try:
                    sums[name] = sums.get(name, 0) + float(value)
                except ValueError:
                    pass
        return sums

    async def what_moves(self):
        """Work that is not done, by metric; empty when all is quiet."""
        metrics = await self.metrics()
        names = ("holdfast_mailbox_messages", "holdfast_delayed_messages", "holdfast_parked_addresses",
                 "holdfast_egress_backlog_records")
        return {name: metrics.get(name, "absent") for name in names if metrics.get(name, -1) != 0}

    async def states(self):
        """What the gateway says is in all states: address -> name -> value."""
        found, after, connection = {}, "", Connection(self.data_port)
        while True:
            answer = await connection.request("GET", f"/v1/export?limit=2000{after}", timeout_s=30)
            for line in answer.body.splitlines():
                row = json.loads(line)
                if row["name"] != "blob":
                    found.setdefault(f"{row['type']}/{row['id']}", {})[row["name"]] = row["value"]
            if "holdfast-next" not in answer.headers:
                connection.close()
                return found
            after = f"&after={answer.headers['holdfast-next']}"

    def note_states(self, states):
        self.base = {}
        registers = {}
        for address, values in states.items():
            log = values.get("log")
            if log:
                self.history.add("state", a=address, **log)
                self.base[address] = (log["n"], log["h"])
            if "register" in values:
                register = registers[address] = values["register"]
                self.history.add("register", a=address, **register, **{"from": self.registers.get(address, 0)})
        self.registers = {address: register["v"] for address, register in registers.items()}

    def check(self):
        for function in self.functions.values():
            for line in function.log.read_text(errors="replace").splitlines():
                if line.startswith("WRONG"):
                    self.history.problem(line)
        self.history.flush()
        return Checker(self.history.events).run()

    # ---- The end of a life ----

    def offline_check(self):
        """`holdfast check DIR` of the gateway that has ended: (JSON, problem)."""
        done = subprocess.run([self.gateway.binary, "check", self.gateway.data, "--output", "json"], capture_output=True,
                              text=True, timeout=60, check=False)
        if done.returncode:
            return None, f"check ended with {done.returncode}: {done.stdout[-600:]}{done.stderr[-600:]}"
        return json.loads(done.stdout), None

    async def wait_end(self, timeout_s):
        end_at = time.monotonic() + timeout_s
        while self.gateway.process.poll() is None:
            if time.monotonic() > end_at:
                return None
            await asyncio.sleep(0.002)
        return self.gateway.process.returncode

    async def stop(self):
        """SIGTERM: ends with 0, and what is on disk is what was live (I5)."""
        self.gateway.process.send_signal(signal.SIGTERM)
        status = await self.wait_end(20)
        if status is None:
            self.wrong("SIGTERM did not end it within 20 s")
            self.gateway.kill()
            return
        processes.end(self.gateway.process)
        if status != 0:
            self.wrong(f"SIGTERM ended with {status}: {self.gateway.log_tail()}")
        self.compare_digest()

    def compare_digest(self):
        found, problem = self.offline_check()
        if problem:
            self.wrong(f"after SIGTERM: {problem}")
            return
        stopped = [line for line in self.gateway.log_tail(40).splitlines() if " stopped " in line][-self.shards:]
        live = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in stopped]
        replayed = images(found)
        if not live or {(each.get("shard", "0"), each["seq"], each["digest"]) for each in live} != replayed:
            self.wrong(f"live images: {live}; replayed: {replayed} (I5)")

    def set_clock(self, offset_us):
        """The event comes first: nobody may see the new time before it is written down."""
        if offset_us > self.offset_us:
            self.history.add("jump", by=(offset_us - self.offset_us) / 1e6)
        self.offset_us = offset_us
        with open(self.clock_file, "r+b") as file:
            file.write(struct.pack("<q", offset_us))

    def close(self):
        processes.end(self.gateway.process)
        processes.end(self.chaos)
        for function in self.functions.values():
            function.close()


class Function:
    """One function server; it holds nothing, so it may die at any moment."""

    def __init__(self, world, name, command, environment):
        self.name, self.command, self.port = name, command, world.function_ports[name]
        self.environment = {**environment, "PORT": str(self.port)}
        self.log = world.folder / f"functions-{name}.log"
        self.child = None
        self.starts = 0

    def spawn(self):
        self.child = processes.spawn(self.command, log=self.log, env=self.environment)
        self.starts += 1

    def ended(self):
        return self.child.poll() is not None

    def kill(self):
        processes.end(self.child)

    def signal(self, number):
        if self.child.poll() is None:
            os.kill(self.child.pid, number)

    def close(self):
        self.signal(signal.SIGCONT)
        self.kill()
