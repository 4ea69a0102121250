"""Attacks: what they are made of. Each runs in a niced process of its own and tells what it saw."""
import errno
import os
import select
import socket
import time
import traceback

ATTACKS = []
RATE = 12 << 20  # bytes a second that one attack may send: a 100 Mbit/s line


class Attack:
    def __init__(self, name, side, run, variants, functions=()):
        self.name, self.side, self.run, self.variants = name, side, run, variants
        self.functions = functions  # that answer in it, over HTTP/1.1: somebody else can ask them, too


def attack(name, side="ingress", variants=1, functions=()):
    """Registers run(target). It goes on while target.going() and leaves its sockets to the process's end."""
    def register(run):
        ATTACKS.append(Attack(name, side, run, variants, functions))
        return run
    return register


class Target:
    """What an attack works with; what it counts goes back to the harness."""

    def __init__(self, port, admin_port, seconds, seed):
        self.port, self.admin_port, self.seed = port, admin_port, seed
        self.end = time.monotonic() + seconds
        self.counts = {"connections": 0, "sent": 0, "cut": 0, "checks": 0}
        self.violations = []
        self.held = []
        self.begun = time.monotonic()

    def going(self):
        return time.monotonic() < self.end

    def check(self, good, what):
        self.counts["checks"] += 1
        if not good and len(self.violations) < 10:
            self.violations.append(what)
        return good

    def connect(self, timeout_s=5, buffer=None):
        """A connected socket, or None when we are refused."""
        connection = socket.socket()
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(timeout_s)
        try:
            connection.connect(("127.0.0.1", self.port))
        except OSError:
            connection.close()
            return None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.counts["connections"] += 1
        return connection

    def hold(self, connection):
        self.held.append(connection)
        return connection

    def pace(self):
        """Waits until what has been sent is within the rate."""
        ahead = self.counts["sent"] / RATE - (time.monotonic() - self.begun)
        if ahead > 0:
            time.sleep(min(ahead, 0.2))

    def send(self, connection, data):
        """All of it; False when the gateway has cut us or takes nothing for two seconds."""
        view = memoryview(data)
        connection.settimeout(2)
        try:
            while view and self.going():
                sent = connection.send(view[:65536])
                self.counts["sent"] += sent
                view = view[sent:]
                self.pace()
            return True
        except TimeoutError:
            return True  # not taken: bounded by the gateway's own back-pressure
        except OSError:
            self.counts["cut"] += 1
            return False

    def flood(self, make, read=False, connections=4, lead=b"", once=None):
        """Sends `lead` and then make(i) for ever on each connection; a cut one is replaced."""
        live = {}
        while self.going():
            while len(live) < connections and self.going():
                connection = self.connect()
                if connection is None:
                    time.sleep(0.05)
                    break
                connection.setblocking(False)
                live[connection] = [bytearray(lead), 0]
            writable = list(live)
            ready, able, _ = select.select(writable if read else [], writable, [], 0.2)
            for connection in ready:
                if not self._drop(connection):
                    live.pop(connection).clear()
                    connection.close()
            for connection in able:
                if connection in live and not self._push(connection, live[connection], make):
                    live.pop(connection)
                    connection.close()
            self.pace()
            if not able:
                time.sleep(0.01)
        self.held += live

    def _drop(self, connection):
        try:
            if connection.recv(1 << 18):
                return True
        except BlockingIOError:
            return True
        except OSError:
            pass
        self.counts["cut"] += 1
        return False

    def _push(self, connection, state, make):
        out, number = state
        if not out:
            out += make(number)
            state[1] += 1
        try:
            sent = connection.send(out[:65536])
            self.counts["sent"] += sent
            del out[:sent]
            return True
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET):
                self.counts["cut"] += 1
            return False


def read_all(connection, timeout_s=2.0, most=1 << 20):
    """What comes until the end or the time-out. Returns (bytes, closed)."""
    have, end = b"", time.monotonic() + timeout_s
    while len(have) < most:
        left = end - time.monotonic()
        if left <= 0:
            return have, False
        connection.settimeout(left)
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            return have, False
        except OSError:
            return have, True
        if not piece:
            return have, True
        have += piece
    return have, False


def statuses(data):
    """Status of each HTTP/1 answer in there, taking lengths into account."""
    found = []
    while data.startswith(b"HTTP/1."):
        head, mark, rest = data.partition(b"\r\n\r\n")
        if not mark:
            break
        status = int(head[9:12])
        found.append(status)
        size = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                size = int(line[15:])
        data = rest if status < 200 else rest[size:]
    return found


def run_in_child(made, target, pipe):
    """The child's main: niced, so that it does not merely take the gateway's core."""
    os.nice(15)
    try:
        made.run(target)
    except Exception:  # pylint: disable=broad-except  # a mistake of the attack: it must be seen
        target.violations.append(f"the attack itself failed: {traceback.format_exc()[-600:]}")
    pipe.send((target.counts, target.violations))
    pipe.close()
    os._exit(0)
