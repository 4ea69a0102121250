"""A function server that does whatever a story tells it, down to the bytes: the official SDKs are too well behaved."""
import socket
import struct
import threading
import time

import processes
import wire

OCTETS = "application/octet-stream"
BUNDLE = "application/vnd.holdfast.bundle"


class Call:
    """One HTTP request from the gateway."""

    rides = False

    def __init__(self, connection, head, headers, body, number, offer=None):
        self.connection, self.head, self.headers, self.body, self.number = connection, head, headers, body, number
        self.request = wire.decode_request(body)
        self.offer = offer
        self.answered = False

    @property
    def target(self):
        return self.request.target

    @property
    def attempt(self):
        return int(self.headers.get("holdfast-attempt", "0"))

    @property
    def invocation_id(self):
        return self.headers.get("holdfast-invocation-id", "")

    def answer(self, body=b"", *, status="200 OK", content_type=OCTETS, headers=()):
        """A well-formed HTTP answer, whatever is in it."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        if self.offer:
            lines.append(f"Accept-Post: {self.offer}")
        lines += headers
        self.raw(("\r\n".join(lines) + "\r\n\r\n").encode() + body)

    def result(self, response=None):
        self.answer((response or wire.Response()).encode())

    def missing(self, *specs):
        self.answer(wire.incomplete(specs))

    def needs(self, *specs):
        """Answers Incomplete when one of the states is not registered yet; true when it did."""
        missing = [spec for spec in specs if spec[0] not in self.request.state]
        if missing:
            self.missing(*missing)
        return bool(missing)

    def raw(self, data):
        self.answered = True
        self.connection.sendall(data)

    def close(self):
        self.answered = True
        raise ConnectionAbortedError

    def reset(self):
        """RST instead of a polite end."""
        self.answered = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionAbortedError


class Rider(Call):
    """One call of many in a request: its answer is an outcome in the bundle's."""

    rides = True

    def __init__(self, bundle, index, invocation, number):
        body, invocation_id, attempt, _traceparent = invocation
        headers = {"holdfast-invocation-id": invocation_id, "holdfast-attempt": str(attempt)}
        super().__init__(bundle.connection, bundle.head, headers, body, number)
        self.bundle, self.index = bundle, index

    def answer(self, body=b"", *, status="200 OK", content_type=OCTETS, headers=()):
        code = int(str(status).split()[0])
        if code // 100 == 2 and content_type == OCTETS:
            self.tell(wire.encode_outcome(self.index, from_function=body))
            return
        after = [line.partition(":")[2] for line in headers if line.lower().startswith("retry-after:")]
        self.tell(wire.encode_outcome(self.index, failure=(code, body.decode(), int((after or [0])[0]) * 1000)))

    def tell(self, outcome):
        self.answered = True
        self.bundle.say(outcome)

    def hand_back(self):
        self.tell(wire.encode_outcome(self.index))

    def raw(self, data):
        raise NotImplementedError("a rider has no connection of its own")


class Bundle:
    """Many calls in one request. By default each is handled in its turn, and told at once."""

    def __init__(self, server, connection, head, headers, body, number):
        self.connection, self.head, self.headers, self.number = connection, head, headers, number
        self.offer = server.offer
        self.riders = [Rider(self, index, invocation, len(server.calls) + index)
                       for index, invocation in enumerate(wire.decode_bundle(body))]
        self.begun = False

    def serve(self, handler):
        for rider in self.riders:
            handler(rider)
            if not rider.answered:
                rider.result()
        self.end()

    def say(self, data):
        """Some of the answer, as a piece of its own."""
        if not self.begun:
            self.begun = True
            lines = ["HTTP/1.1 200 OK", f"Content-Type: {BUNDLE}", "Transfer-Encoding: chunked", f"Accept-Post: {self.offer}"]
            self.connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        if data:
            self.connection.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self):
        self.say(b"")
        self.connection.sendall(b"0\r\n\r\n")

    def refuse(self, status):
        """An answer to all of them that is no outcomes."""
        self.connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())


class FunctionServer:
    """Calls handler(call) for each request, one thread per connection. Errors of a handler end its connection. With
    `offer`, the value of Accept-Post, calls may come in bundles: each goes to bundle_handler(bundle), or call by call to
    the handler."""

    def __init__(self, handler, port=0, *, offer=None, bundle_handler=None):
        self.handler = handler
        self.offer, self.bundle_handler = offer, bundle_handler
        self.calls = []
        self.bundles = []
        self.lock = threading.Lock()
        self.errors = []
        self.stopping = threading.Event()
        self.port = port
        self.listener = None
        self.connections = set()
        self.listen()

    def listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = self.port or processes.free_port()
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(512)
        self.stopping = threading.Event()
        threading.Thread(target=self._accept, args=(self.listener, self.stopping), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/statefun"

    def down(self):
        """Stops listening and cuts all connections, as a crash does."""
        self.stopping.set()
        try:
            # Closing alone leaves a blocked accept holding the port.
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def up(self):
        self.listen()

    close = down

    def calls_for(self, id):
        with self.lock:
            return [call for call in self.calls if call.target.id == id]

    def _accept(self, listener, stopping):
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=self._serve, args=(connection, stopping), daemon=True).start()

    def _serve(self, connection, stopping):
        try:
            reader = connection.makefile("rb")
            while not stopping.is_set():
                call = self._read(connection, reader)
                if call is None:
                    return
                self._handle(call)
        except OSError:
            pass
        except Exception as error:  # a mistake of the story, not of the gateway: remember it
            self.errors.append(error)
        finally:
            with self.lock:
                self.connections.discard(connection)
            connection.close()

    def _handle(self, call):
        if isinstance(call, Call):
            self.handler(call)
            if not call.answered:
                call.result()
        elif self.bundle_handler:
            self.bundle_handler(call)
        else:
            call.serve(self.handler)

    def _read(self, connection, reader):
        head = reader.readline()
        if not head:
            return None
        headers = {}
        while True:
            line = reader.readline().strip()
            if not line:
                break
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", "0")))
        with self.lock:
            if headers.get("content-type") == BUNDLE:
                bundle = Bundle(self, connection, head.decode().strip(), headers, body, len(self.bundles))
                self.bundles.append(bundle)
                self.calls += bundle.riders
                return bundle
            call = Call(connection, head.decode().strip(), headers, body, len(self.calls), self.offer)
            self.calls.append(call)
        return call


def hang(seconds):
    """For handlers that are slow."""
    time.sleep(seconds)
