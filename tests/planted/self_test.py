"""The tools must not take for "caught" what is not. Runs in milliseconds, before every hunt."""
import catalogue
import harnesses

BUG = """
[[bug]]
name = "one"
what = "w"
breaks = "I1"
harnesses = ["sim"]
[[bug.change]]
file = "a.c"
old = '''if (x)   return 0;'''
new = '''return 1;'''
"""
CRITERION = "[====] Synthesis: Tested: {} | Passing: {} | Failing: {} | Crashing: {} "


def refuses(texts):
    try:
        catalogue.parse(BUG, "test")[0].apply(texts)
        return False
    except catalogue.Mismatch:
        return True


def run():
    """Raises when they are blind; returns how many mistakes they refuse."""
    sim, criterion = harnesses.read_sim(1), harnesses.read_criterion
    bug = catalogue.parse(BUG, "test")[0]
    assert bug.apply({"a.c": "f()\n{\n    if (x)\n        return 0;\n}\n"}) == {"a.c": "f()\n{\n    return 1;\n}\n"}
    assert sim(1, "seed 7 failed; again with: tests/sim/run --from 7 --seeds 1\n0 passed, 1 failed\n").caught
    assert sim(1, "seed 7 failed; again with: tests/sim/run --from 7 --seeds 1\n0 passed, 1 failed\n").cases == "7 seeds"
    assert sim(0, "20 seeds from 1\n1 passed, 0 failed\n").passed
    assert criterion(1, "[FAIL] a::b: (0.00s)\n" + CRITERION.format(3, 2, 1, 0)).caught
    assert criterion(0, CRITERION.format(3, 3, 0, 0)).passed
    refused = [
        refuses({"a.c": "if (y) return 0;"}), refuses({"a.c": "if (x) return 0; if (x) return 0;"}), refuses({"b.c": ""}),
        refuses({"a.c": "if (x) return 00;"}), refuses({"a.c": "if (xx) return 0;"}), refuses({"a.c": "elif (x) return 0;"}),
        not sim(None, "tests/sim/run --from 7\n0 passed, 1 failed\n").caught, not sim(-6, "Aborted\n").caught,
        not sim(0, "0 passed, 1 failed\n").caught, not sim(0, "0 passed, 0 failed\n").passed,
        not criterion(None, CRITERION.format(3, 2, 1, 0)).caught, not criterion(0, CRITERION.format(0, 0, 0, 0)).passed,
        not criterion(1, "cannot execute\n").caught, not criterion(1, CRITERION.format(3, 3, 0, 0)).passed,
    ]
    assert all(refused), refused
    return len(refused)
