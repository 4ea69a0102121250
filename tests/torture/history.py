"""What happened, as the outside saw it: one event after the other, in memory and in a file. The checker reads nothing else.

An event is a dict with the kind in `e` and the moment (CLOCK_MONOTONIC, seconds) in `at`. Kinds, and what is in them:

    base     a address, n, h                what is in its state when the round begins
    root     n name, to, node, from, key (has one), d (delay ms), k (cancel token)      it is about to be sent
    refused  n, s (status)                  its one and only attempt: the gateway said no
    accepted n, m (message id), o (its place in the order of its sender, absent when the order is not known)
    reply    n, b                           what a call got
    pull     q queue, c cursor, v           a record, when it is seen first
    verb     v, a, n, s                     an operator's verb on the address a whose head is the message n; s = status or null
    cancel   k, s                           DELETE of a delayed message; s = status or null
    read     a, n, h, began                 a state that was read
    swap     a, v, w, s                     a state write: who (w) wants to make it v; s = status or null
    register a, v, w                        the value of that state in the end
    jump     by                             the gateway's clock goes forward so many seconds
    stopped  began                          the gateway was stopped since then
    state    a, n, h                        its state in the end
    problem  text                           something that must never be seen, seen by a client at once
"""
import json
import time


class History:
    def __init__(self, path):
        self.path = path
        self.file = open(path, "w", buffering=1 << 16)
        self.events = []
        self.on_ack = None  # called at each acknowledgement

    def add(self, kind, **members):
        event = {"e": kind, "at": time.monotonic(), **members}
        self.events.append(event)
        self.file.write(json.dumps(event, separators=(",", ":")) + "\n")
        if kind in ("accepted", "reply") and self.on_ack:
            self.on_ack()

    def problem(self, text):
        self.add("problem", text=text)

    def flush(self):
        self.file.flush()

    def close(self):
        self.file.close()


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file]
