"""Budgets: when it is full it refuses or waits, it never drops and never grows without end; then it goes on by itself."""
import time

import processes
import wire
from client import pull_all, record_json
from gateway import endpoint, pull_egress
from scripts import COUNT, LOG, Parked, counted, stored
from story import story

OUT = "e2e.out/out"
MEMORY = ["--memory", "24MiB"]


@story("mailboxes are full: refused with 429 and Retry-After, nothing accepted is lost", timeout_s=180)
def full_mailboxes(t):
    server = t.functions(counted)
    gateway = t.gateway(endpoint("e2e/*", server.url), arguments=MEMORY)
    t.status(gateway.client.call("e2e/f/warm", "1"), 200)
    server.down()
    accepted, refused = [], None
    for number in range(1000):
        answer = gateway.client.send(f"e2e/f/k{number}", {"n": number, "padding": "x" * 50_000})
        if answer.status != 202:
            refused = answer
            break
        accepted.append(number)
    t.check(refused is not None, "it refuses at last")
    t.problem(refused, 429)
    t.check(refused.headers.get("Retry-After"), "Retry-After")
    t.check(len(accepted) > 50, f"only {len(accepted)} messages of 50 KB fit into 24 MiB")
    rss = processes.rss_bytes(gateway.process.pid)
    t.check(rss < 100e6 or "asan" in str(gateway.command()[0]), f"{rss / 1e6:.0f} MB resident with a budget of 24 MiB")
    t.check(gateway.client.state("e2e/f/warm", "count").status == 200, "reads go on")
    gateway.restart()
    server.up()
    t.wait(lambda: all(stored(gateway, f"e2e/f/k{n}") == 1 for n in accepted), "all accepted take effect", 60, 0.5)
    t.equal(Parked(gateway).ids(), [])


def emitting(call):
    """Every message becomes a record of 20 KB in the egress; counts, and does not keep the payload."""
    if call.needs(COUNT, LOG):
        return
    count = call.request.state["count"].int() if call.request.state["count"] else 0
    response = wire.Response()
    for message in call.request.messages:
        count += 1
        response.egress(OUT, wire.as_json({"id": call.target.id, "n": count, "padding": "x" * 20_000}))
    call.result(response.set("count", wire.int32(count)))


@story("nobody takes the egress: functions wait, then everything comes, once and in order", timeout_s=180)
def full_egress(t):
    server = t.functions(emitting)
    gateway = t.gateway(endpoint("e2e/*", server.url) + "---\n" + pull_egress(OUT), arguments=MEMORY)
    ids, sent = [f"k{n}" for n in range(10)], 0
    for _round in range(60):
        answers = [gateway.client.send(f"e2e/f/{id}", "1").status for id in ids]
        if 202 not in answers:
            break
        t.check(set(answers) <= {202, 429}, f"{answers}")
        sent += answers.count(202)
    time.sleep(2)
    waiting = sum(function["messages"] for function in gateway.admin.request("GET", "/v1/functions").json()["functions"])
    t.check(waiting > 0, "some messages wait for room")
    t.equal(Parked(gateway).ids(), [], "which parks nobody")
    records, deadline = [], time.monotonic() + 90
    while len(records) < sent and time.monotonic() < deadline:
        records += pull_all(gateway.client, OUT, 0.3, 50)
    seen = {id: [] for id in ids}
    for record in records:
        value = record_json(record)
        seen[value["id"]].append(value["n"])
    t.equal(sum(map(len, seen.values())), sent, "every message became one record")
    for id, numbers in seen.items():
        t.equal(numbers, list(range(1, len(numbers) + 1)), f"{id} in order")
    t.status(gateway.client.send("e2e/f/k0", "1"), 202, "accepts again")


@story("more than one answer may hold: 1000 sends, 1000 timers, 1000 records in one response")
def large_response(t):
    def handler(call):
        if call.target.id != "hub":
            return counted(call)
        if call.needs(COUNT, LOG):
            return None
        response = wire.Response()
        for number in range(1000):
            target = wire.address("e2e/f", f"leaf{number % 100}")
            response.send(target, wire.as_json(number)).send_after(500 + number, target, wire.as_json(-number), f"t{number}")
            response.egress(OUT, wire.as_json({"n": number}))
        for number in range(0, 1000, 2):
            response.cancel(f"t{number}")
        return call.result(response)

    server = t.functions(handler)
    gateway = t.gateway(endpoint("e2e/*", server.url) + "---\n" + pull_egress(OUT))
    t.status(gateway.client.send("e2e/f/hub", "1"), 202)
    wanted = {leaf: 10 + (0 if leaf % 2 == 0 else 10) for leaf in range(100)}
    t.wait(lambda: all(stored(gateway, f"e2e/f/leaf{leaf}") == count for leaf, count in wanted.items()),
           "ten messages for each leaf, ten timers for each odd one", 20, 0.3)
    records = pull_all(gateway.client, OUT)
    t.equal([record_json(record)["n"] for record in records], list(range(1000)))
    time.sleep(1)
    t.check(all(stored(gateway, f"e2e/f/leaf{leaf}") == count for leaf, count in wanted.items()), "and no cancelled one")


@story("state over its limit parks the address with a clear cause")
def state_limit(t):
    def handler(call):
        if call.needs(COUNT, LOG):
            return
        if call.target.id == "big":
            call.result(wire.Response().set("log", wire.as_json("x" * 100_000)))
        else:
            counted(call)

    _server, gateway = t.scripted(handler, stateMaxBytes="50KB", retry="{attempts: 3}")
    t.status(gateway.client.send("e2e/f/big", "1"), 202)
    parked = Parked(gateway)
    t.wait(lambda: gateway.client.call("e2e/f/ok", "1").status == 200 and parked.ids() == ["big"], "it parks", 30, 0.2)
    cause = parked.row("big")["cause"].lower()
    t.check("state" in cause and ("limit" in cause or "50" in cause or "large" in cause or "bytes" in cause), cause)
