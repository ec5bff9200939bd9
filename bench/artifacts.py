#!/usr/bin/env python3
"""bench/artifacts.py - how fast artifacts go up and down, from the instance to the coordinator and back, as one JSON object.

Usage: bench/artifacts.py [--build DIR] [--files N] [--mib N]
DIR is a build tree (default: build, what scripts/build makes). Drives `flotilla run` with plugins/local and the
coordinator of tests/checker. For `small` (N files of 2 KiB, text as sources have it) and `large` (one file of N MiB,
every other MiB of it random), and for both ways (`stream` through the manager, `direct` by the instance's helper), prints
  up_mb_per_s    megabytes of the files for each second of the stage that archives and uploads them
  down_mb_per_s  the same of the stage that downloads and unpacks them
  zip_mb_per_s   beside them: `zip -r` of the same files into nowhere
All share the machine's processors: instance, manager and coordinator.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "integration")]

from artifact_jobs import ARCHIVE, Jobs, dependency  # noqa: E402
from checker.run import Run  # noqa: E402

MIB = 1 << 20
WORDS = "int char struct return if else for while static const void size_t buf err job run path".split()


def make_small(folder, count):
    chance = random.Random(1)
    for number in range(count):
        file = folder / str(number % 100) / f"{number}.c"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(" ".join(chance.choices(WORDS, k=500))[:2048])
    return count * 2048


def make_large(folder, mib):
    folder.mkdir()
    with open(folder / "large", "wb") as file:
        for number in range(mib):
            file.write(os.urandom(MIB) if number % 2 else b"all work and no play\n" * (MIB // 21))
    return (folder / "large").stat().st_size


def stage_seconds(jobs, name, stage):
    """From the first line of a section to its end, by the log's own time stamps."""
    trace = bytes(jobs.state(name).trace).decode(errors="replace")
    times = [datetime.fromisoformat(re.search(rf"^(\S+)Z \d\dO.section_{edge}:\d+:{stage}\r", trace, re.M)[1])
             for edge in ("start", "end")]
    return (times[1] - times[0]).total_seconds()


def run_jobs(run, jobs, *names):
    run.coordinator.add(*(jobs.named[name] for name in names))
    if not run.coordinator.wait_these([jobs.named[name].id for name in names], 600):
        sys.exit("bench/artifacts.py: a job does not end\n" + run.log_tail())
    for name in names:
        if jobs.final(name)["state"] != "success":
            sys.exit(f"bench/artifacts.py: a job failed\n{jobs.log(name)}")


def measure_way(build, folder, way, sizes):
    run = Run(folder / way, build / "core" / "flotilla", build / "plugins" / "local", max_instances=1, idle_count=1,
              idle_time="1h", runner_extra=f'  helper = "{way}"\n')
    jobs = Jobs(run)
    path = [("PATH", f"{build / 'helper'}:/usr/local/bin:/usr/bin:/bin")]
    results = {}
    run.start()
    for what, size in sizes.items():
        jobs.make(f"{what} up", script=[f"cp -r '{folder / what}' out"], artifacts=[ARCHIVE], variables=path)
        run_jobs(run, jobs, f"{what} up")
        earlier = jobs.named[f"{what} up"]
        jobs.make(f"{what} down", dependencies=[{**dependency(earlier.id), "token": earlier.token}], variables=path)
        run_jobs(run, jobs, f"{what} down")
        results[what] = {
            "up_mb_per_s": round(size / 1e6 / stage_seconds(jobs, f"{what} up", "upload_artifacts_on_success"), 1),
            "down_mb_per_s": round(size / 1e6 / stage_seconds(jobs, f"{what} down", "download_artifacts"), 1)}
    run.finish()
    return results


def zip_speed(folder, size):
    begun = time.monotonic()
    subprocess.run("zip -q -r - . > /dev/null", shell=True, cwd=folder, check=True)
    return round(size / 1e6 / (time.monotonic() - begun), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--mib", type=int, default=256)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="flt-bench-", dir="/tmp"))
    try:
        sizes = {"small": make_small(folder / "small", options.files), "large": make_large(folder / "large", options.mib)}
        results = {}
        for way in ("stream", "direct"):
            (folder / way).mkdir()
            results[way] = measure_way(options.build.resolve(), folder, way, sizes)
        if shutil.which("zip"):
            results["zip_mb_per_s"] = {what: zip_speed(folder / what, size) for what, size in sizes.items()}
        print(json.dumps(results, indent=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
