"""State from outside: read, write with If-Match, delete, list keys, export and import."""
import threading
import time

import wire
from client import all_keys
from scripts import COUNT, LOG, counted, stored
from story import story

STRING = "io.statefun.types/string"


def integer(number):
    return wire.int32(number).bytes


@story("read one value with its type and version, and all values")
def read(t):
    _server, gateway = t.scripted(counted)
    t.status(gateway.client.call("e2e/f/a", '{"n": 1}'), 200)
    one = t.status(gateway.client.state("e2e/f/a", "log"), 200)
    t.equal(one.json(), [{"n": 1}])
    t.equal(one.headers.get("Holdfast-Type"), "e2e/Json")
    t.check(one.headers.get("ETag"), "an ETag")
    everything = t.status(gateway.client.state("e2e/f/a"), 200).json()
    t.check("count" in str(everything) and "log" in str(everything), f"{everything}")
    t.problem(gateway.client.state("e2e/f/a", "nothing"), 404)
    t.check(gateway.client.state("e2e/f/never").status in (200, 404), "an address without state")
    t.problem(gateway.client.state("no/body/a"), 404)


@story("a write is what the function reads; If-Match guards it")
def write(t):
    _server, gateway = t.scripted(counted)
    client = gateway.client
    t.status(client.call("e2e/f/a", "1"), 200)
    tag = client.state("e2e/f/a", "count").headers["ETag"]
    written = client.put_state("e2e/f/a", "count", integer(41), type=wire.INT, if_match=tag)
    t.check(written.status in (200, 204), f"{written}")
    t.equal(client.call("e2e/f/a", "2").json()["count"], 42, "the function continues from there")
    t.problem(client.put_state("e2e/f/a", "count", integer(0), type=wire.INT, if_match=tag), 412)
    t.equal(stored(gateway, "e2e/f/a"), 42, "a refused write changes nothing")
    t.problem(client.delete_state("e2e/f/a", "count", if_match=tag), 412)
    t.check(client.put_state("e2e/f/a", "count", integer(7), type=wire.INT).status in (200, 204), "without If-Match")
    gateway.restart()
    t.equal(stored(gateway, "e2e/f/a"), 7, "durable")
    t.check(gateway.client.delete_state("e2e/f/a", "count").status in (200, 204), "delete")
    t.equal(stored(gateway, "e2e/f/a"), None)
    t.equal(gateway.client.call("e2e/f/a", "3").json()["count"], 1, "starts anew")


@story("a write with another type than the function's is refused")
def wrong_type(t):
    _server, gateway = t.scripted(counted)
    t.status(gateway.client.call("e2e/f/a", "1"), 200)
    answer = gateway.client.put_state("e2e/f/a", "count", b"x", type=STRING)
    t.check(400 <= answer.status < 500, f"{answer}")
    t.equal(stored(gateway, "e2e/f/a"), 1)
    answer = gateway.client.put_state("e2e/f/a", "never_declared", b"x", type=STRING)
    t.check(answer.status < 500, f"{answer}")


@story("a write waits for the call that is out, and its order is kept")
def in_order(t):
    hold = threading.Event()

    def handler(call):
        if call.needs(COUNT, LOG):
            return
        if any(message.argument.json() == "hold" for message in call.request.messages):
            hold.wait(20)
        counted(call)

    _server, gateway = t.scripted(handler)
    t.status(gateway.client.call("e2e/f/a", "1"), 200)
    t.status(gateway.client.send("e2e/f/a", b'"hold"'), 202)
    from story import quickly
    writer = quickly(lambda: gateway.client.put_state("e2e/f/a", "count", integer(100), type=wire.INT))
    time.sleep(0.5)
    t.status(gateway.client.send("e2e/f/a", "3"), 202)
    hold.set()
    writer.join(20)
    t.check(writer.value.status in (200, 204), f"{writer.value}")
    t.wait(lambda: stored(gateway, "e2e/f/a") == 101, "held message, then the write, then one more message")


@story("keys in a stable order, paged")
def keys(t):
    _server, gateway = t.scripted(counted)
    wanted = {f"key/{number:03} ü" for number in range(25)}
    for id in wanted:
        t.status(gateway.client.send(f"e2e/f/{id}", "1"), 202)
    t.status(gateway.client.call("e2e/g/other", "1"), 200)
    t.wait(lambda: all(stored(gateway, f"e2e/f/{id}") == 1 for id in wanted), "all have state")

    first = all_keys(gateway.client, "e2e/f", 7)
    t.equal(sorted(first), sorted(wanted), "each once")
    t.equal(all_keys(gateway.client, "e2e/f", 7), first, "stable")
    t.equal(all_keys(gateway.client, "e2e/f", 1000), first, "whatever the page size")
    gateway.restart()
    t.equal(all_keys(gateway.client, "e2e/f", 7), first, "also after SIGKILL")
    t.equal(all_keys(gateway.client, "no/body"), [])
    for query in ("limit=0", "limit=x", "limit=-1"):
        t.problem(gateway.client.request("GET", f"/v1/keys/e2e/f?{query}"), 400, "limit")


@story("export from one gateway, import into another")
def export_import(t):
    _server, gateway = t.scripted(counted)
    for number in range(30):
        t.status(gateway.client.call(f"e2e/f/k{number}", str(number)), 200)
    exported = t.status(gateway.client.request("GET", "/v1/export"), 200)
    lines = exported.lines()
    t.check(len(lines) >= 30, f"{len(lines)} lines")
    _server2, second = t.scripted(counted)
    imported = second.client.request("POST", "/v1/import", exported.body, {"Content-Type": "application/x-ndjson"})
    t.check(imported.status < 300, f"{imported}")
    for number in range(30):
        t.equal(stored(second, f"e2e/f/k{number}"), 1, f"k{number}")
        t.equal(stored(second, f"e2e/f/k{number}", "log"), [number])
    t.equal(second.client.call("e2e/f/k3", "99").json(), {"count": 2, "log": [3, 99]}, "functions continue from there")
    second.restart()
    t.equal(stored(second, "e2e/f/k4"), 1, "durable")
    bad = second.client.request("POST", "/v1/import", b'{"nonsense": true}\n', {"Content-Type": "application/x-ndjson"})
    t.check(bad.status >= 400 or "error" in bad.body.decode() or "400" in bad.body.decode(), f"{bad}")


@story("a read never shows what a SIGKILL could undo", timeout_s=180)
def reads_are_durable(t):
    """I14: each value read is at most the value found after the crash."""
    _server, gateway = t.scripted(counted)
    for round in range(5):
        stop = threading.Event()
        from client import Client, NO_ANSWER

        def load(port=gateway.port, stop=stop):
            client = Client(port, keep=True)
            while not stop.is_set():
                try:
                    client.send("e2e/f/a", "null")
                except NO_ANSWER:
                    return

        def watch(port=gateway.port, stop=stop):
            client, seen = Client(port, keep=True), 0
            while not stop.is_set():
                try:
                    answer = client.state("e2e/f/a", "count")
                except NO_ANSWER:
                    return seen
                if answer.status == 200:
                    seen = wire.Value(wire.INT, answer.body).int()
            return seen

        from story import quickly
        threads = [quickly(load) for _ in range(3)]
        watcher = quickly(watch)
        time.sleep(0.7)
        gateway.kill()
        stop.set()
        watcher.join(10)
        for thread in threads:
            thread.join(10)
        gateway.start()
        found = stored(gateway, "e2e/f/a") or 0
        t.check(found >= watcher.value, f"round {round}: read {watcher.value}, found {found} after the crash")
