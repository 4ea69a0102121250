"""The checker must find each kind of mistake: one is planted at a time. Runs in milliseconds, before every torture."""
import copy

import trees
from checker import Checker

P, J, R = "py/w/k1", "js/w/k1", "raw/w/k2"
SECOND = 1000


def healthy():
    """A small history that is right."""
    node = {"c": [{"to": J, "r": 1}, {"to": J}, {"to": R, "d": 500}, {"to": R, "d": 12000, "k": 1}, {"to": J, "x": ["a1.3"]}]}
    effects = [(P, "a1", 1000), (P, "a2", 1010), (J, "a1.0", 1020), (J, "a1.1", 1020), (J, "a1.4", 1020), (P, "a1.0.r", 1040),
               (R, "a1.2", 1600), (R, "c1", 1700), (P, "p1", 1800), (R, "d1", 2500)]
    events = [{"e": "base", "at": 0, "a": P, "n": 4, "h": 99}]

    def add(kind, at, **members):
        events.append({"e": kind, "at": at, **members})

    def root(name, to, root_node, at, **more):
        add("root", at, n=name, to=to, node=root_node, key=True, **{"from": name[0]}, **more)

    root("a1", P, node, 0.9)
    root("a2", P, {}, 0.95)
    root("c1", R, {"r": 1}, 1.6)
    root("p1", P, {}, 1.7)                        # nobody knows whether it was accepted: it was
    root("p2", P, {}, 1.7)                        # and this one was not
    root("q1", P, {}, 1.7)                        # refused
    root("d1", R, {}, 1.9, d=500)
    root("d2", R, {}, 1.9, d=500, k="d2-token")   # taken back
    root("x1", P, {"p": 9}, 2.0)                  # skipped
    root("x2", P, {"p": 9}, 2.0)                  # dead-lettered
    for order, name in enumerate(("a1", "a2", "c1", "d1", "d2", "x1", "x2"), 1):
        add("accepted", 2.1, n=name, m=name, o=order)
    add("refused", 1.8, n="q1")
    add("cancel", 2.0, k="d2-token", s=200)
    add("verb", 2.2, v="skip", a=P, n="x1", s=200)
    add("verb", 2.2, v="dead-letter", a=P, n="x2", s=200)
    add("pull", 2.3, q="holdfast/dead-letters", c="1", v={"n": "x2", "a": P})
    numbers, chains = {P: 4}, {P: 99}
    for cursor, (address, name, at) in enumerate(effects, 1):
        number = numbers[address] = numbers.get(address, 0) + 1
        chains[address] = trees.chain(chains.get(address, trees.FNV_START), name)
        add("pull", at / SECOND + 0.01, q="torture/out", c=str(cursor), v={"a": address, "n": number, "o": name, "t": at})
        if name == "c1":
            add("reply", 1.75, n="c1", b={"n": number, "o": "c1"}, began=1.6)
            add("read", 1.9, a=R, n=number, h=chains[R], began=1.85)
    for address in numbers:
        add("state", 20, a=address, n=numbers[address], h=chains[address])
    add("swap", 1, a=P, v=1, w="wa1", s=204)
    add("swap", 2, a=P, v=2, w="wb1", s=204)
    add("swap", 3, a=P, v=3, w="wa2", s=None)
    add("register", 20, a=P, v=3, w="wa2", **{"from": 0})
    for order in range(10, 25):  # enough pairs of a client and an address
        root(f"z{order}", f"py/w/z{order}", {}, 3)
        add("accepted", 3.1, n=f"z{order}", m="", o=order)
        add("pull", 3.2, q="torture/out", c=f"z{order}", v={"a": f"py/w/z{order}", "n": 1, "o": f"z{order}", "t": 3150})
        add("state", 20, a=f"py/w/z{order}", n=1, h=trees.chain(trees.FNV_START, f"z{order}"))
    return events


def find(events, kind, **members):
    return next(event for event in events if event["e"] == kind and all(event.get(k) == v for k, v in members.items()))


def record(events, name):
    return next(event for event in events if event["e"] == "pull" and event["v"].get("o") == name)


def renumber(events):
    """Makes numbers, chains and final states agree with the order of the records: only a deeper check can see a mistake."""
    numbers, chains = {P: 4}, {P: 99}
    for event in events:
        if event["e"] == "pull" and "o" in event["v"]:
            address, name = event["v"]["a"], event["v"]["o"]
            event["v"]["n"] = numbers[address] = numbers.get(address, 0) + 1
            chains[address] = trees.chain(chains.get(address, trees.FNV_START), name)
    for event in events:
        if event["e"] == "state":
            event.update(n=numbers.get(event["a"], 0), h=chains.get(event["a"], trees.FNV_START))


def lose(name):
    def plant(events):
        events.remove(record(events, name))
        renumber(events)
    return plant


def double(name):
    def plant(events):
        again = copy.deepcopy(record(events, name))
        again["c"] = "again"
        events.append(again)
        renumber(events)
    return plant


def appear(name, address, at):
    def plant(events):
        events.append({"e": "pull", "at": 3, "q": "torture/out", "c": "new", "v": {"a": address, "n": 0, "o": name, "t": at}})
        renumber(events)
    return plant


def exchange(first, second):
    def plant(events):
        one, two = record(events, first), record(events, second)
        one["v"]["o"], two["v"]["o"] = second, first
        one["v"]["t"], two["v"]["t"] = two["v"]["t"], one["v"]["t"]
        renumber(events)
    return plant


def change(kind, where, **members):
    return lambda events: find(events, kind, **where).update(members)


def early(name, ms):
    def plant(events):
        record(events, name)["v"]["t"] -= ms
    return plant


def move(name, address):
    def plant(events):
        record(events, name)["v"]["a"] = address
        renumber(events)
    return plant


# What is planted, and words of the line of the report that must show it.
PLANTED = (
    ("acknowledged messages without effect", lose("a2")),
    ("messages of functions without effect", lose("a1.1")),
    ("messages of functions without effect", lose("a1.2")),
    ("messages of functions without effect", lose("a1.0.r")),
    ("more than one effect", double("a2")),
    ("more than one effect", double("p1")),
    ("more than one effect", double("a1.2")),
    ("at another address", move("a1.1", P)),
    ("that nobody sent", appear("p2.0", P, 3000)),
    ("that were refused", appear("q1", P, 3000)),
    ("dropped messages that took effect", appear("x1", P, 3000)),
    ("dropped messages that took effect", appear("x2", P, 3000)),
    ("dead letters", lambda events: events.remove(find(events, "pull", q="holdfast/dead-letters"))),
    ("dead letters", lambda events: events.append(find(events, "pull", q="holdfast/dead-letters"))),
    ("came early", early("a1.2", 150)),
    ("came early", early("d1", 200)),
    ("neither delivered nor cancelled", lose("a1.4")),
    ("that were delivered", appear("a1.3", R, 13100)),
    ("that were delivered", appear("d2", R, 2500)),
    ("order was not kept", exchange("a1", "a2")),
    ("order was not kept", exchange("a1.0", "a1.1")),
    ("a gap", lambda events: events.remove(record(events, "a1.0"))),
    ("not what its records say", change("state", {"a": P}, h=7)),
    ("not what its records say", change("state", {"a": J}, n=2)),
    ("undone", change("read", {"a": R}, n=1, h=trees.chain(trees.FNV_START, "a1.2"))),
    ("undone", change("read", {"a": R}, h=5)),
    ("do not agree", change("reply", {"n": "c1"}, b={"n": 1, "o": "c1"})),
    ("state writes", change("register", {"a": P}, v=1, w="wa1")),
    ("state writes", change("register", {"a": P}, v=2, w="wa1")),
    ("state writes", change("swap", {"w": "wa2"}, s=412)),
    ("state writes", lambda events: events.append({"e": "swap", "at": 1, "a": P, "v": 1, "w": "wb0", "s": 204})),
    ("contradictions", lambda events: events.append({"e": "problem", "at": 1, "text": "seen"})),
)


def run():
    """Raises when the checker is blind or sees ghosts; gives how many mistakes it found."""
    wrong = [line for line in Checker(healthy()).run() if line[2]]
    assert not wrong, f"a healthy history is reported as wrong: {wrong}"
    for number, (words, plant) in enumerate(PLANTED):
        events = healthy()
        plant(events)
        found = [line for line in Checker(events).run() if line[2]]
        assert any(words in what for what, _, _ in found), f"plant {number}, the checker does not see: {words}; it sees {found}"
    return len(PLANTED)


if __name__ == "__main__":
    print(f"{run()} mistakes found")
