"""raw/w without an SDK: fast when it is well, and wrong in ways that an SDK's server cannot be."""
import asyncio
import json
import os
import pathlib
import random
import re
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lib"))
sys.dont_write_bytecode = True

import interpreter  # noqa: E402
import wire  # noqa: E402
from faults import Faults  # noqa: E402

COMMAND, LOG, EFFECT, REPLY, REGISTER = (f"torture/{name}" for name in ("Command", "Log", "Effect", "Reply", "Register"))
SPECS = [("log", LOG), ("blob", wire.STRING), ("register", REGISTER)]
# Bytes that no response can begin with: of random ones, some are a response without effects.
GARBAGE = b"\xa2\x06\xff\xff\x7f"
faults = Faults()


def as_json(value, typename):
    return wire.Value(typename, json.dumps(value, separators=(",", ":")).encode())


class Identities:
    """An invocation id never comes back with other messages: what was done for it once may be told again."""

    def __init__(self):
        self.known = {}

    def check(self, head, request):
        id = re.search(rb"\r\nholdfast-invocation-id: *([^\r]+)", head)
        messages = hash(tuple(message.argument.bytes for message in request.messages))
        key = (id[1] if id else b"", str(request.target))
        if self.known.setdefault(key, messages) != messages or not id:
            print(f"WRONG invocation id {key} came with other messages", flush=True)
        if len(self.known) > 200000:
            self.known.clear()


class Do:
    def __init__(self):
        self.response, self.caller = wire.Response(), None

    def address(self, to):
        typename, _, id = to.rpartition("/")
        return wire.address(typename, id)

    def send(self, to, node):
        self.response.send(self.address(to), as_json(node, COMMAND))

    def send_after(self, delay_ms, to, node, token):
        self.response.send_after(delay_ms, self.address(to), as_json(node, COMMAND), token)

    def cancel(self, token):
        self.response.cancel(token)

    def egress(self, effect):
        self.response.egress("torture/out", as_json(effect, EFFECT))

    def reply(self, answer, node):
        if self.caller is None:
            return
        if self.caller.namespace == "holdfast":
            self.response.send(self.caller, as_json(answer, REPLY))
        else:
            self.response.send(self.caller, as_json(node, COMMAND))

    def blob(self, size):
        if size:
            self.response.set("blob", wire.string("x" * size))
        else:
            self.response.delete("blob")


identities = Identities()


async def work(head, body):
    request = wire.decode_request(body)
    identities.check(head, request)
    missing = [spec for spec in SPECS if spec[0] not in request.state]
    if missing:
        return wire.incomplete(missing)
    log = request.state["log"].json() if request.state["log"] else None
    do, address = Do(), str(request.target)
    for message in request.messages:
        node = message.argument.json()
        if "s" in node:
            await asyncio.sleep(node["s"] / 1000)
        do.caller = message.caller
        log = interpreter.apply(node, address, log, faults.epoch, do)
    do.response.set("log", as_json(log, LOG))
    return do.response.encode()


def http(status, body, content_type="application/octet-stream", more=""):
    return f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Gone(Exception):
    """The connection shall end here."""


async def misbehave(fault, head, body, writer):
    """Answers wrongly; gives what shall still be written."""
    if fault == "fail":
        return http(random.choice(("500 Oops", "400 Bad", "503 Busy", "404 Gone", "429 Slow down")), b"told to fail")
    if fault == "garbage":
        return http("200 OK", GARBAGE + os.urandom(random.randrange(300)))
    if fault == "slow":
        await asyncio.sleep(random.uniform(0.1, 4))
    answer = await work(head, body)
    if fault == "late":
        await asyncio.sleep(random.uniform(0, 0.5))
    elif fault == "die":
        os._exit(3)
    elif fault == "odd":
        return random.choice((
            http("200 OK", answer, "text/html"),                                    # a captive portal
            http("200 OK", b"", ""),                                                # nothing
            http("302 Found", b"", more="Location: http://127.0.0.1:1/\r\n"),
            http("200 OK", answer[:-1]),                                            # cut, with a fitting length
            http("200 OK", answer, more="Content-Encoding: gzip\r\n"),              # which it is not
            http("200 OK", answer + b"\xa2\x06"),
            b"\r\n" * random.randrange(9) + b"HTTP/9.9 200 OK\r\n\r\n",
        ))
    elif fault == "half":
        whole = http("200 OK", answer)
        writer.write(whole[:random.randrange(len(whole))])
        await writer.drain()
        raise Gone
    elif fault == "reset":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone
    elif fault == "close":  # well, but the connection is not kept in spite of what was agreed
        writer.write(http("200 OK", answer))
        raise Gone
    return http("200 OK", answer)


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            fault = faults.pick()
            try:
                answer = await misbehave(fault, head, body, writer) if fault else http("200 OK", await work(head, body))
            except interpreter.Poisoned as poison:
                answer = http("500 Poisoned", str(poison).encode())
            writer.write(answer)
            await writer.drain()
    except (OSError, EOFError, Gone):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
