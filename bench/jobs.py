#!/usr/bin/env python3
"""bench/jobs.py - what a job costs the manager: memory, time, processor and connections, as one JSON object.

Usage: bench/jobs.py [--build DIR] [--jobs N] [--running N,N...] [--log MIB]
DIR is a build tree (default: build, what scripts/build makes). Drives `flotilla run` with plugins/local and the
coordinator of tests/checker, over HTTP and over TLS, and prints:
  idle_rss_kib            resident memory of the supervisor before its first job; spawner_rss_kib beside it
  job_ms, job_cpu_ms      from the moment a job `true` was offered until its final state was taken, on an instance that
                          is up; processor time is that of supervisor, spawner and workers together
  worker_private_kib      private memory of a job's worker while N jobs run, and what the supervisor grew by for each
  connections             the most connections to the coordinator at a time while they ran
  pickup_ms               from the moment a job was there until it was given out to the request that waited for it
  log_mib_per_s           log of a job that prints as fast as it can, with a secret to hide, from the instance to the
                          coordinator; and for each second of processor time of supervisor, spawner and worker together
  log_cpu_s_per_gib       their processor time for each GiB of it
Instances and coordinator share the machine's processors with what is measured, so the times include theirs.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from checker.certificates import make_certificate  # noqa: E402
from checker.coordinator import Coordinator  # noqa: E402
from checker.jobs import make_job  # noqa: E402
from checker.run import Run  # noqa: E402

SLOTS = 10  # a real sshd of its own for each ten running jobs


def memory_kib(pid, *names):
    """The named fields of smaps_rollup, added."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(fields[name].split()[0]) for name in names)


def private_kib(pid):
    return memory_kib(pid, "Private_Clean", "Private_Dirty")


def cpu_ms(pid):
    """User and system time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) * 1000 / os.sysconf("SC_CLK_TCK")


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def find_spawner(pid):
    return next(c for c in children(pid) if b"\0spawner\0" in Path(f"/proc/{c}/cmdline").read_bytes())


def wait_until(condition, what, timeout=120):
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"bench/jobs.py: {what} did not happen within {timeout} s")
        time.sleep(0.01)


def job_ms(coordinator, job_id):
    """Milliseconds from the offer of a job that has ended to its accepted final state."""
    records = [r for r in coordinator.records if r.job_id == job_id]
    offered = next(r.time for r in records if r.method == "POST")
    taken = next(r.time for r in records if r.method == "PUT" and r.detail.get("state") == "success")
    return (taken - offered) * 1000


def percentiles(times):
    return {"job_ms_median": round(statistics.median(times), 1),
            "job_ms_p95": round(sorted(times)[int(len(times) * 0.95)], 1)}


class Bench:
    """One manager with its coordinator, in a folder of its own."""

    def __init__(self, build, tls, runner_extra="", **limits):
        self.folder = Path(tempfile.mkdtemp(prefix="flt-bench-", dir="/tmp"))
        certificate = make_certificate(self.folder) if tls else None
        extra = f'  tls-ca-file = "{certificate[0]}"' if tls else ""
        self.coordinator = Coordinator(poll_seconds=30, interval=3, certificate=certificate)
        self.coordinator.secrets = list  # the search for them would take part of what is measured
        self.run = Run(self.folder, build / "core" / "flotilla", build / "plugins" / "local", self.coordinator,
                       runner_extra=extra + runner_extra, concurrent=1000, idle_time="10m", **limits)
        self.run.start()
        self.run.wait_up()
        self.pid = self.run.process.pid
        self.spawner = find_spawner(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.run.process.poll() is None:
            self.run.stop(120)
        self.run.wait_no_processes(30)
        self.run.watch.stop()
        self.coordinator.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_instances(self, count):
        wait_until(lambda: len(self.run.watch.instances()) >= count, f"{count} instances")

    def add(self, job_id, command):
        job = make_job(job_id, str(self.run.marks), lines=0)
        job.payload["steps"][0]["script"] = [command]
        self.coordinator.add(job)

    def ended(self, job_id):
        return bool(self.coordinator.jobs[job_id].finals)

    def run_one(self, job_id, command="true"):
        self.queued = time.time()
        self.add(job_id, command)
        wait_until(lambda: self.ended(job_id), f"the end of job {job_id}", 300)
        return job_ms(self.coordinator, job_id)

    def pickup_ms(self, job_id):
        """Of the job that run_one() ran last."""
        return (next(r.time for r in self.coordinator.records if r.job_id == job_id) - self.queued) * 1000

    def spent_ms(self):
        """Processor time until now, that of workers that have ended included."""
        return cpu_ms(self.pid) + cpu_ms(self.spawner)


def measure_overhead(build, tls, jobs):
    with Bench(build, tls, capacity=1, max_instances=1, idle_count=1) as bench:
        time.sleep(2)  # the memory of a manager that is at rest
        bench.wait_instances(1)
        idle = {"idle_rss_kib": memory_kib(bench.pid, "Rss"), "spawner_rss_kib": memory_kib(bench.spawner, "Rss")}
        for job_id in range(1, 6):
            bench.run_one(job_id)
        before, times, pickups = bench.spent_ms(), [], []
        for job_id in range(6, 6 + jobs):
            times.append(bench.run_one(job_id))
            pickups.append(bench.pickup_ms(job_id))
        spent = bench.spent_ms() - before
        return {**idle, "jobs": jobs, **percentiles(times), "job_cpu_ms": round(spent / jobs, 2),
                "pickup_ms_median": round(statistics.median(pickups), 1)}


def measure_log(build, tls, mib):
    with Bench(build, tls, f"\n  output_limit = {2 * mib * 1024}", capacity=1, max_instances=1, idle_count=1) as bench:
        bench.wait_instances(1)
        bench.run_one(1)
        before = bench.spent_ms()
        bench.run_one(2, f"yes 'cc -O2 -c -o build/module_17.o source/module_17.c' | head -c {mib << 20}")
        spent = bench.spent_ms() - before
        sent, took = len(bench.coordinator.jobs[2].trace) / 2**20, job_ms(bench.coordinator, 2)
        return {"mib": mib, "log_mib_per_s": round(sent / took * 1000, 1), "log_mib_per_cpu_s": round(sent / spent * 1000, 1),
                "log_cpu_s_per_gib": round(spent / 1000 / sent * 1024, 2)}


def measure_running(build, tls, count):
    instances = -(-count // SLOTS)
    with Bench(build, tls, capacity=SLOTS, max_instances=instances, idle_count=count,
               plugin_extra=f"      max_size = {instances}") as bench:
        bench.wait_instances(instances)
        before = private_kib(bench.pid)
        for job_id in range(1, count + 1):
            bench.add(job_id, "printf 'up%s\\n' 1; sleep 600")
        wait_until(lambda: all(b"up1" in state.trace for state in bench.coordinator.jobs.values()),
                   f"{count} running jobs", 300)
        workers = [private_kib(pid) for pid in children(bench.spawner)]
        grown = private_kib(bench.pid) - before
        for job_id in range(1, count + 1):
            bench.coordinator.cancel(job_id, "canceling")
        wait_until(lambda: all(map(bench.ended, bench.coordinator.jobs)), "the end of all jobs", 300)
        return {"jobs": count, "workers": len(workers), "worker_private_kib": round(statistics.mean(workers)),
                "supervisor_grown_kib_per_job": round(grown / count, 1),
                "connections": bench.coordinator.max_connections}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--jobs", type=int, default=100, help="jobs for the overhead")
    parser.add_argument("--running", default="50,200", help="how many jobs at a time for the memory")
    parser.add_argument("--log", type=int, default=256, help="MiB that a job prints for the throughput of logs")
    options = parser.parse_args()

    result = {}
    for name, tls in (("http", False), ("tls", True)):
        result[name] = {"overhead": measure_overhead(options.build, tls, options.jobs),
                        "running": [measure_running(options.build, tls, int(count))
                                    for count in options.running.split(",")],
                        "log": measure_log(options.build, tls, options.log)}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
