"""A small asynchronous HTTP/1.1 client. It never retries by itself: who calls decides what a retry means."""
import asyncio
import json


class NoAnswer(Exception):
    """The connection broke or the time was over: nobody knows what the server did."""


class Answer:
    __slots__ = ("status", "headers", "body")

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def code(self):
        """Of a problem+json."""
        try:
            return self.json().get("code", "")
        except (ValueError, AttributeError):
            return ""

    def __repr__(self):
        return f"<{self.status} {self.body[:200]!r}>"


class Connection:
    """One connection, kept while it is good."""

    def __init__(self, port):
        self.port = port
        self.reader = self.writer = None

    async def request(self, method, path, body=b"", headers=(), timeout_s=10):
        try:
            return await asyncio.wait_for(self.exchange(method, path, body, headers), timeout_s)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError, asyncio.LimitOverrunError) as error:
            self.close()
            raise NoAnswer(f"{method} {path}: {error!r}") from None
        except asyncio.CancelledError:
            self.close()
            raise

    async def exchange(self, method, path, body, headers):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        lines = [f"{method} {path} HTTP/1.1", "Host: torture", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        received = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            received[name.lower()] = value.strip()
        answer = Answer(status, received, await self.body(status, received))
        if received.get("connection", "").lower() == "close":
            self.close()
        if status == 499:  # the gateway has seen the end of our side and thinks that nobody listens: it has told us nothing
            raise ValueError("499")
        return answer

    async def body(self, status, headers):
        if status in (204, 304):
            return b""
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding", "").lower() != "chunked":
            raise ValueError("an answer without a length")
        parts = []
        while True:
            size = int((await self.reader.readline()).split(b";")[0], 16)
            parts.append(await self.reader.readexactly(size))
            await self.reader.readline()
            if size == 0:
                return b"".join(parts)

    def close(self):
        if self.writer is not None:
            self.writer.transport.abort()
        self.reader = self.writer = None
