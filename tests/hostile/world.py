"""The gateway under attack, its good function, the bystander, and what is measured of them."""
import multiprocessing
import os
import pathlib
import resource
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))

import processes  # noqa: E402
import wire  # noqa: E402
from gateway import Gateway, endpoint, module  # noqa: E402

MEMORY_MIB = 256
KEYS = 16
CALLS_PER_SECOND = 200
NEW_CONNECTION_EVERY = 40  # calls: newcomers must get in as well
SAMPLES_MAX = 400_000
CALL_TIMEOUT_S = 5
VALUE_BYTES = 4 << 20  # of a state that slow readers ask for

# Sanitizers slow everything and hold freed memory: neither latency nor memory is judged.
def is_sanitized():
    from gateway import BINARY
    return b"__asan_init" in BINARY.read_bytes() or b"__tsan_init" in BINARY.read_bytes()



def spawn(target, *arguments):
    """A child process of ours that ends with us."""
    child = multiprocessing.Process(target=target, args=arguments, daemon=True)
    child.start()
    return child


# -- The good function --

def read_request(connection, have):
    """One HTTP/1.1 request with a length. Returns (head, body, rest), or None at the end."""
    while b"\r\n\r\n" not in have:
        piece = connection.recv(65536)
        if not piece:
            return None
        have += piece
    head, _, rest = have.partition(b"\r\n\r\n")
    size = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            size = int(line[15:])
    while len(rest) < size:
        piece = connection.recv(1 << 20)
        if not piece:
            return None
        rest += piece
    return head, rest[:size], rest[size:]


def http_answer(body):
    return (b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: %d\r\n\r\n" % len(body)) + body


def counted(body):
    """Counts each message in its state and tells the callers the count."""
    request = wire.decode_request(body)
    if "count" not in request.state:
        return wire.incomplete([("count", wire.INT), ("big", "hostile/bytes")])
    value = request.state["count"]
    count = value.int() if value else 0
    response = wire.Response()
    for message in request.messages:
        count += 1
        if message.caller and message.caller.namespace == "holdfast":
            response.send(message.caller, wire.as_json(count))
    return response.set("count", wire.int32(count)).encode()


def serve_good(listener):
    import selectors
    selector = selectors.DefaultSelector()
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                continue
            try:
                request = read_request(key.fileobj, b"")
                if request is not None:
                    key.fileobj.sendall(http_answer(counted(request[1]) if request[1] else b""))
                    continue
            except OSError:
                pass
            selector.unregister(key.fileobj)
            key.fileobj.close()


def serve_nothing(listener):
    """Takes whatever comes, and does not look at it."""
    import selectors
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
            elif not key.fileobj.recv(1 << 18):
                selector.unregister(key.fileobj)
                key.fileobj.close()


def serve_passing(listener, port):
    """Passes each request on to a function and its answer back: the way through a gateway that does nothing."""
    function = None
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        function = function or socket.create_connection(("127.0.0.1", port))
        with connection:
            while (request := read_request(connection, b"")) is not None:
                function.sendall(request[0] + b"\r\n\r\n" + request[1])
                connection.sendall(http_answer(read_request(function, b"")[1]))


def listen():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener, listener.getsockname()[1]


# -- The bystander --

class Client:
    """In a process of its own: calls at a steady pace, each timed."""

    def __init__(self, port):
        self.samples = multiprocessing.RawArray("d", 2 * SAMPLES_MAX)
        self.numbers = multiprocessing.RawArray("Q", 4)  # samples, errors, sent, stop
        self.problem = multiprocessing.RawArray("c", 400)
        self.child = spawn(self._run, port)

    def request(self, number):
        raise NotImplementedError

    def answered(self, number):
        """With success."""

    def _run(self, port):
        connection, number = None, 0
        while not self.numbers[3]:
            begin = time.monotonic()
            try:
                if connection is None or number % NEW_CONNECTION_EVERY == 0:
                    if connection:
                        connection.close()
                    connection = socket.create_connection(("127.0.0.1", port), CALL_TIMEOUT_S)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.numbers[2] += 1
                connection.sendall(self.request(number))
                head = self._answer(connection)
                if b" 200 " not in head[:16]:
                    raise OSError(head[:200])
                self.answered(number)
            except OSError as error:
                self.numbers[1] += 1
                self.problem.value = f"call {number}: {error!r}"[:399].encode()
                if connection:
                    connection.close()
                connection = None
            took = time.monotonic() - begin
            count = self.numbers[0]
            if count < SAMPLES_MAX:
                self.samples[2 * count], self.samples[2 * count + 1] = begin, took
                self.numbers[0] = count + 1
            number += 1
            time.sleep(max(0.0, 1 / CALLS_PER_SECOND - took))

    @staticmethod
    def _answer(connection):
        have = b""
        while b"\r\n\r\n" not in have:
            piece = connection.recv(65536)
            if not piece:
                raise OSError("closed")
            have += piece
        head, _, rest = have.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(rest) < size:
            piece = connection.recv(65536)
            if not piece:
                raise OSError("closed")
            rest += piece
        return head + rest

    @property
    def errors(self):
        return self.numbers[1]

    def taken(self, begin, end):
        """Seconds of each call that began in between."""
        found = []
        for index in range(self.numbers[0] - 1, -1, -1):
            at = self.samples[2 * index]
            if at < begin:
                break
            if at < end:
                found.append(self.samples[2 * index + 1])
        return found

    def stop(self):
        self.numbers[3] = 1
        self.child.join(2 * CALL_TIMEOUT_S)


class Bystander(Client):
    """A well-behaved client of the gateway: durable calls."""

    def __init__(self, port):
        self.acked = multiprocessing.RawArray("Q", KEYS)
        super().__init__(port)

    def request(self, number):
        return (b"POST /v1/call/e2e/counter/k%d HTTP/1.1\r\nhost: t\r\ncontent-type: text/plain\r\n"
                b"idempotency-key: n%d\r\ncontent-length: 1\r\n\r\n1" % (number % KEYS, number))

    def answered(self, number):
        self.acked[number % KEYS] += 1


class Witness(Client):
    """Its calls go the same way at the same time, through a program that only passes them on: what the machine does to
    them it does to the bystander's, too."""

    def request(self, number):
        return b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n"


def p99(values):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0


# -- The gateway --

class World:
    def __init__(self, folder, more_documents=(), arguments=(), env=None):
        listener, port = listen()
        other, other_port = listen()  # the witness's own: the gateway's calls may make one slow
        passing, passing_port = listen()
        self.servers = [spawn(serve_good, listener), spawn(serve_good, other), spawn(serve_passing, passing, other_port)]
        for each in (listener, other, passing):
            each.close()
        documents = [endpoint("e2e/*", f"http://127.0.0.1:{port}/good"), *more_documents]
        self.gateway = Gateway(folder, module(*documents), arguments=["--memory", f"{MEMORY_MIB}MiB", *arguments], env=env)
        self.gateway.start()
        self.port = self.gateway.port
        self.pid = self.find_pid()
        self.put_big_value()
        self.bystander, self.witness = Bystander(self.port), Witness(passing_port)

    def find_pid(self):
        """setpriv becomes the gateway by exec, so the child's number is the gateway's."""
        return self.gateway.process.pid

    def put_big_value(self):
        for answer in (self.gateway.client.call("e2e/counter/big", b"1"),
                       self.gateway.client.put_state("e2e/counter/big", "big", b"v" * VALUE_BYTES, type="hostile/bytes")):
            if answer.status not in (200, 202, 204):
                raise RuntimeError(f"the big value was refused: {answer}")

    def rss(self):
        return processes.rss_bytes(self.pid)

    def cpu(self):
        return processes.cpu_seconds(self.pid)

    def fds(self):
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return 0

    def log_bytes(self):
        return self.gateway.log.stat().st_size if self.gateway.log.exists() else 0

    def wrong_counts(self):
        """Acknowledged calls that are not in the state, or more in it than were ever sent."""
        wrong, total = [], 0
        for key in range(KEYS):
            answer = self.gateway.client.state(f"e2e/counter/k{key}", "count")
            have = wire.Value(wire.INT, answer.body).int() if answer.status == 200 else 0
            total += have
            if have < self.bystander.acked[key]:
                wrong.append(f"k{key}: {have} counted, {self.bystander.acked[key]} acknowledged")
        if total > self.bystander.numbers[2]:
            wrong.append(f"{total} counted, {self.bystander.numbers[2]} sent")
        return wrong

    def close(self):
        self.bystander.stop()
        self.witness.stop()
        for server in self.servers:
            if server.is_alive():
                server.terminate()
                server.join(5)


def check_data(folder):
    """What `holdfast check` says of the directory: "" when it is fine."""
    from gateway import BINARY
    done = subprocess.run([BINARY, "check", folder], capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else f"status {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}"


def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
