#!/usr/bin/env python3
"""bench/neighbours.py - what a provider that fails costs the jobs of another group, as one JSON object.

Usage: bench/neighbours.py [--build DIR] [--jobs N]
DIR is a build tree with tests and -Dfaults=true (default: build-test). Two runner entries share a manager: one with
the provider of tests/fakes that lies, the other with plugins/local and an instance that is up. For each thing that the
first one's provider does, all the time and with pauses of 50 ms, prints
  job_ms     from the moment a job `true` was offered to the other group until its final state was taken
  failures   how often the first one's provider failed meanwhile
`calm` is the same with a provider that does nothing wrong. All share the machine's processors, which a provider that
falls and starts again uses, too.
"""
import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from jobs import ROOT, job_ms, percentiles, wait_until

sys.path.insert(0, str(ROOT / "tests" / "integration"))

from checker.coordinator import Coordinator  # noqa: E402
from checker.jobs import make_job  # noqa: E402
from liar import add_neighbour, explain, lying_run, told  # noqa: E402

NEIGHBOURS = {"calm": [], "crashes_in_open": ["open 1 - segfault"], "crashes_in_list": ["list 1 - segfault"],
              "hangs_in_list": ["list 1 - hang"], "lists_a_million": ["list 1 - million"],
              "writes_garbage": ["list 1 - garbage"]}


def failures(run):
    return sum(answer != "truth" for call in ("open", "list") for answer in told(run, call))


def measure(build, lies, jobs):
    folder = Path(tempfile.mkdtemp(prefix="flt-bench-", dir="/tmp"))
    coordinator = Coordinator(poll_seconds=30, interval=3)
    run = lying_run(folder, build / "core" / "flotilla", build / "plugins" / "local", build / "tests" / "fakes", *lies,
                    call_ms=1000)
    add_neighbour(run, coordinator, idle_count=1)
    run.start()
    try:
        wait_until(lambda: "neighbour: instance local-" in explain(run), "the neighbour's instance")
        times, before = [], failures(run)
        for job_id in range(1, jobs + 6):
            job = make_job(job_id, str(run.marks), lines=0)
            job.payload["steps"][0]["script"] = ["true"]
            coordinator.add(job)
            wait_until(lambda: coordinator.jobs[job_id].finals, f"the end of job {job_id}")
            times.append(job_ms(coordinator, job_id))
        failed = failures(run) - before
        if lies and not failed:
            sys.exit("bench/neighbours.py: the provider that should fail did not")
        return {**percentiles(times[5:]), "failures": failed}
    finally:
        run.stop(120)
        run.wait_no_processes(30)
        run.watch.stop()
        run.coordinator.close()
        coordinator.close()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build-test")
    parser.add_argument("--jobs", type=int, default=100)
    options = parser.parse_args()
    print(json.dumps({name: measure(options.build.resolve(), lies, options.jobs)
                      for name, lies in NEIGHBOURS.items()}, indent=2))


if __name__ == "__main__":
    main()
