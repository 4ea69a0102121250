"""Delayed messages and their cancellation."""
import time

from client import segment
from story import BOTH, story

COUNT = {"op": "count"}


def later(t, ms, token="", id="target", do=None):
    return {"op": "send_after", "to": f"{t.space}/helper", "id": id, "ms": ms, "token": token, "do": do or [COUNT]}


def counted(t, gateway, id="target", kind="helper"):
    return t.states(gateway, f"{t.space}/{kind}/{id}")["count"] or 0


@story("a delayed message comes after its delay, once", languages=BOTH)
def delayed(t):
    gateway = t.sdk()
    began = time.monotonic()
    t.do(gateway, f"{t.space}/worker/a", later(t, 1000))
    early = counted(t, gateway)
    if time.monotonic() - began < 0.9:
        t.equal(early, 0, "before its time")
    t.wait(lambda: counted(t, gateway) == 1, "the delayed message", 10)
    t.check(time.monotonic() - began >= 1.0, f"not early: {time.monotonic() - began:.3f} s")
    time.sleep(0.5)
    t.equal(counted(t, gateway), 1, "once")


@story("delayed messages come in the order of their times", languages=BOTH)
def ordered(t):
    gateway = t.sdk()
    delays = [900, 300, 600, 0, 1200]
    t.do(gateway, f"{t.space}/worker/a",
         *[later(t, ms, id="list", do=[{"op": "append", "value": ms}]) for ms in delays])
    log = t.wait(lambda: (lambda log: log if log and len(log) == 5 else None)(
        t.states(gateway, f"{t.space}/helper/list")["log"]), "five messages", 15)
    t.equal(log, sorted(delays))


@story("a cancelled increment never counts", languages=BOTH)
def cancelled(t):
    gateway = t.sdk()
    t.do(gateway, f"{t.space}/worker/a", later(t, 1500, "never"), later(t, 1500, "stays", id="other"))
    t.do(gateway, f"{t.space}/worker/a", {"op": "cancel", "token": "never"})
    t.wait(lambda: counted(t, gateway, "other") == 1, "the one that was not cancelled", 15)
    time.sleep(0.5)
    t.equal(counted(t, gateway), 0)


@story("sent and cancelled in the same invocation", languages=BOTH)
def cancelled_at_once(t):
    gateway = t.sdk()
    t.do(gateway, f"{t.space}/worker/a", later(t, 500, "once"), {"op": "cancel", "token": "once"}, COUNT)
    t.equal(counted(t, gateway, "a", "worker"), 1, "the invocation itself")
    time.sleep(1.5)
    t.equal(counted(t, gateway), 0)


@story("cancelling what has fired, or never was, changes nothing", languages=BOTH)
def cancel_after(t):
    gateway = t.sdk()
    t.do(gateway, f"{t.space}/worker/a", later(t, 100, "fired"))
    t.wait(lambda: counted(t, gateway) == 1, "the delayed message", 10)
    t.do(gateway, f"{t.space}/worker/a", {"op": "cancel", "token": "fired"}, {"op": "cancel", "token": "unheard of"}, COUNT)
    t.equal(counted(t, gateway, "a", "worker"), 1)
    # The token is free again.
    t.do(gateway, f"{t.space}/worker/a", later(t, 100, "fired"))
    t.wait(lambda: counted(t, gateway) == 2, "the token's second use", 10)


@story("a token belongs to the sender's id, whatever its type", languages=BOTH)
def token_scope(t):
    gateway = t.sdk()
    armed = {"op": "reply", "value": "armed"}
    t.ask(gateway, f"{t.space}/worker/same", later(t, 1500, "shared", id="across"), armed)
    t.ask(gateway, f"{t.space}/worker/one", later(t, 1500, "shared", id="kept"), armed)
    t.do(gateway, f"{t.space}/helper/same", {"op": "cancel", "token": "shared"})
    t.do(gateway, f"{t.space}/helper/another", {"op": "cancel", "token": "shared"})
    t.wait(lambda: counted(t, gateway, "kept") == 1, "the message of the other id", 15)
    time.sleep(0.5)
    t.equal(counted(t, gateway, "across"), 0, "cancelled by another type with the same id")


@story("a self-message is a timer that survives a SIGKILL", languages=BOTH)
def timer_survives(t):
    gateway = t.sdk()
    tick = {"op": "send_after", "to": f"{t.space}/worker", "id": "clock", "ms": 1500, "token": "tick", "do": [COUNT]}
    t.do(gateway, f"{t.space}/worker/clock", tick)
    t.do(gateway, f"{t.space}/worker/gone", {**tick, "id": "gone"})
    t.do(gateway, f"{t.space}/worker/gone", {"op": "cancel", "token": "tick"})
    t.equal(counted(t, gateway, "gone", "worker"), 0)
    gateway.restart()
    t.wait(lambda: counted(t, gateway, "clock", "worker") == 1, "the timer fires after the restart", 15)
    time.sleep(0.5)
    t.equal(counted(t, gateway, "clock", "worker"), 1, "once")
    t.equal(counted(t, gateway, "gone", "worker"), 0, "a cancelled one does not come back")


@story("delayed and cancelled over HTTP", languages=("python",))
def over_http(t):
    gateway = t.sdk()
    t.do(gateway, "py/helper/h", COUNT, delay="600ms")
    t.do(gateway, "py/helper/h", COUNT, delay="1500ms", token="drop me/now")
    t.equal(counted(t, gateway, "h"), 0, "neither yet")
    answer = gateway.client.request("DELETE", f"/v1/delayed/h/{segment('drop me/now')}")
    t.check(answer.status in (200, 204), f"cancelled: {answer}")
    t.wait(lambda: counted(t, gateway, "h") == 1, "the other one", 10)
    time.sleep(1.6)
    t.equal(counted(t, gateway, "h"), 1)
