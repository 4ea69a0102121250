"""Who hunts: how each harness is called, and how its report is read. To add one is to add a line to ALL."""
import dataclasses
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time

import tree


@dataclasses.dataclass
class Found:
    caught: bool  # it reported a violation
    passed: bool  # it ran to its end and found nothing
    cases: str  # how much it took: seeds, tests, kills
    report: str
    seconds: float = 0.0


@dataclasses.dataclass
class Harness:
    spec: str
    targets: list
    command: list
    read: callable  # (exit status or None, output) -> Found
    goes_on: bool = False  # it goes on until it finds something, so it takes a time to stop after
    time_option: str = ""

    def run(self, work, seconds):
        with tempfile.TemporaryDirectory(prefix="holdfast-planted-") as folder:
            command = [word.format(build=tree.BUILD, tree=tree.TREE, folder=folder) for word in self.command]
            if self.goes_on:
                command += [*filter(None, [self.time_option]), str(int(seconds))]
            began = time.monotonic()
            status, output = call(command, work.environment() | {"TMPDIR": folder}, seconds + (15 if self.goes_on else 0))
            found = self.read(status, output)
        found.seconds = time.monotonic() - began
        if found.caught and found.seconds > seconds + 15:
            found.caught = False
        return found


def call(command, env, seconds):
    """(exit status, output); None: it was over its time. Nothing that it started is left."""
    process = subprocess.Popen(command, cwd=tree.TREE, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        status = None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return status, output


def last(pattern, output):
    found = re.findall(pattern, output, re.MULTILINE)
    return found[-1] if found else None


def clip(text):
    return " ".join(text.split())[:160]


def why(output):
    """The line that says what is wrong, of whoever said it."""
    for pattern in (r"^.*: not true: .*$", r"^I\d+.*$", r"^.*CHECK failed.*$", r"^.*violat.*$", r"^FAIL .*$", r"^\[FAIL\] .*$"):
        lines = re.findall(pattern, output, re.MULTILINE)
        if lines:
            return re.sub(r"^\S*/(?=tests/|gateway/)", "", lines[0])
    return ""


def read_kind(status, output, cases):
    """The programs of tests/<kind>: the last line is "N passed, N failed"."""
    counts = last(r"^(\d+) passed, (\d+) failed\s*$", output)
    if status is None:
        return Found(False, False, "", "over its time")
    if counts is None:
        return Found(False, False, "", f"ended with {status} and without a result: {clip(output[-200:])}")
    bad = int(counts[1]) > 0
    return Found(bad and status != 0, not bad and int(counts[0]) > 0 and status == 0, cases,
                 clip(why(output) if bad else f"{counts[0]} passed, {counts[1]} failed"))


def read_sim(seed):
    def read(status, output):
        at = last(r"--from (\d+)", output)
        seeds = int(at) - seed + 1 if at else last(r"^(\d+) seeds", output)
        return read_kind(status, output, f"{seeds} seed{'s' if int(seeds) > 1 else ''}" if seeds else "its first world")
    return read


def read_criterion(status, output):
    counts = last(r"Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)", output)
    if status is None:
        return Found(False, False, "", "over its time")
    if counts is None or int(counts[0]) == 0:
        return Found(False, False, "", f"no test ran: {clip(output[-200:])}")
    bad = int(counts[2]) + int(counts[3])
    names = re.findall(r"^\[FAIL\] ([^:]+:)?:?([\w:]+)", output, re.MULTILINE)
    first = "".join(names[0]).rstrip(":") if names else ""
    report = f"{bad} of {counts[0]} fail: {first}: {assertion(output)}" if bad else f"{counts[0]} tests pass"
    return Found(bad > 0 and status != 0, bad == 0 and status == 0, f"{counts[0]} tests", clip(report))


def assertion(output):
    found = re.search(r"^\[----\] (\S+/)?([\w.]+:\d+): Assertion Failed\n(?:\[----\]\s*\n)?\[----\]\s+(.*)$", output, re.MULTILINE)
    return f"{found[2]}: {found[3]}" if found else ""


def criterion(room):
    def make(spec, words, options):
        command = [f"{{build}}/tests/unit_{room}", "--timeout", "50", "-j2"]
        return Harness(spec, [f"unit_{room}"], command + (["--filter", words[0]] if words else []), read_criterion)
    return make


def sim(spec, words, options):
    return Harness(spec, ["sim_shard"], ["{build}/tests/sim/sim_shard", "--seeds", "100000000", "--from", str(options.seed), *words],
                   read_sim(options.seed), goes_on=True, time_option="--seconds")


def replay(spec, words, options):
    rounds = words[0] if words else "12"

    def read(status, output):
        return read_kind(status, output, f"{rounds} lives each")
    return Harness(spec, ["replay_live"], ["{build}/tests/replay/replay_live", "{folder}/data", rounds, str(options.seed)], read)


def crash(spec, words, options):
    kills = words[0] if words else "12"

    def read(status, output):
        return read_kind(status, output, f"{kills} kills")
    return Harness(spec, ["holdfast"], ["{tree}/tests/crash/run", "--kills", kills, "--seed", str(options.seed), "--snapshot-every", "1s"],
                   read)


def script(spec, words, options):
    def read(status, output):
        runs = last(r"^(\d+) runs with a failing allocation", output)
        at = last(r"^(seed \d+ with allocation \d+) failing", output)
        return read_kind(status, output, at or f"{runs} runs")
    return Harness(spec, ["script_memory"], ["{build}/tests/script/script_memory"], read, goes_on=True)


def crashpoints(spec, words, options):
    states = words[0] if words else "100000"

    def read(status, output):
        counts = last(r"^proof: .*\bcases=(\d+)", output)
        at = last(r"--states (\d+)", output)
        return read_kind(status, output, f"{at or counts or states} states")
    return Harness(spec, ["crashpoints"], ["{build}/tests/crashpoints/crashpoints", "--states", states, "--seed", str(options.seed)], read)


def corruption(spec, words, options):
    each = words[0] if words else "10"

    def read(status, output):
        counts = last(r"^proof: .*\bcases=(\d+)", output)
        return read_kind(status, output, f"{counts} cases" if counts else f"one of {each}")
    return Harness(spec, ["corruption"], ["{build}/tests/corruption/corruption", "--each", each], read)


ALL = {
    "script": script,
    "corruption": corruption,
    "crashpoints": crashpoints,
    "sim": sim,
    "replay": replay,
    "crash": crash,
    **{f"unit_{room}": criterion(room) for room in
       ("base", "wire", "shard", "store", "os", "config", "invoke", "app", "ingress", "egress", "net", "admin")},
}


def of(spec, options):
    name, *words = shlex.split(spec)
    if name not in ALL:
        raise ValueError(f"no harness is called {name}")
    return ALL[name](spec, words, options)
