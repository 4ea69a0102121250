"""The workloads. Each returns named figures; the names are those of the table in run-bench."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import gateway as gateways
import processes
import sample
import wire
from function_server import FunctionServer

FUNCTION = "bench/counter"
OFFER = 64  # addresses per request, where the function takes many


class Programs:
    """The C programs of this folder, as built."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        missing = [name for name in ("load", "function", "floor") if not self.path(name).exists()]
        if missing:
            raise SystemExit(f"run-bench: {self.path(missing[0])} is not built: run `make build`, or set HOLDFAST_BUILD")

    def path(self, name):
        return self.folder / f"perf_{name}"

    @property
    def allocations(self):
        """The library that counts allocations; a build with sanitizers has none."""
        return self.folder / "perf_allocations.so"

    def serve(self, name, log, *arguments):
        """Starts a server that prints its port. Returns (process, port)."""
        log.unlink(missing_ok=True)
        child = processes.spawn([self.path(name), *arguments], log=log)

        def line():
            if child.poll() is not None:
                raise RuntimeError(f"{name} ended with status {child.returncode}: {log.read_text()}")
            text = log.read_text()
            return text if text.endswith("\n") else None
        return child, int(processes.wait_until(line, 60, f"{name} prints its port"))

    def load_command(self, port, **options):
        """Of the load generator; True stands for a flag without a value."""
        command = [self.path("load"), "--port", port]
        for name, value in options.items():
            command += [f"--{name}"] if value is True else [f"--{name}", value]
        return [str(word) for word in command]

    def load(self, port, **options):
        """Runs the load generator to its end."""
        timeout_s = float(options.get("seconds", 300)) + 60
        done = subprocess.run(self.load_command(port, **options), capture_output=True, text=True, timeout=timeout_s, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"load {options}: status {done.returncode} {done.stderr} {done.stdout}")
        return json.loads(done.stdout)


class Beside:
    """A load that runs beside something else, until end()."""

    def __init__(self, bench, **options):
        self.log = bench.folder / "beside.log"
        self.log.unlink(missing_ok=True)
        self.child = processes.spawn(bench.programs.load_command(bench.gateway.port, seconds=3600, **options), log=self.log)

    def end(self):
        """What it has measured."""
        if processes.end(self.child, signal_number=signal.SIGTERM, timeout_s=60) != 0:
            raise RuntimeError(f"the load beside it failed: {self.log.read_text()[-300:]}")
        return json.loads(self.log.read_text())


class Bench:
    """One gateway with its function, started on empty data."""

    def __init__(self, programs, folder, sizes, env=None, unix=False, offer=0, more=(), arguments=()):
        """offer: addresses per request that the function takes, 0: one; more: further documents of module.yaml; arguments: of the
        gateway."""
        self.programs, self.folder, self.sizes = programs, folder, sizes
        folder.mkdir(parents=True)
        socket_path = str(folder / "function.sock") if unix else "0"
        self.function, self.function_port = programs.serve("function", folder / "function.log", socket_path, *([str(offer)] if offer else []))
        url = f"http+unix://{socket_path}/statefun" if unix else f"http://127.0.0.1:{self.function_port}/statefun"
        module = gateways.module(gateways.endpoint("bench/*", url), *more)
        self.gateway = gateways.Gateway(folder, module, env=env, arguments=arguments)
        self.gateway.port, self.gateway.admin_port = processes.free_ports(2)

    @property
    def pid(self):
        return self.gateway.process.pid

    def close(self):
        if self.gateway.running():
            self.gateway.stop()
        processes.end(self.function)

    def start(self):
        """Milliseconds from the start of the process to the answer of the first durable call."""
        begin = time.monotonic()
        self.gateway.spawn()
        while not self._called():
            if time.monotonic() - begin > 60 or self.gateway.process.poll() is not None:
                raise RuntimeError(f"the gateway does not answer: {self.gateway.log_tail()}")
            time.sleep(0.0005)
        return (time.monotonic() - begin) * 1000

    def _called(self):
        """One call over a bare socket: what costs time here is not the gateway's."""
        try:
            with socket.create_connection(("127.0.0.1", self.gateway.port), 10) as connection:
                connection.sendall(f"POST /v1/call/{FUNCTION}/first HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n"
                                   "content-length: 1\r\n\r\n1".encode())
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def recovered_ms(self):
        """What the last start says that reading took."""
        return float(re.findall(r"recovered .*? ms=(\d+)", self.gateway.log_text())[-1])

    def measured(self, count, work):
        """Runs work and gives the gateway's cost for each of count(result) items."""
        journal = self.gateway.metric("holdfast_journal_written_bytes_total")
        before, begin = sample.Usage(self.pid), time.monotonic()
        result = work()
        took_s = time.monotonic() - begin
        used = sample.Usage(self.pid).since(before)
        journal = self.gateway.metric("holdfast_journal_written_bytes_total") - journal
        items = count(result)
        return result, {"per_s": items / took_s, "cpu_us": used["cpu_us"] / items, "engine_us": used["busiest_us"] / items,
                        "switches": used["switches"] / items, "device_bytes": used["device_bytes"] / items,
                        "journal_bytes": journal / items}

    def load(self, **options):
        """The load generator on this gateway, with the cost per request."""
        result, cost = self.measured(lambda result: result["requests"], lambda: self.programs.load(self.gateway.port, **options))
        return result, cost

    def applied(self):
        return self.gateway.metric("holdfast_messages_applied_total")

    def wait_applied(self, wanted):
        processes.wait_until(lambda: self.applied() >= wanted, 300, f"{wanted:.0f} messages applied", 0.01)

    def snapshot(self):
        """Until it is durable."""
        answer = self.gateway.admin.request("POST", "/v1/snapshot", timeout_s=600)
        if answer.status != 200:
            raise RuntimeError(f"snapshot: {answer}")

    def batch(self, lines):
        answer = self.gateway.client.request("POST", "/v1/batch", "".join(lines), {"content-type": "application/x-ndjson"}, 300)
        accepted = answer.body.count(b'"status":202')
        if answer.status != 200 or accepted != len(lines):
            raise RuntimeError(f"batch: status {answer.status}, {accepted} of {len(lines)} lines accepted: {answer.body[:300]}")


def batch_lines(count, keys, delay=None):
    more = f',"delay":"{delay}"' if delay else ""
    return [f'{{"to":"{FUNCTION}/k{i % keys}","type":"io.statefun.types/string","value":"1"{more}}}\n' for i in range(count)]


# ---- Workloads on one gateway ----

def calls(bench):
    bench.load(connections=64, seconds=0.5)  # connections to the function, memory of the first keys
    result, cost = bench.load(connections=64, keys=10000, seconds=bench.sizes.seconds)
    bench.call_rate = result["rate"]
    return {"call.rate": result["rate"], "call.cpu_us": cost["cpu_us"], "call.engine_us": cost["engine_us"],
            "call.p50_us": result["p50_us"], "call.p99_us": result["p99_us"], "call.switches": cost["switches"],
            "call.journal_bytes": cost["journal_bytes"], "call.device_bytes": cost["device_bytes"]}


def wide_calls(bench):
    result, cost = bench.load(connections=1024, keys=10000, seconds=bench.sizes.seconds)
    return {"call1024.rate": result["rate"], "call1024.cpu_us": cost["cpu_us"], "call1024.device_bytes": cost["device_bytes"]}


def latencies(name, result, parts=("p50_us", "p99_us", "p999_us")):
    return {f"{name}.{part}": result[part] for part in parts}


def paced_calls(bench):
    """An open loop: what a call takes while the gateway is half busy, counted from when it should have begun."""
    result, cost = bench.load(connections=256, keys=10000, seconds=bench.sizes.seconds, rate=bench.call_rate / 2)
    return {"paced.rate": result["rate"], "paced.cpu_us": cost["cpu_us"], "paced.max_us": result["max_us"], **latencies("paced", result)}


def reads(bench):
    before = bench.applied()
    bench.programs.load(bench.gateway.port, verb="batch", connections=1, keys=10000, lines=1000, count=10)  # so that all keys are there
    bench.wait_applied(before + 10000)
    result, cost = bench.load(verb="read", connections=64, keys=10000, seconds=bench.sizes.seconds)
    paced, paced_cost = bench.load(verb="read", connections=64, keys=10000, seconds=bench.sizes.seconds, rate=10000)
    return {"read.rate": result["rate"], "read.cpu_us": cost["cpu_us"], "read10k.cpu_us": paced_cost["cpu_us"],
            **latencies("read10k", paced, ("p50_us", "p99_us"))}


def system_calls(bench):
    """In a run of its own: counting is not free."""
    counter = sample.SystemCalls(bench.pid, bench.folder)
    time.sleep(0.5)
    result, _ = bench.load(connections=64, keys=10000, seconds=max(1.0, bench.sizes.seconds / 2))
    count = counter.stop()
    return {} if count is None else {"call.system_calls": count / result["requests"]}


def lone_calls(bench):
    result, _ = bench.load(connections=1, keys=10000, seconds=bench.sizes.seconds)
    return {"lone.p50_us": result["p50_us"], "lone.p99_us": result["p99_us"]}


def sends(bench):
    result, cost = bench.load(verb="send", connections=256, keys=10000, seconds=bench.sizes.seconds)
    bench.wait_applied(bench.gateway.metric("holdfast_messages_accepted_total"))
    return {"send.rate": result["rate"], "send.cpu_us": cost["cpu_us"]}


def hot_calls(bench):
    result, cost = bench.load(connections=64, keys=1, seconds=bench.sizes.seconds)
    return {"hot.rate": result["rate"], "hot.cpu_us": cost["cpu_us"]}


def hot_sends(bench):
    """Until all are applied: by 256 connections, and as one batch."""
    count, before = bench.sizes.sends, bench.applied()

    def send():
        bench.programs.load(bench.gateway.port, verb="send", connections=256, keys=1, count=count)
        bench.wait_applied(before + count)
    _, cost = bench.measured(lambda _: count, send)
    lines, before = batch_lines(bench.sizes.lines, 1), bench.applied()

    def send_batch():
        bench.batch(lines)
        bench.wait_applied(before + len(lines))
    _, batch_cost = bench.measured(lambda _: len(lines), send_batch)
    return {"hotsend.rate": cost["per_s"], "hotsend.cpu_us": cost["cpu_us"],
            "hotbatch.rate": batch_cost["per_s"], "hotbatch.cpu_us": batch_cost["cpu_us"]}


def batch(bench):
    lines = batch_lines(bench.sizes.lines, 10000)
    before, answered_s = bench.applied(), []

    def send():
        begin = time.monotonic()
        bench.batch(lines)
        answered_s.append(time.monotonic() - begin)
        bench.wait_applied(before + len(lines))
    _, cost = bench.measured(lambda _: len(lines), send)
    return {"batch.accepted": len(lines) / answered_s[0], "batch.applied": cost["per_s"], "batch.cpu_us": cost["cpu_us"]}


def delayed(bench):
    """From the first that fires to the last that is applied; all are due together, long after all have been accepted."""
    count, delay_s = bench.sizes.delayed, 3 + bench.sizes.delayed // 50_000
    before, applied = bench.gateway.metric("holdfast_messages_fired_total"), bench.applied()
    used = sample.Usage(bench.pid)
    bench.programs.load(bench.gateway.port, verb="batch", connections=4, keys=10000, lines=1000, count=count // 1000, delay=f"{delay_s}s")
    processes.wait_until(lambda: bench.gateway.metric("holdfast_messages_fired_total") > before, 120, "a message fires", 0.005)
    begin = time.monotonic()
    bench.wait_applied(applied + count)
    took_s = time.monotonic() - begin
    return {"delayed.rate": count / took_s, "delayed.cpu_us": sample.Usage(bench.pid).since(used)["cpu_us"] / count}


MIXED = [calls, paced_calls, reads, system_calls, wide_calls, lone_calls, hot_calls, sends, hot_sends, batch, delayed]


def mixed(programs, folder, sizes, progress):
    """All workloads one after the other on one gateway."""
    bench = Bench(programs, folder, sizes)
    figures = {}
    try:
        bench.start()
        for work in MIXED:
            progress(work.__name__)
            figures.update(work(bench))
    finally:
        bench.close()
    return figures


def by_unix_socket(programs, folder, sizes, progress):
    """The same calls with the function behind a Unix socket, as a sidecar may have it."""
    progress("unix socket")
    bench = Bench(programs, folder, sizes, unix=True)
    try:
        bench.start()
        bench.load(connections=64, seconds=0.5)
        result, cost = bench.load(connections=64, keys=10000, seconds=sizes.seconds)
        return {"unix.rate": result["rate"], "unix.cpu_us": cost["cpu_us"]}
    finally:
        bench.close()


def bundled(programs, folder, sizes, progress):
    """The same with a function that takes many addresses per request."""
    bench = Bench(programs, folder, sizes, offer=OFFER)
    figures = {}
    try:
        bench.start()
        for work in (calls, system_calls, wide_calls, batch):
            progress(f"{work.__name__}, many addresses per request")
            figures.update({f"bundle-{name}": value for name, value in work(bench).items()})
    finally:
        bench.close()
    return figures


def counted(programs, folder, sizes, progress):
    """Allocations per call. A gateway of its own, since counting them is not free."""
    if not programs.allocations.exists():
        return {}
    progress("allocations")
    return {"call.allocations": allocations(programs, folder / "one", sizes, 0),
            "bundle-call.allocations": allocations(programs, folder / "many", sizes, OFFER)}


def allocations(programs, folder, sizes, offer):
    count = folder.with_suffix(".count")
    bench = Bench(programs, folder, sizes, offer=offer, env={"LD_PRELOAD": str(programs.allocations), "ALLOCATIONS_FILE": str(count)})
    try:
        bench.start()
        calls = int(10000 * sizes.seconds)
        bench.load(connections=64, keys=1000, count=calls)
        before = int.from_bytes(count.read_bytes()[:8], sys.byteorder)
        programs.load(bench.gateway.port, connections=64, keys=1000, count=calls)
        return (int.from_bytes(count.read_bytes()[:8], sys.byteorder) - before) / calls
    finally:
        bench.close()


def many_keys(programs, folder, sizes, progress):
    """A gateway of its own: start, memory, and recovery after a kill."""
    progress("start")
    bench = Bench(programs, folder, sizes)
    try:
        figures = {"start.ms": bench.start(), "rss.idle": sample.rss_megabytes(bench.pid)}
        progress("idle")
        time.sleep(4)  # what the call has left to do, and until its reply is forgotten
        before = sample.Usage(bench.pid)
        time.sleep(2)
        figures["idle.switches"] = sample.Usage(bench.pid).since(before)["switches"] / 2
        progress("100k keys")
        bench.load(connections=64, keys=sizes.keys, count=sizes.keys)
        figures["rss.keys"] = sample.rss_megabytes(bench.pid)
        figures["rss.per_key"] = (figures["rss.keys"] - figures["rss.idle"]) * 1e6 / sizes.keys
        progress("recovery")
        bench.gateway.kill()
        figures["recovery.first_call_ms"] = bench.start()
        figures["recovery.logged_ms"] = bench.recovered_ms()
        keys = bench.gateway.metric("holdfast_keys")
        if keys != sizes.keys + 1:  # and the key of the first call
            raise RuntimeError(f"{keys:.0f} keys after the recovery, not {sizes.keys + 1}")
        begin = time.monotonic()
        bench.load(connections=64, keys=sizes.keys, count=1000, stride=sizes.keys // 1000)
        figures["recovery.spread_ms"] = figures["recovery.first_call_ms"] + (time.monotonic() - begin) * 1000
        begin = time.monotonic()
        bench.load(connections=64, keys=sizes.keys, count=sizes.keys)
        figures["recovery.every_key_s"] = time.monotonic() - begin
        figures["rss.recovered"] = sample.rss_megabytes(bench.pid)
    finally:
        bench.close()
    return figures


NO_SNAPSHOT = ["--snapshot-bytes", "64GiB"]


def replay(programs, folder, sizes, progress):
    """SIGKILL and start, all from the journal: how many records, and how many bytes, are read and folded in a second."""
    figures = {}
    for figure, size, count, metric, unit in (("records_per_s", 1, sizes.sends, "holdfast_journal_records_total", 1),
                                              ("mb_per_s", 4096, sizes.sends // 2, "holdfast_journal_written_bytes_total", 1e6)):
        progress(f"replay {figure}")
        bench = Bench(programs, folder / figure, sizes, arguments=NO_SNAPSHOT)
        try:
            bench.start()
            bench.load(verb="send", connections=64, size=size, count=count)
            bench.wait_applied(count)
            amount = bench.gateway.metric(metric)
            bench.gateway.kill()
            bench.start()
            figures[f"replay.{figure}"] = amount / unit / (bench.recovered_ms() / 1000)
        finally:
            bench.close()
    return figures


class FixedFunction(FunctionServer):
    """fixed/*: registers the state `blob`, then gives the same answer to every invocation, or fails all of them."""

    def __init__(self, answer=b""):
        self.failing, self.fixed = False, answer
        super().__init__(self._answer)

    def _answer(self, call):
        self.calls.clear()  # there may be many
        if self.failing:
            call.answer(status="500 Internal Server Error")
        elif not call.needs(("blob", wire.STRING)):
            call.answer(self.fixed)

    def endpoint(self, **fields):
        return gateways.endpoint("fixed/*", self.url, **fields)


def snapshot(programs, folder, sizes, progress):
    """Calls at half the saturated rate: before a snapshot of states of 1 MiB each, and while it is made."""
    progress("snapshot")
    function = FixedFunction(wire.Response().encode())
    bench = Bench(programs, folder, sizes, more=[function.endpoint()], arguments=NO_SNAPSHOT)
    address = "fixed/blob/k%"
    try:
        bench.start()
        programs.load(bench.gateway.port, verb="send", count=1, address=address)
        bench.wait_applied(2)  # with the first call of the start: now the state is known
        programs.load(bench.gateway.port, verb="write", state="blob", address=address, size=1 << 20, connections=4,
                      count=sizes.state_mib, keys=sizes.state_mib)
        rate = programs.load(bench.gateway.port, seconds=sizes.seconds)["rate"] / 2
        quiet = programs.load(bench.gateway.port, connections=256, seconds=sizes.seconds, rate=rate)
        beside = Beside(bench, connections=256, rate=rate)
        begin = time.monotonic()
        bench.snapshot()
        took_s = time.monotonic() - begin
        busy = beside.end()
        return {"snapshot.quiet_p999_us": quiet["p999_us"], "snapshot.p999_us": busy["p999_us"], "snapshot.seconds": took_s,
                "snapshot.ratio": busy["p999_us"] / quiet["p999_us"]}
    finally:
        bench.close()
        function.close()


# ---- The floor ----

def floor(programs, folder, sizes, progress):
    """The same load on a bare responder with group commit, without and with one call of the function."""
    folder.mkdir(parents=True)
    figures = {}
    function, port = programs.serve("function", folder / "function.log")
    for name, arguments in (("floor", []), ("floorcall", ["--function", port])):
        progress(name)
        server, floor_port = programs.serve("floor", folder / f"{name}.log", "--file", folder / f"{name}.data", *arguments)
        programs.load(floor_port, connections=64, seconds=0.5)
        for connections in (64, 1, 256):
            before = sample.Usage(server.pid)
            result = programs.load(floor_port, connections=connections, seconds=sizes.seconds)
            cpu_us = sample.Usage(server.pid).since(before)["cpu_us"] / result["requests"]
            figures.update({f"{name}{connections}.rate": result["rate"], f"{name}{connections}.cpu_us": cpu_us,
                            **latencies(f"{name}{connections}", result)})
        result = programs.load(floor_port, connections=256, seconds=sizes.seconds, rate=figures[f"{name}64.rate"] / 2)
        figures.update(latencies(f"{name}paced", result))
        processes.end(server)
        os.unlink(folder / f"{name}.data")
    processes.end(function)
    return figures
