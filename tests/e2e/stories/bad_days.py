"""A function that is slow, dies, resets or is away: endpoint failures park nobody, a poison message parks only its key."""
import threading
import time

import wire
from gateway import endpoint
from scripts import COUNT, LOG, PARK_SOON, Parked, counted, stored
from story import story


def all_counted(gateway, ids, wanted=1):
    return all(stored(gateway, f"e2e/f/{id}") == wanted for id in ids)


def outage(t, seconds):
    server, gateway = t.scripted(counted)
    t.status(gateway.client.call("e2e/f/before", {"n": 0}), 200)
    server.down()
    ids = [f"k{number}" for number in range(50)]
    for id in ids:
        t.status(gateway.client.send(f"e2e/f/{id}", {"n": 1}), 202, "accepted while the function is away")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        t.equal(Parked(gateway).ids(), [], "an outage parks nobody")
        time.sleep(min(2, seconds / 5))
    server.up()
    began = time.monotonic()
    t.wait(lambda: all_counted(gateway, ids), "all work goes on by itself", 40, 0.3)
    t.check(time.monotonic() - began < 30, "soon after the function is back")
    t.equal(Parked(gateway).ids(), [])
    time.sleep(0.5)
    t.check(all_counted(gateway, ids), "each exactly once")


@story("the function is down for 15 seconds: nothing parks, all goes on by itself")
def down(t):
    outage(t, 15)


@story("the function is down for three minutes", slow=True, timeout_s=400)
def down_for_long(t):
    outage(t, 180)


@story("the gateway restarts while the function is down")
def down_and_restarted(t):
    server, gateway = t.scripted(counted)
    server.down()
    ids = [f"k{number}" for number in range(20)]
    for id in ids:
        t.status(gateway.client.send(f"e2e/f/{id}", {"n": 1}), 202)
    time.sleep(2)
    gateway.restart()
    time.sleep(2)
    t.equal(Parked(gateway).ids(), [])
    server.up()
    t.wait(lambda: all_counted(gateway, ids), "all work goes on", 40, 0.3)


def proxy_failure(status):
    @story(f"a proxy answers {status} for a while: nothing parks")
    def proxy(t):
        mood = {"bad": True}

        def handler(call):
            if mood["bad"]:
                call.answer(b"upstream is away", status=status, content_type="text/plain")
            else:
                counted(call)

        _server, gateway = t.scripted(handler, **PARK_SOON)
        ids = [f"k{number}" for number in range(10)]
        for id in ids:
            t.status(gateway.client.send(f"e2e/f/{id}", {"n": 1}), 202)
        for _ in range(6):
            time.sleep(1)
            t.equal(Parked(gateway).ids(), [])
        mood["bad"] = False
        t.wait(lambda: all_counted(gateway, ids), "all goes on by itself", 40, 0.3)
        t.equal(Parked(gateway).ids(), [])


for each in ("404 Not Found", "429 Too Many Requests", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"):
    proxy_failure(each)


@story("Retry-After is honoured")
def retry_after(t):
    times = []

    def handler(call):
        times.append(time.monotonic())
        if len(times) == 1:
            call.answer(b"", status="503 Service Unavailable", headers=["Retry-After: 3"])
        else:
            counted(call)

    _server, gateway = t.scripted(handler)
    t.status(gateway.client.send("e2e/f/a", {"n": 1}), 202)
    t.wait(lambda: stored(gateway, "e2e/f/a") == 1, "the message takes effect", 20)
    t.check(times[1] - times[0] >= 2.8, f"waited {times[1] - times[0]:.2f} s")


@story("a slow function holds up only its own address")
def slow(t):
    def handler(call):
        if call.target.id == "slow":
            time.sleep(3)
        counted(call)

    server, gateway = t.scripted(handler)
    t.status(gateway.client.call("e2e/f/slow", {"n": 0}), 200)
    t.status(gateway.client.send("e2e/f/slow", {"n": 1}), 202)
    began = time.monotonic()
    for number in range(20):
        t.status(gateway.client.call(f"e2e/f/quick{number}", {"n": 1}), 200)
    t.check(time.monotonic() - began < 2.5, f"20 quick calls took {time.monotonic() - began:.2f} s")
    t.wait(lambda: stored(gateway, "e2e/f/slow") == 2, "the slow one ends", 20)
    t.check(len(server.calls_for("slow")) <= 4, "it was not called again meanwhile")


@story("a call that takes longer than the time-out is tried again, its late answer is dropped")
def time_out(t):
    taken = []

    def handler(call):
        if call.needs(COUNT, LOG):
            return
        if call.target.id == "late" and not taken:
            taken.append(call)
            time.sleep(3)
            call.result(wire.Response().set("count", wire.int32(1000)))
        else:
            counted(call)

    _server, gateway = t.scripted(handler, transport="{call: 1s}")
    t.status(gateway.client.call("e2e/f/other", {"n": 1}), 200)
    t.status(gateway.client.send("e2e/f/late", {"n": 1}), 202)
    t.wait(lambda: stored(gateway, "e2e/f/late") == 1, "the second attempt counts", 20)
    time.sleep(3)
    t.equal(stored(gateway, "e2e/f/late"), 1, "the late answer changes nothing")


def broken_connection(name, behaviour):
    @story(f"the connection breaks: {name}")
    def broken(t):
        """An effect counts once, whatever the gateway saw of the answer."""
        broke = set()

        def handler(call):
            if call.needs(COUNT, LOG):
                return
            if call.target.id.startswith("x") and call.target.id not in broke:
                broke.add(call.target.id)
                behaviour(call)
            counted(call)

        server, gateway = t.scripted(handler)
        ids = [f"x{number}" for number in range(5)]
        for id in ids:
            answer = gateway.client.call(f"e2e/f/{id}", {"n": 1}, timeout_s=60)
            t.status(answer, 200, id)
            t.equal(answer.json()["count"], 1, id)
        t.equal(Parked(gateway).ids(), [])
        t.check(len(server.calls) >= len(ids), "called")


def whole_answer(call):
    count = wire.int32(1)
    response = wire.Response().set("count", count).set("log", wire.as_json([{"n": 1}]))
    for message in call.request.messages:
        response.send(message.caller, wire.as_json({"count": 1, "log": [{"n": 1}]}))
    return response.encode()


def reset_after_success(call):
    call.answer(whole_answer(call))
    call.reset()


def close_after_success(call):
    call.answer(whole_answer(call))
    call.close()


def half_an_answer(call):
    body = whole_answer(call)
    call.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
             + body[:len(body) // 2])
    call.close()


def half_a_head(call):
    call.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/oct")
    call.close()


for each in (("reset after a complete answer", reset_after_success),
             ("closed after a complete answer", close_after_success),
             ("half an answer", half_an_answer), ("half a head", half_a_head),
             ("reset before an answer", lambda call: call.reset()),
             ("closed before an answer", lambda call: call.close())):
    broken_connection(*each)


@story("a server that closes idle connections costs nobody an attempt")
def stale(t):
    def handler(call):
        counted(call)
        # Closes after each answer without saying so, as a server does whose idle time is over.
        call.close()

    server, gateway = t.scripted(handler)
    for number in range(1, 11):
        answer = gateway.client.call("e2e/f/a", {"n": number})
        t.status(answer, 200)
        t.equal(answer.json()["count"], number)
        time.sleep(0.1)
    t.check(all(call.attempt <= 2 for call in server.calls), "no attempt was counted more than once")


@story("a poison message in a batch: those before it take effect, it parks, skip lets the rest go on", timeout_s=150)
def poison(t):
    hold = threading.Event()

    def handler(call):
        if call.needs(COUNT, LOG):
            return
        values = [message.argument.json() for message in call.request.messages]
        if values == ["hold"]:
            hold.wait(20)
        if 5 in values:
            call.answer(b"cannot bear a five", status="500 Internal Server Error", content_type="text/plain")
        else:
            counted(call)

    server, gateway = t.scripted(handler, **PARK_SOON)
    t.status(gateway.client.send("e2e/f/batch", b'"hold"'), 202)
    for number in range(10):
        t.status(gateway.client.send("e2e/f/batch", str(number)), 202)
    hold.set()
    good = 0
    parked = Parked(gateway)
    deadline = time.monotonic() + 90
    while not parked.ids():
        t.check(time.monotonic() < deadline, "the poison message is found")
        good += 1
        t.status(gateway.client.call("e2e/f/good", "1"), 200, "others go on")
        time.sleep(0.2)
    t.check(max(len(call.request.messages) for call in server.calls_for("batch")) > 1, "there was a batch")
    t.equal(parked.ids(), ["batch"])
    t.equal(stored(gateway, "e2e/f/batch", "log"), ["hold", 0, 1, 2, 3, 4], "those before the poison")
    t.status(gateway.client.send("e2e/f/batch", "10"), 202, "a parked address still accepts")
    t.check(parked.verb("skip", "e2e/f/batch").status < 300, "skip")
    t.wait(lambda: stored(gateway, "e2e/f/batch", "log") == ["hold", 0, 1, 2, 3, 4, 6, 7, 8, 9, 10],
           "the rest, in order", 30)
    t.equal(parked.ids(), [])


@story("a function process that dies on one message: only that key parks", timeout_s=240)
def killer(t):
    state = {}

    def handler(call):
        if call.needs(COUNT, LOG):
            return
        if any(message.argument.json() == "die" for message in call.request.messages):
            server = state["server"]
            server.down()
            # As a supervisor does: up again after a moment.
            threading.Timer(0.3, server.up).start()
            call.close()
        counted(call)

    server, gateway = t.scripted(handler, **PARK_SOON)
    state["server"] = server
    for number in range(5):
        t.status(gateway.client.call(f"e2e/f/good{number}", "0"), 200)
    t.status(gateway.client.send("e2e/f/killer", b'"die"'), 202)
    sent = 1
    parked = Parked(gateway)
    deadline = time.monotonic() + 150
    while "killer" not in parked.ids():
        t.check(time.monotonic() < deadline, f"the killer is found: {gateway.log_tail(3)}")
        for number in range(5):
            t.status(gateway.client.send(f"e2e/f/good{number}", str(sent)), 202)
        sent += 1
        time.sleep(0.5)
    t.equal(parked.ids(), ["killer"], "nobody else")
    t.wait(lambda: all_counted(gateway, [f"good{n}" for n in range(5)], sent), "all others get everything", 60, 0.3)


@story("413: a batch is halved until the server takes it")
def too_large(t):
    hold = threading.Event()

    def handler(call):
        if call.needs(COUNT, LOG):
            return
        if call.request.messages[0].argument.json() == "hold":
            hold.wait(20)
        if len(call.request.messages) > 2:
            call.answer(b"too large", status="413 Payload Too Large", content_type="text/plain")
        else:
            counted(call)

    server, gateway = t.scripted(handler)
    t.status(gateway.client.send("e2e/f/a", b'"hold"'), 202)
    for number in range(20):
        t.status(gateway.client.send("e2e/f/a", str(number)), 202)
    hold.set()
    t.wait(lambda: stored(gateway, "e2e/f/a") == 21, "all messages", 40)
    t.equal(stored(gateway, "e2e/f/a", "log"), ["hold", *range(20)], "in order")
    t.check(any(len(call.request.messages) > 2 for call in server.calls), "there was a larger batch")


@story("413 for a single message parks it, and names the size")
def too_large_alone(t):
    def handler(call):
        if call.target.id == "big" and not call.needs(COUNT, LOG):
            call.answer(b"too large", status="413 Payload Too Large", content_type="text/plain")
        elif not call.answered:
            counted(call)

    _server, gateway = t.scripted(handler, **PARK_SOON)
    t.status(gateway.client.send("e2e/f/big", {"x": "y" * 50_000}), 202)
    parked = Parked(gateway)
    t.wait(lambda: gateway.client.call("e2e/f/ok", "1").status == 200 and parked.ids() == ["big"], "it parks", 60, 0.2)
    t.check("413" in str(parked.row("big")) or "large" in str(parked.row("big")).lower(), str(parked.row("big")))


@story("one endpoint is down, the other's functions do not notice")
def two_endpoints(t):
    alive = t.functions(counted)
    dead = t.functions(counted)
    gateway = t.gateway("---\n".join([endpoint("alive/*", alive.url), endpoint("dead/*", dead.url)]))
    t.status(gateway.client.call("dead/f/x", "0"), 200)
    dead.down()
    for number in range(200):
        t.status(gateway.client.send(f"dead/f/k{number}", "1"), 202)
    began = time.monotonic()
    for number in range(50):
        t.status(gateway.client.call(f"alive/f/k{number}", "1"), 200)
    t.check(time.monotonic() - began < 5, f"50 calls took {time.monotonic() - began:.1f} s")
    dead.up()
    t.wait(lambda: all(stored(gateway, f"dead/f/k{n}") == 1 for n in range(200)), "the dead one catches up", 60, 0.5)


@story("a call's reply that comes after its time-out can be fetched")
def late_reply(t):
    def handler(call):
        if not call.needs(COUNT, LOG):
            time.sleep(1.5)
            counted(call)

    _server, gateway = t.scripted(handler)
    answer = gateway.client.call("e2e/f/slow", "1", timeout="300ms", key="late-one")
    problem = t.problem(answer, 504)
    t.check(problem.get("message"), f"the problem names the message: {problem}")
    again = gateway.client.call("e2e/f/slow", "1", timeout="20s", key="late-one")
    t.status(again, 200, "the same key joins the first call")
    t.equal(again.json()["count"], 1)
    t.equal(stored(gateway, "e2e/f/slow"), 1, "once")
