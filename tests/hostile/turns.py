"""The lengths of the gateway's turns, by a library that is preloaded into it: see turns.c."""
import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parent / "turns.c"


class Turns:
    def __init__(self, folder):
        self.log, library = folder / "turns.log", folder / "turns.so"
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True, timeout=60)
        self.env = {"LD_PRELOAD": str(library), "TURNS_LOG": str(self.log)}

    def between(self, begin_s, end_s):
        """Microseconds of those of a millisecond or more that ended in between, the longest last."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        turns = [tuple(map(int, line.split())) for line in lines]
        return sorted(took for ended, took in turns if begin_s * 1e6 <= ended <= end_s * 1e6)

    def text(self, begin_s, end_s):
        taken = self.between(begin_s, end_s)
        longest = taken[-1] / 1e3 if taken else 0
        return (f"turns over 1 ms: {len(taken)}, over 2 ms: {sum(took >= 2000 for took in taken)}, "
                f"longest {longest:.1f} ms of the processor")
