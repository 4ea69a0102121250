"""What is measured while an attack runs, and what of it is a violation."""
import os
import threading
import time

import processes
import world as worlds

LATENCY_FACTOR = 2.0
# Attack, gateway, function and bystander share the cores, and whoever runs keeps its core until the next tick at the
# latest: 4 ms of a kernel with 250 of them. The floor is that; or what the same load does to the bystander when a server
# that does nothing takes it, up to a limit: a machine that is worse cannot judge. Measured at the start of a run; and for
# functions that send much, when an attack of theirs was over the bar, with the same bytes of the same functions. Or what the
# same moment did to the witness, whose calls take as many turns of as many programs, but not of the gateway.
LATENCY_FLOOR_S = 0.004
LATENCY_FLOOR_MAX_S = 0.010
STARVED_S = 0.05         # nobody is served any more, whatever the machine does
OVER_MAX = 6             # attacks of a whole run that may be over the bar of latency: known ones, and a machine's bad day
STRANGERS_FREE = 0.1     # of all cores; when programs that are not ours use more, it is told with what was missed
QUIET_POOL = 8           # newest quiet windows that make the quiet p99
QUIET_S = 0.5
CPU_QUIET_MAX = 0.5      # of a core, half a second after an attack: the bystander alone needs less
FDS_SLACK = 30
LOG_BYTES_MAX = 256 * 1024  # of one attack
SETTLE_S = 6


class Measured:
    def __init__(self):
        self.missed, self.text, self.slow, self.dead = [], "", "", False
        self.p99_s = self.quiet_s = self.witness_s = self.strangers = 0.0


class Judge:
    def __init__(self, world, judged=True):
        self.world, self.judged = world, judged
        self.windows = []
        self.cases = 0
        self.rss_max = 0
        self.fds_quiet = None
        self.floor_s = LATENCY_FLOOR_S
        self.memory_max = worlds.MEMORY_MIB << 20
        self.stop = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while not self.stop.is_set():
            self.rss_max = max(self.rss_max, self.world.rss())
            time.sleep(0.02)

    def quiet(self, seconds=QUIET_S):
        """A window without an attack."""
        begin, cpu = time.monotonic(), self.world.cpu()
        time.sleep(seconds)
        end = time.monotonic()
        self.windows.append((begin, end - 0.05))
        self.windows = self.windows[-QUIET_POOL:]
        if self.fds_quiet is None:
            self.fds_quiet = self.world.fds()
        return (self.world.cpu() - cpu) / (end - begin)

    def quiet_p99(self, client=None):
        """Of the newest windows, without the worst quarter of them: the machine is shared."""
        client = client or self.world.bystander
        windows = sorted((client.taken(*window) for window in self.windows), key=worlds.p99)
        kept = windows[:max(1, len(windows) * 3 // 4)]
        return worlds.p99([each for window in kept for each in window])

    def learn_machine(self, windows):
        """From windows under the same load, with nobody attacked: the median of them is the machine's own part. Returns the
        floor that comes of it, and a text."""
        by_itself = sorted(worlds.p99(self.world.bystander.taken(*window)) for window in windows)[len(windows) // 2]
        quiet = self.quiet_p99()
        floor_s = min(max(LATENCY_FLOOR_S, by_itself - quiet), LATENCY_FLOOR_MAX_S)
        return floor_s, (f"the machine by itself: p99 {by_itself * 1e3:.1f} ms beside the same load on a program that does "
                         f"nothing, quiet {quiet * 1e3:.1f} ms, floor {floor_s * 1e3:.1f} ms")

    def judge_latency(self, measured, floor_s):
        """Tells how late it was, and keeps that where it was over the bar."""
        late = (f"p99 {measured.p99_s * 1e3:.1f} ms, quiet {measured.quiet_s * 1e3:.1f} ms, floor {floor_s * 1e3:.1f} ms, "
                f"the witness {measured.witness_s * 1e3:.1f} ms over its quiet")
        if measured.strangers > STRANGERS_FREE:
            late += f" (strangers took {measured.strangers:.0%} of the machine)"
        measured.slow = late if too_slow(measured.p99_s, measured.quiet_s, floor_s=max(floor_s, measured.witness_s)) else ""
        return late

    def begin(self):
        self.rss_max = self.world.rss()
        return {"strangers": strangers(), "at": time.monotonic(), "errors": self.world.bystander.errors, "log": self.world.log_bytes()}

    def end(self, mark):
        measured, now, world = Measured(), time.monotonic(), self.world
        busy = strangers()
        time.sleep(0.05)  # for the last call to be counted
        taken = world.bystander.taken(mark["at"], now)
        if not world.gateway.running():
            measured.dead = True
            measured.missed.append(f"the gateway is dead: {world.gateway.log_tail()}")
            return measured
        cpu = self.settle()
        measured.p99_s, measured.quiet_s = worlds.p99(taken), self.quiet_p99()
        witness_s = worlds.p99(world.witness.taken(mark["at"], now)) - self.quiet_p99(world.witness)
        measured.witness_s = min(max(0.0, witness_s), LATENCY_FLOOR_MAX_S)
        measured.strangers = (busy - mark["strangers"]) / (now - mark["at"]) / (os.cpu_count() or 1)
        self._expect(measured, len(taken) > 0, "the bystander got no call done")
        errors = world.bystander.errors - mark["errors"]
        self._expect(measured, errors == 0, f"{errors} calls of the bystander failed: {world.bystander.problem.value.decode()}")
        if self.judged:
            late = self.judge_latency(measured, self.floor_s)
            self._expect(measured, measured.p99_s <= STARVED_S, f"nobody is served any more: {late}")
            self._expect(measured, not too_large(self.rss_max, self.memory_max),
                         f"{self.rss_max >> 20} MiB of memory, budget {self.memory_max >> 20}")
        self._expect(measured, cpu < CPU_QUIET_MAX or not self.judged, f"spins afterwards: {cpu:.2f} of a core")
        fds = world.fds()
        self._expect(measured, fds <= self.fds_quiet + FDS_SLACK, f"{fds} descriptors, {self.fds_quiet} before")
        log = world.log_bytes() - mark["log"]
        self._expect(measured, log <= LOG_BYTES_MAX, f"{log} bytes of log")
        measured.text = (f"p99 {measured.p99_s * 1e3:.1f}/{measured.quiet_s * 1e3:.1f} ms of {len(taken)} calls, "
                         f"witness +{measured.witness_s * 1e3:.1f}, "
                         f"{self.rss_max >> 20} MiB, "
                         f"log {log} B, {fds} fds, cpu after {cpu:.2f}")
        return measured

    def _expect(self, measured, good, what):
        self.cases += 1
        if not good:
            measured.missed.append(what)

    def settle(self):
        """The quiet after an attack; it may take a moment to come. Its CPU."""
        end = time.monotonic() + SETTLE_S
        time.sleep(0.1)
        while True:
            cpu = self.quiet()
            calm = cpu < CPU_QUIET_MAX and self.world.fds() <= self.fds_quiet + FDS_SLACK
            if calm or time.monotonic() > end:
                return cpu
            self.windows.pop()  # not quiet yet

    def calm_down(self):
        time.sleep(0.5)
        self.quiet(1.0)


def too_slow(slow, quiet, factor=LATENCY_FACTOR, floor_s=LATENCY_FLOOR_S):
    return slow > max(quiet * factor, quiet + floor_s)


def too_large(rss, limit):
    return rss > limit


def strangers():
    """CPU seconds so far of programs that are not ours: what is left of the machine's after our own."""
    with open("/proc/stat") as file:
        parts = [int(part) for part in file.readline().split()[1:9]]
    busy = sum(parts) - parts[3] - parts[4]  # not idle, not waiting for a disk
    return busy / os.sysconf("SC_CLK_TCK") - ours()


def ours():
    """CPU seconds of our process group, and of its children that have ended."""
    total, group = 0.0, os.getpgrp()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                parts = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(parts[2]) == group:
            total += sum(map(int, parts[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def catches_too_slow():
    return too_slow(0.003, 0.001, factor=0, floor_s=0) and too_slow(0.0051, 0.001) and not too_slow(0.0049, 0.001) and too_slow(0.021, 0.01)


def catches_too_large():
    return too_large(processes.rss_bytes("self"), 0) and not too_large(1, 2)
