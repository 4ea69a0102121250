"""soak/w: what a message says is done, and every effect leaves one record in the egress soak/out. Holds nothing itself.

    A        count one                      D MS     the same, and one more after MS
    F ID     the same, and A to ID          X TOKEN  the same, and a message for tomorrow that K takes back
    B SIZE   the same, and a blob of that size, or none for 0; and a state that lives for two seconds
"""
import asyncio
import os
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import wire  # noqa: E402

OP, BLOB, FUNCTION, EGRESS = "soak/op", "soak/blob", "soak/w", "soak/out"
AFTER_WRITE = 1
SPECS = [("count", wire.LONG), ("blob", BLOB), ("fleeting", BLOB, AFTER_WRITE, 2000)]
TOMORROW_MS = 86_400_000
FAILS = 0.001  # of all calls: 500, and the gateway calls again


def op(text):
    return wire.Value(OP, text.encode())


def number(value):
    return int.from_bytes(value.bytes[1:9], "little") if value and value.bytes else 0


def work(request):
    missing = [spec for spec in SPECS if spec[0] not in request.state]
    if missing:
        return wire.incomplete(missing)
    response, total, me = wire.Response(), number(request.state["count"]), request.target
    for message in request.messages:
        verb, _, rest = message.argument.bytes.decode().partition(" ")
        if verb == "K":
            response.cancel(rest)
            continue
        total += 1
        text = f"{total:012}"  # of one length: larger numbers are no growth of the gateway's
        response.egress(EGRESS, op(f"{me.id} {text}"))
        if message.caller and message.caller.namespace == "holdfast":  # a function is not answered: it would answer back
            response.send(message.caller, op(text))
        if verb == "F":
            response.send(wire.address(FUNCTION, rest), op("A"))
        elif verb == "D":
            response.send_after(int(rest), me, op("A"))
        elif verb == "X":
            response.send_after(TOMORROW_MS, me, op("A"), rest).send(me, op(f"K {rest}"))
        elif verb == "B":
            blob = wire.Value(BLOB, b"b" * int(rest))
            response.set("fleeting", blob)
            response = response.set("blob", blob) if rest != "0" else response.delete("blob")
    return response.set("count", wire.int64(total)).encode()


def http(status, body):
    return f"HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
            if random.random() < FAILS:
                writer.write(http("500 Oops", b"told to fail"))
            else:
                writer.write(http("200 OK", work(wire.decode_request(body))))
            await writer.drain()
    except (OSError, EOFError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), limit=1 << 22)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
