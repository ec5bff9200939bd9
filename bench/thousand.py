#!/usr/bin/env python3
"""bench/thousand.py - 1,000 jobs at a time, and a restart of the manager under them, as one JSON object.

Usage: bench/thousand.py [--build DIR] [--jobs N] [--openssh N]
DIR is a build tree with tests (default: build-test). Drives `flotilla run` with plugins/static: some jobs (100) are those
of one runner on OpenSSH servers and real shells; the others, of another runner, are on tests/fakes/light_ssh, which runs
nothing. Each job prints 20 lines, then waits until all run. Prints, of the manager in the rush from the first job's offer
until all run, while they run ("steady": the turns since the rush), and since its restart:
  turns, p50_ms, p99_ms, max_ms   the turns of its event loop and how long they took, rounded up to a bound
  cpu_ms                          processor time that the manager itself took
  rss_kib                         its resident memory
and all_running_s, from the first job's offer until all run, adopted_s, from the new manager's start until it has all
workers back, and what tests/checker finds lost. Ends with 1 when a p99 is above 50 ms, a memory above 64 MiB, or
something is lost. Servers, shells, workers and the coordinator share the machine's processors with what is measured; where
root runs it, what is on machines of its own in real life comes after the manager and its workers there (before_others()).
"""
import argparse
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "integration")]

from checker.coordinator import Coordinator  # noqa: E402
from checker.jobs import make_job  # noqa: E402
from checker.rules import judge  # noqa: E402
from checker.run import Run, wait_for  # noqa: E402
from jobs import cpu_ms, memory_kib  # noqa: E402
from machines import Machine  # noqa: E402

SLOTS = 25  # of a server: its limit of logins at a time is what holds up more
PATIENCE = 900
STEADY_S = 15
INSTANCE = "${FLOTILLA_LOCAL_INSTANCE:-none}"  # how jobs.py has a job note where it runs; here each has a home
P99_MS, RSS_KIB = 50, 64 * 1024
OTHERS_NICE = 10

ENTRY = """
[[runners]]
  name = "light"
  url = "{url}"
  token = "{token}"
  executor = "instance"
  shell = "sh"
  request_concurrency = 10
  builds_dir = "/light"
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
    """It waits without turning: a thousand shells that look every moment would be what is measured.

    It goes to either runner: a shell takes for a comment what tests/fakes/light_ssh is to do."""
    job = make_job(job_id, str(run.marks), gate="@gate@")
    script = re.sub(r"while ! test -e '@gate@'.*?done", f": < '{gate}'", job.payload["steps"][0]["script"][0])
    orders = [f"begin {job_id} {run.marks}", *(f"say {line}" for line in job.lines), "hold", f"end {job_id} {run.marks}"]
    job.payload["steps"][0]["script"] = ["\n".join([*(f"#light {order}" for order in orders),
                                                    script.replace(INSTANCE, "${HOME##*/machine-}")])]
    return job


class LightMachines:
    """As many as one likes, in one process. Each has a user of its own, by which the server tells them apart."""

    def __init__(self, folder, build, count):
        self.names = [f"light{i}" for i in range(count)]
        self.key = folder / "light_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", build / "tests" / "fakes" / "light_ssh"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def toml(self):
        return "".join(f"[runners.autoscaler.plugin_config.instances.{name}]\ninternal_addr = \"127.0.0.1:{self.port}\"\n"
                       f"username = \"{name}\"\nkey_path = \"{self.key}\"\n" for name in self.names)

    def release(self):
        self.process.stdin.close()

    def close(self):
        self.process.kill()
        self.process.wait()


class Turns:
    """The turns of the loop since the last look, by the histogram of /metrics."""

    def __init__(self, run):
        self.run, self.last = run, {}

    def look(self):
        with urllib.request.urlopen(f"http://{self.run.listens_at}/metrics") as answer:
            text = answer.read().decode()
        now = {float(bound): int(count) for bound, count in
               re.findall(r'^flotilla_loop_turn_seconds_bucket\{le="([^"]+)"\} (\d+)', text, re.M)}
        seen = {bound: count - self.last.get(bound, 0) for bound, count in sorted(now.items())}
        self.last = now
        total = max(seen.values())

        def within(share):
            bound = next(bound for bound, count in seen.items() if count >= total * share)
            return "above all bounds" if math.isinf(bound) else round(bound * 1000)

        return {"turns": total, "p50_ms": within(0.5), "p99_ms": within(0.99), "max_ms": within(1),
                "cpu_ms": round(cpu_ms(self.run.process.pid)), "rss_kib": memory_kib(self.run.process.pid, "Rss")}


def lines_in(path) -> int:
    return path.read_bytes().count(b"\nbegin ") + path.read_bytes().startswith(b"begin ") if path.exists() else 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def before_others(folder, program):
    """The program, before all that this one starts: servers and shells which run on other machines else. Where Linux
    groups processes by session, niceness counts within a session alone, and that of the session is told apart."""
    path = folder / "manager"
    path.write_text("#!/bin/sh\n"
                    f"if [ -e /proc/self/autogroup ]; then echo -{OTHERS_NICE} >/proc/self/autogroup; fi\n"
                    f'exec nice -n -{OTHERS_NICE} "{program}" "$@"\n')
    path.chmod(0o755)
    return path


def new_run(folder, build, openssh, light):
    program = build / "core" / "flotilla"
    if os.geteuid() == 0:
        os.nice(OTHERS_NICE)
        program = before_others(folder, program)
    heavy = [Machine(folder, f"heavy{i}") for i in range(-(-openssh // SLOTS))]
    light_machines = LightMachines(folder, build, -(-light // SLOTS))
    coordinator = Coordinator(poll_seconds=30, interval=30)
    run = Run(folder, program, build / "plugins" / "static", coordinator, plugin="static", capacity=SLOTS,
              max_instances=len(heavy), idle_count=openssh, idle_time="1h", concurrent=openssh + light,
              runner_extra=f'  request_concurrency = 10\n  builds_dir = "{folder}/builds"', plugin_extra="".join(m.toml() for m in heavy))
    text = run.config.read_text().replace('timeout = "30s"', 'timeout = "10m"').replace('log_level = "debug"', 'log_level = "info"')
    run.limits["max_instances"] += len(light_machines.names)
    run.listens_at = f"127.0.0.1:{free_port()}"
    run.config.write_text(f'listen_address = "{run.listens_at}"\n' + text + ENTRY.format(
        url=coordinator.url, token=coordinator.runner_token, slots=SLOTS, max_instances=len(light_machines.names), jobs=light,
        machines=light_machines.toml()))
    coordinator.secrets = list  # the search for them would take part of what is measured
    return run, heavy, light_machines


def drive(run, jobs, let_go):
    result = {"jobs": len(jobs)}
    run.coordinator.add(*jobs)
    began = time.monotonic()
    run.start()
    wait_until(lambda: lines_in(run.marks) == len(jobs), "that all jobs run")
    result["all_running_s"] = round(time.monotonic() - began, 1)
    turns = Turns(run)
    result["rush"] = turns.look()
    time.sleep(STEADY_S)  # they print, and are reported
    result["steady"] = turns.look()
    run.process.terminate()
    run.process.wait()
    again = time.monotonic()
    run.start()
    wait_until(lambda: run.daemon_log.read_bytes().count(b"its worker is back, the job goes on") == len(jobs), "the adoption")
    result["adopted_s"] = round(time.monotonic() - again, 1)
    time.sleep(STEADY_S)
    result["restarted"] = Turns(run).look()
    let_go()
    wait_until(run.coordinator.all_ended, "the end of all jobs")
    result["stopped"] = run.stop(PATIENCE)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build-test")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--openssh", type=int, default=100)
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="flt-bench-", dir="/tmp"))
    gate = folder / "gate"
    os.mkfifo(gate)
    run, heavy, light = new_run(folder, options.build.resolve(), options.openssh, options.jobs - options.openssh)

    def let_go():
        os.open(gate, os.O_RDWR)  # whoever waits goes on, and whoever comes later
        light.release()

    try:
        result = drive(run, [held_job(run, i, gate) for i in range(1, options.jobs + 1)], let_go)
    finally:
        if run.process and run.process.poll() is None:
            run.kill()
        for machine in (*heavy, light):
            machine.close()
    run.wait_no_processes()
    result["lost"] = judge(run.evidence())
    run.coordinator.close()
    print(json.dumps(result, indent=2))
    shutil.rmtree(folder, ignore_errors=True)
    seen = [result[when] for when in ("rush", "steady", "restarted")]
    return 1 if result["lost"] or result["stopped"] != 0 or any(
        not isinstance(s["p99_ms"], int) or s["p99_ms"] > P99_MS or s["rss_kib"] > RSS_KIB for s in seen) else 0


if __name__ == "__main__":
    sys.exit(main())
