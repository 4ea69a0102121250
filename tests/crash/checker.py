"""Compares what the clients were told with what is in the state and in the egress. Knows nothing about the gateway."""
from collections import Counter, defaultdict

from client import record_bytes


class Checker:
    def __init__(self, history, states, functions):
        """states: (type, id) -> (list of operations in the order of their effect, sequence)."""
        self.history, self.states, self.functions = history, states, functions
        self.results = []
        self.where = defaultdict(list)  # operation -> the addresses where it took effect
        for (kind, id), (ops, _) in states.items():
            for name in ops:
                self.where[name].append((kind, id))

    def expect(self, what, wrong, total):
        """One line of the report; `wrong` lists the offenders, `total` says how many were looked at."""
        self.results.append((what, total, list(wrong)))

    def run(self):
        known = {**self.history.may, **self.history.must}
        derived, never = {}, set()
        for name, (id, verb, argument) in known.items():
            if name in self.where:
                self.derive(name, id, verb, argument, derived, never)
        must, may = self.history.must, self.history.may
        self.expect("acknowledged or keyed messages lost", [n for n in must if not self.where.get(n)], len(must))
        self.expect("effects doubled", [f"{n} {places}" for n, places in self.where.items() if len(places) > 1], len(self.where))
        self.expect("effects at another address", [n for n, (id, _, _) in known.items()
                                                   if any(p != ("crash/counter", id) for p in self.where.get(n, ()))], len(known))
        self.expect("unacknowledged messages applied more than once", [n for n in may if len(self.where.get(n, ())) > 1], len(may))
        self.expect("messages of functions lost or misplaced",
                    [f"{n} {self.where.get(n)}" for n, place in derived.items() if place[0] != "crash/timer"
                     and self.where.get(n) != [place]], sum(p[0] != "crash/timer" for p in derived.values()))
        self.expect("delayed messages lost or doubled",
                    [f"{n} {self.where.get(n)}" for n, place in derived.items() if place[0] == "crash/timer"
                     and self.where.get(n) != [place]], sum(p[0] == "crash/timer" for p in derived.values()))
        self.expect("cancelled messages that fired", [n for n in never if n in self.where], len(never))
        self.expect("effects of unknown messages", [n for n in self.where if n not in known and n not in derived], len(self.where))
        self.check_order()
        self.check_egress()
        self.check_replies()
        self.expect("contradictions seen by clients", self.history.problems, self.history.reads)
        return self.results

    def derive(self, name, id, verb, argument, derived, never):
        if verb == "D":
            derived[f"{name}.t"] = ("crash/timer", id)
        elif verb == "X":
            never.add(f"{name}.x")
        elif verb == "F":
            for number in range(int(argument)):
                other = (self.functions.hash_of(name) + number) % self.functions.COUNTERS
                derived[f"{name}.{number}"] = ("crash/counter", f"f{other}")

    def check_order(self):
        wrong = []
        for (sender, id), names in self.history.order.items():
            ops = self.states.get(("crash/counter", id), ([], 0))[0]
            position = {name: at for at, name in enumerate(ops)}
            places = [position[name] for name in names if name in position]
            if places != sorted(places):
                wrong.append(f"{sender} -> {id}")
        self.expect("senders whose order was not kept", wrong, len(self.history.order))

    def check_egress(self):
        by_address, doubled = defaultdict(list), Counter()
        for cursor in sorted(self.history.pulled):
            id, sequence, name = record_bytes(self.history.pulled[cursor]).decode().split(" ")
            by_address[id].append((int(sequence), name))
            doubled[(id, sequence)] += 1
        wrong = []
        for (kind, id), (ops, sequence) in self.states.items():
            if kind != "crash/counter":
                continue
            records = by_address.pop(id, [])
            if records != list(zip(range(1, sequence + 1), ops)):
                wrong.append(f"{id}: {len(records)} records, sequence {sequence}, first difference "
                             f"{next((pair for pair in zip(records, enumerate(ops, 1)) if pair[0] != pair[1]), 'in length')}")
        wrong += [f"{id}: records without state" for id in by_address]
        self.expect("egress records doubled", [key for key, count in doubled.items() if count > 1], len(self.history.pulled))
        self.expect("addresses whose egress has a gap, a double or another order", wrong, len(self.states))

    def check_replies(self):
        wrong = []
        for name, reply in self.history.replies.items():
            id = self.history.must[name][0]
            ops = self.states.get(("crash/counter", id), ([], 0))[0]
            got, sequence = reply.split(" ")
            if got != name or int(sequence) > len(ops) or ops[int(sequence) - 1] != name:
                wrong.append(f"{name}: {reply}")
        self.expect("replies that do not agree with the state", wrong, len(self.history.replies))
