#!/usr/bin/env python3
"""bench/thousand.py - 1,000 jobs at a time, and a restart of the manager under them, as one JSON object.

Usage: bench/thousand.py [--build DIR] [--openssh N] [--dropbear N]
DIR is a build tree (default: build, what scripts/build makes). Drives `flotilla run` with plugins/static: the jobs of
one runner are on OpenSSH servers (100), those of another on dropbear, which is lighter (900). Each job prints 20 lines,
then waits until all run. Prints, of the manager before and after the restart:
  turns, p50_ms, p99_ms, max_ms   the turns of its event loop and how long they took, rounded up to a bound
  rss_kib                         its resident memory while all jobs run
and all_running_s, from the first job's offer until all run, adopted_s, from the new manager's start until it has all
workers back, and what tests/checker finds lost. Ends with 1 when p99 is above 50 ms, the memory above 64 MiB, or
something is lost. Servers, shells and the coordinator share the machine's processors with what is measured.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "integration")]

from checker.coordinator import Coordinator  # noqa: E402
from checker.jobs import make_job  # noqa: E402
from checker.rules import judge  # noqa: E402
from checker.run import Run, wait_for  # noqa: E402
from jobs import memory_kib  # noqa: E402
from machines import Dropbear, Machine  # noqa: E402

SLOTS = 25  # of a server: its limit of logins at a time is what holds up more
PATIENCE = 900
INSTANCE = "${FLOTILLA_LOCAL_INSTANCE:-none}"  # how jobs.py has a job note where it runs; here each has a home
P99_MS, RSS_KIB = 50, 64 * 1024

ENTRY = """
[[runners]]
  name = "light"
  url = "{url}"
  token = "{token}"
  executor = "instance"
  shell = "sh"
  request_concurrency = 10
  [runners.autoscaler]
    plugin = "static"
    capacity_per_instance = {slots}
    max_instances = {max_instances}
    update_interval = "2s"
    delete_instances_on_shutdown = true
    [runners.autoscaler.plugin_config]
      name = "light"
{machines}
    [runners.autoscaler.connector_config]
      timeout = "10m"
    [[runners.autoscaler.policy]]
      idle_count = {jobs}
      idle_time = "1h"
"""


def wait_until(condition, what):
    if not wait_for(condition, PATIENCE):
        sys.exit(f"bench/thousand.py: {what} did not happen within {PATIENCE} s")


def held_job(run, job_id, gate):
    """It waits without turning: a thousand shells that look every moment would be what is measured."""
    job = make_job(job_id, str(run.marks), gate="@gate@")
    job.payload["steps"][0]["script"] = [
        re.sub(r"while ! test -e '@gate@'.*?done", f": < '{gate}'", line).replace(INSTANCE, "${HOME##*/machine-}")
        for line in job.payload["steps"][0]["script"]]
    return job


def status_of(run):
    said = subprocess.run([run.binary, "status", "--json", "--state-dir", run.state_dir], capture_output=True, check=True)
    return json.loads(said.stdout)


def measure(run):
    return {**status_of(run)["loop"], "rss_kib": memory_kib(run.process.pid, "Rss")}


def lines_in(path) -> int:
    return path.read_bytes().count(b"\nbegin ") + path.read_bytes().startswith(b"begin ") if path.exists() else 0


def new_run(folder, build, openssh, dropbear):
    heavy = [Machine(folder, f"heavy{i}") for i in range(-(-openssh // SLOTS))]
    light = [Dropbear(folder, f"light{i}") for i in range(-(-dropbear // SLOTS))]
    coordinator = Coordinator(poll_seconds=30, interval=30)
    run = Run(folder, build / "core" / "flotilla", build / "plugins" / "static", coordinator, plugin="static", capacity=SLOTS,
              max_instances=len(heavy), idle_count=openssh, idle_time="1h", concurrent=openssh + dropbear,
              runner_extra="  request_concurrency = 10", plugin_extra="".join(m.toml() for m in heavy))
    text = run.config.read_text().replace('timeout = "30s"', 'timeout = "10m"').replace('log_level = "debug"', 'log_level = "info"')
    run.limits["max_instances"] += len(light)
    run.config.write_text(text + ENTRY.format(url=coordinator.url, token=coordinator.runner_token, slots=SLOTS,
                                              max_instances=len(light), jobs=dropbear, machines="".join(m.toml() for m in light)))
    coordinator.secrets = list  # the search for them would take part of what is measured
    return run, heavy + light


def drive(run, count, gate):
    result = {"jobs": count}
    run.coordinator.add(*(held_job(run, i, gate) for i in range(1, count + 1)))
    began = time.monotonic()
    run.start()
    wait_until(lambda: lines_in(run.marks) == count, "that all jobs run")
    result["all_running_s"] = round(time.monotonic() - began, 1)
    time.sleep(15)  # they print, and are reported
    result["before"] = measure(run)
    run.process.terminate()
    run.process.wait()
    again = time.monotonic()
    run.start()
    wait_until(lambda: run.daemon_log.read_bytes().count(b"its worker is back, the job goes on") == count, "the adoption")
    result["adopted_s"] = round(time.monotonic() - again, 1)
    time.sleep(15)
    result["after"] = measure(run)
    writer = os.open(gate, os.O_RDWR)  # whoever waits goes on
    wait_until(run.coordinator.all_ended, "the end of all jobs")
    os.close(writer)
    result["stopped"] = run.stop(PATIENCE)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--openssh", type=int, default=100)
    parser.add_argument("--dropbear", type=int, default=900)
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="flt-bench-", dir="/tmp"))
    gate = folder / "gate"
    os.mkfifo(gate)
    run, machines = new_run(folder, options.build, options.openssh, options.dropbear)
    try:
        result = drive(run, options.openssh + options.dropbear, gate)
    finally:
        if run.process and run.process.poll() is None:
            run.kill()
        for machine in machines:
            machine.close()
    run.wait_no_processes()
    result["lost"] = judge(run.evidence())
    run.coordinator.close()
    print(json.dumps(result, indent=2))
    shutil.rmtree(folder, ignore_errors=True)
    seen = (result["before"], result["after"])
    return 1 if result["lost"] or result["stopped"] != 0 or any(s["p99_ms"] > P99_MS or s["rss_kib"] > RSS_KIB for s in seen) else 0


if __name__ == "__main__":
    sys.exit(main())
