"""Stories: small end-to-end tests. A story gets a `t` that starts gateways and functions and cleans up after it."""
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import traceback

import processes
from function_server import FunctionServer
from gateway import Gateway, ROOT, endpoint

STORIES = []
FUNCTIONS = ROOT / "tests/e2e/functions"


class Skip(Exception):
    """The story cannot run here; counted and said loudly."""


class Failed(AssertionError):
    pass


def story(title, *, languages=(None,), timeout_s=120, slow=False):
    """Registers a story; with languages, once for each official SDK: the function gets t.language."""
    def register(function):
        for language in languages:
            STORIES.append(Story(title, function, language, timeout_s, slow))
        return function
    return register


BOTH = ("python", "javascript")


class Story:
    def __init__(self, title, function, language, timeout_s, slow):
        self.title = f"{title} [{language}]" if language else title
        self.function, self.language, self.timeout_s, self.slow = function, language, timeout_s, slow
        self.file = pathlib.Path(function.__code__.co_filename).name


class SharedFunctions:
    """One server per official SDK for all stories: functions hold nothing, so they can be shared."""

    def __init__(self, folder):
        self.folder = folder
        self.servers = {}

    def port(self, language):
        child, port = self.servers.get(language, (None, 0))
        if child is None or child.poll() is not None:
            child, port = start_functions(language, self.folder / f"functions-{language}.log")
            self.servers[language] = child, port
        return port


def sdk_command(language):
    if language == "python":
        python = subprocess.run([ROOT / "scripts/python-env"], capture_output=True, text=True, timeout=400, check=False)
        if python.returncode:
            raise Failed(f"the Python SDK is missing: {python.stderr.strip()}")
        return [python.stdout.strip(), FUNCTIONS / "functions.py"], {}
    modules = subprocess.run([ROOT / "scripts/node-env"], capture_output=True, text=True, timeout=400, check=False)
    if modules.returncode:
        raise Failed(f"the JavaScript SDK is missing: {modules.stderr.strip()}")
    return ["node", FUNCTIONS / "functions.js"], {"NODE_PATH": modules.stdout.strip()}


def start_functions(language, log, *, port=None, env=None):
    command, more = sdk_command(language)
    port = port or processes.free_port()
    child = processes.spawn(command, log=log, env={"PORT": str(port), **more, **(env or {})})
    processes.wait_port(child, port, 60, f"{language} functions")
    return child, port


class T:
    """What a story works with."""

    def __init__(self, story, shared):
        self.language = story.language
        self.space = {"python": "py", "javascript": "js"}.get(story.language)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-e2e-"))
        self.shared = shared
        self.undo = []
        self.gateways = []
        self.checks = 0
        self.numbers = itertools.count()

    # ---- Servers ----

    def gateway(self, module_text, start=True, **options):
        gateway = Gateway(self.dir / f"gateway-{next(self.numbers)}", module_text, **options)
        self.gateways.append(gateway)
        if start:
            gateway.start()
        return gateway

    def sdk(self, *documents, space=None, **options):
        """A gateway before the shared functions of the story's SDK."""
        url = f"http://127.0.0.1:{self.shared.port(self.language)}/statefun"
        return self.gateway("---\n".join([endpoint(f"{space or self.space}/*", url), *documents]), **options)

    def functions(self, handler, port=0, **options):
        """A scripted function server."""
        server = FunctionServer(handler, port, **options)
        self.undo.append(server.close)
        self.undo.append(lambda: self._report(server))
        return server

    def scripted(self, handler, *documents, **settings):
        """A scripted function server for e2e/* and a gateway before it."""
        server = self.functions(handler)
        return server, self.gateway("---\n".join([endpoint("e2e/*", server.url, **settings), *documents]))

    def _report(self, server):
        if server.errors:
            raise Failed(f"the story's own function failed: {server.errors[0]!r}")

    # ---- Checks ----

    def check(self, condition, what):
        self.checks += 1
        if not condition:
            raise Failed(what)

    def equal(self, got, wanted, what=""):
        self.checks += 1
        if got != wanted:
            raise Failed(f"{what + ': ' if what else ''}got {got!r}, wanted {wanted!r}")

    def status(self, answer, wanted, what=""):
        self.checks += 1
        if answer.status != wanted:
            raise Failed(f"{what + ': ' if what else ''}status {answer.status}, wanted {wanted}; {answer.body[:400]!r}")
        return answer

    def problem(self, answer, status, *words):
        """An RFC 9457 answer that says what is wrong."""
        self.status(answer, status)
        kind = answer.headers.get("Content-Type", "")
        self.check(kind.startswith("application/problem+json"), f"content type {kind!r} of {answer}")
        body = answer.json()
        self.check(body.get("code") and body.get("detail"), f"code and detail in {body}")
        for word in words:
            self.check(word.lower() in json.dumps(body).lower(), f"{word!r} in {body}")
        return body

    def wait(self, condition, what, timeout_s=20, every_s=0.02):
        self.checks += 1
        try:
            return processes.wait_until(condition, timeout_s, what, every_s)
        except TimeoutError as error:
            raise Failed(str(error)) from None

    def skip(self, why):
        raise Skip(why)

    # ---- Commands for the SDK functions ----

    def do(self, gateway, address, *operations, **options):
        """Sends a list of operations to an interpreter function; durable when this returns."""
        return self.status(gateway.client.send(address, {"do": list(operations)}, type="e2e/Command", **options), 202)

    def ask(self, gateway, address, *operations, **options):
        """Calls an interpreter function; returns what it replied."""
        answer = gateway.client.call(address, {"do": list(operations)}, type="e2e/Command", **options)
        self.status(answer, 200, f"call {address}")
        return answer.json()

    def states(self, gateway, address):
        """All state values of an address, as its function sees them."""
        return self.ask(gateway, address, {"op": "reply_states"})

    def close(self):
        errors = []
        for gateway in self.gateways:
            if gateway.running():
                status = processes.end(gateway.process, signal_number=signal.SIGTERM, timeout_s=35)
                if status:
                    errors.append(Failed(f"SIGTERM ended with {status}: {gateway.log_tail(30)}"))
            elif gateway.process and gateway.process.returncode in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS):
                errors.append(Failed(f"gateway died of signal {-gateway.process.returncode}: {gateway.log_tail(30)}"))
            text = gateway.log_text()
            if "AddressSanitizer" in text or "runtime error:" in text or "ThreadSanitizer" in text:
                errors.append(Failed(f"sanitizer report in {gateway.log}: {gateway.log_tail(40)}"))
        for undo in reversed(self.undo):
            try:
                undo()
            except Exception as error:
                errors.append(error)
        return errors

    def keep_data(self, target):
        """Leaves the data directories for the replay test, but those that a story has damaged (t.damaged)."""
        if getattr(self, "damaged", False):
            return
        for gateway in self.gateways:
            if gateway.data.is_dir() and any(gateway.data.iterdir()):
                gateway.keep(target, f"{self.dir.name}-{gateway.folder.name}")


class OutOfTime(Exception):
    pass


def _alarm(_number, _frame):
    raise OutOfTime


def run_story(story, shared, keep=None):
    """Returns (result, text, checks): result is passed, failed or skipped."""
    t = None
    result, why = "passed", ""
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(story.timeout_s)
    try:
        t = T(story, shared)
        story.function(t)
        if t.checks == 0:
            result, why = "failed", "checked nothing"
    except Skip as skip:
        result, why = "skipped", str(skip)
    except OutOfTime:
        result, why = "failed", f"out of time after {story.timeout_s} s\n{traceback.format_exc()}"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)
        lines = [f"{pathlib.Path(frame.filename).name}:{frame.lineno}" for frame in where if "/stories/" in frame.filename]
        result, why = "failed", f"{error if isinstance(error, Failed) else repr(error)} (at {', '.join(lines) or where[-1]})"
    finally:
        signal.alarm(0)
    if t:
        signal.alarm(90)
        try:
            errors = t.close()
            if errors and result == "passed":
                result, why = "failed", "; ".join(map(str, errors))
        except OutOfTime:
            result, why = "failed", why + " (and clean-up ran out of time)"
        finally:
            signal.alarm(0)
        if keep and result == "passed":
            t.keep_data(keep)
        if result == "failed":
            logs = [f"    | {line}" for gateway in t.gateways for line in gateway.log_tail(6).splitlines()]
            why += "\n    kept: " + str(t.dir) + ("\n" + "\n".join(logs) if logs else "")
        else:
            shutil.rmtree(t.dir, ignore_errors=True)
    return result, why, t.checks if t else 0


def quickly(function, *arguments):
    """Runs in a thread; join it with .join(timeout), the value is in .value."""
    class Thread(threading.Thread):
        value = None

        def run(self):
            self.value = function(*arguments)
    thread = Thread(daemon=True)
    thread.start()
    return thread


def slow_lane():
    return bool(os.environ.get("HOLDFAST_SLOW"))


def elapsed(since):
    return time.monotonic() - since
