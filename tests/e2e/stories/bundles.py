"""Many addresses per request: calls arrive in bundles where the function offers it, and each counts exactly once."""
import random
import threading
import time

import wire
from function_server import BUNDLE
from gateway import endpoint
from scripts import Parked, counted, stored
from story import story

OFFER = f"{BUNDLE};max=32"
KEYS = 60


def ids(prefix="k"):
    return [f"{prefix}{number}" for number in range(KEYS)]


def fanned(handler):
    """A message to e2e/fan/... sends one on to each of the addresses, which so begin together."""
    def handle(call):
        if call.target.type != "fan":
            handler(call)
            return
        response = wire.Response()
        for message in call.request.messages:
            for id in message.argument.json()["ids"]:
                response.send(wire.address("e2e/f", id), wire.as_json({"n": 1}))
        call.result(response)
    return handle


good = fanned(counted)


def bundled(t, handler=counted, bundle_handler=None, arguments=(), **settings):
    server = t.functions(fanned(handler), offer=OFFER, bundle_handler=bundle_handler)
    return server, t.gateway(endpoint("e2e/*", server.url, **settings), arguments=arguments)


def fan_out(t, gateway, names, times=1, key="fan"):
    for number in range(times):
        t.status(gateway.client.send(f"e2e/fan/{key}{number}", {"ids": names}), 202)


def all_counted(gateway, names, wanted=1):
    return all(stored(gateway, f"e2e/f/{id}") == wanted for id in names)


def rode(server, id):
    return [call for call in server.calls_for(id) if call.rides]


def expect_counted(t, gateway, names, wanted=1, timeout_s=40):
    t.wait(lambda: all_counted(gateway, names, wanted), f"each counts {wanted}", timeout_s, 0.1)
    time.sleep(0.3)
    t.check(all_counted(gateway, names, wanted), "and not more")


@story("calls of many addresses share a request")
def share(t):
    server, gateway = bundled(t)
    fan_out(t, gateway, ids(), times=3)
    expect_counted(t, gateway, ids(), 3)
    t.check(server.bundles, "there were bundles")
    for bundle in server.bundles:
        targets = [str(rider.target) for rider in bundle.riders]
        t.check(2 <= len(targets) <= 32, f"{len(targets)} in a bundle of at most 32")
        t.equal(len(set(targets)), len(targets), "an address is in a bundle once")
    t.check(all(call.invocation_id for call in server.calls), "each has an invocation id")
    t.check(gateway.metric("holdfast_invocations_bundled_total") >= KEYS, "the metrics know of it")


@story("without the offer nothing is shared")
def no_offer(t):
    server = t.functions(fanned(counted))
    gateway = t.gateway(endpoint("e2e/*", server.url))
    fan_out(t, gateway, ids(), times=2)
    expect_counted(t, gateway, ids(), 2)
    t.equal(server.bundles, [])


@story("outcomes in any order, with some left out and some handed back")
def any_order(t):
    random_order = random.Random(1)

    def bundle_handler(bundle):
        random_order.shuffle(bundle.riders)
        for rider in bundle.riders:
            what = random_order.randrange(6)
            if what == 0:
                rider.hand_back()
            elif what > 1:
                good(rider)
        bundle.end()

    server, gateway = bundled(t, bundle_handler=bundle_handler)
    fan_out(t, gateway, ids(), times=4)
    expect_counted(t, gateway, ids(), 4)
    t.check(len(server.bundles) > 4, "bundles go on all the while")
    t.equal(Parked(gateway).ids(), [])


@story("the failure of one address of many is nobody else's")
def one_fails(t):
    failures = {"k3": 0, "k7": 0}

    def handler(call):
        if call.target.id in failures and failures[call.target.id] < 2:
            failures[call.target.id] += 1
            call.answer(b"not yet", status="500 Internal Server Error" if call.target.id == "k3" else "409 Conflict")
        else:
            counted(call)

    server, gateway = bundled(t, handler)
    fan_out(t, gateway, ids())
    expect_counted(t, gateway, ids())
    t.check(rode(server, "k3"), "it came with others")
    t.check(all(not call.rides for call in server.calls_for("k3") if call.attempt > 1), "and was tried again alone")
    for id in set(ids()) - set(failures):
        t.check(all(call.attempt == 1 for call in server.calls_for(id)), f"{id} was not tried again")


@story("a slow address of many delays nobody who is done")
def one_is_slow(t):
    go_on = threading.Event()

    def bundle_handler(bundle):
        slow = [rider for rider in bundle.riders if rider.target.id == "k5" and "count" in rider.request.state]
        for rider in bundle.riders:
            if rider not in slow:
                good(rider)
        for rider in slow:
            go_on.wait(20)
            good(rider)
        bundle.end()

    server, gateway = bundled(t, bundle_handler=bundle_handler)
    fan_out(t, gateway, ids())
    others = [id for id in ids() if id != "k5"]
    expect_counted(t, gateway, others)
    t.equal(stored(gateway, "e2e/f/k5"), None, "the slow one is not done")
    go_on.set()
    expect_counted(t, gateway, ids())
    t.equal(len([call for call in server.calls_for("k5") if "count" in call.request.state]), 1, "it was called once")


@story("an address that never answers in company times out alone")
def one_hangs(t):
    end = threading.Event()
    t.undo.append(end.set)

    def bundle_handler(bundle):
        for rider in bundle.riders:
            if rider.target.id != "k5":
                good(rider)
        if any(rider.target.id == "k5" for rider in bundle.riders):
            end.wait(20)
        bundle.end()

    server, gateway = bundled(t, bundle_handler=bundle_handler, transport="{call: 1s}")
    fan_out(t, gateway, ids())
    expect_counted(t, gateway, ids())
    t.check(len(rode(server, "k5")) == 1, "once in company")
    for id in set(ids()) - {"k5"}:
        t.check(all(call.attempt == 1 for call in server.calls_for(id)), f"{id} was not tried again")


@story("connections break in the middle of outcomes")
def connections_break(t):
    breaks = random.Random(2)

    def bundle_handler(bundle):
        for rider in bundle.riders:
            if breaks.randrange(40) == 0:
                rider.reset() if breaks.randrange(2) else rider.close()
            good(rider)
        bundle.end()

    server, gateway = bundled(t, bundle_handler=bundle_handler)
    fan_out(t, gateway, ids(), times=5)
    expect_counted(t, gateway, ids(), 5)
    t.equal(Parked(gateway).ids(), [])
    t.check(server.bundles, "there were bundles")


@story("an address that breaks the connection of all who ride with it parks alone", timeout_s=120)
def one_breaks_all(t):
    def handler(call):
        if call.target.id == "k5" and call.target.type == "f":
            raise ConnectionAbortedError
        counted(call)

    server, gateway = bundled(t, handler, retry="{attempts: 3}")
    others = [id for id in ids() if id != "k5"]
    fan_out(t, gateway, others)  # who registers the states
    expect_counted(t, gateway, others)
    fan_out(t, gateway, ids(), key="again")
    expect_counted(t, gateway, others, 2)
    t.check(len(rode(server, "k5")) <= 1, "once in company at most")
    t.wait(lambda: Parked(gateway).ids() == ["k5"], "it parks", 60, 0.2)
    t.check(all_counted(gateway, others, 2), "each exactly once")


@story("a function that does not understand bundles after all is called one by one")
def not_understood(t):
    def bundle_handler(bundle):
        bundle.refuse("415 Unsupported Media Type")

    server, gateway = bundled(t, bundle_handler=bundle_handler)
    fan_out(t, gateway, ids(), times=2)
    expect_counted(t, gateway, ids(), 2)
    bundles = len(server.bundles)
    fan_out(t, gateway, ids(), times=2, key="again")
    expect_counted(t, gateway, ids(), 4)
    t.equal(len(server.bundles), bundles, "no bundle for a while")
    t.check(all(call.attempt == 1 for call in server.calls), "nothing of it counts as an attempt")


@story("garbage after some of the outcomes")
def garbage(t):
    def bundle_handler(bundle):
        for rider in bundle.riders[:2]:
            good(rider)
        bundle.say(b"Traceback (most recent call last):")
        bundle.end()

    server, gateway = bundled(t, bundle_handler=bundle_handler)
    fan_out(t, gateway, ids(), times=2)
    expect_counted(t, gateway, ids(), 2)
    t.check(server.bundles, "there were bundles")
    t.check(all(call.attempt == 1 for call in server.calls), "nothing of it counts as an attempt")


def restarted_again_and_again(t, restart, arguments=()):
    pauses = random.Random(3)

    def bundle_handler(bundle):
        for rider in bundle.riders:
            if pauses.randrange(8) == 0:
                time.sleep(0.01)
            if pauses.randrange(25) == 0:
                rider.answer(b"not now", status="500 Internal Server Error")
            else:
                good(rider)
        bundle.end()

    server, gateway = bundled(t, bundle_handler=bundle_handler, arguments=arguments)
    rounds = 6
    for number in range(rounds):
        fan_out(t, gateway, ids(), times=2, key=f"round{number}-")
        time.sleep(pauses.random() * 0.2)
        restart(gateway)
    fan_out(t, gateway, ids(), key="last")
    expect_counted(t, gateway, ids(), 2 * rounds + 1, 90)
    t.check(any(len(bundle.riders) > 4 for bundle in server.bundles), "there were bundles")
    for id in ids():
        t.equal(len(gateway.client.state(f"e2e/f/{id}", "log").json()), 2 * rounds + 1, "as many in its log")


@story("the gateway is killed while bundles are out, again and again", timeout_s=180)
def killed(t):
    restarted_again_and_again(t, lambda gateway: gateway.restart())


@story("four shards: the gateway is killed while bundles are out, again and again", timeout_s=180)
def killed_shards(t):
    restarted_again_and_again(t, lambda gateway: gateway.restart(), ["--shards", "4"])


@story("the gateway is stopped while bundles are out, again and again", timeout_s=180)
def stopped(t):
    def restart(gateway):
        t.equal(gateway.stop(), 0, "SIGTERM")
        gateway.start()
    restarted_again_and_again(t, restart)
