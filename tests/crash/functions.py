"""The functions of the crash test: they write down, in their state, each operation that took effect.

They hold nothing and survive all crashes of the gateway. One line per message, of type crash/op:

    S OP            take effect: note OP, emit one egress record with the address's next sequence number
    C OP            the same, and answer the caller with "OP SEQUENCE"
    D OP MS         take effect, and a delayed message to crash/timer
    F OP N          take effect, and N messages to other addresses
    X OP MS         take effect, and a delayed message that a message to oneself cancels: it must never fire
    K OP            the cancellation
    T OP            note OP (crash/timer)
"""
import asyncio
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import wire  # noqa: E402

OP, OPS, SEQUENCE = "crash/op", "crash/ops", wire.LONG
EGRESS = "crash/out"
COUNTERS = int(os.environ.get("COUNTERS", "300"))


def op(text):
    return wire.Value(OP, text.encode())


class Batch:
    """One invocation of one address."""

    def __init__(self, request):
        self.target = request.target
        ops, sequence = request.state["ops"], request.state["sequence"]
        self.ops = [ops.bytes] if ops and ops.bytes else []
        self.sequence = int.from_bytes(sequence.bytes[1:9], "little") if sequence and sequence.bytes else 0
        self.response = wire.Response()
        for message in request.messages:
            self.apply(message)
        self.response.set("ops", wire.Value(OPS, b"\n".join(self.ops))).set("sequence", wire.int64(self.sequence))

    def apply(self, message):
        verb, name, *rest = message.argument.bytes.decode().split(" ")
        if verb == "K":
            self.response.cancel(name)
            return
        self.ops.append(name.encode())
        if verb == "T":
            return
        self.sequence += 1
        self.response.egress(EGRESS, op(f"{self.target.id} {self.sequence} {name}"))
        if verb == "C":
            self.response.send(message.caller, op(f"{name} {self.sequence}"))
        elif verb == "D":
            self.response.send_after(int(rest[0]), wire.address("crash/timer", self.target.id), op(f"T {name}.t"))
        elif verb == "F":
            for number in range(int(rest[0])):
                other = wire.address("crash/counter", f"f{(hash_of(name) + number) % COUNTERS}")
                self.response.send(other, op(f"S {name}.{number}"))
        elif verb == "X":
            self.response.send_after(int(rest[0]), wire.address("crash/timer", self.target.id), op(f"T {name}.x"), name)
            self.response.send(self.target, op(f"K {name}"))


def hash_of(name):
    """Stable between processes, unlike hash()."""
    return int.from_bytes(name.encode()[-6:], "little")


SPECS = [("ops", OPS), ("sequence", SEQUENCE)]


def answer(body):
    request = wire.decode_request(body)
    missing = [spec for spec in SPECS if spec[0] not in request.state]
    return wire.incomplete(missing) if missing else Batch(request).response.encode()


class Connection(asyncio.Protocol):
    """Just enough HTTP for a client that sends Content-Length."""

    def connection_made(self, transport):
        self.transport, self.data = transport, bytearray()

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.data[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15:].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.data) < end + 4 + length:
                return
            body = bytes(self.data[end + 4:end + 4 + length])
            del self.data[:end + 4 + length]
            self.reply(body)

    def reply(self, body):
        try:
            out, status = answer(body), b"200 OK"
        except Exception as error:
            print(f"function failed: {error!r}", file=sys.stderr, flush=True)
            out, status = repr(error).encode(), b"500 Internal Server Error"
        self.transport.write(b"HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s"
                             % (status, len(out), out))


async def main(port):
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(os.environ["PORT"])))
