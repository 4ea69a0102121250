"""Messages between functions on the official SDKs: callers, replies, self-sends, fan-out, order, batches."""
import json
import time
import urllib.request

from story import BOTH, quickly, story


def count(by=1):
    return {"op": "count", "by": by}


@story("an HTTP call is answered through the caller", languages=BOTH)
def call_reply(t):
    gateway = t.sdk()
    t.equal(t.ask(gateway, f"{t.space}/worker/a", {"op": "reply", "value": {"hello": "you"}}), {"hello": "you"})
    caller = t.ask(gateway, f"{t.space}/worker/a", {"op": "reply_caller"})
    t.equal(caller["typename"], "holdfast/reply")
    t.check(len(caller["id"]) >= 32, f"the reply token cannot be guessed: {caller}")


@story("a message from outside has no caller, one from a function has it", languages=BOTH)
def callers(t):
    gateway = t.sdk()
    t.do(gateway, f"{t.space}/helper/x", {"op": "note_caller"})
    t.do(gateway, f"{t.space}/worker/sender", {"op": "send", "to": f"{t.space}/helper", "id": "x",
                                               "do": [{"op": "note_caller"}]})
    log = t.wait(lambda: (lambda log: log if len(log) == 2 else None)(t.states(gateway, f"{t.space}/helper/x")["log"]),
                 "both messages arrive")
    t.equal(log, [None, f"{t.space}/worker/sender"])


@story("a function answers the function that called it", languages=BOTH)
def function_reply(t):
    gateway = t.sdk()
    t.do(gateway, f"{t.space}/worker/asks",
         {"op": "send", "to": f"{t.space}/helper", "id": "answers",
          "do": [count(), {"op": "tell_caller", "do": [count(5), {"op": "note_caller"}]}]})
    states = t.wait(lambda: (lambda s: s if s["count"] else None)(t.states(gateway, f"{t.space}/worker/asks")),
                    "the answer comes back")
    t.equal(states["count"], 5)
    t.equal(states["log"], [f"{t.space}/helper/answers"])


@story("a call is answered by a later message of a chain", languages=BOTH)
def late_reply(t):
    gateway = t.sdk()
    answer = t.ask(gateway, f"{t.space}/worker/front", {"op": "remember_caller"},
                   {"op": "send", "to": f"{t.space}/helper", "id": "back",
                    "do": [{"op": "tell_caller", "do": [{"op": "reply_remembered", "value": "from far behind"}]}]})
    t.equal(answer, "from far behind")


@story("a function sends to itself", languages=BOTH)
def self_send(t):
    gateway = t.sdk()
    address = f"{t.space}/worker/loop"
    operations = [count()]
    for _ in range(5):
        operations = [count(), {"op": "send", "to": f"{t.space}/worker", "id": "loop", "do": operations}]
    t.do(gateway, address, *operations)
    t.wait(lambda: t.states(gateway, address)["count"] == 6, "six counts")


@story("one message becomes a thousand, and a thousand answers come back", languages=BOTH)
def fan_out(t):
    gateway = t.sdk()
    t.do(gateway, f"{t.space}/worker/hub",
         {"op": "send", "to": f"{t.space}/helper", "id": "leaf-#", "times": 1000,
          "do": [count(), {"op": "tell_caller", "do": [count()]}]})
    t.wait(lambda: t.states(gateway, f"{t.space}/worker/hub")["count"] == 1000, "a thousand answers", 60, 0.2)
    for number in (0, 1, 499, 999):
        t.equal(t.states(gateway, f"{t.space}/helper/leaf-{number}")["count"], 1, f"leaf {number}")


@story("the order of one sender is kept", languages=BOTH)
def order(t):
    gateway = t.sdk()
    t.do(gateway, f"{t.space}/worker/first",
         *[{"op": "send", "to": f"{t.space}/helper", "id": "listener", "do": [{"op": "append", "value": number}]}
           for number in range(200)])
    log = t.wait(lambda: (lambda log: log if log and len(log) == 200 else None)(
        t.states(gateway, f"{t.space}/helper/listener")["log"]), "200 messages")
    t.equal(log, list(range(200)))


@story("messages that arrive during a slow call come as one batch, in order", languages=BOTH)
def batches(t):
    gateway = t.sdk()
    address = f"{t.space}/worker/slow"
    url = f"http://127.0.0.1:{t.shared.port(t.language)}/seen"
    if t.language == "python":
        urllib.request.urlopen(url, timeout=10).close()
    t.do(gateway, address, {"op": "sleep", "ms": 800}, {"op": "append", "value": 0})
    for number in range(1, 31):
        t.do(gateway, address, {"op": "append", "value": number})
    other = time.monotonic()
    t.do(gateway, f"{t.space}/worker/other", count())
    t.equal(t.states(gateway, f"{t.space}/worker/other")["count"], 1)
    t.check(time.monotonic() - other < 5, "another address does not wait for the slow one")
    log = t.wait(lambda: (lambda log: log if log and len(log) == 31 else None)(t.states(gateway, address)["log"]),
                 "all 31 messages")
    t.equal(log, list(range(31)))
    if t.language == "python":
        with urllib.request.urlopen(url, timeout=10) as answer:
            seen = json.load(answer)
        t.check(seen["largest_batch"] > 1, f"a batch of more than one message: {seen}")


@story("concurrent senders to one address: nothing lost, nothing doubled", languages=BOTH)
def hot_key(t):
    gateway = t.sdk()
    address = f"{t.space}/worker/hot"

    def sender(which):
        for number in range(40):
            t.do(gateway, address, {"op": "append", "value": [which, number]}, count())

    threads = [quickly(sender, which) for which in range(8)]
    for thread in threads:
        thread.join(60)
    states = t.wait(lambda: (lambda s: s if s["count"] == 320 else None)(t.states(gateway, address)), "320 messages", 30)
    for which in range(8):
        t.equal([number for sender, number in states["log"] if sender == which], list(range(40)), f"sender {which}")


@story("bytes and type of a message pass through unchanged", languages=("python",))
def echo(t):
    gateway = t.sdk()
    for kind, body in (("e2e/Json", b'{"a": 1}'), ("some.ns/Thing", bytes(range(256))), ("e2e/Empty", b"")):
        answer = gateway.client.call("py/echo/x", body, type=kind)
        t.status(answer, 200, kind)
        t.equal(answer.body, body, kind)
        t.equal(answer.headers.get("Holdfast-Type"), kind)


@story("text/plain is a string for the function, and a string reply is text", languages=("python",))
def text(t):
    gateway = t.sdk()
    answer = gateway.client.call("py/echo/x", "Grüße".encode(), type=None,
                                 headers={"Content-Type": "text/plain; charset=utf-8"})
    t.status(answer, 200)
    t.equal(answer.body.decode(), "Grüße")
    t.check(answer.headers["Content-Type"].startswith("text/plain"), f"content type {answer.headers['Content-Type']}")
