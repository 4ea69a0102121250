"""h2spec against the gateway: every case passes, or is one of those that are explained here."""
import os
import pathlib
import re
import shutil
import subprocess

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
CACHE = pathlib.Path(os.environ.get("HOLDFAST_TESTS_CACHE") or pathlib.Path.home() / ".cache/holdfast-tests")

# Part of a failed case's text -> why that is right.
EXPLAINED = {
    "Sends invalid connection preface":
        "What does not begin as HTTP/2 is HTTP/1.1 on this port: it is answered with 400 in HTTP/1.1 and closed. h2spec "
        "reads that answer as a frame.",
}


class Result:
    def __init__(self, bad=0, skipped=0, cases=0):
        self.bad, self.skipped, self.cases = bad, skipped, cases


def find():
    for path in (shutil.which("h2spec"), CACHE / "gobin/h2spec"):
        if path and os.access(path, os.X_OK):
            return path
    if not shutil.which("go"):
        return None
    target = CACHE / "gobin"
    target.mkdir(parents=True, exist_ok=True)
    build = CACHE / "gocache"
    done = subprocess.run(["go", "install", MODULE], capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, "GOBIN": str(target), "GOCACHE": str(build), "GOFLAGS": "-buildvcs=false"})
    shutil.rmtree(build, ignore_errors=True)
    if done.returncode:
        print(f"h2spec did not install: {done.stderr.strip()[-300:]}")
        return None
    return target / "h2spec"


def run(port):
    program = find()
    if program is None:
        print("SKIP h2spec: neither it nor go is here (apt-get install golang-go)", flush=True)
        return Result(skipped=1)
    done = subprocess.run([program, "-h", "127.0.0.1", "-p", str(port), "-P", "/v1/keys/e2e/counter", "-o", "2"],
                          capture_output=True, text=True, timeout=120, check=False)
    failures = done.stdout.partition("Failures:")[2]
    failed = [line.strip() for line in failures.splitlines() if "×" in line]
    total = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    if not total or int(total[1]) < 100:
        print(f"FAIL h2spec gave no result: {done.stdout[-300:]}{done.stderr[-300:]}")
        return Result(bad=1)
    unexplained = [line for line in failed if not any(part in line for part in EXPLAINED)]
    print(f"{'FAIL' if unexplained else 'ok  '} h2spec: {total[0]}, {len(failed) - len(unexplained)} of them explained", flush=True)
    for line in unexplained:
        print(f"     VIOLATION h2spec: {line}", flush=True)
    return Result(bad=1 if unexplained or int(total[4]) != len(failed) else 0, cases=int(total[1]))
