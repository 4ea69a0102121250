"""Parked addresses: list, show, retry, skip, singly and in bulk, over HTTP and on the command line."""
import json

from gateway import cli
from scripts import COUNT, LOG, PARK_SOON, Parked, counted, stored
from story import story


def park(t, ids, mood):
    def handler(call):
        if call.target.id.startswith("bad") and mood["bad"]:
            if not call.needs(COUNT, LOG):
                call.answer(b"out of order", status="500 Internal Server Error", content_type="text/plain")
        else:
            counted(call)

    _server, gateway = t.scripted(handler, **PARK_SOON)
    parked = Parked(gateway)
    for id in ids:
        t.status(gateway.client.send(f"e2e/f/{id}", '{"secret": 1}'), 202)
    t.wait(lambda: gateway.client.call("e2e/f/well", "1").status == 200 and parked.ids() == sorted(ids),
           "all park", 60, 0.3)
    return gateway, parked


@story("list, show, retry and skip one")
def single(t):
    mood = {"bad": True}
    gateway, parked = park(t, ["bad1", "bad2"], mood)
    shown = t.status(gateway.admin.request("GET", "/v1/parked/e2e/f/bad1"), 200)
    t.check("500" in shown.body.decode() and "out of order" in shown.body.decode(), f"{shown}")
    t.check(parked.verb("retry", "e2e/f/bad1").status < 300, "retry")
    t.wait(lambda: gateway.client.call("e2e/f/well", "1").status == 200 and parked.ids() == ["bad1", "bad2"],
           "it parks again while the function is bad", 60, 0.3)
    t.check(parked.verb("skip", "e2e/f/bad1").status < 300, "skip")
    t.wait(lambda: parked.ids() == ["bad2"], "skipped")
    mood["bad"] = False
    t.check(parked.verb("retry", "e2e/f/bad2").status < 300, "retry")
    t.wait(lambda: stored(gateway, "e2e/f/bad2") == 1, "it takes effect")
    t.equal(stored(gateway, "e2e/f/bad1"), None, "a skipped message has no effect")
    t.status(gateway.client.call("e2e/f/bad1", "2"), 200, "the address goes on")
    t.problem(parked.verb("retry", "e2e/f/well"), 404)
    t.check(gateway.admin.request("POST", "/v1/parked/e2e/f/bad1/explode").status in (400, 404, 405), "an unknown verb")
    gateway.restart()
    t.equal(parked.ids(), [], "durable")
    t.equal(stored(gateway, "e2e/f/bad1"), 1)


@story("in bulk, on the command line")
def bulk(t):
    mood = {"bad": True}
    ids = [f"bad{number}" for number in range(12)]
    gateway, parked = park(t, ids, mood)
    where = ["--admin", f"127.0.0.1:{gateway.admin_port}"]
    listed = cli("parked", "list", *where)
    t.equal(listed.returncode, 0, listed.stderr)
    for id in ids:
        t.check(id in listed.stdout, f"{id} in {listed.stdout}")
    as_json = cli("parked", "list", "--output", "json", *where)
    t.equal(as_json.returncode, 0, as_json.stderr)
    t.check(json.loads(as_json.stdout.splitlines()[0]) is not None, "JSON")
    shown = cli("parked", "show", "e2e/f/bad3", *where)
    t.equal(shown.returncode, 0, shown.stderr)
    t.check("500" in shown.stdout, shown.stdout)
    mood["bad"] = False
    retried = cli("parked", "retry", "e2e/f", *where)
    t.equal(retried.returncode, 0, retried.stderr)
    t.wait(lambda: all(stored(gateway, f"e2e/f/{id}") == 1 for id in ids), "all take effect", 30, 0.2)
    t.equal(parked.ids(), [])


@story("a call whose message parks is told so at once, and so is a later one that waits behind it")
def call_to_parked(t):
    def handler(call):
        if call.target.id == "bad":
            if not call.needs(COUNT, LOG):
                call.answer(b"out of order", status="500 Internal Server Error", content_type="text/plain")
        else:
            counted(call)

    _server, gateway = t.scripted(handler, **PARK_SOON)
    t.status(gateway.client.call("e2e/f/well", "1"), 200)
    t.problem(gateway.client.call("e2e/f/bad", "1", timeout="20s"), 500, "park", "500", "out of order")
    behind = t.problem(gateway.client.call("e2e/f/bad", "2", timeout="20s"), 500, "park", "out of order")
    t.check(behind.get("message"), f"names the message: {behind}")


@story("send, call, state and egress on the command line")
def commands(t):
    _server, gateway = t.scripted(counted)
    where = ["--address", f"127.0.0.1:{gateway.port}"]
    sent = cli("send", "e2e/f/cli", '{"n": 1}', "--type", "e2e/Json", *where)
    t.equal(sent.returncode, 0, sent.stderr)
    called = cli("call", "e2e/f/cli", '{"n": 2}', "--type", "e2e/Json", *where)
    t.equal(called.returncode, 0, called.stderr)
    t.equal(json.loads(called.stdout)["count"], 2)
    got = cli("state", "get", "e2e/f/cli", *where)
    t.equal(got.returncode, 0, got.stderr)
    t.check("count" in got.stdout, got.stdout)
    wrong = cli("call", "nobody/here/x", "1", *where)
    t.equal(wrong.returncode, 1, wrong.stdout + wrong.stderr)
    t.check("nobody/here" in wrong.stderr, wrong.stderr)
    unreachable = cli("send", "e2e/f/x", "1", "--address", "127.0.0.1:1")
    t.equal(unreachable.returncode, 4, unreachable.stderr)
    usage = cli("send")
    t.equal(usage.returncode, 2, usage.stderr)
