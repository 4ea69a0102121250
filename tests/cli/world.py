"""The world of the tests of the command: one gateway, one scripted function, and a way to run commands."""
import json
import os
import pathlib
import subprocess
import threading

import wire
from function_server import FunctionServer
from gateway import BINARY, Gateway, endpoint, module, pull_egress

COMMANDS = ["run", "dev", "validate", "send", "call", "state", "parked", "egress", "functions", "shards", "status",
            "snapshot", "check", "repair", "bench", "version"]
TESTS = []
VISITS = ("visits", wire.INT)


def test(title):
    def register(function):
        TESTS.append((title, function))
        return function
    return register


def behave(call):
    """Counts, answers who asks, and sends a record; fails on "bad", says nothing on "silent"."""
    if call.needs(VISITS):
        return
    response = wire.Response()
    value = call.request.state["visits"]
    visits = value.int() if value else 0
    for message in call.request.messages:
        text = message.argument.string() if message.argument.typename == wire.STRING else ""
        if text == "bad":
            call.answer(b"division by zero", status="500 Internal Server Error", content_type="text/plain")
            return
        visits += 1
        if message.caller and text != "silent":
            reply = message.argument if text == "" else wire.string(f"Hello {call.target.id} {visits}")
            response.send(message.caller, reply)
        response.egress("cli/out", wire.string(f"{call.target.id} was here"))
    call.result(response.set("visits", wire.int32(visits)))


class World:
    """One gateway and one function for all tests that need no more."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.server = FunctionServer(behave)
        self.gateway = Gateway(self.folder / "gateway", self.module(self.server.url)).start()

    @staticmethod
    def module(url):
        return module(endpoint("cli/*", url, retry="{attempts: 2}"), pull_egress("cli/out"), pull_egress("cli/other"))

    def environment(self):
        return {"HOLDFAST_LISTEN": f"127.0.0.1:{self.gateway.port}", "HOLDFAST_ADMIN": f"127.0.0.1:{self.gateway.admin_port}"}

    def run(self, *arguments, code=0, input=None, timeout_s=60, env=None, binary=False):
        """Runs a command to its end and wants the exit code."""
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith("HOLDFAST_") or name.startswith("HOLDFAST_TEST")}
        result = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=not binary, timeout=timeout_s,
                                input=input, env={**clean, **self.environment(), **(env or {})}, cwd=self.folder,
                                stdin=None if input is not None else subprocess.DEVNULL, check=False)
        want(result.returncode == code, f"{arguments}: exit {result.returncode}, not {code}: {result.stdout}{result.stderr}")
        return result

    def out(self, *arguments, **options):
        return self.run(*arguments, **options).stdout

    def json(self, *arguments, **options):
        return json.loads(self.out(*arguments, "--output", "json", **options))

    def error(self, code, *arguments, **options):
        result = self.run(*arguments, code=code, **options)
        want(result.stderr.strip() != "", f"{arguments} says nothing")
        return result.stderr

    def close(self):
        self.gateway.stop()
        self.server.close()


def want(good, why):
    if not good:
        raise AssertionError(why)


def equal(got, wanted, what=""):
    want(got == wanted, f"{what}: {got!r} is not {wanted!r}")


def within(part, text):
    want(part in text, f"{part!r} is not in {text!r}")


def read_line(stream, timeout_s=20):
    lines = []
    reader = threading.Thread(target=lambda: lines.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(timeout_s)
    want(bool(lines), "no line in time")
    return lines[0]


class Skip(Exception):
    """It cannot run here, and says why."""
