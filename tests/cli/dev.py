"""holdfast dev, and the README's first function."""
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import processes
from gateway import BINARY, ROOT
from world import Skip, equal, test, want, within

LIB = pathlib.Path(__file__).resolve().parent.parent / "lib"

# ---- dev ----

FUNCTION = """
import sys, time
sys.path.insert(0, {lib!r})
import wire
from function_server import FunctionServer
WORD = "first"

def behave(call):
    response = wire.Response()
    for message in call.request.messages:
        if message.argument.string() == "die":
            import os
            os._exit(7)
        if message.caller:
            response.send(message.caller, wire.string(WORD))
    call.result(response)

FunctionServer(behave, port={port})
print("function", WORD, "runs")
while True:
    time.sleep(60)
"""


class Dev:
    def __init__(self, w, name, *arguments, module_text=None):
        self.folder = w.folder / name
        self.folder.mkdir()
        self.function_port, self.port, self.admin_port = processes.free_ports(3)
        self.source = self.folder / "functions.py"
        self.source.write_text(FUNCTION.format(lib=str(LIB), port=self.function_port))
        if module_text:
            (self.folder / "module.yaml").write_text(module_text.format(port=self.function_port))
        self.log = self.folder.parent / f"{name}.log"
        arguments = [word.format(port=self.function_port) for word in arguments]
        self.child = processes.spawn([BINARY, "dev", *arguments, "--listen", f"127.0.0.1:{self.port}", "--admin",
                                      f"127.0.0.1:{self.admin_port}", "--", sys.executable, "functions.py"],
                                     log=self.log, cwd=self.folder)

    def text(self):
        return self.log.read_text(errors="replace")

    def wait(self, part, count=1, timeout_s=30):
        def there():
            want(self.child.poll() is None, f"dev ended: {self.text()}")
            return self.text().count(part) >= count
        processes.wait_until(there, timeout_s, f"{part!r} in {self.log}", 0.05)

    def call(self, w, word="hi"):
        return w.run("call", "example/f/a", word, "--listen", f"127.0.0.1:{self.port}", "--timeout", "20s").stdout

    def end(self, number=signal.SIGINT):
        status = processes.end(self.child, signal_number=number, timeout_s=20)
        processes.wait_until(lambda: not processes.port_answers(self.function_port) and not processes.port_answers(self.port),
                             10, "both have ended", 0.05)
        return status


@test("dev: starts both, restarts on a change and after an end, Ctrl-C ends both")
def dev(w):
    d = Dev(w, "dev", module_text="kind: io.statefun.endpoints.v2/http\nspec:\n  functions: example/*\n"
                                  "  urlPathTemplate: http://127.0.0.1:{port}/statefun\n")
    d.wait("ready\n")
    d.wait("function | function first runs")
    within(f"curl -H 'Content-Type: text/plain' -d hi http://127.0.0.1:{d.port}/v1/call/example/greeter/Bob", d.text())
    equal(d.call(w), "first\n")
    d.source.write_text(d.source.read_text().replace('"first"', '"second"'))
    d.wait("functions.py changed")
    d.wait("function second runs")
    equal(d.call(w), "second\n")
    w.run("send", "example/f/b", "die", "--listen", f"127.0.0.1:{d.port}")
    d.wait("ended with status 7; again in")
    d.wait("function second runs", 2)
    (d.folder / "node_modules").mkdir()
    (d.folder / "node_modules/x.js").write_text("1")
    (d.folder / "sub").mkdir()
    time.sleep(0.3)
    (d.folder / "sub/helper.py").write_text("1")
    d.wait("sub/helper.py changed")
    want("x.js" not in d.text(), "node_modules is not watched")
    module_file = d.folder / "module.yaml"
    module_file.write_text(module_file.read_text() + "# changed\n")
    d.wait("the gateway reads it again")
    d.wait("reloaded")
    want("\033" not in d.text(), "no colours into a file")
    equal(d.end(), 0)
    want((d.folder / ".holdfast/data/journal").is_dir(), "data in .holdfast/")
    checked = w.json("check", d.folder / ".holdfast/data")
    equal(checked["damaged"], False)


@test("dev: without a module file, and SIGTERM; a gateway that cannot start ends it")
def dev_default(w):
    d = Dev(w, "dev-default", "--url", "http://127.0.0.1:{port}/statefun")
    d.wait("no module.yaml here: functions example/* at")
    d.wait("ready\n")
    equal(d.call(w), "first\n")
    again = Dev(w, "dev-again", "--url", "http://127.0.0.1:{port}/statefun")
    again.wait("ready\n")
    again.end(signal.SIGKILL)  # who is killed cannot end his children: the kernel does
    taken = Dev.__new__(Dev)
    taken.folder = w.folder / "dev-taken"
    taken.folder.mkdir()
    result = w.run("dev", "--listen", f"127.0.0.1:{d.port}", "--admin", f"127.0.0.1:{d.admin_port}", "--", "sleep", "60", code=1)
    within("the gateway ended with status 1", result.stdout)
    equal(d.end(signal.SIGTERM), 0)
    bad = w.run("dev", "-m", w.folder / "nowhere.yaml", "--", "sleep", "60", code=2)
    within("nowhere.yaml", bad.stderr)


@test("README: the first function does what is printed there")
def readme(w):
    environment = subprocess.run([ROOT / "scripts/python-env"], capture_output=True, text=True, timeout=170, check=False)
    if environment.returncode:
        raise Skip(environment.stderr.strip().splitlines()[-1])
    text = (ROOT / "README.md").read_text()
    source = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    shown = re.findall(r"^\$ holdfast (call example/.*)\n(.*)\n", text, re.MULTILINE)
    want(len(shown) >= 2, "two calls are shown")
    folder = w.folder / "readme"
    folder.mkdir()
    (folder / "functions.py").write_text(source)
    port, admin = processes.free_ports(2)
    if processes.port_answers(8000):
        raise Skip("port 8000 is taken")
    log = w.folder / "readme.log"
    child = processes.spawn([BINARY, "dev", "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", "--",
                             environment.stdout.strip(), "functions.py"], log=log, cwd=folder)
    processes.wait_until(lambda: processes.port_answers(8000) and "ready\n" in log.read_text(), 60, f"ready, see {log}", 0.1)
    for command, output in shown:
        equal(w.out(*shlex.split(command), "--listen", f"127.0.0.1:{port}"), output + "\n", command)
    equal(processes.end(child, signal_number=signal.SIGINT, timeout_s=20), 0)
