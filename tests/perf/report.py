"""What the benchmarks of this folder have in common: where they ran, how figures look, where they go."""
import json
import os
import pathlib
import platform
import statistics
import subprocess
import time

import sample

ROOT = pathlib.Path(__file__).resolve().parents[2]


def data_folder(build):
    """Where the data goes: on a disk, since every call waits for one."""
    place = pathlib.Path(os.environ.get("BENCH_DIR", build))
    if sample.file_system(place) == "tmpfs" and "BENCH_DIR" not in os.environ:
        raise SystemExit(f"{place} is on tmpfs, where a sync costs nothing; set BENCH_DIR to a folder on a disk")
    return place


def _commit():
    try:
        found = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10,
                               check=False)
        return found.stdout.strip() or "unknown"
    except OSError:
        return "unknown"


def circumstances(build, folder, **more):
    return {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": _commit(), "build": str(build),
            "processor": sample.processor(), "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "file_system": sample.file_system(folder), "load_before": os.getloadavg()[0], **more}


def headline(where):
    return (f"{where['processor']}, {where['cores']} cores, Linux {where['kernel']}, {where['file_system']}, {where['date'][:10]}, "
            f"commit {where['commit']}; load {where['load_before']:.2f} before, {where['load_after']:.2f} after")


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def summary(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "runs": values}


def write(out, content):
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1) + "\n")
