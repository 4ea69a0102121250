"""The checker must find each kind of mistake: one is planted at a time. Runs in milliseconds, before every crash test."""
import base64

import functions
import load
from checker import Checker


def record(id, sequence, name):
    return {"cursor": "0", "type": functions.OP, "base64": base64.b64encode(f"{id} {sequence} {name}".encode()).decode()}


def healthy():
    """A small history that is right: (history, states)."""
    history = load.History()
    history.must = {"a-1": ("c1", "S", ""), "a-2": ("c1", "D", "100"), "a-3": ("c2", "F", "1"), "a-4": ("c2", "X", "8000"),
                    "b-1": ("c2", "C", "")}
    history.may = {"p-1": ("c1", "S", ""), "p-2": ("c2", "S", "")}
    history.replies = {"b-1": "b-1 3"}
    history.order = {("a", "c1"): ["a-1", "a-2"]}
    forwarded = f"f{functions.hash_of('a-3') % functions.COUNTERS}"
    states = {("crash/counter", "c1"): (["a-1", "a-2", "p-1"], 3), ("crash/counter", "c2"): (["a-3", "a-4", "b-1"], 3),
              ("crash/counter", forwarded): (["a-3.0"], 1), ("crash/timer", "c1"): (["a-2.t"], 0)}
    cursor = 0
    for (kind, id), (ops, _) in states.items():
        if kind == "crash/counter":
            for sequence, name in enumerate(ops, 1):
                cursor += 1
                history.pulled[cursor] = record(id, sequence, name)
    return history, states


COUNTER1, COUNTER2, TIMER1 = ("crash/counter", "c1"), ("crash/counter", "c2"), ("crash/timer", "c1")


def change(key, ops):
    return lambda history, states: states.__setitem__(key, (ops, states[key][1]))


# What is planted, and the line of the report that must show it.
PLANTED = [
    ("lost", change(COUNTER1, ["a-2", "p-1"])),
    ("doubled", change(COUNTER1, ["a-1", "a-1", "a-2", "p-1"])),
    ("another address", change(COUNTER1, ["a-2", "a-1", "p-1", "a-3"])),
    ("applied more than once", change(COUNTER1, ["a-1", "a-2", "p-1", "p-1"])),
    ("of functions lost", lambda history, states: [states.pop(k) for k in list(states) if k[1].startswith("f")]),
    ("delayed messages lost", change(TIMER1, [])),
    ("delayed messages lost or doubled", change(TIMER1, ["a-2.t", "a-2.t"])),
    ("that fired", change(TIMER1, ["a-2.t", "a-4.x"])),
    ("of unknown messages", change(COUNTER2, ["a-3", "a-4", "b-1", "z-9"])),
    ("order was not kept", change(COUNTER1, ["a-2", "a-1", "p-1"])),
    ("egress records doubled", lambda history, states: history.pulled.__setitem__(99, history.pulled[1])),
    ("a gap", lambda history, states: history.pulled.pop(2)),
    ("do not agree", lambda history, states: history.replies.__setitem__("b-1", "b-1 2")),
    ("contradictions", lambda history, states: history.problems.append("seen")),
]


def run():
    """Raises when the checker is blind; returns how many mistakes it found."""
    history, states = healthy()
    wrong = [line for line in Checker(history, states, functions).run() if line[2]]
    assert not wrong, f"a healthy history is reported as wrong: {wrong}"
    for word, plant in PLANTED:
        history, states = healthy()
        plant(history, states)
        lines = Checker(history, states, functions).run()
        assert any(word in what and offenders for what, _, offenders in lines), f"the checker does not see: {word}"
    return len(PLANTED)
