"""The scratch copy of the sources, and its build."""
import contextlib
import io
import os
import pathlib
import shutil
import subprocess
import tarfile

import catalogue

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TREE = SOURCE / "build" / "planted-tree"
BUILD = SOURCE / "build" / "planted"
WANTED = ["CMakeLists.txt", "cmake", "gateway", "proto", "tests"]
JOBS = str(min(2, os.cpu_count() or 2))
BUILD_SECONDS = 600


class BuildFailed(Exception):
    pass


def working_files():
    for name in WANTED:
        path = SOURCE / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(SOURCE)), file.read_bytes(), os.access(file, os.X_OK)


def files_of(commit):
    archive = subprocess.run(["git", "archive", commit, *WANTED], cwd=SOURCE, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            if member.isfile():
                yield member.name, tar.extractfile(member).read(), bool(member.mode & 0o100)


class Tree:
    """Only files that differ are written, so that a build after a build has little to do."""

    def __init__(self, commit=None):
        self.texts = {}
        there = {str(file.relative_to(TREE)) for file in TREE.rglob("*") if file.is_file()} if TREE.exists() else set()
        for name, content, executable in files_of(commit) if commit else working_files():
            there.discard(name)
            self.write(name, content, 0o755 if executable else 0o644)
            if name.startswith("gateway/") and name.endswith((".c", ".h")):
                self.texts[name] = content.decode()
        for name in there:
            if "__pycache__" not in name:
                (TREE / name).unlink()
        self.configured = False

    @staticmethod
    def write(name, content, mode=None):
        path = TREE / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if mode:
            path.chmod(mode)

    def mismatch(self, bug):
        try:
            bug.apply(self.texts)
            return None
        except catalogue.Mismatch as error:
            return error

    @contextlib.contextmanager
    def planted(self, bug):
        changed = bug.apply(self.texts)
        names = sorted({change.file for change in bug.changes})
        try:
            for name in names:
                self.write(name, changed[name].encode())
            yield
        finally:
            for name in names:
                self.write(name, self.texts[name].encode())

    def configure(self):
        """Warnings are not what is looked for: a bug may leave a function that nobody calls."""
        command = ["cmake", "-S", TREE, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None",
                   "-DCMAKE_C_FLAGS=-O1 -w -UNDEBUG", "-DHOLDFAST_OPTIONS=planted"]
        self.call(command, "cmake")
        self.configured = True

    def build(self, targets):
        if not self.configured:
            self.configure()
        self.call(["ninja", "-C", BUILD, "-j", JOBS, *targets], f"the build of {' '.join(targets)}")

    @staticmethod
    def call(command, what):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=BUILD_SECONDS)
        if done.returncode:
            lines = [line for line in done.stdout.splitlines() + done.stderr.splitlines() if "error" in line]
            raise BuildFailed(f"{what} failed: {'; '.join(lines[:3]) or done.stdout[-300:]}")

    @staticmethod
    def environment():
        env = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        keep = {name: os.environ[name] for name in ("HOLDFAST_TEST_RUN",) if name in os.environ}
        env.update(keep, HOLDFAST_SOURCE=str(TREE), HOLDFAST_BUILD=str(BUILD), HOLDFAST_BIN=str(BUILD / "holdfast"))
        return env

    @staticmethod
    def table(text):
        (BUILD / "table.md").write_text(text)

    @staticmethod
    def remove():
        for folder in (TREE, BUILD):
            shutil.rmtree(folder, ignore_errors=True)
