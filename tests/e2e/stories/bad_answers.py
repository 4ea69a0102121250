"""A function that answers badly: its address parks with the reason, nothing of the answer is applied, others go on."""
import signal
import time

import wire
from gateway import endpoint, pull_egress
from scripts import COUNT, LOG, PARK_SOON, Parked, counted, stored
from story import story

SMALL = {"transport": "{type: io.statefun.transports.v1/async, call: 2s, payload_max_bytes: 100000}"}
OUT = "e2e.out/out"


def poisoned(response):
    """Good effects around the bad one: none of them may be seen."""
    return response.set("count", wire.int32(1000)).send(wire.address("e2e/f", "victim"), wire.as_json("leaked")) \
        .egress(OUT, wire.as_json("leaked"))


def answer_500(call):
    call.answer(b"the database is on fire", status="500 Internal Server Error", content_type="text/plain")


def answer_400(call):
    call.answer(b"do not like it", status="400 Bad Request", content_type="text/plain")


def empty_200(call):
    call.raw(b"HTTP/1.1 200 OK\r\nStatus: 500\r\nContent-Length: 0\r\n\r\n")


def html(call):
    call.answer(b"<html>please log in</html>", content_type="text/html")


def garbage(call):
    call.answer(b"\xff\xfe\xfdgarbage", content_type="application/octet-stream")


def cut_message(call):
    call.answer(poisoned(wire.Response()).encode()[:-3])


def over_long(call):
    call.answer(poisoned(wire.Response()).encode() + wire.block(15, b"x" * 200_000))


def endless(call):
    call.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        call.raw(b"1000\r\n" + b"x" * 4096 + b"\r\n")


def wrong_typename(call):
    call.result(poisoned(wire.Response()).set("count", wire.string("not a number")))


def unregistered(call):
    call.result(poisoned(wire.Response()).set("never_declared", wire.int32(1)))


def no_value(call):
    call.result(poisoned(wire.Response()).mutation(1, "count"))


def unknown_mutation(call):
    call.result(poisoned(wire.Response()).mutation(2, "count", wire.int32(1)))


def unknown_egress(call):
    call.result(poisoned(wire.Response()).egress("no/such", wire.as_json(1)))


def duplicate_token(call):
    target = wire.address("e2e/f", "victim")
    call.result(poisoned(wire.Response()).send_after(60000, target, wire.as_json(1), "twice")
                .send_after(60000, target, wire.as_json(2), "twice"))


def negative_delay(call):
    call.result(poisoned(wire.Response()).send_after(-1, wire.address("e2e/f", "victim"), wire.as_json("leaked")))


def cancel_without_token(call):
    call.result(poisoned(wire.Response()).cancel(""))


def reserved_target(call):
    call.result(poisoned(wire.Response()).send(wire.address("holdfast/secret", "x"), wire.as_json(1)))


def empty_target_id(call):
    call.result(poisoned(wire.Response()).send(wire.address("e2e/f", ""), wire.as_json(1)))


def same_incomplete(call):
    call.missing(COUNT, LOG, ("ghost", wire.INT))


def typename_conflict(call):
    call.missing(("count", wire.STRING))


def bad_state_type(call):
    call.missing(("broken", "no-slash"))


# name, behaviour, words that the operator must find in the reason (any of them)
KINDS = [
    ("500", answer_500, ["500"]),
    ("400", answer_400, ["400"]),
    ("200 without content type", empty_200, ["content"]),
    ("200 with HTML", html, ["content"]),
    ("garbage", garbage, ["parse", "malformed", "protobuf", "message"]),
    ("a cut message", cut_message, ["parse", "malformed", "protobuf", "end", "trunc"]),
    ("an over-long body", over_long, ["large", "long", "limit", "100000", "bytes"]),
    ("an endless body", endless, ["large", "long", "limit", "100000", "bytes", "time"]),
    ("a state of another type", wrong_typename, ["count"]),
    ("an unregistered state", unregistered, ["never_declared"]),
    ("a mutation without value", no_value, ["state_mutations[1]"]),
    ("an unknown kind of mutation", unknown_mutation, ["mutation"]),
    ("an unknown egress", unknown_egress, ["no/such"]),
    ("a duplicate cancellation token", duplicate_token, ["twice"]),
    ("a negative delay", negative_delay, ["delay"]),
    ("a cancellation without token", cancel_without_token, ["token"]),
    ("a reserved target", reserved_target, ["holdfast"]),
    ("a target without id", empty_target_id, ["id"]),
    ("the same missing states again and again", same_incomplete, ["ghost", "asks again"]),
    ("a state that changes its type", typename_conflict, ["count"]),
    ("a state type without namespace", bad_state_type, ["type_typename", "broken"]),
]


def tell(name, behaviour, words):
    @story(f"the function answers {name}", timeout_s=90)
    def bad_answer(t):
        mood = {"bad": True}

        def handler(call):
            if call.target.id == "bad" and mood["bad"]:
                if not call.needs(COUNT, LOG):
                    behaviour(call)
            else:
                counted(call)

        _server, gateway = t.scripted(handler, pull_egress(OUT), **{**PARK_SOON, **SMALL})
        t.status(gateway.client.call("e2e/f/good", {"n": 1}), 200)
        t.status(gateway.client.send("e2e/f/bad", {"n": 1}), 202)
        parked = Parked(gateway)
        # Somebody else must be well meanwhile: then the address is to blame, not the endpoint.
        deadline = time.monotonic() + 45
        good = 1
        while "bad" not in parked.ids():
            t.check(time.monotonic() < deadline, f"parks within 45 s: {gateway.log_tail(3)}")
            good += 1
            answer = gateway.client.call("e2e/f/good", {"n": good})
            t.status(answer, 200, "another address goes on")
            t.equal(answer.json()["count"], good)
            time.sleep(0.2)
        reason = str(parked.row("bad"))
        t.check(any(word.lower() in reason.lower() for word in words), f"the reason names one of {words}: {reason}")
        t.equal(stored(gateway, "e2e/f/bad"), None, "nothing of the answer was applied")
        t.equal(stored(gateway, "e2e/f/victim"), None, "no message of it was sent")
        t.equal(gateway.client.pull(OUT).json()["records"], [], "no egress of it")
        # What parked survives a SIGKILL, and takes effect once when the function is well again.
        gateway.restart()
        t.equal(parked.ids(), ["bad"], "after SIGKILL")
        mood["bad"] = False
        t.check(parked.verb("retry", "e2e/f/bad").status < 300, "retry")
        t.wait(lambda: stored(gateway, "e2e/f/bad") == 1, "the message takes effect")
        t.equal(parked.ids(), [], "nothing parked any more")


for kind in KINDS:
    tell(*kind)


@story("a message to a function that nobody serves waits for it, in sight")
def unknown_target(t):
    def handler(call):
        if call.target.id == "sender" and call.target.namespace == "e2e" and not call.needs(COUNT, LOG):
            call.result(wire.Response().set("count", wire.int32(1)).send(wire.address("later/f", "x"), wire.as_json("early")))
        elif not call.answered:
            counted(call)

    server, gateway = t.scripted(handler)
    t.status(gateway.client.send("e2e/f/sender", "1"), 202)
    t.wait(lambda: stored(gateway, "e2e/f/sender") == 1, "the sender goes on")
    listed = gateway.admin.request("GET", "/v1/functions").json()["functions"]
    row = [function for function in listed if function["function"] == "later/f"]
    t.check(row and row[0]["messages"] == 1 and row[0]["held"] == 1, f"held: {listed}")
    gateway.restart()
    gateway.module.write_text(gateway.module.read_text() + "---\n" + endpoint("later/*", server.url))
    gateway.process.send_signal(signal.SIGHUP)
    t.wait(lambda: stored(gateway, "later/f/x", "log") == ["early"], "delivered when it is served")


@story("the function answers 500 once, then well")
def one_failure(t):
    failed = []

    def handler(call):
        if call.target.id == "once" and not failed and not call.needs(COUNT, LOG):
            failed.append(call)
            return answer_500(call)
        return None if call.answered else counted(call)

    server, gateway = t.scripted(handler, **PARK_SOON)
    answer = gateway.client.call("e2e/f/once", {"n": 1})
    t.status(answer, 200)
    t.equal(answer.json(), {"count": 1, "log": [{"n": 1}]})
    retry = server.calls_for("once")[-1]
    t.equal(retry.invocation_id, failed[0].invocation_id, "the same messages have the same invocation id")
    t.check(retry.attempt > failed[0].attempt, f"attempt counts up: {failed[0].attempt}, {retry.attempt}")
    t.equal(Parked(gateway).ids(), [])


@story("zero bytes of octet-stream are a valid answer: no effects")
def zero_bytes(t):
    def handler(call):
        if call.target.id == "silent":
            call.answer(b"")
        else:
            counted(call)

    server, gateway = t.scripted(handler, **PARK_SOON)
    t.status(gateway.client.send("e2e/f/silent", {"n": 1}), 202)
    t.wait(lambda: server.calls_for("silent"), "the call")
    time.sleep(0.5)
    t.equal(len(server.calls_for("silent")), 1, "called once")
    t.equal(Parked(gateway).ids(), [])


@story("a chunked answer without its end is not an answer")
def cut_chunks(t):
    cut = []

    def handler(call):
        if call.needs(COUNT, LOG):
            return
        if not cut:
            cut.append(1)
            body = wire.Response().set("count", wire.int32(77)).encode()
            call.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                     + b"%x\r\n" % len(body) + body + b"\r\n")
            call.close()
        counted(call)

    _server, gateway = t.scripted(handler)
    answer = gateway.client.call("e2e/f/a", {"n": 1})
    t.status(answer, 200)
    t.equal(answer.json()["count"], 1)


@story("chunked, gzip and split answers are understood")
def odd_framing(t):
    import gzip

    def handler(call):
        if call.needs(COUNT, LOG):
            return
        response = wire.Response().set("count", wire.int32(len(call.request.messages)))
        for message in call.request.messages:
            response.send(message.caller, wire.as_json(call.target.id))
        body = response.encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream; charset=binary\r\n"
        if call.target.id == "chunked":
            chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
            call.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n")
        elif call.target.id == "gzip":
            packed = gzip.compress(body)
            call.raw(head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
        elif call.target.id == "until-close":
            call.raw(head + b"Connection: close\r\n\r\n" + body)
            call.close()
        else:
            for byte in head + b"Content-Length: %d\r\n\r\n" % len(body) + body:
                call.raw(bytes([byte]))

    _server, gateway = t.scripted(handler)
    accepted = gateway.client
    for id in ("chunked", "gzip", "bytewise"):
        answer = accepted.call(f"e2e/f/{id}", {"n": 1})
        t.status(answer, 200, id)
        t.equal(answer.json(), id)


@story("unknown fields of a message are forwarded byte for byte")
def unknown_fields(t):
    extra = wire.block(15, b"from the future")
    raw_argument = wire.text(1, "e2e/Thing") + wire.integer(2, 1) + wire.block(3, b"payload") + extra
    arrived = []

    def handler(call):
        if call.target.id == "second":
            request = dict(wire.fields(dict(wire.fields(call.body))[100]))
            arrived.append(dict(wire.fields(request[3]))[2])
        else:
            target = wire.address("e2e/f", "second")
            call.answer(wire.block(100, wire.block(2, wire.block(1, target.encode()) + wire.block(2, raw_argument))))

    _server, gateway = t.scripted(handler)
    t.status(gateway.client.send("e2e/f/first", b"{}"), 202)
    t.wait(lambda: arrived, "the message")
    t.equal(arrived[0], raw_argument)


@story("an empty string has a value, and both results of a oneof: the last wins")
def protocol_corners(t):
    seen = []

    def handler(call):
        seen.append((call.target.id, [message.argument for message in call.request.messages]))
        if call.target.id == "start":
            first = wire.Response().send(wire.address("e2e/f", "wrong"), wire.string("lost"))
            last = wire.Response().send(wire.address("e2e/f", "right"), wire.string(""))
            call.answer(first.encode() + wire.incomplete([("count", wire.INT)]) + last.encode())

    _server, gateway = t.scripted(handler)
    t.status(gateway.client.send("e2e/f/start", b"{}"), 202)
    t.wait(lambda: any(id == "right" for id, _ in seen), "the message of the last result")
    t.check(not any(id == "wrong" for id, _ in seen), "the first result is replaced")
    t.equal([messages for id, messages in seen if id == "right"][0], [wire.Value(wire.STRING, b"", True)])
