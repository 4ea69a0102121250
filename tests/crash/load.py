"""Clients of the crash test. They write down what they were told, and nothing else."""
import random
import threading
import time

import functions
from client import Client, NO_ANSWER

COUNTERS = functions.COUNTERS
CANCELLED_MS = 8000


class History:
    """What the clients know about each operation: `must` have taken effect once, or `may` have, once at most."""

    def __init__(self):
        self.lock = threading.Lock()
        self.must, self.may = {}, {}       # operation -> (address, verb, argument)
        self.replies = {}                  # operation -> reply
        self.order = {}                    # (sender, address) -> operations in the order of their acknowledgements
        self.pulled = {}                   # cursor -> record
        self.reads = 0
        self.problems = []

    def note(self, table, name, entry):
        with self.lock:
            table[name] = entry

    def in_order(self, sender, address, name):
        with self.lock:
            self.order.setdefault((sender, address), []).append(name)

    def problem(self, text):
        with self.lock:
            self.problems.append(text)


class Worker(threading.Thread):
    """One client with its own connection and its own random numbers."""

    def __init__(self, name, gateway, history, stop, seed):
        super().__init__(daemon=True, name=name)
        self.gateway, self.history, self.stop = gateway, history, stop
        self.random = random.Random(f"{seed}/{name}")
        self.client = Client(gateway.port, keep=True, timeout_s=30)
        self.number = 0
        self.retries = 0
        self.accepted = 0

    def run(self):
        while not self.stop.is_set():
            try:
                self.turn()
            except Exception as error:
                self.history.problem(f"{self.name}: {error!r}")
                return

    def next(self):
        self.number += 1
        return f"{self.name}-{self.number}", f"c{self.random.randrange(COUNTERS)}"

    def until_answered(self, attempt, wanted):
        """Repeats a keyed request until it is answered; also beyond the end of the load."""
        give_up = time.monotonic() + 120
        while time.monotonic() < give_up:
            try:
                answer = attempt()
                if answer.status == wanted:
                    return answer
                if answer.status not in (429, 503, 504):
                    self.history.problem(f"{self.name}: {answer}")
                    return None
            except NO_ANSWER:
                pass
            self.retries += 1
            time.sleep(self.random.uniform(0.005, 0.05))
        self.history.problem(f"{self.name}: no answer for two minutes")
        return None


class KeyedSender(Worker):
    """Each operation has a key and is repeated until acknowledged: it must take effect exactly once."""

    def turn(self):
        name, id = self.next()
        verb, argument = self.random.choices(
            (("S", ""), ("D", str(self.random.randrange(3000))), ("F", "3"), ("X", str(CANCELLED_MS))), (6, 3, 1, 1))[0]
        delay = f"{self.random.randrange(2000)}ms" if verb == "S" and self.random.random() < 0.2 else None
        body = f"{verb} {name} {argument}".strip()
        answer = self.until_answered(lambda: self.client.send(
            f"crash/counter/{id}", body, type=functions.OP, key=name, delay=delay, timeout_s=10), 202)
        if answer:
            self.accepted += 1
            self.history.note(self.history.must, name, (id, verb, argument))
            if not delay:
                self.history.in_order(self.name, id, name)
            if self.random.random() < 0.05:  # a client that forgot that it was answered
                again = self.until_answered(lambda: self.client.send(
                    f"crash/counter/{id}", body, type=functions.OP, key=name, delay=delay, timeout_s=10), 202)
                if again and again.json()["message"] != answer.json()["message"]:
                    self.history.problem(f"{name}: two message ids for one key: {answer.body} {again.body}")


class PlainSender(Worker):
    """No key: an acknowledged operation must take effect once, the others once at most."""

    def turn(self):
        name, id = self.next()
        body = f"S {name}"
        try:
            status = self.client.send(f"crash/counter/{id}", body, type=functions.OP, timeout_s=10).status
        except NO_ANSWER:
            status = None
        acked = status == 202
        self.accepted += acked
        self.history.note(self.history.must if acked else self.history.may, name, (id, "S", ""))
        if acked:
            self.history.in_order(self.name, id, name)
        else:
            self.retries += 1
            time.sleep(0.02)


class Caller(Worker):
    """Keyed calls: the reply must name the operation, and a repetition must bring the same reply."""

    def turn(self):
        name, id = self.next()
        answer = self.until_answered(lambda: self.client.call(
            f"crash/counter/{id}", f"C {name}", type=functions.OP, key=name, timeout="5s", timeout_s=15), 200)
        if not answer:
            return
        self.accepted += 1
        self.history.note(self.history.must, name, (id, "C", ""))
        self.history.in_order(self.name, id, name)
        self.history.note(self.history.replies, name, answer.body.decode())
        if self.random.random() < 0.1:
            again = self.until_answered(lambda: self.client.call(
                f"crash/counter/{id}", f"C {name}", type=functions.OP, key=name, timeout="5s", timeout_s=15), 200)
            if again and again.body != answer.body:
                self.history.problem(f"{name}: two replies for one key: {answer.body} {again.body}")


class PlainCaller(Worker):
    def turn(self):
        name, id = self.next()
        try:
            answer = self.client.call(f"crash/counter/{id}", f"C {name}", type=functions.OP, timeout="5s", timeout_s=15)
            status = answer.status
        except NO_ANSWER:
            status = None
        if status == 200:
            self.accepted += 1
            self.history.note(self.history.must, name, (id, "C", ""))
            self.history.note(self.history.replies, name, answer.body.decode())
        else:
            self.history.note(self.history.may, name, (id, "C", ""))
            self.retries += 1
            time.sleep(0.02)


class Puller(Worker):
    """Takes records out; acknowledges only what it has written down. Sometimes it does not acknowledge at all."""

    def turn(self):
        try:
            answer = self.client.pull(functions.EGRESS, max=200, wait="200ms", timeout_s=10)
            if answer.status != 200:
                self.retries += 1
                time.sleep(0.02)
                return
            records = answer.json()["records"]
        except NO_ANSWER:
            self.retries += 1
            time.sleep(0.02)
            return
        for record in records:
            known = self.history.pulled.setdefault(int(record["cursor"]), record)
            if known != record:
                self.history.problem(f"cursor {record['cursor']} changed: {known} {record}")
        self.accepted += len(records)
        if records and self.random.random() < 0.9:
            try:
                acked = self.client.ack(functions.EGRESS, records[-1]["cursor"])
                if acked.status >= 300 and acked.status not in (429, 503):
                    self.history.problem(f"ack: {acked}")
            except NO_ANSWER:
                self.retries += 1


class Reader(Worker):
    """What a read has shown can never be undone: sequences only grow."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.seen = {}

    def turn(self):
        id = f"c{self.random.randrange(COUNTERS)}"
        try:
            answer = self.client.state(f"crash/counter/{id}", "sequence")
        except NO_ANSWER:
            self.retries += 1
            time.sleep(0.02)
            return
        if answer.status == 200:
            value = int.from_bytes(answer.body[1:9], "little")
            if value < self.seen.get(id, 0):
                self.history.problem(f"{id}: read {self.seen[id]} before, {value} now")
            self.seen[id] = value
            self.accepted += 1
            self.history.reads += 1
        elif answer.status == 404 and id in self.seen:
            self.history.problem(f"{id}: read {self.seen[id]} before, not found now")
        time.sleep(0.02)
