"""How cost grows: each dimension yields (row, Point), in order of size. The names of the rows are those of ROWS."""
import contextlib
import http.client
import json
import shutil
import signal
import time
from urllib.parse import quote

import gateway as gateways
import processes
import sample
import turns
import wire
import work
from growth import Point

BATCH = 1000  # lines of the batches that fill
RATE = 1000   # reads per second beside the work
ADDRESSES = 10_000
EGRESS = "fixed/out"
EGRESS_EACH = 100

# Row: what it is, what a size counts, what the unit is whose cost has to grow like n log n at most.
ROWS = {
    "keys.import": ("states imported until there are nine tenths of so many", "keys", "key"),
    "keys.fill": ("batches that bring the last of the new keys", "keys", "key"),
    "keys.call": ("calls of random keys", "keys", "call"),
    "keys.read": ("reads, 10,000 a second", "keys", "read"),
    "keys.scrape": ("/metrics", "keys", "scrape"),
    "keys.list": ("/v1/keys, pages of 1,000", "keys", "key"),
    "keys.export": ("/v1/export", "keys", "key"),
    "keys.snapshot": ("a snapshot of all", "keys", "key"),
    "keys.recovery": ("start from it after SIGKILL", "keys", "key"),
    "replay.records": ("start from a journal of so many messages", "messages", "record"),
    "replay.bytes": ("the same, values of so many bytes", "bytes", "KiB"),
    "values.send": ("sends of a value", "bytes", "KiB + 1"),
    "values.write": ("state writes", "bytes", "KiB + 1"),
    "values.read": ("state reads", "bytes", "KiB + 1"),
    "values.state": ("sends to addresses with a state of that size", "bytes", "KiB + 1"),
    "connections.call": ("calls of so many connections", "connections", "call"),
    "connections.send": ("sends of so many connections", "connections", "send"),
    "batch.lines": ("batches of so many lines, applied", "lines", "line"),
    "shards.call": ("calls, --shards", "shards", "call"),
    "shards.batch": ("batches, --shards", "shards", "line"),
    "workers.call": ("calls, --workers", "threads", "call"),
    "hot.fill": ("batches to one address whose function stands still", "messages", "message"),
    "hot.drain": ("and then applied", "messages", "message"),
    "waiting.fill": ("batches to so many addresses whose function stands still", "addresses", "message"),
    "waiting.scrape": ("/metrics meanwhile", "addresses", "scrape"),
    "waiting.functions": ("/v1/functions meanwhile", "addresses", "answer"),
    "waiting.drain": ("and then applied", "addresses", "message"),
    "down.fill": ("batches to so many addresses whose function is gone", "addresses", "message"),
    "down.rest": ("a second of waiting for it", "addresses", "second"),
    "down.drain": ("applied when it is back", "addresses", "message"),
    "parked.list": ("/v1/parked, pages of 1,000", "addresses", "address"),
    "parked.scrape": ("/metrics", "addresses", "scrape"),
    "parked.retry": ("all retried by one verb, and applied", "addresses", "address"),
    "types.send": ("batches to 10,000 addresses of so many function types", "types", "message"),
    "types.scrape": ("/metrics", "types", "scrape"),
    "types.functions": ("/v1/functions", "types", "type"),
    "endpoints.start": ("start", "endpoints", "endpoint"),
    "endpoints.send": ("batches to 10,000 addresses over all of them", "endpoints", "message"),
    "endpoints.scrape": ("/metrics", "endpoints", "endpoint"),
    "delayed.accept": ("delayed messages accepted", "messages", "message"),
    "delayed.fire": ("fired and applied, all due together", "messages", "message"),
    "keyed.send": ("batches with idempotency keys, none forgotten", "keys", "message"),
    "egress.write": ("records that functions write into a pull queue", "records", "record"),
    "egress.pull": ("pulled and acknowledged, 1,000 at a time", "records", "record"),
}


class Lab:
    """Where the dimensions are measured."""

    def __init__(self, programs, folder, quick, tell):
        self.programs, self.folder, self.quick, self.tell = programs, folder, quick, tell
        self.seconds = 0.5 if quick else 3
        self.turns = turns.Turns(folder)

    def sizes(self, *sizes):
        """All of them, or only the first that take no time."""
        return sizes[:2] if self.quick else sizes

    @contextlib.contextmanager
    def bench(self, **options):
        place = self.folder / "gateway"
        bench = work.Bench(self.programs, place, self, env=self.turns.env, **options)
        bench.turns = self.turns
        try:
            bench.start()
            yield bench
        finally:
            bench.gateway.kill()
            bench.close()
            shutil.rmtree(place)


# ---- Pieces ----

def point(bench, size, units, task, **more):
    """The cost of a task for each of its units, which may be a function of its result."""
    count = units if callable(units) else lambda _: units
    begin = time.monotonic()
    result, cost = bench.measured(count, task)
    more["turn_us"] = max(bench.turns.between(begin, time.monotonic()), default=0)
    if isinstance(result, dict):
        more.update({name: value for name, value in result.items() if name.endswith("_us")})
    return Point(size, cost["cpu_us"], per_s=cost["per_s"], rss_mb=sample.rss_megabytes(bench.pid), **more)


def requests_of(result):
    return result["requests"]


def load_lines(bench, verb, count, lines=BATCH, **options):
    """`count` lines, of one key each, in requests of so many; those of the last one may be fewer."""
    def load(lines, count, **options):
        bench.programs.load(bench.gateway.port, verb=verb, connections=4, lines=lines, count=count, **options)
    if count >= lines:
        load(lines, count // lines, **options)
    if count % lines:
        options["first"] = options.get("first", 0) + count - count % lines
        load(count % lines, 1, **options)


def send_batches(bench, count, wait=True, **options):
    """`count` messages in batches, one of each key, until all are applied."""
    before = bench.applied()
    load_lines(bench, "batch", count, **{"keys": count, **options})
    if wait:
        bench.wait_applied(before + count)


def scrape(bench, size, path="/metrics", units=1, times=30):
    def task():
        for _ in range(times):
            answer = bench.gateway.admin.request("GET", path, timeout_s=120)
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer}")
    return point(bench, size, times * units, task)


def pages(client, path, noun, pages_max=1000):
    """Walks through a listing. Returns the number of rows."""
    count, after = 0, None
    for _ in range(pages_max):
        page = client.request("GET", f"{path}?limit=1000" + (f"&after={quote(after, safe='')}" if after else ""), timeout_s=120).json()
        count += len(page[noun])
        after = page.get("next")
        if not after:
            break
    return count


def stream_lines(port, path):
    """Reads an answer of any size. Returns the number of its lines."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("GET", path)
    response, count = connection.getresponse(), 0
    while block := response.read(1 << 20):
        count += block.count(b"\n")
    connection.close()
    return count


def watched(bench, size, units, task):
    """The same beside reads at a fixed rate: does the gateway stand still meanwhile?"""
    others = {"keys": 100, "address": "bench/counter/b%"}
    bench.programs.load(bench.gateway.port, verb="call", count=100, **others)
    beside = work.Beside(bench, verb="read", rate=RATE, connections=256, **others)
    found = point(bench, size, units, task)
    time.sleep(0.1)
    latencies = beside.end()
    found.more.update({name: latencies[name] for name in ("p50_us", "p99_us", "max_us")})
    return found


# ---- Keys, and what goes through all of them ----

def keys(lab):
    """Most of them come by import, without a call of the function; the last tenth by messages."""
    have = 0
    with lab.bench(arguments=["--memory", "16GiB"]) as bench:
        for size in lab.sizes(1000, 10_000, 100_000, 1_000_000, 10_000_000):
            lab.tell(f"keys {size:,}")
            new = min(size // 10, 100_000)
            imported = size - new - have
            yield "keys.import", watched(bench, size, imported, lambda: load_lines(bench, "import", imported, first=have, keys=size))
            yield "keys.fill", watched(bench, size, new, lambda: send_batches(bench, new, first=size - new, keys=size))
            have = size
            yield "keys.call", point(bench, size, requests_of,
                                     lambda: bench.programs.load(bench.gateway.port, keys=size, seconds=lab.seconds))
            yield "keys.read", point(bench, size, requests_of, lambda: bench.programs.load(
                bench.gateway.port, verb="read", rate=10_000, keys=size, seconds=lab.seconds))
            yield "keys.scrape", scrape(bench, size)
            yield "keys.list", watched(bench, size, int, lambda: pages(bench.gateway.client, f"/v1/keys/{work.FUNCTION}", "keys"))
            yield "keys.export", watched(bench, size, int, lambda: stream_lines(bench.gateway.port, "/v1/export"))
            yield "keys.snapshot", watched(bench, size, size, bench.snapshot)
            yield "keys.recovery", recovery(bench, size, size)


def recovery(bench, size, units):
    """SIGKILL, start. The cost is that of the whole process until its first call is answered."""
    bench.gateway.kill()
    first_ms = bench.start()
    took_ms = bench.recovered_ms()
    return Point(size, sample.Usage(bench.pid).since(sample.Usage(0))["cpu_us"] / units, per_s=units / max(took_ms, 1) * 1000,
                 rss_mb=sample.rss_megabytes(bench.pid), first_ms=first_ms)


def replay(lab):
    """No snapshot: all comes from the journal."""
    for size in lab.sizes(1000, 10_000, 100_000, 1_000_000):
        lab.tell(f"replay {size:,}")
        with lab.bench(arguments=work.NO_SNAPSHOT) as bench:
            send_batches(bench, size, keys=10_000)
            records = bench.gateway.metric("holdfast_journal_records_total")
            yield "replay.records", recovery(bench, size, records)
    for size in lab.sizes(100, 1000, 10_000, 100_000):
        lab.tell(f"replay of values of {size:,} B")
        with lab.bench(arguments=work.NO_SNAPSHOT) as bench:
            count = min(100_000, (20_000_000 if lab.quick else 500_000_000) // size)
            bench.programs.load(bench.gateway.port, verb="send", size=size, count=count)
            bench.wait_applied(count)
            yield "replay.bytes", recovery(bench, size, bench.gateway.metric("holdfast_journal_written_bytes_total") / 1024)


# ---- Values ----

@contextlib.contextmanager
def fixed(lab, answer=b"", more=(), **fields):
    function = work.FixedFunction(answer)
    try:
        with lab.bench(more=[function.endpoint(**fields), *more]) as bench:
            yield bench, function
    finally:
        function.close()


def work_of(count, size):
    """A value's work: each KiB of it, and one more for the message that it comes in."""
    return count * (size / 1024 + 1)


def values(lab):
    address = "fixed/blob/k%"
    with fixed(lab, wire.Response().encode()) as (bench, _):
        bench.programs.load(bench.gateway.port, verb="send", count=1, address=address)
        bench.wait_applied(2)  # with the first call of the start: the state is known now
        for size in lab.sizes(10, 100, 1000, 10_000, 100_000, 1 << 20):
            lab.tell(f"values {size:,}")
            count = min(20_000, max(200, (1 << 28) // size)) // (20 if lab.quick else 1)

            def load(count=count, **options):
                result = bench.programs.load(bench.gateway.port, connections=8, keys=100, count=count, **options)
                bench.wait_applied(bench.gateway.metric("holdfast_messages_accepted_total"))
                return result
            units = work_of(count, size)
            yield "values.send", point(bench, size, units, lambda load=load, size=size: load(verb="send", size=size))
            yield "values.write", point(bench, size, units, lambda load=load, size=size: load(verb="write", size=size, address=address, state="blob"))
            yield "values.read", point(bench, size, units, lambda load=load: load(verb="read", address=address, state="blob"))
            few = max(count // 20, 100)
            yield "values.state", point(bench, size, work_of(few, size), lambda load=load, few=few: load(verb="send", address=address, count=few))


# ---- Connections, batches, cores ----

def connections(lab):
    with lab.bench() as bench:
        bench.load(connections=64, seconds=0.5)
        for size in lab.sizes(1, 8, 64, 512, 4096):
            lab.tell(f"connections {size:,}")
            for verb in ("call", "send"):
                yield f"connections.{verb}", point(bench, size, requests_of, lambda verb=verb, size=size: bench.programs.load(
                    bench.gateway.port, verb=verb, connections=size, seconds=lab.seconds))
                bench.wait_applied(bench.gateway.metric("holdfast_messages_accepted_total"))


def batch(lab):
    count = 20_000 if lab.quick else 200_000
    with lab.bench() as bench:
        send_batches(bench, count, keys=10_000)
        for size in lab.sizes(1, 10, 100, 1000, 10_000, 100_000):
            lab.tell(f"batch {size:,}")
            total = min(count, size * 20_000)
            yield "batch.lines", point(bench, size, total, lambda size=size, total=total: send_batches(bench, total, lines=size, keys=10_000))


def cores(lab):
    count = 20_000 if lab.quick else 200_000
    for size in lab.sizes(1, 2, 4):
        lab.tell(f"shards {size}")
        with lab.bench(arguments=["--shards", size]) as bench:
            bench.load(connections=64, seconds=0.5)
            yield "shards.call", point(bench, size, requests_of, lambda bench=bench: bench.programs.load(bench.gateway.port, seconds=lab.seconds))
            yield "shards.batch", point(bench, size, count, lambda bench=bench: send_batches(bench, count, keys=10_000))
    for size in lab.sizes(1, 2, 4):
        lab.tell(f"workers {size}")
        with lab.bench(arguments=["--workers", size]) as bench:
            bench.load(connections=64, seconds=0.5)
            yield "workers.call", point(bench, size, requests_of, lambda bench=bench: bench.programs.load(bench.gateway.port, seconds=lab.seconds))


# ---- Messages that wait ----

def hot(lab):
    for size in lab.sizes(1000, 10_000, 100_000, 1_000_000):
        lab.tell(f"one mailbox {size:,}")
        with lab.bench() as bench:
            before = bench.applied()
            bench.function.send_signal(signal.SIGSTOP)
            yield "hot.fill", point(bench, size, size, lambda bench=bench, size=size: send_batches(bench, size, keys=1, wait=False))
            yield "hot.drain", point(bench, size, size, lambda bench=bench, size=size, before=before: go_on(bench, before + size))


def go_on(bench, wanted):
    bench.function.send_signal(signal.SIGCONT)
    bench.wait_applied(wanted)


def waiting(lab):
    for size in lab.sizes(1000, 10_000, 100_000, 1_000_000):
        lab.tell(f"waiting {size:,}")
        with lab.bench() as bench:
            before = bench.applied()
            bench.function.send_signal(signal.SIGSTOP)
            yield "waiting.fill", point(bench, size, size, lambda bench=bench, size=size: send_batches(bench, size, wait=False))
            yield "waiting.scrape", scrape(bench, size)
            yield "waiting.functions", scrape(bench, size, "/v1/functions")
            yield "waiting.drain", point(bench, size, size, lambda bench=bench, size=size, before=before: go_on(bench, before + size))


def down(lab):
    for size in lab.sizes(1000, 10_000, 100_000, 1_000_000):
        lab.tell(f"down {size:,}")
        with lab.bench() as bench:
            before = bench.applied()
            processes.end(bench.function)
            yield "down.fill", point(bench, size, size, lambda bench=bench, size=size: send_batches(bench, size, wait=False))
            seconds = 2 if lab.quick else 5
            yield "down.rest", point(bench, size, seconds, lambda seconds=seconds: time.sleep(seconds))
            yield "down.drain", point(bench, size, size, lambda bench=bench, size=size, before=before: come_back(bench, before + size))


def come_back(bench, wanted):
    bench.function, _ = bench.programs.serve("function", bench.folder / "function.log", bench.function_port)
    bench.wait_applied(wanted)


def parked(lab):
    for size in lab.sizes(300, 3000, 30_000):
        lab.tell(f"parked {size:,}")
        with fixed(lab, wire.Response().encode(), retry="{attempts: 1}") as (bench, function):
            before = bench.applied()
            function.failing = True
            send_batches(bench, size, lines=100, address="fixed/blob/k%", wait=False)
            processes.wait_until(lambda bench=bench, size=size: bench.gateway.metric("holdfast_parked_addresses") >= size, 600, "all are parked", 0.2)
            yield "parked.list", point(bench, size, int, lambda bench=bench: pages(bench.gateway.admin, "/v1/parked", "parked"))
            yield "parked.scrape", scrape(bench, size)
            function.failing = False
            yield "parked.retry", point(bench, size, size, lambda bench=bench, size=size, before=before: retry_all(bench, before + size))


def retry_all(bench, wanted):
    answer = bench.gateway.admin.request("POST", "/v1/parked/retry", timeout_s=300)
    if answer.status != 200:
        raise RuntimeError(f"retry: {answer}")
    bench.wait_applied(wanted)


# ---- Functions ----

def types(lab):
    for size in lab.sizes(10, 100, 1000, 10_000):
        lab.tell(f"types {size:,}")
        with lab.bench() as bench:
            over_all = {"address": "bench/t%/k%", "groups": size}
            send_batches(bench, ADDRESSES, **over_all)  # the first message of each type registers its states
            yield "types.send", point(bench, size, ADDRESSES, lambda bench=bench, over_all=over_all: send_batches(bench, ADDRESSES, **over_all))
            yield "types.scrape", scrape(bench, size)
            yield "types.functions", scrape(bench, size, "/v1/functions", units=size)


def endpoints(lab):
    for size in lab.sizes(1, 10, 100, 1000):
        lab.tell(f"endpoints {size:,}")
        more = [gateways.endpoint(f"e{i}/*", "http://127.0.0.1:PORT/statefun") for i in range(size)]
        with lab.bench() as bench:
            bench.gateway.kill()
            module = bench.gateway.module.read_text()
            bench.gateway.module.write_text(gateways.module(module, *more).replace("PORT", str(bench.function_port)))
            ms = bench.start()
            used_us = sample.Usage(bench.pid).since(sample.Usage(0))["cpu_us"]
            yield "endpoints.start", Point(size, used_us / size, per_s=size / ms * 1000, rss_mb=sample.rss_megabytes(bench.pid))
            over_all = {"address": "e%/counter/k%", "groups": size}
            send_batches(bench, ADDRESSES, **over_all)
            yield "endpoints.send", point(bench, size, ADDRESSES, lambda bench=bench, over_all=over_all: send_batches(bench, ADDRESSES, **over_all))
            yield "endpoints.scrape", scrape(bench, size, units=size)


# ---- Time, keys that are remembered, egress ----

def delayed(lab):
    for size in lab.sizes(1000, 10_000, 100_000, 1_000_000):
        lab.tell(f"delayed {size:,}")
        with lab.bench() as bench:
            before, delay_s = bench.applied(), 3 + size // 25_000
            due = time.monotonic() + delay_s
            yield "delayed.accept", point(bench, size, size, lambda bench=bench, size=size, delay_s=delay_s: send_batches(
                bench, size, keys=10_000, wait=False, delay=f"{delay_s}s"))
            time.sleep(max(due - time.monotonic() - 0.2, 0))
            fired = bench.applied() - before
            found = watched(bench, size, size - fired, lambda bench=bench, size=size, before=before: bench.wait_applied(before + size))
            found.more["already_fired"] = fired
            yield "delayed.fire", found


def keyed(lab):
    for size in lab.sizes(1000, 10_000, 100_000, 1_000_000):
        lab.tell(f"idempotency keys {size:,}")
        with lab.bench(arguments=["--memory", "16GiB"]) as bench:
            yield "keyed.send", point(bench, size, size, lambda bench=bench, size=size: send_batches(bench, size, keyed=True))
            if bench.gateway.metric("holdfast_idempotency_keys") < size:
                raise RuntimeError("the gateway does not remember all keys")


def egress(lab):
    answer = wire.Response()
    for _ in range(EGRESS_EACH):
        answer.egress(EGRESS, wire.string("0123456789"))
    for size in lab.sizes(1000, 10_000, 100_000, 1_000_000):
        lab.tell(f"egress {size:,}")
        with fixed(lab, answer.encode(), more=[gateways.pull_egress(EGRESS)]) as (bench, _):
            messages = size // EGRESS_EACH
            yield "egress.write", point(bench, size, size, lambda bench=bench, messages=messages: send_batches(
                bench, messages, lines=10, address="fixed/blob/k%"))
            yield "egress.pull", point(bench, size, size, lambda bench=bench, size=size: pull_all(bench, size))


def pull_all(bench, wanted):
    client, path, count = gateways.Client(bench.gateway.port, keep=True), f"/v1/egress/{EGRESS}", 0
    while count < wanted:
        page = client.request("GET", f"{path}?max=1000&wait=1s").json()
        count += len(page["records"])
        client.request("POST", f"{path}/ack", json.dumps({"cursor": page["next"]}), {"content-type": "application/json"})
    client.close()
    return count


DIMENSIONS = {"keys": keys, "replay": replay, "values": values, "connections": connections, "batch": batch, "cores": cores, "hot": hot,
              "waiting": waiting, "down": down, "parked": parked, "types": types, "endpoints": endpoints, "delayed": delayed,
              "keyed": keyed, "egress": egress}
