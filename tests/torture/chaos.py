"""The chaos proxy: a process between two others that loses, delays and cuts what goes through.

    chaos.py NAME=LISTEN:UPSTREAM ...     TCP ports on the loopback

Chances come as JSON lines on stdin: {"NAME": {"FAULT": chance of it for each piece that a client sends}}. Tells on
stdout, each second, how often each fault was committed. Ends with its stdin.

    delay         the request waits a little             reset_before   the client is reset, the server sees nothing
    reset_after   the server gets the request, the client is reset before any answer
    cut           a part of the answer, then a reset     close          the same, with a polite end
    no_answer     the request arrives, the answer is an orderly end of the connection
    half_closed   the server gets the request and the end of the client's side, as of a client that is done
    trickle       the request comes in small pieces      trickle_back   the answer does
    hole          nothing for seconds, then a reset      twice          a second copy of the request by another connection,
                                                                        only of what is safe to repeat
"""
import asyncio
import json
import random
import socket
import struct
import sys
from collections import Counter

chances = {}
committed = Counter()


def reset(writer):
    """RST, not FIN."""
    raw = writer.get_extra_info("socket")
    if raw is not None and not writer.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def in_pieces(writer, data):
    size = random.choice((1, 7, 40, 200))
    pieces = 0
    for at in range(0, len(data), size):
        writer.write(data[at:at + size])
        pieces += 1
        if pieces > 150:  # slow, not endless
            writer.write(data[at + size:])
            break
        await asyncio.sleep(0.002)
    await writer.drain()


class Link:
    """One connection of a client and the one to the server that belongs to it."""

    def __init__(self, name, port, reader, writer):
        self.name, self.port = name, port
        self.client, self.client_out = reader, writer
        self.server = self.server_out = None
        self.next_answer = None  # a fault for the answer

    def pick(self, data):
        chance = random.random()
        for fault, share in chances.get(self.name, {}).items():
            if chance < share:
                if fault == "twice" and not self.repeatable(data):
                    return None
                committed[f"{self.name}.{fault}"] += 1
                return fault
            chance -= share
        return None

    def repeatable(self, data):
        return not self.name.startswith("clients") or b"X-Repeatable" in data

    async def run(self):
        try:
            self.server, self.server_out = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 18)
        except OSError:
            reset(self.client_out)
            return
        back = asyncio.ensure_future(self.answers())
        try:
            await self.requests()
        except (OSError, EOFError):
            pass
        finally:
            # A side that ended in order may still wait for the other's answer.
            await asyncio.wait([back], timeout=5)
            back.cancel()
            self.abort()

    def abort(self):
        self.client_out.transport.abort()
        if self.server_out:
            self.server_out.transport.abort()

    async def requests(self):
        while data := await self.client.read(1 << 18):
            fault = self.pick(data)
            if fault is None:
                self.server_out.write(data)
            elif not await getattr(self, fault)(data):
                return
            await self.server_out.drain()
        self.server_out.write_eof()

    async def answers(self):
        try:
            while data := await self.server.read(1 << 18):
                fault, self.next_answer = self.next_answer, None
                if fault in ("cut", "close"):
                    self.client_out.write(data[:random.randrange(len(data))])
                    await asyncio.sleep(random.uniform(0, 0.01))
                    reset(self.client_out) if fault == "cut" else self.client_out.close()
                    break
                if fault == "no_answer":
                    self.client_out.close()
                    break
                if fault == "trickle_back":
                    await in_pieces(self.client_out, data)
                else:
                    self.client_out.write(data)
                    await self.client_out.drain()
            else:
                self.client_out.write_eof()
                return
            self.server_out.transport.abort()
        except (OSError, RuntimeError):
            self.abort()

    # ---- Faults: each gives whether the connection goes on ----

    async def delay(self, data):
        await asyncio.sleep(random.choice((random.uniform(0, 0.02), random.uniform(0, 0.3))))
        self.server_out.write(data)
        return True

    async def reset_before(self, _data):
        reset(self.client_out)
        return False

    async def reset_after(self, data):
        self.server_out.write(data)
        await self.server_out.drain()
        await asyncio.sleep(random.choice((0, random.uniform(0, 0.01))))
        reset(self.client_out)
        return False

    async def answer_fault(self, fault, data):
        self.next_answer = fault
        self.server_out.write(data)
        return True

    async def cut(self, data):
        return await self.answer_fault("cut", data)

    async def close(self, data):
        return await self.answer_fault("close", data)

    async def no_answer(self, data):
        return await self.answer_fault("no_answer", data)

    async def trickle_back(self, data):
        return await self.answer_fault("trickle_back", data)

    async def half_closed(self, data):
        self.server_out.write(data)
        self.server_out.write_eof()
        await asyncio.sleep(5)
        return False

    async def trickle(self, data):
        await in_pieces(self.server_out, data)
        return True

    async def hole(self, _data):
        await asyncio.sleep(random.uniform(0.3, 4))
        reset(self.client_out)
        return False

    async def twice(self, data):
        asyncio.ensure_future(self.copy(data))
        self.server_out.write(data)
        return True

    async def copy(self, data):
        await asyncio.sleep(random.choice((0, random.uniform(0, 0.5))))
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(data)
            await asyncio.wait_for(reader.read(1 << 16), 5)
            writer.close()
        except (OSError, asyncio.TimeoutError):
            pass


async def orders():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        chances.update(json.loads(line))


async def tell():
    while True:
        await asyncio.sleep(1)
        print(json.dumps(committed), flush=True)


async def main(routes):
    for route in routes:
        name, ports = route.split("=")
        listen, upstream = map(int, ports.split(":"))

        async def accept(reader, writer, name=name, upstream=upstream):
            try:
                await Link(name, upstream, reader, writer).run()
            except Exception as error:  # of ours
                print(f"chaos: {error!r}", file=sys.stderr, flush=True)

        await asyncio.start_server(accept, "127.0.0.1", listen, limit=1 << 18, backlog=512)
    asyncio.ensure_future(tell())
    await orders()
    print(json.dumps(committed), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
