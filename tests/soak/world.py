"""One gateway with its function and its load; what it takes of the machine is written down all the while."""
import asyncio
import json
import os
import pathlib
import subprocess
import sys
import time

import gateway as gateways
import processes
from connection import Connection, NoAnswer
from function import EGRESS
from load import Load

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES_PER_SECOND = 4
QUIET_SECONDS = 60
SNAPSHOT_BYTES = 4 << 20
LEFT = ("holdfast_mailbox_messages", "holdfast_delayed_messages", "holdfast_parked_addresses", "holdfast_egress_backlog_records")


def disk_bytes(folder):
    """What the files take of the device; one may go while we look."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                pass
    return total


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class World:
    def __init__(self, folder, shards, seed, grows=False, abandons=False):
        self.folder = pathlib.Path(folder)
        ports = processes.free_ports(3)
        self.function = processes.spawn([sys.executable, HERE / "function.py"], log=self.folder / "function.log",
                                        env={"PORT": str(ports[0])})
        processes.wait_port(self.function, ports[0], 30, "the function")
        module = gateways.module(gateways.endpoint("soak/*", f"http://127.0.0.1:{ports[0]}/statefun"),
                                 gateways.pull_egress(EGRESS))
        arguments = ["--memory", "256MiB", "--dedup-window", "5s", "--snapshot-every", "2s", "--snapshot-bytes",
                     str(SNAPSHOT_BYTES), "--workers", "0", "--shards", str(shards)]
        self.gateway = gateways.Gateway(self.folder, module, arguments=arguments)
        self.gateway.start()
        self.pid = self.gateway.process.pid
        self.load = Load(self.gateway.port, seed, grows, abandons)
        self.rss, self.files, self.disk, self.used = [], [], [], []
        self.begun_s, self.measured_s = None, 0.0
        self.problems = []

    async def metrics(self):
        """Summed over their labels."""
        connection, sums = Connection(self.gateway.admin_port), {}
        for line in (await connection.request("GET", "/metrics")).body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                sums[name] = sums.get(name, 0) + float(value)
        connection.close()
        return sums

    async def sample(self):
        """By messages, not by the clock: what grows, grows by what is done, and a busy machine does not do the same each second."""
        now, done = time.monotonic(), self.load.messages
        self.begun_s = self.begun_s or now
        self.measured_s = now - self.begun_s
        self.used.append((done, (await self.metrics())["holdfast_memory_used_bytes"]))
        self.rss.append((done, processes.rss_bytes(self.pid)))
        self.files.append((done, open_files(self.pid)))
        self.disk.append((done, disk_bytes(self.gateway.data)))

    async def run(self, warm_up_s, seconds):
        tasks = self.load.tasks()
        begin = time.monotonic()
        while time.monotonic() < begin + warm_up_s + seconds and self.gateway.running():
            if time.monotonic() > begin + warm_up_s:
                await self.sample()
            await asyncio.sleep(1 / SAMPLES_PER_SECOND)
        self.load.over = True
        _, late = await asyncio.wait(tasks, timeout=30)
        self.problems += [f"{len(late)} clients do not come to an end"] * bool(late)
        self.problems += [repr(task.exception()) for task in tasks if task.done() and task.exception()]
        await self.end()

    async def end(self):
        """Everything comes to rest, adds up, and nothing is left that was only of the load."""
        if not self.gateway.running():
            self.problems.append(f"ended by itself: {self.gateway.log_tail()}")
            return
        try:
            left = await self.come_to_rest()
            self.problems += [f"left after {QUIET_SECONDS} s: {left}"] * bool(left)
            await self.add_up()
        except NoAnswer as error:
            self.problems.append(repr(error))
        if self.gateway.stop() != 0:
            self.problems.append(f"SIGTERM: {self.gateway.log_tail()}")
        done = subprocess.run([gateways.BINARY, "check", self.gateway.data], capture_output=True, text=True, timeout=120,
                              check=False)
        if done.returncode:
            self.problems.append(f"check: {done.stdout[-300:]}{done.stderr[-300:]}")

    async def come_to_rest(self):
        began = time.monotonic()
        while True:
            while await self.load.pull("1ms"):
                pass
            metrics = await self.metrics()
            left = {name: metrics[name] for name in LEFT if metrics[name]}
            if not left or time.monotonic() > began + QUIET_SECONDS:
                return left
            await asyncio.sleep(0.2)

    async def add_up(self):
        """One record for each effect, as the states count them."""
        connection, total, after = Connection(self.gateway.port), 0, ""
        while True:
            answer = await connection.request("GET", f"/v1/export?limit=1000{after}", timeout_s=30)
            for line in answer.body.splitlines():
                row = json.loads(line)
                if row["name"] == "count":
                    total += int(row["value"])
            if "holdfast-next" not in answer.headers:
                break
            after = f"&after={answer.headers['holdfast-next']}"
        connection.close()
        if total != self.load.pulled:
            self.problems.append(f"the states count {total} effects, and {self.load.pulled} records were pulled")

    def close(self):
        self.gateway.kill()
        processes.end(self.function)
