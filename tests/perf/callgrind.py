"""Instructions of a gateway outside the kernel, counted by valgrind's callgrind: the same on a busy machine."""
import collections
import pathlib
import re
import subprocess

import processes


class Costs:
    """A callgrind file: instructions in each function, alone and with all that it calls."""

    def __init__(self, path):
        self.alone, self.whole, self.calls = collections.Counter(), collections.Counter(), collections.Counter()
        self.library = {}
        self.names = {}
        function = library = called = None
        for line in open(path, encoding="utf-8", errors="replace"):
            key, _, value = line.rstrip("\n").partition("=")
            if key == "ob":
                library = pathlib.Path(self.name(value)).name
            elif key in ("fn", "cfn"):
                name = self.name(value).split("'")[0]
                function, called = (name, called) if key == "fn" else (function, name)
                if key == "fn":
                    self.library.setdefault(name, library)
            elif key == "cob":
                self.name(value)
            elif key == "calls":
                self.calls[called] += int(value.split()[0])
                inner = True
                continue
            elif function and re.match(r"[-+*\d]", line):
                cost = int(line.split()[1])
                if not inner:
                    self.alone[function] += cost
                if not inner or called != function:
                    self.whole[function] += cost
            inner = False

    def name(self, text):
        number, _, name = text.partition(" ")
        kind = number if not name else self.names.setdefault(number, name)
        return self.names.get(number, kind)


def control(*arguments):
    subprocess.run(["callgrind_control", *map(str, arguments)], capture_output=True, timeout=60, check=True)


def measure(bench, folder, load, warm):
    """Starts the gateway, warms it up, and gives back the costs of `load` alone."""
    out, plain = folder / "callgrind", bench.gateway.command
    bench.gateway.command = lambda: ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *plain()]
    bench.start()
    warm()
    control("--zero", bench.pid)
    load()
    control("--dump", bench.pid)
    return Costs(processes.wait_until(lambda: next(folder.glob("callgrind.1*"), None), 30, "callgrind writes its file"))


def call(bench, count):
    bench.programs.load(bench.gateway.port, connections=64, keys=1000, count=count)
