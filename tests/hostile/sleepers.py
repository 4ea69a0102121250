"""Connections that are slow from the first to the last moment of a run: each has to be cut within its time-outs."""
import threading
import time

import attack
import frames as f
import http1
import http2

CUT_WITHIN_S = 75  # idle: 60 s; a head or body: up to twice 30 s; an unread answer the same; and some for the machine
KINDS = {
    "says nothing": (b"", b""),
    "half a head": (b"GET / HTTP/1.1\r\nhost: t\r\nx: ", b"a"),
    "half a body": (http1.post(b"content-length: 1000000"), b"1"),
    "chunks of one byte": (http1.post(b"transfer-encoding: chunked"), b"1\r\n1\r\n"),
    "an answer that nobody reads": (http1.BIG, b""),
    "idle after a request": (http1.GET, b""),
    "half a preface": (f.PREFACE[:20], b""),
    "h2, says nothing more": (f.OPEN, b""),
    "h2, a body that trickles": (f.OPEN + f.headers(1, http2.CALL_BLOCK, end_stream=False), f.data(1, b"1")),
    "h2, half a header block": (f.OPEN + f.headers(1, end_headers=False), f.continuation(1, b"")),
    "h2, zero window": (f.PREFACE + f.settings((4, 0)) + f.headers(1, http2.GET_BIG), b""),
    "h2, zero window with pings": (f.PREFACE + f.settings((4, 0)) + f.headers(1, http2.GET_BIG), f.ping()),
    "h2, windows of one byte": (f.PREFACE + f.settings((4, 0)) + f.headers(1, http2.GET_BIG), f.window(1, 1)),
    "TLS hello": (bytes.fromhex("1603010005010000010303"), b""),
}


class Sleepers:
    def __init__(self, port):
        self.stopping = threading.Event()
        self.cut = {}
        self.open = {}
        target = attack.Target(port, 0, 5, 0)
        for name, (lead, _) in KINDS.items():
            connection = target.connect(buffer=4096)
            connection.sendall(lead)
            connection.setblocking(False)
            self.open[name] = connection
        self.begun = time.monotonic()
        self.thread = threading.Thread(target=self._drip, daemon=True)
        self.thread.start()

    def _drip(self):
        while not self.stopping.wait(1.0):
            for name, connection in list(self.open.items()):
                if self._is_cut(name, connection):
                    self.cut[name] = time.monotonic() - self.begun
                    self.open.pop(name).close()

    @staticmethod
    def _is_cut(name, connection):
        """Says its byte and looks for the end, without reading what slow readers do not read."""
        try:
            if KINDS[name][1]:
                connection.send(KINDS[name][1])
            if "read" in name or "window" in name:
                return _is_reset(connection)
            while connection.recv(65536):
                pass
            return True
        except BlockingIOError:
            return False
        except OSError:
            return True

    def violations(self):
        """Waits for the rest of their time."""
        while self.open and time.monotonic() - self.begun < CUT_WITHIN_S:
            time.sleep(0.2)
        return [f"not cut after {CUT_WITHIN_S} s: {name}" for name in self.open]

    def close(self):
        self.stopping.set()
        self.thread.join(5)
        for connection in self.open.values():
            connection.close()


def _is_reset(connection):
    """Whether the other side has ended it, with data still unread in front of the end."""
    import select
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return any(event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))
