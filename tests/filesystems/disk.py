"""A recorded block device, images of what it may hold after a power cut, and mounts that cannot stay behind."""
import mmap
import os
import pathlib
import random
import struct
import subprocess
import sys
import time

import processes

WRITE, FLUSH = 1, 2
SECTOR = 512

MAKE = {
    "ext4": (["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0"], 256 << 20),
    "xfs": (["mkfs.xfs", "-q", "-f", "-K"], 512 << 20),
    "btrfs": (["mkfs.btrfs", "-q", "-f", "-K"], 768 << 20),
}
# Bytes of the superblock, which these two check as a whole before they look for their journal or tree: they count on disks
# that write it whole, and do not mount without. (xfs has its own within one sector.)
SUPERBLOCK = {"ext4": (1024, 2048), "btrfs": (64 << 10, 68 << 10)}


def shell(*command, check=True):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def hide_mounts():
    """Runs this program again in a mount namespace of its own: whatever it mounts goes with it, however it ends. The loop
    devices go with their mounts."""
    if os.environ.get("HOLDFAST_OWN_MOUNTS") == str(os.getppid()) or os.environ.get("HOLDFAST_OWN_MOUNTS") == "here":
        return None
    try:
        probe = shell("unshare", "--mount", "--propagation", "private", "true", check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if probe.returncode:
        return f"no mount namespace: {probe.stderr.strip()}"
    os.environ["HOLDFAST_OWN_MOUNTS"] = "here"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    return None


def mount(image, folder, kind):
    options = "loop,noatime" + (",nouuid" if kind == "xfs" else "")
    shell("mount", "-t", kind, "-o", options, image, folder)


def unmount(folder):
    for attempt in range(100):
        done = shell("umount", folder, check=False)
        if done.returncode == 0 or "not mounted" in done.stderr:
            return
        time.sleep(0.02)  # a process that was killed is still letting go
    raise RuntimeError(f"{folder} stays mounted: {done.stderr.strip()}")


def make(kind, image):
    command, size = MAKE[kind]
    with open(image, "wb") as file:
        file.truncate(size)
    shell(*command, image)


class Recorder:
    """The device under a mounted file system; `acknowledge` counts what has been promised."""

    def __init__(self, program, kind, folder):
        self.folder, self.kind = pathlib.Path(folder), kind
        self.base, self.log = self.folder / "base", self.folder / "log"
        self.device, self.mounted = self.folder / "device", self.folder / "mounted"
        for path in (self.device, self.mounted):
            path.mkdir()
        make(kind, self.base)
        counter = self.folder / "counter"
        counter.write_bytes(bytes(8))
        with open(counter, "r+b") as file:
            self.counter = mmap.mmap(file.fileno(), 8)
        self.child = processes.spawn([program, self.device, self.base, self.log, counter], log=self.folder / "blocklog.log")
        processes.wait_until((self.device / "disk").exists, 5, "the recorded disk")
        mount(self.device / "disk", self.mounted, kind)

    def acknowledge(self, count):
        struct.pack_into("<Q", self.counter, 0, count)

    def close(self):
        """Ends the recording. Gives back its log."""
        unmount(self.mounted)
        unmount(self.device)
        self.child.wait(10)
        return Log(self.log, self.kind)


class Log:
    """Entries (kind, acknowledged, offset, bytes) in the order in which they reached the device."""

    def __init__(self, path, kind):
        self.superblock = SUPERBLOCK.get(kind, (0, 0))
        self.bytes = memoryview(pathlib.Path(path).read_bytes())
        self.entries, at = [], 0
        while at + 32 <= len(self.bytes):
            kind, acknowledged, offset, size = struct.unpack_from("<4Q", self.bytes, at)
            at += 32
            stored = size if kind == WRITE else 0
            self.entries.append((kind, acknowledged, offset, self.bytes[at:at + stored]))
            at += stored

    def promised(self, count):
        """What had been acknowledged when the power went off after `count` entries."""
        if count < len(self.entries):
            return self.entries[count][1]
        return self.entries[-1][1]

    def flushed(self, count):
        """The entries before this one are on the disk whatever its cache does."""
        while count > 0 and self.entries[count - 1][0] != FLUSH:
            count -= 1
        return count

    def build(self, base, image, count, model, seed):
        """The disk after the first `count` entries. model: `clean` all of them; `subset` any of the writes since the last
        flush; `torn` any of their sectors, the superblock as one."""
        randomness = random.Random(seed)
        keep = randomness.choice((0.0, 0.2, 0.5, 0.9))
        flushed = self.flushed(count)
        shell("cp", "--sparse=always", base, image)
        with open(image, "r+b", buffering=0) as file:
            for index in range(count):
                kind, _, offset, data = self.entries[index]
                if kind != WRITE:
                    continue
                if index < flushed or model == "clean":
                    os.pwrite(file.fileno(), data, offset)
                elif model == "subset":
                    if randomness.random() < keep:
                        os.pwrite(file.fileno(), data, offset)
                else:
                    for at, end in self.pieces(offset, len(data)):
                        if randomness.random() < keep:
                            os.pwrite(file.fileno(), data[at:end], offset + at)

    def pieces(self, offset, size):
        """What a disk writes as a whole, of a write there: (begin, end) within it."""
        first, last = self.superblock
        at = 0
        while at < size:
            end = last - offset if first <= offset + at < last else at + SECTOR
            yield at, min(end, size)
            at = end
